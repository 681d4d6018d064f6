"""Read and write the claims of a series: what is covered provisionally.

It runs in the thread of the store's connection, within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from rxcandles.model.claims import ABSENCE_KINDS, Absence, AbsenceKind, Claim, ConfirmTimes, hear
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, Timeframe
from rxcandles.stores.sql.columns import CLAIM_COLUMNS
from rxcandles.stores.sql.conditions import CLAIMED_WITHIN, COVERED_WITHIN, is_span, overlapping
from rxcandles.stores.sql.connection import Sql, has_table
from rxcandles.stores.sql.sealing import counted_in, sealed_spans

__all__ = [
    "CLAIMS_SQL",
    "add_claims",
    "has_claims",
    "hear_again",
    "is_claim",
    "put_right",
    "read_claims",
    "stored_claims",
    "uncover",
]

CLAIMS_SQL: Final = f"SELECT {', '.join(CLAIM_COLUMNS)} FROM claims WHERE {CLAIMED_WITHIN} ORDER BY start"
_ADD: Final = f"INSERT INTO claims (series, {', '.join(CLAIM_COLUMNS)}) VALUES (?{', ?' * len(CLAIM_COLUMNS)})"
_WITHIN: Final = "FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"


def read_claims(connection: Sql, series: int, start: int, stop: int) -> list[Claim]:
    """Return the claims that overlap ``[start, stop)``, oldest first."""
    return [Claim(*row) for row in connection.execute(CLAIMS_SQL, overlapping(series, start, stop)).fetchall()]


def add_claims(connection: Sql, series: int, claims: Iterable[Claim]) -> None:
    """Store claims."""
    connection.executemany(_ADD, ((series, *attrs.astuple(claim)) for claim in claims))


def hear_again(
    connection: Sql,
    series: int,
    *,
    absences: Sequence[Absence],
    proven: Span,
    opens: Iterable[int],
    covered: SpanSet,
    heard: float,
    said: float | None,
    timeframe: Timeframe,
) -> SpanSet:
    """Store the doubtful absences of an answer as claims, and settle earlier claims that it answers.

    Return the spans that are no longer covered, because this answer shows that an earlier one was wrong.
    """
    before = read_claims(connection, series, proven[0] - 1, proven[1] + 1)  # claims that touch may be joined
    if not before and not absences:
        return SpanSet()
    claims, void = hear(
        before, absences, proven=proven, opens=opens, covered=covered, heard=heard, said=said, timeframe=timeframe
    )
    connection.executemany(
        "DELETE FROM claims WHERE series = ? AND start = ?", ((series, each.start) for each in before)
    )
    add_claims(connection, series, claims)
    uncover(connection, series, void)
    return void


def has_claims(connection: Sql) -> bool:
    """Return whether the file has a table for claims."""
    return has_table(connection, "claims")


def stored_claims(connection: Sql, series: int) -> Iterator[Claim]:
    """Yield all claims of a series as they are in the file, oldest first; their values may be invalid."""
    sql = f"SELECT {', '.join(CLAIM_COLUMNS)} FROM claims WHERE series = ? ORDER BY start"
    return (Claim(*row) for row in connection.execute(sql, (series,)))


def is_claim(claim: Claim) -> bool:
    """Return whether a claim can have these values."""
    numbers = (claim.first_heard, claim.last_heard, claim.times, claim.due, claim.final)
    return (
        is_span(*claim.span)
        and claim.kind in ABSENCE_KINDS
        and all(type(each) is int and each >= 0 for each in numbers)
        and claim.times > 0
        and (claim.said is None or (type(claim.said) is int and claim.said >= 0))
    )


def put_right(connection: Sql, series: int, timeframe: Timeframe, now: int) -> None:
    """Write the claims of a series anew: each cut to covered slots without a candle and without an earlier claim.

    A claim with invalid values becomes one that is due at once: to drop it would make its absence final.
    """
    covered = connection.execute("SELECT start, stop FROM coverage WHERE series = ?", (series,)).fetchall()
    ledger, kept, reach = SpanSet(tuple(covered)), list[Claim](), BEGINNING
    for claim in list(stored_claims(connection, series)):
        if not is_span(*claim.span):
            continue
        span = (claim.start if claim.start == BEGINNING else timeframe.ceil(claim.start), timeframe.ceil(claim.stop))
        opens = connection.execute(f"SELECT open_time {_WITHIN}", (series, *span)).fetchall()
        traded = SpanSet(tuple((opened, timeframe.shift(opened, 1)) for (opened,) in opens))
        if not is_claim(claim):
            kind: AbsenceKind = "beginning" if claim.start == BEGINNING else "gap"
            claim = Claim(kind, *span, now, now, 1, now, now + int(ConfirmTimes().gap))
        # The parts of an earlier claim that were not kept are not covered, or have a candle.
        left = SpanSet(((max(span[0], reach), span[1]),)).intersect(ledger).subtract(traded)
        kept += [attrs.evolve(claim, start=start, stop=stop) for start, stop in left]
        reach = max(reach, span[1])
    connection.execute("DELETE FROM claims WHERE series = ?", (series,))
    add_claims(connection, series, kept)


def uncover(connection: Sql, series: int, spans: SpanSet) -> None:
    """Take spans out of the coverage, and the claims in them, so that they are asked for again; candles stay.

    Sealed months stay covered.
    """
    if spans:
        spans = spans.subtract(sealed_spans(connection, series, spans.spans[0][0], spans.spans[-1][1]))
    for start, stop in spans:
        for claim in read_claims(connection, series, start, stop):
            connection.execute("DELETE FROM claims WHERE series = ? AND start = ?", (series, claim.start))
            left_of_it = SpanSet((claim.span,)).subtract(SpanSet(((start, stop),)))
            add_claims(connection, series, (attrs.evolve(claim, start=first, stop=last) for first, last in left_of_it))
        touched = connection.execute(
            f"SELECT start, stop FROM coverage WHERE {COVERED_WITHIN}", overlapping(series, start, stop)
        ).fetchall()
        for first, last in touched:
            connection.execute("DELETE FROM coverage WHERE series = ? AND start = ?", (series, first))
            for left in ((first, start), (stop, last)):
                if left[0] < left[1]:
                    rows = counted_in(connection, series, *left)
                    connection.execute(
                        "INSERT INTO coverage (start, stop, rows, series) VALUES (?, ?, ?, ?)", (*left, rows, series)
                    )
