"""Two scales in one series: a place where all prices change by a power of ten, and stay so.

An exchange that redenominates a coin restates its history. What was collected before is then ten or a thousand times
as much as what is collected after. A crash is something else: a market that trades falls candle by candle, and the next
one opens near where the last one closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from math import log10
from statistics import median
from typing import Final, NamedTuple

from rxcandles.stores.conditions import on_grid_sql
from rxcandles.timeframe import END, Timeframe

__all__ = ["Scale", "scales"]

_NEAR: Final = 0.1
"""By how much the logarithm of a jump may differ from that of a power of ten: by a quarter of the price."""
_STAYS: Final = 0.35
"""The same for prices around it: they may have more than doubled on their way."""
_AROUND: Final = 20
"""Candles on each side that must be of one scale."""
_LEAST: Final = 3
"""Where there are fewer on one side nobody knows yet."""
_SUSPECT: Final = 4.0
"""The factor between prices of twenty candles apart from which each is looked at."""
_MOST: Final = 1000
"""Jumps of a series that are looked at."""

_STEPS: Final = (
    "WITH RECURSIVE steps (at) AS (SELECT min(open_time) FROM candles WHERE series = ?1 AND open_time BETWEEN 0 AND ?3"
    " UNION ALL SELECT (SELECT min(open_time) FROM candles WHERE series = ?1 AND open_time BETWEEN at + ?2 AND ?3)"
    " FROM steps WHERE at IS NOT NULL)"
    " SELECT at, (SELECT close FROM candles WHERE series = ?1 AND open_time = at) FROM steps WHERE at IS NOT NULL"
)
_JUMPS: Final = (
    "SELECT open_time, before, open FROM (SELECT open_time, open, lead(close) OVER (ORDER BY open_time DESC) AS before"
    " FROM candles WHERE series = ? AND open_time BETWEEN ? AND ? AND {grid})"
    " WHERE before > 0 AND (open > 7 * before OR before > 7 * open) AND open > 0 ORDER BY open_time"
)


class Scale(NamedTuple):
    """Where another scale begins."""

    start: int
    before: float
    """The price that the candle before closed with."""
    after: float
    factor: int
    """The power of ten, positive where prices are higher from here on."""


def scales(connection: sqlite3.Connection, series: int, frame: Timeframe) -> Iterator[Scale]:
    """Yield the places where another scale begins, oldest first. The connection must have been taught the grid."""
    grid = on_grid_sql(frame)
    for opened, before, after in islice(_jumps(connection, series, frame, grid), _MOST):
        jump = log10(after / before)
        factor = round(jump)
        if not factor or abs(jump - factor) > _NEAR:
            continue
        older = _closes(connection, series, grid, "< ?", "DESC", opened)
        newer = _closes(connection, series, grid, ">= ?", "ASC", opened)
        if min(len(older), len(newer)) < _LEAST:
            continue
        if abs(log10(median(newer) / median(older)) - factor) <= _STAYS:
            yield Scale(opened, before, after, factor)


def _jumps(
    connection: sqlite3.Connection, series: int, frame: Timeframe, grid: str
) -> Iterator[tuple[int, float, float]]:
    """Yield where a candle opens far from where the one before closed; what heals within a few is not looked for."""
    # One candle in twenty shows where to look: a look at every one would take as long as all other checks.
    last: tuple[int, float] | None = None
    for at, close in connection.execute(_STEPS, (series, max(1, _AROUND * frame.seconds), END)):
        if not isinstance(close, float | int) or close <= 0 or type(at) is not int:
            continue
        if last is not None and not 1 / _SUSPECT < close / last[1] < _SUSPECT:
            yield from connection.execute(_JUMPS.format(grid=grid), (series, last[0], at)).fetchall()
        last = (at, close)
    if last is not None:
        yield from connection.execute(_JUMPS.format(grid=grid), (series, last[0], END)).fetchall()


def _closes(connection: sqlite3.Connection, series: int, grid: str, where: str, order: str, opened: int) -> list[float]:
    sql = f"SELECT close FROM candles WHERE series = ? AND open_time {where} AND close > 0 AND {grid}"
    found = connection.execute(f"{sql} ORDER BY open_time {order} LIMIT {_AROUND}", (series, opened))
    return [close for (close,) in found if isinstance(close, float | int) and close < float("inf")]
