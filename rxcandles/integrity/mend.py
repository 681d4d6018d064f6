"""Take what can't be trusted out of a store, in one transaction.

It runs in the thread of the store's connection. The coverage of a series is written anew as a whole: the union of its
spans, less what is not trusted, aligned to the timeframe's grid, with the candles counted. Claims stay within the
coverage.
"""

from __future__ import annotations

import time
from typing import Final

import attrs

from rxcandles.integrity.findings import RepairStep
from rxcandles.integrity.pending import add_matter, ledger_spans
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.ports import Series
from rxcandles.stores.sql.claiming import put_right
from rxcandles.stores.sql.columns import ADD_SERIES_SQL, SERIES_ID_SQL
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.months import touch_span
from rxcandles.stores.sql.sealing import counted_in
from rxcandles.stores.sql.transaction import transaction

__all__ = ["NO_TIME", "Mending", "RepairPlan", "grid_spans", "mend"]

NO_TIME: Final = f"(typeof(open_time) <> 'integer' OR open_time NOT BETWEEN 0 AND {END - 1})"
"""The SQL condition for a candle whose open time is invalid, so that no span contains it."""


@attrs.frozen
class Mending:
    """What to do about one series."""

    series: Series
    untrusted: SpanSet
    """No longer covered."""
    dropped: SpanSet
    """Spans whose candles are deleted."""
    fetched: SpanSet
    """Spans to fetch, unless they are covered by then."""
    questioned: SpanSet = attrs.field(factory=SpanSet)
    """Spans to ask for again; they stay as they are until the answer comes."""


@attrs.frozen
class RepairPlan:
    """What to do about a file."""

    mendings: tuple[Mending, ...]
    removed: tuple[int, ...]
    """Ids of series to empty; the row in ``series`` stays, so that cached ids remain valid."""
    orphans: bool
    """Whether rows that belong to no series are deleted."""
    steps: tuple[RepairStep, ...]


def grid_spans(timeframe: Timeframe, spans: SpanSet) -> SpanSet:
    """Return the spans with their ends moved up to the grid; an end at the beginning of time stays."""
    return SpanSet(
        tuple((start if start == BEGINNING else timeframe.ceil(start), timeframe.ceil(stop)) for start, stop in spans)
    )


def mend(connection: Sql, plan: RepairPlan) -> int:
    """Carry out the plan, and record what is to be fetched, all or nothing; return the number of candles deleted."""
    deleted = 0
    with transaction(connection):
        for number in plan.removed:
            touch_span(connection, number, BEGINNING, END)
            deleted += connection.execute("DELETE FROM candles WHERE series = ?", (number,)).rowcount
            connection.execute("DELETE FROM coverage WHERE series = ?", (number,))
            connection.execute("DELETE FROM claims WHERE series = ?", (number,))
        if plan.orphans:
            gone = "WHERE series NOT IN (SELECT id FROM series)"
            deleted += connection.execute(f"DELETE FROM candles {gone}").rowcount
            connection.execute(f"DELETE FROM coverage {gone}")
            connection.execute(f"DELETE FROM claims {gone}")
        for mending in plan.mendings:
            deleted += _mend(connection, mending)
    return deleted


def _mend(connection: Sql, mending: Mending) -> int:
    connection.execute(ADD_SERIES_SQL, mending.series)
    (number,) = connection.execute(SERIES_ID_SQL, mending.series).fetchone()
    deleted = connection.execute(f"DELETE FROM candles WHERE series = ? AND {NO_TIME}", (number,)).rowcount
    for span in mending.dropped:
        touch_span(connection, number, *span)
        sql = "DELETE FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
        deleted += connection.execute(sql, (number, *span)).rowcount
    claimed = ledger_spans(connection, number)
    frame = Timeframe.of(mending.series.timeframe)
    trusted = grid_spans(frame, claimed.subtract(mending.untrusted))
    connection.execute("DELETE FROM coverage WHERE series = ?", (number,))
    connection.executemany(
        "INSERT INTO coverage (series, start, stop, rows) VALUES (?, ?, ?, ?)",
        [(number, *span, counted_in(connection, number, *span)) for span in trusted],
    )
    put_right(connection, number, frame, int(time.time()))
    if mending.fetched:
        add_matter(connection, "unfinished", number, mending.fetched)
    if mending.questioned:
        add_matter(connection, "questioned", number, mending.questioned)
    return deleted
