"""The impossible candles that the exchange has sent: which they are, and why.

Their slots are gaps in the coverage, so that the next run asks for them again. The table is made with the first such
candle. A file without it is complete, and older versions can read a file with it. It runs in the thread of the store's
connection, within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.ports import Impossible
from rxcandles.stores.sql.connection import Sql, has_table, make_table

__all__ = ["has_impossible", "impossible_slots", "keep_impossible", "read_impossible"]

_MAKE: Final = (
    "CREATE TABLE IF NOT EXISTS impossible (series INTEGER NOT NULL REFERENCES series (id), open_time INTEGER NOT NULL,"
    " fault TEXT NOT NULL, first_heard INTEGER NOT NULL, last_heard INTEGER NOT NULL, times INTEGER NOT NULL,"
    " PRIMARY KEY (series, open_time)) WITHOUT ROWID"
)
_WITHIN: Final = "FROM impossible WHERE series = ? AND open_time >= ? AND open_time < ?"
_ADD: Final = (
    "INSERT INTO impossible VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (series, open_time)"
    " DO UPDATE SET fault = excluded.fault, last_heard = excluded.last_heard, times = impossible.times + 1"
)
# A slot that is covered has been answered after all, perhaps by a version that does not know this table.
_READ: Final = (
    f"SELECT open_time, fault, first_heard, last_heard, times {_WITHIN} AND coalesce((SELECT stop FROM coverage"
    " WHERE coverage.series = impossible.series AND start <= open_time ORDER BY start DESC LIMIT 1), 0) <= open_time"
    " ORDER BY open_time"
)


def has_impossible(connection: Sql) -> bool:
    """Return whether the file has, or had, any."""
    return has_table(connection, "impossible")


def read_impossible(connection: Sql, series: int, start: int, stop: int) -> list[Impossible]:
    """Return those that open in ``[start, stop)`` and are not stored, oldest first."""
    if not has_impossible(connection):
        return []
    return [Impossible(*row) for row in connection.execute(_READ, (series, start, stop)).fetchall()]


def impossible_slots(connection: Sql, series: int, timeframe: Timeframe) -> SpanSet:
    """Return the slots of all those of a series."""
    found = read_impossible(connection, series, BEGINNING, END)
    return SpanSet(tuple((each.open_time, timeframe.shift(each.open_time, 1)) for each in found))


def keep_impossible(connection: Sql, series: int, proven: Span, found: Mapping[int, str], heard: float) -> None:
    """Record the impossible candles of an answer about ``proven``, in place of all earlier ones in that span."""
    if found:
        make_table(connection, "impossible", _MAKE)
    elif not has_impossible(connection):
        return
    for (opened,) in connection.execute(f"SELECT open_time {_WITHIN}", (series, *proven)).fetchall():
        if opened not in found:
            connection.execute("DELETE FROM impossible WHERE series = ? AND open_time = ?", (series, opened))
    now = int(heard)
    connection.executemany(_ADD, ((series, opened, fault, now, now) for opened, fault in found.items()))
