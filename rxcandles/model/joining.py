"""Join the summaries of a request's parts to the summary of the request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Final, TypeVar

import attrs

from rxcandles.errors import RequestError
from rxcandles.model.reports import CollectionSummary, FailedSpan, ImpossibleSpan, ProvisionalSpan

__all__ = ["joined"]

_Spanned = TypeVar("_Spanned", FailedSpan, ImpossibleSpan, ProvisionalSpan)

_ADDED: Final = (
    "collected_count", "db_records_count", "chunks_processed", "duration_seconds", "api_calls_made", "stored_count",
    "retries", "rate_limited", "revised_count", "removed_count",
)  # fmt: skip
"""Fields that are the sum of those of the parts."""


def joined(parts: Iterable[CollectionSummary]) -> CollectionSummary:
    """Return the summary of a request from those of its parts; see :meth:`CollectionSummary.joined`."""
    every = list(parts)
    if not every:
        raise RequestError("parts is empty; give the summaries of the parts of one request")
    return reduce(_pair, every)


def _pair(one: CollectionSummary, other: CollectionSummary) -> CollectionSummary:
    # What a page brings beyond its part is in the part before, unless nobody trades in a whole part.
    oldest = min(one, other, key=lambda each: each.time_range[0])
    states = {**one.overlap_analysis_results, **other.overlap_analysis_results}
    return attrs.evolve(
        one,
        **{name: getattr(one, name) + getattr(other, name) for name in _ADDED},
        time_range=(oldest.time_range[0], max(one.time_range[1], other.time_range[1])),
        overlap_analysis_results={
            state: sum(each.overlap_analysis_results.get(state, 0) for each in (one, other)) for state in states
        },
        failed_spans=_touching([*one.failed_spans, *other.failed_spans], lambda span: (span.reason,)),
        provisional_spans=_touching([*one.provisional_spans, *other.provisional_spans], _claim),
        impossible_spans=tuple(sorted([*one.impossible_spans, *other.impossible_spans], key=lambda span: span.start)),
        stored_older_count=oldest.stored_older_count,
    )


def _claim(span: ProvisionalSpan) -> tuple[object, ...]:
    """Return what pieces of one claim have in common."""
    return (span.kind, span.first_heard, span.last_heard, span.times, span.asks_again)


def _touching(spans: Iterable[_Spanned], alike: Callable[[_Spanned], tuple[object, ...]]) -> tuple[_Spanned, ...]:
    """Return the spans, oldest first, those as one that are alike and touch."""
    found: list[_Spanned] = []
    for span in sorted(spans, key=lambda span: span.start):
        last = found[-1] if found else None
        if last is not None and last.stop == span.start and alike(last) == alike(span):
            found[-1] = _as_one(last, span)
        else:
            found.append(span)
    return tuple(found)


def _as_one(older: _Spanned, newer: _Spanned) -> _Spanned:
    more: dict[str, Any] = {"stop": newer.stop}
    if isinstance(older, ProvisionalSpan) and isinstance(newer, ProvisionalSpan):
        more["slots"] = older.slots + newer.slots
    return attrs.evolve(older, **more)
