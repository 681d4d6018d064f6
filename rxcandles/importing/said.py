"""What a source says of itself, held against the series that it is to be imported as."""

from __future__ import annotations

from datetime import tzinfo

import attrs

from rxcandles.errors import RequestError
from rxcandles.importing.markets import frame_called, same_coin, same_exchange, same_market
from rxcandles.timeframe import Timeframe

__all__ = ["Said", "check_said"]


@attrs.frozen
class Said:
    """What one part of a source, such as its name, says."""

    by: str
    """Where it is said: ``by its name``."""
    market: str | None = None
    timeframe: str | None = None
    exchange: str | None = None
    unfit: str | None = None
    """What it has instead of candles: ``trades``."""
    zone: tzinfo | None = None
    """The zone of its times that have none."""
    elsewhere: bool = False
    """Whether it is of another exchange's market, so that only the coin has to be the same."""


def check_said(said: Said, where: str, symbol: str, timeframe: Timeframe, exchange: str | None) -> list[str]:
    """Raise :class:`RequestError` where a source is of something else; return what is worth telling all the same."""
    if said.unfit is not None:
        raise RequestError(
            f"{where} has, {said.by}, {said.unfit}, not candles of {symbol}; import a file of candles, or rename it"
        )
    if said.exchange is not None and exchange is not None and not same_exchange(said.exchange, exchange):
        raise RequestError(
            f"{where} has, {said.by}, the candles of the exchange {said.exchange}, not of {exchange}; import it into a"
            f" store of {said.exchange}"
        )
    same = same_coin if said.elsewhere else same_market
    is_market = said.market is None or same(said.market, symbol)
    is_frame = said.timeframe is None or frame_called(said.timeframe) is timeframe
    if not (is_market and is_frame):
        named = " ".join(each for each in (said.market, said.timeframe) if each is not None)
        raise RequestError(
            f"{where} has, {said.by}, the candles of {named}, not {symbol} {timeframe};"
            " import it as those, or rename it"
        )
    if said.market is not None and not same_market(said.market, symbol):
        return [f"{said.by}, it is of {said.market}; its candles were taken as those of {symbol}"]
    return []
