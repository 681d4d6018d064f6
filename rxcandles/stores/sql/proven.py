"""Read candles together with what is known of their span, at one moment; in the thread of a connection."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from rxcandles.model.claims import Claim
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.stores.sql.claiming import read_claims
from rxcandles.stores.sql.conditions import COVERED_WITHIN, overlapping
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.reading import read_rows
from rxcandles.stores.sql.transaction import snapshot

__all__ = ["ProvenPage", "read_proven"]

_SPANS: Final = f"SELECT start, stop FROM coverage WHERE {COVERED_WITHIN}"


class ProvenPage(NamedTuple):
    """A page of a series as it was at one moment."""

    span: Span
    found: list[tuple[Any, ...]]
    """Its rows, oldest first, as they are stored."""
    counted: bool
    """Whether they have the columns of trades."""
    covered: SpanSet
    """What is covered of the span."""
    claims: list[Claim]
    """What makes parts of it provisional."""

    def parts(self) -> list[tuple[Span, Claim | None]]:
        """Return what is covered, oldest first; each claim is a part, since it was heard at its own time."""
        provisional = SpanSet(tuple(claim.span for claim in self.claims))
        parts: list[tuple[Span, Claim | None]] = [(span, None) for span in self.covered.subtract(provisional)]
        parts += [(span, each) for each in self.claims for span in self.covered.intersect(SpanSet((each.span,)))]
        return sorted(parts, key=lambda part: part[0])


def read_proven(connection: Sql, series: int, frame: Timeframe, start: int, stop: int, limit: int) -> ProvenPage:
    """Return the oldest ``limit`` rows of ``[start, stop)``, and what is covered as far as they reach.

    A repair may take rows out, with their coverage, between two statements; here both are of one moment.
    """
    with snapshot(connection):
        found, counted = read_rows(connection, series, start, stop, "oldest_first", limit)
        span = (start, stop if len(found) < limit else min(stop, frame.shift(found[-1][0], 1)))
        covered = connection.execute(_SPANS, overlapping(series, *span)).fetchall()
        claims = read_claims(connection, series, *span)
    spans = SpanSet(tuple((first, last) for first, last in covered))
    return ProvenPage(span, found, counted, spans.intersect(SpanSet((span,))), claims)
