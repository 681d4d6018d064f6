"""What a repair has taken out of the ledger and not fetched again yet.

A hole in the ledger is in order: nobody may ever have asked for what is in it. So that a repair that was killed in
between can be told from that, and gone on with, what it is about to fetch is written down in the same transaction, in
a table that is there only until it is fetched. No version of the schema: a file without it is whole.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from rxcandles.spans import SpanSet
from rxcandles.stores.conditions import is_span
from rxcandles.stores.transaction import transaction

__all__ = ["add_unfinished", "is_unsettled", "ledger_spans", "settle", "unfinished_spans"]

_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS unfinished (
        series INTEGER NOT NULL REFERENCES series (id),
        start INTEGER NOT NULL,
        stop INTEGER NOT NULL,
        PRIMARY KEY (series, start)
    ) WITHOUT ROWID
"""


def unfinished_spans(connection: sqlite3.Connection, series: int) -> SpanSet:
    """Return what is written down for one series."""
    if not is_unsettled(connection):
        return SpanSet()
    return SpanSet(tuple(connection.execute("SELECT start, stop FROM unfinished WHERE series = ?", (series,))))


def ledger_spans(connection: sqlite3.Connection, series: int) -> SpanSet:
    """Return what the ledger claims of one series; what is no span claims nothing."""
    spans = connection.execute("SELECT start, stop FROM coverage WHERE series = ?", (series,))
    return SpanSet(tuple(span for span in spans if is_span(*span)))


def add_unfinished(connection: sqlite3.Connection, series: int, spans: SpanSet) -> None:
    """Write ``spans`` down; within a transaction of the caller's."""
    connection.execute(_TABLE)
    _write(connection, series, unfinished_spans(connection, series).union(spans))


def settle(connection: sqlite3.Connection, series: int, *, give_up: bool = False) -> SpanSet:
    """Strike out what the ledger has by now, or all, and the table with the last of it; return what is left."""
    with transaction(connection):
        spans = unfinished_spans(connection, series)
        if not spans:
            return spans
        left = SpanSet() if give_up else spans.subtract(ledger_spans(connection, series))
        _write(connection, series, left)
        if not connection.execute("SELECT EXISTS (SELECT 1 FROM unfinished)").fetchone()[0]:
            connection.execute("DROP TABLE unfinished")
    return left


def _write(connection: sqlite3.Connection, series: int, spans: SpanSet) -> None:
    connection.execute("DELETE FROM unfinished WHERE series = ?", (series,))
    connection.executemany("INSERT INTO unfinished VALUES (?, ?, ?)", ((series, *span) for span in spans))


def is_unsettled(connection: sqlite3.Connection) -> bool:
    """Return whether anything was written down that nobody has settled."""
    found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'unfinished'").fetchone()
    return bool(found[0])
