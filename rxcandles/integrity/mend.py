"""Taking what can't be trusted out of a store, in one transaction.

Runs in the thread of the store's connection. A ledger is written anew as a whole: what its spans claim together, less
what is not trusted, on the timeframe's grid, with the candles counted. Claims stay where the ledger does.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

import attrs

from rxcandles.integrity.findings import RepairStep
from rxcandles.integrity.pending import add_matter, ledger_spans
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.ports import Series
from rxcandles.stores.sqlite.claiming import put_right
from rxcandles.stores.sqlite.reading import COUNT_SQL
from rxcandles.stores.sqlite.transaction import transaction

__all__ = ["NO_TIME", "Mending", "RepairPlan", "grid_spans", "mend"]

NO_TIME: Final = f"(typeof(open_time) <> 'integer' OR open_time NOT BETWEEN 0 AND {END - 1})"
"""The condition that a candle opens at no time there is, so that no span holds it."""


@attrs.frozen
class Mending:
    """What is to be done about one series."""

    series: Series
    untrusted: SpanSet
    """No longer proven."""
    dropped: SpanSet
    """Where candles are deleted."""
    fetched: SpanSet
    """To be fetched again, as far as it is not proven then."""
    questioned: SpanSet = attrs.field(factory=SpanSet)
    """To be asked anew; it stays as it is until then."""


@attrs.frozen
class RepairPlan:
    """What is to be done about a file."""

    mendings: tuple[Mending, ...]
    removed: tuple[int, ...]
    """Numbers of series of which everything is deleted but the name, so that nobody who knows the number is misled."""
    orphans: bool
    """Whether what belongs to no series is deleted."""
    steps: tuple[RepairStep, ...]


def grid_spans(timeframe: Timeframe, spans: SpanSet) -> SpanSet:
    """Return the spans that hold the same open times and end where candles open; one from the beginning stays so."""
    return SpanSet(
        tuple((start if start == BEGINNING else timeframe.ceil(start), timeframe.ceil(stop)) for start, stop in spans)
    )


def mend(connection: sqlite3.Connection, plan: RepairPlan) -> int:
    """Do it, and write down what is to be fetched, all or nothing; return how many candles were deleted."""
    deleted = 0
    with transaction(connection):
        for number in plan.removed:
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


def _mend(connection: sqlite3.Connection, mending: Mending) -> int:
    connection.execute("INSERT OR IGNORE INTO series (exchange, symbol, timeframe) VALUES (?, ?, ?)", mending.series)
    (number,) = connection.execute(
        "SELECT id FROM series WHERE exchange = ? AND symbol = ? AND timeframe = ?", mending.series
    ).fetchone()
    deleted = connection.execute(f"DELETE FROM candles WHERE series = ? AND {NO_TIME}", (number,)).rowcount
    for span in mending.dropped:
        sql = "DELETE FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
        deleted += connection.execute(sql, (number, *span)).rowcount
    claimed = ledger_spans(connection, number)
    frame = Timeframe.of(mending.series.timeframe)
    trusted = grid_spans(frame, claimed.subtract(mending.untrusted))
    connection.execute("DELETE FROM coverage WHERE series = ?", (number,))
    connection.executemany(
        f"INSERT INTO coverage (series, start, stop, rows) VALUES (?, ?, ?, ({COUNT_SQL}))",
        ((number, *span, number, *span) for span in trusted),
    )
    put_right(connection, number, frame, int(time.time()))
    if mending.fetched:
        add_matter(connection, "unfinished", number, mending.fetched)
    if mending.questioned:
        add_matter(connection, "questioned", number, mending.questioned)
    return deleted
