"""Two scales in one series: a place where all prices change by a power of ten, and stay there.

If an exchange redenominates a coin, it restates its history. Candles collected before that are ten or a thousand times
those collected after it. A crash looks different: a market that trades falls candle by candle, and each candle opens
near the close of the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from math import inf, log10
from statistics import median
from typing import Any, Final, NamedTuple

from rxcandles.model.timeframe import END, Timeframe
from rxcandles.stores.sql.conditions import on_grid_sql
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.sealing import sealed_spans

__all__ = ["Scale", "scales"]

_NEAR: Final = 0.1
"""How far the logarithm of a jump may be from a power of ten: a quarter of the price."""
_STAYS: Final = 0.35
"""The same for the prices around the jump; they may have more than doubled meanwhile."""
_AROUND: Final = 20
"""Candles on each side that must be of one scale."""
_LEAST: Final = 3
"""With fewer candles on one side it is too early to tell."""
_SUSPECT: Final = 4.0
"""The factor between two prices, twenty candles apart, above which every candle between them is read."""
_MOST: Final = 100
"""The most jumps of a series that are examined."""

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
    """The close of the candle before."""
    after: float
    factor: int
    """The power of ten; positive if prices are higher from here on."""


def scales(connection: Sql, series: int, frame: Timeframe) -> Iterator[Scale]:
    """Yield the places where another scale begins, oldest first.

    The functions of the grid must be registered on the connection.
    """
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


def _jumps(connection: Sql, series: int, frame: Timeframe) -> Iterator[tuple[int, float, float]]:
    """Yield the places where a candle opens far from the close before it; short jumps may be missed."""
    # Read one candle in twenty to find where to look: reading all would take as long as all other checks.
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
            if _is_price(before) and _is_price(after) and not _over_sealed(connection, series, opened):
                yield opened, before, after


def _over_sealed(connection: Sql, series: int, opened: int) -> bool:
    """Return whether a sealed month lies between a candle and the one before."""
    sql = "SELECT max(open_time) FROM candles WHERE series = ? AND open_time < ?"
    (before,) = connection.execute(sql, (series, opened)).fetchone()
    return bool(sealed_spans(connection, series, before, opened))


def _jumps_sql(frame: Timeframe) -> str:
    return (
        "SELECT open_time, before, open"
        " FROM (SELECT open_time, open, lead(close) OVER (ORDER BY open_time DESC) AS before"
        f" FROM candles WHERE series = ? AND open_time BETWEEN ? AND ? AND {on_grid_sql(frame)}) AS each"
        f" WHERE open > 7 * {_within('before')} OR before > 7 * {_within('open')} ORDER BY open_time"
    )


def _within(price: str) -> str:
    """Return a price that is small enough to be multiplied: PostgreSQL has an error where SQLite has infinity."""
    return f"CASE WHEN {price} < 1e300 THEN {price} ELSE 1e300 END"


def _around_sql(frame: Timeframe) -> tuple[str, str]:
    """Return the statements for the candles before a time, and from it on."""
    begin = "SELECT close FROM candles WHERE series = ? AND open_time"
    return (
        f"{begin} < ? AND {on_grid_sql(frame)} ORDER BY open_time DESC LIMIT {_AROUND}",
        f"{begin} >= ? AND {on_grid_sql(frame)} ORDER BY open_time LIMIT {_AROUND}",
    )


def _prices(found: Iterable[tuple[Any]]) -> list[float]:
    return [price for (price,) in found if _is_price(price)]


def _is_price(value: object) -> bool:
    return isinstance(value, float | int) and 0 < value < inf
