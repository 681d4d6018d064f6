"""Two scales in one series: a place where all prices change by a power of ten, and stay so.

An exchange that redenominates a coin restates its history. What was collected before is then ten or a thousand times
as much as what is collected after. A crash is something else: a market that trades falls candle by candle, and the next
one opens near where the last one closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from math import inf, log10
from statistics import median
from typing import Any, Final, NamedTuple

from rxcandles.model.timeframe import END, Timeframe
from rxcandles.stores.sqlite.conditions import on_grid_sql

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
_MOST: Final = 100
"""Jumps of a series that are looked at."""

_STEPS: Final = (
    "WITH RECURSIVE steps (at) AS ("
    "SELECT min(open_time) FROM candles WHERE series = :series AND open_time BETWEEN 0 AND :end UNION ALL SELECT"
    " (SELECT min(open_time) FROM candles WHERE series = :series AND open_time BETWEEN at + :step AND :end)"
    " FROM steps WHERE at IS NOT NULL)"
    " SELECT at, (SELECT close FROM candles WHERE series = :series AND open_time = at) FROM steps WHERE at IS NOT NULL"
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
    for opened, before, after in islice(_jumps(connection, series, frame), _MOST):
        jump = log10(after / before)
        factor = round(jump)
        if not factor or abs(jump - factor) > _NEAR:
            continue
        older, newer = (_prices(connection.execute(sql, (series, opened))) for sql in _around_sql(frame))
        if min(len(older), len(newer)) < _LEAST:
            continue
        if abs(log10(median(newer) / median(older)) - factor) <= _STAYS:
            yield Scale(opened, before, after, factor)


def _jumps(connection: sqlite3.Connection, series: int, frame: Timeframe) -> Iterator[tuple[int, float, float]]:
    """Yield where a candle opens far from where the one before closed; what heals within a few is not looked for."""
    # One candle in twenty shows where to look: a look at every one would take as long as all other checks.
    last: tuple[int, float] | None = None
    stretches: list[tuple[int, int]] = []
    step = max(1, _AROUND * frame.seconds)
    for at, close in connection.execute(_STEPS, {"series": series, "step": step, "end": END}):
        if type(at) is not int or not _is_price(close):
            continue
        if last is not None and not 1 / _SUSPECT < close / last[1] < _SUSPECT:
            stretches.append((last[0], at))
        last = (at, close)
    if last is not None:
        stretches.append((last[0], END))
    for stretch in stretches:
        for opened, before, after in connection.execute(_jumps_sql(frame), (series, *stretch)).fetchall():
            if _is_price(before) and _is_price(after):
                yield opened, before, after


def _jumps_sql(frame: Timeframe) -> str:
    return (
        "SELECT open_time, before, open"
        " FROM (SELECT open_time, open, lead(close) OVER (ORDER BY open_time DESC) AS before"
        f" FROM candles WHERE series = ? AND open_time BETWEEN ? AND ? AND {on_grid_sql(frame)})"
        " WHERE open > 7 * before OR before > 7 * open ORDER BY open_time"
    )


def _around_sql(frame: Timeframe) -> tuple[str, str]:
    """The statements for the candles before a time, and from it on."""
    begin = "SELECT close FROM candles WHERE series = ? AND open_time"
    return (
        f"{begin} < ? AND {on_grid_sql(frame)} ORDER BY open_time DESC LIMIT {_AROUND}",
        f"{begin} >= ? AND {on_grid_sql(frame)} ORDER BY open_time LIMIT {_AROUND}",
    )


def _prices(found: Iterable[tuple[Any]]) -> list[float]:
    return [price for (price,) in found if _is_price(price)]


def _is_price(value: object) -> bool:
    return isinstance(value, float | int) and 0 < value < inf
