"""Check the claims of a series: a wrong claim is a finding, a right one is a note."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from rxcandles.integrity.findings import Kind
from rxcandles.model.claims import Claim
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, Timeframe, time_text
from rxcandles.stores.sql.claiming import is_claim, stored_claims
from rxcandles.stores.sql.conditions import COVERED_WITHIN, is_span, on_grid_sql, overlapping
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.reading import COUNT_SQL

__all__ = ["examine_claims"]


def examine_claims(connection: Sql, series: int, frame: Timeframe) -> Iterator[tuple[Kind, Span | None, str]]:
    """Yield one finding for each claim of a series: its kind, its span, and a sentence about it.

    The functions of the grid must be registered on the connection.
    """
    reach = BEGINNING
    for claim in stored_claims(connection, series):
        if not is_span(*claim.span):
            yield "wrong_claim", None, f"a claim from {claim.start!r} to {claim.stop!r}"
            continue
        fault = _fault(connection, series, frame, claim, reach)
        if fault is None:
            yield "provisional_absence", claim.span, _told(claim, frame)
        else:
            yield "wrong_claim", claim.span, fault
        reach = max(reach, claim.stop)


def _fault(connection: Sql, series: int, frame: Timeframe, claim: Claim, reach: int) -> str | None:
    """Return what is wrong with a claim, or None; earlier claims end at ``reach``."""
    start, stop = claim.span
    if not is_claim(claim):
        return f"no claim can have these values: {attrs.astuple(claim)}"
    if (start != BEGINNING and not frame.on_grid(start)) or not frame.on_grid(stop):
        return f"from {time_text(start)} to {time_text(stop)}, where no {frame} candle opens"
    if start < reach:
        return f"it overlaps one that ends at {time_text(reach)}"
    spans = connection.execute(
        f"SELECT start, stop FROM coverage WHERE {COVERED_WITHIN}", overlapping(series, start, stop)
    )
    if SpanSet((claim.span,)).subtract(SpanSet(tuple(span for span in spans if is_span(*span)))):
        return "it reaches out of the ledger, which does not cover all of it"
    (rows,) = connection.execute(f"{COUNT_SQL} AND {on_grid_sql(frame)}", (series, start, stop)).fetchone()
    return f"{rows:,} candles are stored in what it says is empty" if rows else None


def _told(claim: Claim, frame: Timeframe) -> str:
    slots, answers = frame.slots(*claim.span), "one answer" if claim.times == 1 else f"{claim.times:,} answers"
    empty = "slot is empty" if slots == 1 else "slots are empty"
    again = f"asked about again from {time_text(claim.due)} on" if claim.due else "asked about again by the next run"
    return f"{slots:,} {empty} ({claim.kind}) by {answers}; {again}"
