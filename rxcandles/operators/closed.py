"""Narrow the updates of a feed to its closed candles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import reactivex
from reactivex import Observable
from reactivex import operators as rx

from rxcandles.errors import RequestError
from rxcandles.flow import Operator
from rxcandles.model import CandleData
from rxcandles.model.stretch import Origin, Stretch
from rxcandles.model.timeframe import from_datetime
from rxcandles.model.updates import CandleUpdate, ProgressUpdate, Update
from rxcandles.util.arguments import check_symbol, misplaced

__all__ = ["closed"]


def closed(symbol: str | None = None) -> Operator[Update, Sequence[CandleData]]:
    """Keep the closed candles of one market of a feed, as lists that know which time they cover; drop all else.

    Candles come oldest first, a list for each. A list without a candle says that time has passed without one, so that
    ``resample`` can close a longer candle and ``fill_gaps`` can fill. Holds nothing.

    * ``symbol``: the market; None if the feed has only one.

    Raises :class:`RequestError` as an error of the stream if updates of several markets come and ``symbol`` is None.

    >>> feed = provider.follow("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01 00:10")
    >>> async with feed.pipe(ops.closed(), ops.resample("5m"), ops.with_backpressure()) as fives:
    ...     print([str(candle.open_time) async for candles in fives for candle in candles])
    ['2024-01-01 00:00:00+00:00', '2024-01-01 00:05:00+00:00']
    """
    if symbol is not None:
        check_symbol(symbol)

    def subscribed(source: Observable[Update]) -> Observable[Sequence[CandleData]]:
        narrowing = _Narrowing(symbol)
        lists: Observable[Sequence[CandleData] | None] = source.pipe(rx.map(narrowing.take))
        return cast("Observable[Sequence[CandleData]]", lists.pipe(rx.filter(lambda items: items is not None)))

    return lambda source: reactivex.defer(lambda _: subscribed(source))


class _Narrowing:
    """One subscription: the market, and how far it has come."""

    def __init__(self, symbol: str | None) -> None:
        self._given = symbol
        self._symbol = symbol
        self._origin = Origin("oldest_first")
        self._reached: int | None = None

    def take(self, update: Update) -> Sequence[CandleData] | None:
        """Return the list that an update makes, or None."""
        if not hasattr(update, "kind"):
            raise misplaced("closed", update, "updates of a feed", "begin with provider.follow(…).pipe(…)")
        if self._symbol is None:
            self._symbol = update.symbol
        if update.symbol != self._symbol:
            if self._given is None:
                raise RequestError(
                    f"the feed follows {self._symbol} and {update.symbol}; name one of them, such as "
                    f"ops.closed({update.symbol!r})"
                )
            return None
        if isinstance(update, CandleUpdate):
            return self._upto([update.candle], int(from_datetime(update.proven_until)), update.candle.open_seconds)
        if isinstance(update, ProgressUpdate):
            reached = int(from_datetime(update.proven_until))
            if self._reached is None:
                self._reached = reached
            elif reached > self._reached:
                return self._upto([], reached, self._reached)
        return None

    def _upto(self, candles: list[CandleData], stop: int, first: int) -> Stretch[CandleData]:
        start = first if self._reached is None else self._reached
        self._reached = self._origin.edge = stop
        self._origin.last += 1
        return Stretch(candles, self._origin, (start, stop), self._origin.last)
