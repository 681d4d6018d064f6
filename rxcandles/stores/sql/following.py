"""What a store keeps for those who follow a series: how far it is followed, and what has changed behind that.

Two tables, made when a series is followed for the first time; older versions can read a file with them. It runs in the
thread of the store's connection. A change is logged in the transaction that makes it, so a reader that has seen the
candles up to a number of the log misses nothing, in this process or another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import dumps, loads
from typing import Any, Final

from rxcandles.model import Row, RowWithTrades
from rxcandles.model.spans import Span, SpanSet
from rxcandles.ports.records import Followed, News, Revision
from rxcandles.stores.sql.connection import Sql, has_table
from rxcandles.stores.sql.reading import NO_LIMIT, read_rows
from rxcandles.stores.sql.sealing import sealed_spans
from rxcandles.stores.sql.transaction import snapshot, transaction
from rxcandles.stores.sql.with_trades import rows_of

__all__ = ["followed_span", "keep_followed", "late_of", "log_changes", "read_followed", "read_news"]

_KEPT: Final = 100_000
"""Changes that the log keeps."""

_MAKE: Final = (
    "CREATE TABLE IF NOT EXISTS followed (series INTEGER PRIMARY KEY REFERENCES series (id), start INTEGER NOT NULL,"
    " proven INTEGER NOT NULL, heard INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS changes (id INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL"
    " REFERENCES series (id), open_time INTEGER NOT NULL, before TEXT)",
    "CREATE INDEX IF NOT EXISTS changes_of_series ON changes (series, id)",
)
_KEEP: Final = (
    "INSERT INTO followed VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (series) DO UPDATE SET"
    # Two that follow at once agree on the whole; one that begins behind a gap begins anew.
    " start = CASE WHEN excluded.start > followed.proven OR excluded.start < followed.start"
    " THEN excluded.start ELSE followed.start END,"
    " proven = CASE WHEN excluded.start > followed.proven OR excluded.proven > followed.proven"
    " THEN excluded.proven ELSE followed.proven END,"
    " heard = CASE WHEN excluded.heard > followed.heard THEN excluded.heard ELSE followed.heard END,"
    " state = excluded.state, reason = excluded.reason, at = excluded.at"
)


def has_followed(connection: Sql) -> bool:
    """Return whether any series of the file has been followed."""
    return has_table(connection, "followed")


def keep_followed(connection: Sql, series: int, followed: Followed) -> None:
    """Record how far a series is followed."""
    with transaction(connection, series):
        if not has_followed(connection):
            for statement in _MAKE:
                connection.execute(statement)
        connection.execute(_KEEP, (series, *followed))


def read_followed(connection: Sql, series: int) -> Followed | None:
    """Return how far a series is followed; None if it never was."""
    if not has_followed(connection):
        return None
    found = connection.execute(
        "SELECT start, proven, heard, state, reason, at FROM followed WHERE series = ?", (series,)
    ).fetchone()
    return None if found is None else Followed(*found)


def followed_span(connection: Sql, series: int) -> Span | None:
    """Return the span of a series that has been followed, changes in which are logged."""
    found = read_followed(connection, series)
    return None if found is None else (found.start, found.proven)


def log_changes(connection: Sql, series: int, before: Iterable[Row], late: Iterable[int]) -> None:
    """Log rows as they were before they were replaced or deleted, and open times of rows that have come late."""
    values: list[tuple[int, int, str | None]] = [(series, row.open_time, dumps(row)) for row in before]
    values += [(series, opened, None) for opened in late]
    if not values:
        return
    connection.executemany("INSERT INTO changes (series, open_time, before) VALUES (?, ?, ?)", sorted(values))
    connection.execute("DELETE FROM changes WHERE id <= (SELECT max(id) FROM changes) - ?", (_KEPT,))


def read_news(connection: Sql, series: int, start: int, stop: int, limit: int, after: int) -> News:
    """Return what is new: up to ``limit`` rows of ``[start, stop)``, oldest first, and changes before ``start``.

    * ``after``: the number of the last change that was read; -1 to begin with the newest.
    """
    with snapshot(connection):
        changes: Sequence[Revision] = ()
        last = max(after, 0)
        if has_followed(connection):
            if after < 0:
                # Of this series: another's later change may be committed before an earlier one of this.
                newest = "SELECT coalesce(max(id), 0) FROM changes WHERE series = ?"
                last = connection.execute(newest, (series,)).fetchone()[0]
            else:
                changes, last = _changes(connection, series, start, limit, after)
        # First what has changed, then what is new: a row is never both.
        found, counted = read_rows(connection, series, start, stop, "oldest_first", limit)
        return News(rows_of(found, counted), changes, last)


def _changes(connection: Sql, series: int, start: int, limit: int, after: int) -> tuple[Sequence[Revision], int]:
    found = connection.execute(
        "SELECT id, open_time, before FROM changes WHERE series = ? AND id > ? ORDER BY id LIMIT ?",
        (series, after, limit),
    ).fetchall()
    if not found:
        return (), after
    # Several changes of one candle are one: from what it was first to what it is now.
    first: dict[int, Row | None] = {}
    for _, opened, text in found:
        first.setdefault(opened, None if text is None else _row(loads(text)))
    # A candle that has left for a lake since is no removed one.
    sealed = sealed_spans(connection, series, min(first), max(first) + 1)
    seen = [opened for opened in first if opened < start and opened not in sealed]
    now: dict[int, Row] = {}
    if seen:
        for begin, end in SpanSet(((min(seen), max(seen) + 1),)).subtract(sealed):
            rows, counted = read_rows(connection, series, begin, end, "oldest_first", NO_LIMIT)
            now |= {row.open_time: row for row in rows_of(rows, counted) if row.open_time in first}
    told = [Revision(opened, first[opened], now.get(opened)) for opened in sorted(seen)]
    return [each for each in told if each.before != each.row], found[-1][0]


def _row(values: Sequence[Any]) -> Row:
    return Row._make(values) if len(values) == len(Row._fields) else RowWithTrades._make(values)


def late_of(rows: Sequence[Row], stored: Iterable[Row], followed: Span) -> list[int]:
    """Return the open times of rows that come into a followed span in which they were not stored."""
    held = {row.open_time for row in stored}
    return [row[0] for row in rows if followed[0] <= row[0] < followed[1] and row[0] not in held]
