"""Stores whose candles are known, for charts: prices walk, slots are left out, and a part is not proven."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable

from rxcandles import Row, SqliteStore, Timeframe
from rxcandles.charts import ChartData

__all__ = ["FIRST", "chart_of", "fill", "whole", "written"]

FIRST = 1_704_067_200 + 9 * 3600 + 23 * 60
"""2024-01-01 09:23, in the middle of an hour."""


def whole(value: float) -> float:
    """Prices in whole units."""
    return float(round(value))


def written(
    count: int, *, tick: Callable[[float], float] = whole, at: float = 50_000_000, step: int = 60, traded: float = 1.0
) -> list[Row]:
    """Return rows of ``count`` slots, newest first, of which a share is traded; the same every time."""
    dice = random.Random(count)
    rows = []
    for slot in range(count):
        first = at
        at *= 1 + dice.gauss(0, 0.001)
        if slot and dice.random() > traded:
            continue
        last, volume = tick(at), round(dice.expovariate(0.1), 8)
        high, low = (tick(at * (1 + sign * dice.random() * 0.001)) for sign in (1, -1))
        first = tick(first)
        high, low = max(first, last, high), min(first, last, low)
        rows.append(Row(FIRST + step * slot, first, high, low, last, volume, last * volume, 0))
    return rows[::-1]


async def fill(store: SqliteStore, rows: list[Row], *proven: tuple[int, int], timeframe: str = "1m") -> None:
    """Store those of the ``rows`` that open in each of the spans of slots, as all that exist there."""
    frame = Timeframe.of(timeframe)
    for start, stop in proven:
        span = frame.shift(FIRST, start), frame.shift(FIRST, stop)
        await store.write("KRW-BTC", frame, [row for row in rows if span[0] <= row.open_time < span[1]], span)


def chart_of(
    rows: list[Row], *proven: tuple[int, int], slots: int | None = None, provisional: tuple[tuple[int, int], ...] = ()
) -> ChartData:
    """Return rows, oldest first, as a chart of minutes that begins at ``FIRST``."""
    slot = array("I", ((row.open_time - FIRST) // 60 for row in rows))
    columns = [array("d", column) for column in list(zip(*rows, strict=True))[1:6]] if rows else [array("d")] * 5
    last = max([0, *slot, *(stop - 1 for _, stop in proven)])
    return ChartData(  # type: ignore[misc]  # of the columns mypy does not know the number
        "KRW-BTC", Timeframe.of("1m"), FIRST, slots or last + 1, proven, slot, *columns, provisional=provisional
    )
