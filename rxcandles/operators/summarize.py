"""Folding a run into its summary."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import attrs
import reactivex
from reactivex import Observable
from reactivex import operators as rx

from rxcandles.flow import Operator, map_async
from rxcandles.planning import Chunk
from rxcandles.reports import OVERLAP_STATES, CollectionSummary, FailedSpan
from rxcandles.timeframe import to_datetime

__all__ = ["summarize"]


@attrs.frozen
class _Sum:
    last: Chunk | None = None
    chunks: int = 0
    requests: int = 0
    tries: int = 0
    rate_limited: int = 0
    fresh: int = 0
    overlap: tuple[int, ...] = (0,) * len(OVERLAP_STATES)
    failures: tuple[tuple[tuple[int, int], str], ...] = ()

    def add(self, chunk: Chunk) -> _Sum:
        """Return the sum with one more chunk; new, since a seed is shared by all subscriptions."""
        state = OVERLAP_STATES.index(chunk.overlap)
        failures = self.failures
        if chunk.failure is not None:
            failures = (*failures, ((chunk.low, chunk.resume), str(chunk.failure)))
        return _Sum(
            chunk,
            self.chunks + 1,
            self.requests + chunk.requests,
            self.tries + (chunk.requests > 0),
            self.rate_limited + chunk.rate_limited,
            self.fresh + chunk.fresh,
            (*self.overlap[:state], self.overlap[state] + 1, *self.overlap[state + 1 :]),
            failures,
        )


def summarize(*, clock: Callable[[], float] = time.monotonic) -> Operator[Chunk, CollectionSummary]:
    """Fold the chunks' counters into one :class:`CollectionSummary`, emitted at the end; holds no candles.

    Where the chunks went through ``persist``, the rows of the span are counted in that store at the end. A plan without
    a chunk has a summary of zeros, its time range at the epoch.
    """

    def operator(source: Observable[Chunk]) -> Observable[CollectionSummary]:
        def subscribed(_: object) -> Observable[CollectionSummary]:
            began = clock()

            async def finish(total: _Sum) -> CollectionSummary:
                return await _summary(total, lambda: clock() - began)

            return source.pipe(rx.reduce(_Sum.add, _Sum()), map_async(finish))

        return reactivex.defer(subscribed)

    return operator


async def _summary(total: _Sum, elapsed: Callable[[], float]) -> CollectionSummary:
    collected, start, stop, rows = 0, 0, 0, 0
    failed: tuple[FailedSpan, ...] = ()
    if total.last is not None:
        plan, request, store = total.last.plan, total.last.request, total.last.store
        collected = rows = plan.collected
        start, stop = request.start if request.start is not None else plan.bottom, request.stop
        if store is not None:
            if request.count is not None and not plan.failed:
                nth = await store.nth_newest(request.symbol, request.timeframe, start, stop, max(1, collected))
                start = stop if nth is None else nth
            rows = await store.count(request.symbol, request.timeframe, start, stop)
        reasons = dict(total.failures)
        failed = tuple(
            FailedSpan(to_datetime(low), to_datetime(high), reasons.get((low, high), "not tried: too many failures"))
            for low, high in sorted(plan.failed)
        )
    span: tuple[datetime, datetime] = (to_datetime(start), to_datetime(stop))
    return CollectionSummary(
        collected_count=collected,
        db_records_count=rows,
        time_range=span,
        chunks_processed=total.chunks,
        duration_seconds=elapsed(),
        api_calls_made=total.requests,
        overlap_analysis_results=dict(zip(OVERLAP_STATES, total.overlap, strict=True)),
        stored_count=total.fresh,
        retries=total.requests - total.tries,
        rate_limited=total.rate_limited,
        failed_spans=failed,
    )
