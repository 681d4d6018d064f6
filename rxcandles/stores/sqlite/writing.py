"""Writing candles and what they prove, in one transaction.

Runs in the thread of the store's connection. A transaction is one call there, so a cancelled task can't leave it open
half way (queued one by one, its statements could be).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from rxcandles.model import Row, RowWithTrades
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.claims import Absence
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Written
from rxcandles.stores.sqlite.absent import keep_absent
from rxcandles.stores.sqlite.claiming import hear_again, uncover
from rxcandles.stores.sqlite.conditions import COVERED_WITHIN, overlapping
from rxcandles.stores.sqlite.impossible import keep_impossible
from rxcandles.stores.sqlite.schema import COLUMNS
from rxcandles.stores.sqlite.transaction import transaction
from rxcandles.stores.sqlite.with_trades import ALL_COLUMNS, has_trades, keep_trades, rows_of, with_trades

__all__ = ["write_rows"]

_PLAIN: Final = COLUMNS.index("timestamp") + 1
"""Columns that candles of all timeframes have."""
_NO_CHANGE: Final = {(None,) * (len(COLUMNS) - _PLAIN)}
_plain: Final = itemgetter(slice(_PLAIN))
_change: Final = itemgetter(slice(_PLAIN, len(COLUMNS)))
_MOST_ROWS: Final = 2000
"""Rows of one statement: up to fourteen values each, of the 32,766 that SQLite takes."""

_DELETE: Final = "DELETE FROM candles WHERE series = ? AND open_time = ?"
_SUPERSEDE: Final = "DELETE FROM imported WHERE series = ? AND open_time >= ? AND open_time < ?"
_HELD: Final = "SELECT 1 FROM candles WHERE series = ? AND open_time = ?"
_COUNT: Final = "SELECT count(*) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"


def write_rows(
    connection: sqlite3.Connection,
    series: int,
    timeframe: Timeframe,
    rows: Sequence[Row],
    proven: Span,
    absences: Sequence[Absence],
    heard: float,
    gone: Sequence[int] | None = None,
    said: float | None = None,
    impossible: Mapping[int, str] | None = None,
    absent: AbsentSlot | None = None,
) -> Written:
    """Store ``rows`` (newest first), merge ``proven`` into the coverage and keep what is doubtful, all or nothing.

    Waits for other writers. Imported candles in ``proven`` are dropped, and the rows that open at a time in ``gone``.
    A row whose ``timestamp`` is earlier than that of the one stored does not replace it, unless ``gone`` is given: the
    answer of a server that lags behind has a candle as it stood before its last trades.
    The slots of candles that are ``impossible`` are left uncovered; a row that is held there by proof stays so.
    ``absent`` is what a slot without a candle means, None where that is known.
    Returns how many of the rows lie where nothing was covered before, which have replaced others, and those deleted.
    """
    with transaction(connection):
        if any(isinstance(row, RowWithTrades) for row in rows[:1]):
            keep_trades(connection, series)
        counted = has_trades(connection, series)
        if counted:
            rows = with_trades(rows)
        spans, held = _others(connection, series, proven)
        before = SpanSet(tuple(span for span in spans if span[0] < proven[1] and proven[0] < span[1]))
        revised = _revised(connection, series, rows, counted) if before and rows else ()
        stale = {old.open_time for old, new in revised if gone is None and old.timestamp > new.timestamp}
        if stale:
            rows = [row for row in rows if row[0] not in stale]
            revised = [pair for pair in revised if pair[0].open_time not in stale]
        for at in range(0, len(rows), _MOST_ROWS):
            _upsert(connection, series, rows[at : at + _MOST_ROWS], counted)
        removed = [row for opened in gone or () for row in _removed(connection, series, opened, counted)]
        unknown = {
            opened: fault
            for opened, fault in (impossible or {}).items()
            if opened not in before or not connection.execute(_HELD, (series, opened)).fetchone()
        }
        slots = SpanSet(tuple((opened, timeframe.shift(opened, 1)) for opened in unknown))
        # The exchange's own word on this span takes the place of anybody else's.
        for span in SpanSet((proven,)).subtract(slots):
            connection.execute(_SUPERSEDE, (series, *span))
        _merge(connection, series, proven, spans, held)
        void = hear_again(
            connection,
            series,
            absences=absences,
            proven=proven,
            opens=[*(row[0] for row in rows), *stale, *(impossible or ())],
            # Where there was a row, its absence is news, however long the slot has been covered.
            covered=before.subtract(
                SpanSet(tuple((row.open_time, timeframe.shift(row.open_time, 1)) for row in removed))
            ),
            heard=heard,
            said=said,
            timeframe=timeframe,
        )
        uncover(connection, series, slots)
        keep_impossible(connection, series, proven, unknown, heard)
        if absent is not None:
            keep_absent(connection, series, absent)
    return Written(
        sum(row.open_time not in before for row in rows) if before else len(rows), revised, removed, void.spans
    )


def _stored(connection: sqlite3.Connection, series: int, counted: bool, first: int, last: int) -> list[Row]:
    """Return the rows that open from ``first`` to ``last``."""
    columns = ALL_COLUMNS if counted else COLUMNS
    # Made of the names of columns, which are this package's.
    sql = f"SELECT {', '.join(columns)} FROM candles WHERE series = ? AND open_time BETWEEN ? AND ?"
    return rows_of(connection.execute(sql, (series, first, last)).fetchall(), counted)


def _removed(connection: sqlite3.Connection, series: int, opened: int, counted: bool) -> list[Row]:
    """Delete the row, and return it where there was one."""
    stored = _stored(connection, series, counted, opened, opened)
    connection.execute(_DELETE, (series, opened))
    return stored


def _revised(
    connection: sqlite3.Connection, series: int, rows: Sequence[Row], counted: bool
) -> Sequence[tuple[Row, Row]]:
    """Return the rows that are stored with other values, each with the one that is to replace it."""
    older, newer = sorted((rows[0][0], rows[-1][0]))
    stored = _stored(connection, series, counted, older, newer)
    coming = {row[0]: row for row in rows} if stored else {}
    return [(row, coming[row[0]]) for row in stored if row[0] in coming and tuple(coming[row[0]]) != row]


def _others(connection: sqlite3.Connection, series: int, proven: Span) -> tuple[list[Span], int]:
    """The covered spans that ``proven`` touches, and the rows in them outside of it."""
    start, stop = proven
    spans, held = [], 0
    sql = f"SELECT start, stop, rows FROM coverage WHERE {COVERED_WITHIN}"
    for first, last, rows in connection.execute(sql, overlapping(series, start - 1, stop + 1)).fetchall():
        spans.append((first, last))
        if first < stop and start < last:
            within = (series, max(first, start), min(last, stop))
            rows -= connection.execute(f"SELECT ({_COUNT})", within).fetchone()[0]
        held += rows
    return spans, held


def _merge(connection: sqlite3.Connection, series: int, proven: Span, spans: Sequence[Span], held: int) -> None:
    """Make one span of ``proven`` and the ``spans`` that it touches."""
    starts, stops = zip(proven, *spans, strict=True)
    # Counted, not added up: a page may bring a candle that the exchange did not have the first time.
    merged = (min(starts), max(stops), held, series, *proven, series)
    # Both statements are made of a constant of this module.
    if not spans:
        sql = f"INSERT INTO coverage (start, stop, rows, series) VALUES (?, ?, ? + ({_COUNT}), ?)"
        connection.execute(sql, merged)
        return
    for first, _ in spans[1:]:
        connection.execute("DELETE FROM coverage WHERE series = ? AND start = ?", (series, first))
    sql = f"UPDATE coverage SET start = ?, stop = ?, rows = ? + ({_COUNT}) WHERE series = ? AND start = ?"
    connection.execute(sql, (*merged, spans[0][0]))


def _upsert(connection: sqlite3.Connection, series: int, rows: Sequence[Row], counted: bool) -> None:
    # Only day candles have the columns of changes; what need not be bound costs nothing.
    plain = set(map(_change, rows)) == _NO_CHANGE
    given: Iterable[Sequence[Any]] = rows
    if plain:
        given = [row[:_PLAIN] + row[len(COLUMNS) :] for row in rows] if counted else map(_plain, rows)
    values: list[Any] = list(chain.from_iterable(given))
    connection.execute(_upsert_sql(series, len(rows), plain, counted), values)


@lru_cache(16)
def _upsert_sql(series: int, rows: int, plain: bool, counted: bool) -> str:
    """One statement for all rows: one for each would take twice as long."""
    columns = ALL_COLUMNS if counted else COLUMNS
    given = [*columns[:_PLAIN], *columns[len(COLUMNS) :]] if plain else columns
    row = f"({series}, {', '.join('?' * len(given))})"
    # All columns are set, so that a row stored before is replaced whole.
    replaced = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    # Made of the names of columns, which are this package's, of numbers and of question marks.
    return (
        f"INSERT INTO candles (series, {', '.join(given)}) VALUES {', '.join([row] * rows)}"
        f" ON CONFLICT (series, open_time) DO UPDATE SET {replaced}"
    )
