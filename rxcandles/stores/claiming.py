"""Reading and writing the claims of a series: what is covered provisionally.

Runs in the thread of the store's connection, within a transaction of the caller's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from rxcandles.claims import Absence, Claim, hear
from rxcandles.spans import Span, SpanSet
from rxcandles.stores.schema import CLAIM_COLUMNS
from rxcandles.timeframe import Timeframe

__all__ = ["CLAIMS_SQL", "add_claims", "cut_claims", "hear_again", "read_claims", "uncover"]

CLAIMS_SQL: Final = (
    f"SELECT {', '.join(CLAIM_COLUMNS)} FROM claims WHERE series = ? AND start < ? AND stop > ? ORDER BY start"
)
_ADD: Final = f"INSERT INTO claims (series, {', '.join(CLAIM_COLUMNS)}) VALUES (?{', ?' * len(CLAIM_COLUMNS)})"
_COUNT: Final = "SELECT count(*) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"


def read_claims(connection: sqlite3.Connection, series: int, start: int, stop: int) -> list[Claim]:
    """Return the claims that overlap ``[start, stop)``, oldest first."""
    return [Claim(*row) for row in connection.execute(CLAIMS_SQL, (series, stop, start)).fetchall()]


def add_claims(connection: sqlite3.Connection, series: int, claims: Iterable[Claim]) -> None:
    """Write claims down."""
    connection.executemany(_ADD, ((series, *attrs.astuple(claim)) for claim in claims))


def hear_again(
    connection: sqlite3.Connection,
    series: int,
    *,
    absences: Sequence[Absence],
    proven: Span,
    opens: Iterable[int],
    covered: SpanSet,
    heard: float,
    timeframe: Timeframe,
) -> None:
    """Keep what is doubtful of an answer, and settle what earlier ones have left doubtful."""
    before = read_claims(connection, series, proven[0] - 1, proven[1] + 1)  # those that touch it may become one
    if not before and not absences:
        return
    claims, void = hear(before, absences, proven=proven, opens=opens, covered=covered, heard=heard, timeframe=timeframe)
    connection.executemany(
        "DELETE FROM claims WHERE series = ? AND start = ?", ((series, each.start) for each in before)
    )
    add_claims(connection, series, claims)
    uncover(connection, series, void)


def cut_claims(connection: sqlite3.Connection, series: int, spans: SpanSet) -> None:
    """Take ``spans``, of which nothing is proven any more, out of the claims."""
    for span in spans:
        for claim in read_claims(connection, series, *span):
            connection.execute("DELETE FROM claims WHERE series = ? AND start = ?", (series, claim.start))
            left = SpanSet((claim.span,)).subtract(SpanSet((span,)))
            add_claims(connection, series, [attrs.evolve(claim, start=start, stop=stop) for start, stop in left])


def uncover(connection: sqlite3.Connection, series: int, spans: SpanSet) -> None:
    """Take spans out of the coverage, so that they are asked for again; candles stay where they are covered."""
    for start, stop in spans:
        touched = connection.execute(
            "SELECT start, stop FROM coverage WHERE series = ? AND start < ? AND stop > ?", (series, stop, start)
        ).fetchall()
        for first, last in touched:
            connection.execute("DELETE FROM coverage WHERE series = ? AND start = ?", (series, first))
            for left in ((first, start), (stop, last)):
                if left[0] < left[1]:
                    connection.execute(
                        f"INSERT INTO coverage (start, stop, rows, series) VALUES (?, ?, ({_COUNT}), ?)",
                        (*left, series, *left, series),
                    )
