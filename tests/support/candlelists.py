"""Lists of candles for the operators on them, and what becomes of such lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, islice
from typing import Any

import reactivex
from reactivex import Observable

from rxcandles.model import CandleData, Order
from rxcandles.model.timeframe import Timeframe

__all__ = ["cut", "market", "ordered", "through"]

START = 1_708_300_800
"""Monday, 2024-02-19T00:00Z."""


def market(timeframe: str, slots: Iterable[int], symbol: str = "KRW-BTC") -> list[CandleData]:
    """The candles of these slots after START, oldest first; whole numbers, so that sums are exact in any order."""
    grid = Timeframe.of(timeframe)
    first = grid.floor(START)
    return [_candle(symbol, timeframe, grid.shift(first, slot), slot) for slot in sorted(slots)]


def _candle(symbol: str, timeframe: str, time: int, slot: int) -> CandleData:
    low, up, first, last = 100 + slot * 37 % 91, 3 + slot * 7 % 11, slot * 5 % 3, slot * 11 % 4
    return CandleData(
        symbol, timeframe, time, low + first, low + up, low, low + last, 1.0 + slot % 13, 2.0 + slot % 17,
        time * 1000 + 1000 + slot,
    )  # fmt: skip


def ordered(candles: Sequence[CandleData], order: Order) -> list[CandleData]:
    """The same, which come oldest first, in ``order``."""
    return list(candles) if order == "oldest_first" else list(reversed(candles))


def cut(items: Iterable[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """The items in lists of these sizes, over and over."""
    rest = iter(items)
    turns = cycle(sizes)
    return list(iter(lambda: list(islice(rest, next(turns))), []))


def through(
    operator: Callable[[Observable[Any]], Observable[Any]], lists: Iterable[Any], error: Exception | None = None
) -> tuple[list[Any], Exception | None]:
    """All items that come out of a synchronous operator, and the error at the end; lists may end with an ``error``."""
    came: list[Any] = []
    ends: list[Exception | None] = []
    source = reactivex.from_iterable(lists)
    if error is not None:
        source = reactivex.concat(source, reactivex.throw(error))
    source.pipe(operator).subscribe(came.extend, ends.append, lambda: ends.append(None))
    (end,) = ends
    return came, end
