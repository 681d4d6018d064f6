"""What a source says of itself, held against the series that it is to be imported as."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import attrs

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.markets import frame_called, names_market, same_coin, same_exchange, same_market
from rxcandles.interchange.reading.words import frame_word
from rxcandles.model.timeframe import Timeframe

__all__ = ["Said", "check_said", "frame_said", "zone_said"]


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
    markets: tuple[str, ...] = ()
    """Markets and coins that are named, of which one has to be that of the import."""
    frames: tuple[str, ...] = ()
    """Timeframes that are named, in the same way."""
    exchanges: tuple[str, ...] = ()
    """Exchanges that are named, in the same way."""
    unclear: str | None = None
    """Words that say a zone which nobody can tell for sure."""
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
    if said.exchanges and exchange is not None and not any(same_exchange(each, exchange) for each in said.exchanges):
        raise RequestError(
            f"{where} has, {said.by}, the candles of the exchange {said.exchanges[0]}, not of {exchange}; import it"
            f" into a store of {said.exchanges[0]}, or rename it"
        )
    markets_fit = not said.markets or any(names_market(each, symbol) for each in said.markets)
    frames_fit = not said.frames or any(frame_said(each) is timeframe for each in said.frames)
    if not (markets_fit and frames_fit):
        raise _other(where, said, " ".join((*said.markets[:1], *said.frames[:1])), symbol, timeframe)
    same = same_coin if said.elsewhere else same_market
    is_market = said.market is None or same(said.market, symbol)
    is_frame = said.timeframe is None or frame_called(said.timeframe) is timeframe
    if not (is_market and is_frame):
        named = " ".join(each for each in (said.market, said.timeframe) if each is not None)
        raise _other(where, said, named, symbol, timeframe)
    if said.market is not None and not same_market(said.market, symbol):
        return [f"{said.by}, it is of {said.market}; its candles were taken as those of {symbol}"]
    return []


def _other(where: str, said: Said, named: str, symbol: str, timeframe: Timeframe) -> RequestError:
    return RequestError(
        f"{where} has, {said.by}, the candles of {named}, not {symbol} {timeframe}; import it as those, or rename it"
    )


def frame_said(word: str) -> Timeframe | None:
    """Return the timeframe that a word of a name says."""
    found = frame_word(word, alone=True)
    return None if found is None else found[1]


def zone_said(said: Sequence[Said]) -> Said | None:
    """Return the first that says the zone of times that have none, else the first that says it unclearly."""
    clear = next((each for each in said if each.zone is not None), None)
    return clear or next((each for each in said if each.unclear is not None), None)
