"""Write candles and what they cover, in one transaction.

It runs in the thread of the store's connection. A transaction is one call there, so that a cancelled task can't leave
it half open, as it could if statements were queued one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from rxcandles.stores.sql.absent import keep_absent
from rxcandles.stores.sql.claiming import hear_again, uncover
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sql.conditions import COVERED_WITHIN, overlapping
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.following import followed_span, late_of, log_changes
from rxcandles.stores.sql.impossible import keep_impossible
from rxcandles.stores.sql.months import touch
from rxcandles.stores.sql.sealing import sealed_spans, unsealed_part
from rxcandles.stores.sql.transaction import transaction
from rxcandles.stores.sql.with_trades import ALL_COLUMNS, has_trades, keep_trades, rows_of, with_trades

__all__ = ["write_rows"]

_PLAIN: Final = COLUMNS.index("timestamp") + 1
"""Columns that candles of all timeframes have."""
_NO_CHANGE: Final = {(None,) * (len(COLUMNS) - _PLAIN)}
_plain: Final = itemgetter(slice(_PLAIN))
_change: Final = itemgetter(slice(_PLAIN, len(COLUMNS)))
_MOST_ROWS: Final = 2000
"""Rows of one statement: up to fourteen values each, of the 32,766 that SQLite allows."""

_DELETE: Final = "DELETE FROM candles WHERE series = ? AND open_time = ?"
_SUPERSEDE: Final = "DELETE FROM imported WHERE series = ? AND open_time >= ? AND open_time < ?"
_HELD: Final = "SELECT 1 FROM candles WHERE series = ? AND open_time = ?"
_COUNT: Final = "SELECT count(*) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"


def write_rows(
    connection: Sql,
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
    put: Callable[[Any, int, Sequence[Row], bool], None] | None = None,
) -> Written:
    """Store ``rows`` (newest first), merge ``proven`` into the coverage, and keep doubtful absences, all or nothing.

    It waits for other writers. Imported candles in ``proven`` are deleted, and so are rows whose open time is in
    ``gone``. A row with an earlier ``timestamp`` than the stored one does not replace it, unless ``gone`` is given: the
    answer of a server that lags behind has a candle as it was before its last trades. Nor does one with the same
    ``timestamp`` and less volume, if nothing newer is there although it should be: to that server it is forming. The
    slots of ``impossible``
    candles are not covered, unless a covered row is stored there, which stays. ``absent`` is what a slot without a
    candle means; None keeps what is recorded. ``put`` writes the rows, if one statement for up to 2,000 is not the best
    way. Return how many of the rows lie in slots that were not covered before,
    the rows that replaced others, and the rows deleted.
    """
    with transaction(connection, series):
        if any(isinstance(row, RowWithTrades) for row in rows[:1]):
            keep_trades(connection, series)
        counted = has_trades(connection, series)
        if sealed := sealed_spans(connection, series, *proven):
            rows, absences, gone, impossible = unsealed_part(sealed, rows, absences, gone, impossible)
        if counted:
            rows = with_trades(rows)
        spans, held = _others(connection, series, proven)
        before = SpanSet(tuple(span for span in spans if span[0] < proven[1] and proven[0] < span[1]))
        followed = followed_span(connection, series)
        stored = _stored_among(connection, series, rows, counted) if rows and (before or followed) else ()
        revised = _revised(stored, rows) if before else ()
        stale = set() if gone is not None else _stale(revised, absences, timeframe)
        if stale:
            rows = [row for row in rows if row[0] not in stale]
            revised = [pair for pair in revised if pair[0].open_time not in stale]
        for at in range(0, len(rows), _MOST_ROWS):
            (put or _upsert)(connection, series, rows[at : at + _MOST_ROWS], counted)
        removed = [row for opened in gone or () for row in _removed(connection, series, opened, counted)]
        as_stored = {row.open_time: row for row in stored}
        fresh = [row[0] for row in rows if as_stored.get(row[0]) != row] if as_stored else [row[0] for row in rows]
        touch(connection, series, [*fresh, *(row.open_time for row in removed)])
        if followed is not None:
            changed = [row for row in chain((old for old, _ in revised), removed) if row.open_time < followed[1]]
            log_changes(connection, series, changed, late_of(rows, stored, followed))
        unknown = {
            opened: fault
            for opened, fault in (impossible or {}).items()
            if opened not in before or not connection.execute(_HELD, (series, opened)).fetchone()
        }
        slots = SpanSet(tuple((opened, timeframe.shift(opened, 1)) for opened in unknown))
        # The exchange has answered for this span, so imported candles in it go.
        for span in SpanSet((proven,)).subtract(slots):
            connection.execute(_SUPERSEDE, (series, *span))
        _merge(connection, series, proven, spans, held)
        void = hear_again(
            connection,
            series,
            absences=absences,
            proven=proven,
            opens=[*(row[0] for row in rows), *stale, *(impossible or ())],
            # The absence of a row that was stored is new, however long its slot has been covered.
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


def _stored(connection: Sql, series: int, counted: bool, first: int, last: int) -> list[Row]:
    """Return the rows that open from ``first`` to ``last``."""
    columns = ALL_COLUMNS if counted else COLUMNS
    # Made only of column names of this package.
    sql = f"SELECT {', '.join(columns)} FROM candles WHERE series = ? AND open_time BETWEEN ? AND ?"
    return rows_of(connection.execute(sql, (series, first, last)).fetchall(), counted)


def _removed(connection: Sql, series: int, opened: int, counted: bool) -> list[Row]:
    """Delete the row, and return it if there was one."""
    stored = _stored(connection, series, counted, opened, opened)
    connection.execute(_DELETE, (series, opened))
    return stored


def _stored_among(connection: Sql, series: int, rows: Sequence[Row], counted: bool) -> list[Row]:
    """Return the stored rows from the first of ``rows`` to the last."""
    older, newer = sorted((rows[0][0], rows[-1][0]))
    return _stored(connection, series, counted, older, newer)


def _revised(stored: Sequence[Row], rows: Sequence[Row]) -> Sequence[tuple[Row, Row]]:
    """Return the stored rows whose values change, each with the row that replaces it."""
    coming = {row[0]: row for row in rows} if stored else {}
    return [(row, coming[row[0]]) for row in stored if row[0] in coming and tuple(coming[row[0]]) != row]


def _stale(revised: Sequence[tuple[Row, Row]], absences: Sequence[Absence], timeframe: Timeframe) -> set[int]:
    """Return the open times of stored rows that are later than those that would replace them."""
    if not revised:
        return set()
    newest = {timeframe.shift(absence.start, -1) for absence in absences if absence.kind == "head"}
    return {
        old.open_time
        for old, new in revised
        if old.timestamp > new.timestamp
        or (old.timestamp == new.timestamp and old.open_time in newest and old.volume > new.volume)
    }


def _others(connection: Sql, series: int, proven: Span) -> tuple[list[Span], int]:
    """Return the covered spans that ``proven`` touches, and the number of their rows outside of it."""
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


def _merge(connection: Sql, series: int, proven: Span, spans: Sequence[Span], held: int) -> None:
    """Merge ``proven`` and the ``spans`` that it touches into one span."""
    starts, stops = zip(proven, *spans, strict=True)
    # Count again instead of adding up: a page may bring a candle that the exchange did not have the first time.
    merged = (min(starts), max(stops), held, series, *proven, series)
    # Both statements are made only of constants of this module.
    if not spans:
        sql = f"INSERT INTO coverage (start, stop, rows, series) VALUES (?, ?, ? + ({_COUNT}), ?)"
        connection.execute(sql, merged)
        return
    for first, _ in spans[1:]:
        connection.execute("DELETE FROM coverage WHERE series = ? AND start = ?", (series, first))
    sql = f"UPDATE coverage SET start = ?, stop = ?, rows = ? + ({_COUNT}) WHERE series = ? AND start = ?"
    connection.execute(sql, (*merged, spans[0][0]))


def _upsert(connection: Sql, series: int, rows: Sequence[Row], counted: bool) -> None:
    # Only day candles have the columns of changes; for the others it is faster not to bind them.
    plain = set(map(_change, rows)) == _NO_CHANGE
    given: Iterable[Sequence[Any]] = rows
    if plain:
        given = [row[:_PLAIN] + row[len(COLUMNS) :] for row in rows] if counted else map(_plain, rows)
    values: list[Any] = list(chain.from_iterable(given))
    connection.execute(_upsert_sql(series, len(rows), plain, counted), values)


@lru_cache(16)
def _upsert_sql(series: int, rows: int, plain: bool, counted: bool) -> str:
    """Return one statement for all rows; one for each would take twice as long."""
    columns = ALL_COLUMNS if counted else COLUMNS
    given = [*columns[:_PLAIN], *columns[len(COLUMNS) :]] if plain else columns
    row = f"({series}, {', '.join('?' * len(given))})"
    # Set all columns, so that a stored row is replaced as a whole.
    replaced = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    # Made only of column names of this package, numbers and question marks.
    return (
        f"INSERT INTO candles (series, {', '.join(given)}) VALUES {', '.join([row] * rows)}"
        f" ON CONFLICT (series, open_time) DO UPDATE SET {replaced}"
    )
