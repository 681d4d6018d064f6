"""Revisions: a number for each series and calendar month (UTC) that changes whenever a candle of it does.

Whoever has a copy of a month's candles knows by it whether the copy is still right. The numbers are random, so a file
that is restored from a backup, or made anew, never has an old number with other candles. A month without a number of
its own has not changed since the store was made (or brought to this version), and has the store's own number.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Month
from rxcandles.stores.sql.connection import Sql

__all__ = ["new_revision", "read_months", "touch", "touch_span", "touched"]

_MONTHS: Final = Timeframe.of("1M")
_TOUCH: Final = (
    "INSERT INTO months (series, start, revision) VALUES (?, ?, ?)"
    " ON CONFLICT (series, start) DO UPDATE SET revision = excluded.revision"
)
_ENDS: Final = (
    "SELECT (SELECT min(open_time) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?),"
    " (SELECT max(open_time) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?)"
)
_READ: Final = "SELECT start, revision FROM months WHERE series = ? AND start >= ? AND start < ?"
_OWN: Final = "SELECT revision FROM months WHERE series = 0 AND start = 0"


def new_revision() -> int:
    """Return a random number from 1 to 2**63 - 1."""
    return int.from_bytes(os.urandom(8)) >> 1 | 1


def touched(opens: Iterable[int]) -> set[int]:
    """Return the starts of the months of these open times."""
    times = list(opens)
    if not times:
        return set()
    first, last = _MONTHS.floor(min(times)), _MONTHS.floor(max(times))
    return {first, last} if first == last else {_MONTHS.floor(each) for each in times}


def touch(connection: Sql, series: int, opens: Iterable[int]) -> None:
    """Give the months of these open times another number, within the caller's transaction."""
    for start in sorted(touched(opens)):
        connection.execute(_TOUCH, (series, start, new_revision()))


def touch_span(connection: Sql, series: int, start: int, stop: int) -> None:
    """Give each month with candles in ``[start, stop)`` another number, within the caller's transaction."""
    first, last = connection.execute(_ENDS, (series, start, stop, series, start, stop)).fetchone()
    if first is not None:
        touch(connection, series, (month for month in _starts(first, last + 1)))


def read_months(connection: Sql, series: int, start: int, stop: int) -> list[Month]:
    """Return the months that touch ``[start, stop)``, oldest first, each with its number.

    The number is 0 if it is unknown: in a file of an older version that may not be written to.
    """
    if start >= stop:
        return []
    own = connection.execute(_OWN).fetchone()
    first = _MONTHS.floor(start)
    found = dict(connection.execute(_READ, (series, first, stop)).fetchall())
    usual = own[0] if own else 0
    return [Month(each, _MONTHS.shift(each, 1), found.get(each, usual)) for each in _starts(first, stop)]


def _starts(first: int, stop: int) -> Iterable[int]:
    start = _MONTHS.floor(first)
    while start < stop:
        yield start
        start = _MONTHS.shift(start, 1)
