"""Statements of a source about itself, compared with the series that it is to be imported as."""

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
    """What one part of a source, such as its name, says of its candles."""

    by: str
    """Which part it is, as errors call it: ``by its name``."""
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


def check_statement(
    statement: Statement, where: str, symbol: str, timeframe: Timeframe, exchange: str | None
) -> list[str]:
    """Raise :class:`RequestError` where a source is of something else; return remarks on it."""
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
    """Return the timeframe that a word of a name names, or None."""
    named = frame_word(word, alone=True)
    return None if named is None else named[1]


def zone_stated(statements: Sequence[Statement]) -> Statement | None:
    """Return the first that says the zone of times that have none, else the first that says it unclearly."""
    clear = next((each for each in statements if each.zone is not None), None)
    return clear or next((each for each in statements if each.unclear is not None), None)
