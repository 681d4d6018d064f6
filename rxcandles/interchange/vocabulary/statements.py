"""What a source states about itself, compared with the series that it is imported as."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import attrs

from rxcandles.errors import RequestError
from rxcandles.interchange.vocabulary.market_names import (
    frame_called,
    names_market,
    same_coin,
    same_exchange,
    same_market,
)
from rxcandles.interchange.vocabulary.words import frame_word
from rxcandles.model.timeframe import Timeframe

__all__ = ["Statement", "check_statement", "timeframe_of_word", "zone_stated"]


@attrs.frozen
class Statement:
    """What one part of a source, such as its name, states about its candles."""

    by: str
    """Which part that is, in errors: ``by its name``."""
    market: str | None = None
    timeframe: str | None = None
    exchange: str | None = None
    unfit: str | None = None
    """What the source has instead of candles: ``trades``."""
    zone: tzinfo | None = None
    """The zone of its times without one."""
    markets: tuple[str, ...] = ()
    """Markets and coins that are named; one of them must be that of the import."""
    frames: tuple[str, ...] = ()
    """Timeframes that are named; one of them must be that of the import."""
    exchanges: tuple[str, ...] = ()
    """Exchanges that are named; one of them must be that of the import."""
    unclear: str | None = None
    """Words that name a zone which is ambiguous."""
    elsewhere: bool = False
    """Whether the market is another exchange's, so that only the coin must be the same."""


def check_statement(
    statement: Statement, where: str, symbol: str, timeframe: Timeframe, exchange: str | None
) -> list[str]:
    """Raise :class:`RequestError` if a source is of another series; return remarks on it."""
    if statement.unfit is not None:
        raise RequestError(
            f"{where} has, {statement.by}, {statement.unfit}, not candles of {symbol}; import a file of candles,"
            " or rename it"
        )
    if statement.exchange is not None and exchange is not None and not same_exchange(statement.exchange, exchange):
        raise RequestError(
            f"{where} has, {statement.by}, the candles of the exchange {statement.exchange}, not of {exchange};"
            f" import it into a store of {statement.exchange}"
        )
    if (
        statement.exchanges
        and exchange is not None
        and not any(same_exchange(each, exchange) for each in statement.exchanges)
    ):
        raise RequestError(
            f"{where} has, {statement.by}, the candles of the exchange {statement.exchanges[0]}, not of"
            f" {exchange}; import it into a store of {statement.exchanges[0]}, or rename it"
        )
    markets_fit = not statement.markets or any(names_market(each, symbol) for each in statement.markets)
    frames_fit = not statement.frames or any(timeframe_of_word(each) is timeframe for each in statement.frames)
    if not (markets_fit and frames_fit):
        raise _other(where, statement, " ".join((*statement.markets[:1], *statement.frames[:1])), symbol, timeframe)
    same = same_coin if statement.elsewhere else same_market
    is_market = statement.market is None or same(statement.market, symbol)
    is_frame = statement.timeframe is None or frame_called(statement.timeframe) is timeframe
    if not (is_market and is_frame):
        named = " ".join(each for each in (statement.market, statement.timeframe) if each is not None)
        raise _other(where, statement, named, symbol, timeframe)
    if statement.market is not None and not same_market(statement.market, symbol):
        return [f"{statement.by}, it is of {statement.market}; its candles were taken as those of {symbol}"]
    return []


def _other(where: str, statement: Statement, named: str, symbol: str, timeframe: Timeframe) -> RequestError:
    return RequestError(
        f"{where} has, {statement.by}, the candles of {named}, not {symbol} {timeframe}; import it as those, or"
        " rename it"
    )


def timeframe_of_word(word: str) -> Timeframe | None:
    """Return the timeframe that a word of a name stands for, or None."""
    named = frame_word(word, alone=True)
    return None if named is None else named[1]


def zone_stated(statements: Sequence[Statement]) -> Statement | None:
    """Return the first statement with a zone for times without one, or else the first with an ambiguous zone."""
    clear = next((each for each in statements if each.zone is not None), None)
    return clear or next((each for each in statements if each.unclear is not None), None)
