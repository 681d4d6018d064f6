"""Add a run up to its summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import attrs
import reactivex
from reactivex import Observable
from reactivex import operators as rx

from rxcandles.engine.chunk import Chunk
from rxcandles.engine.run import Run
from rxcandles.engine.tally import Tally
from rxcandles.flow import Operator, map_async
from rxcandles.model import Request
from rxcandles.model.claims import Claim
from rxcandles.model.reports import OVERLAP_STATES, CollectionSummary, FailedSpan, ImpossibleSpan, ProvisionalSpan
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, Timeframe, to_datetime
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import CandleStore, opens_of
from rxcandles.util.arguments import check_callable

__all__ = ["provisional_spans", "summarize"]


@attrs.frozen
class _Sum:
    """What has passed; what it has cost is in the tallies of the runs."""

    runs: Mapping[Run, None] = attrs.field(factory=dict)
    chunks: int = 0
    overlap: tuple[int, ...] = (0,) * len(OVERLAP_STATES)

    def add(self, chunk: Chunk) -> _Sum:
        """Return a new sum with one more chunk; all subscriptions share the seed, so it must not change."""
        state = OVERLAP_STATES.index(chunk.stored.overlap)
        overlap = (*self.overlap[:state], self.overlap[state] + 1, *self.overlap[state + 1 :])
        runs = self.runs if chunk.run in self.runs else {**self.runs, chunk.run: None}
        return _Sum(runs, self.chunks + 1, overlap)


def summarize(*, clock: Callable[[], float] = time.monotonic) -> Operator[Chunk, CollectionSummary]:
    """Add the chunks up to one :class:`CollectionSummary`, which is emitted at the end; holds no candles.

    If the chunks went through ``persist``, the rows of the span are counted in that store at the end. If no chunk came,
    the summary has zeros and its time range is at the epoch.

    * ``clock``: returns seconds, for the duration.

    Raises ``StoreError`` at the end if the store can't be read.

    >>> chunks = ops.plan_chunks(request).pipe(ops.skip_stored(store), ops.fetch(exchange), ops.persist(store))
    >>> summary = await ops.run(chunks.pipe(ops.summarize()))
    >>> summary.collected_count, summary.api_calls_made
    (60, 0)
    """
    check_callable("clock", clock)

    def operator(source: Observable[Chunk]) -> Observable[CollectionSummary]:
        def subscribed(_: object) -> Observable[CollectionSummary]:
            began = clock()

            async def finish(total: _Sum) -> CollectionSummary:
                return await _summary(total, lambda: clock() - began)

            return source.pipe(rx.reduce(_added, _Sum()), map_async(finish))

        return reactivex.defer(subscribed)

    return operator


def _added(total: _Sum, chunk: Chunk) -> _Sum:
    check_chunk("summarize", chunk)
    return total.add(chunk)


@attrs.frozen
class _Held:
    """What is stored of one run's request."""

    collected: int
    rows: int
    span: Span
    failed: SpanSet
    provisional: Sequence[ProvisionalSpan] = ()
    impossible: Sequence[ImpossibleSpan] = ()


async def _held(run: Run) -> _Held:
    request, store = run.request, run.store
    collected, stop = run.collected, run.stop
    start = request.start if request.start is not None else min(run.bottom, stop)
    failed = SpanSet(tuple(run.failed))
    if store is None:
        return _Held(collected, collected, (start, stop), failed, impossible=_impossible(run, (start, stop), SpanSet()))
    series = (request.symbol, request.timeframe)
    void = SpanSet(tuple(run.void)).intersect(SpanSet(((start, stop),)))
    if void:
        there = await store.coverage(*series, start, stop)
        failed = failed.union(void.subtract(SpanSet(each.span for each in there)))
    if failed:
        # A page may have run over the end of its own segment and brought a part of a failed span: the coverage shows
        # that.
        covered = SpanSet(each.span for each in await store.coverage(*series, start, stop))
        # A run that asks anew finds its spans covered from before, whether it could fetch them or not.
        failed = failed if run.anew else failed.subtract(covered)
        collected = sum([await store.count(*series, *span) for span in covered.intersect(SpanSet(((start, stop),)))])
        if request.start is None:  # its older end is unknown; only the candles that came are
            oldest = await opens_of(store, *series, start, stop, "oldest_first", 1)
            start = oldest[0] if oldest else stop
    elif request.count is not None:
        nth = await store.nth_newest(*series, start, stop, max(1, collected))
        start = stop if nth is None else nth
    rows = await store.count(*series, start, stop)
    short = request.count is not None and collected < request.count
    provisional = await provisional_spans(store, request, (BEGINNING if short else start, request.stop))
    covered = SpanSet()
    if run.impossible and not run.anew:
        covered = SpanSet(each.span for each in await store.coverage(*series, start, stop))
    impossible = _impossible(run, (BEGINNING if short else start, stop), covered)
    return _Held(collected, rows, (start, stop), failed, provisional, impossible)


def _impossible(run: Run, asked: Span, covered: SpanSet) -> list[ImpossibleSpan]:
    """Return the slots of ``asked`` whose candles are impossible, without those that are covered from before."""
    grid = run.request.timeframe
    return [
        ImpossibleSpan(to_datetime(opened), to_datetime(grid.shift(opened, 1)), run.impossible[opened])
        for opened in sorted(run.impossible)
        if asked[0] <= opened < asked[1] and opened not in covered
    ]


async def provisional_spans(store: CandleStore, request: Request, asked: Span) -> list[ProvisionalSpan]:
    """Return the provisional spans of a request's series in ``asked``, oldest first, cut to ``asked``."""
    if asked[0] >= asked[1]:
        return []
    claims = await store.claims(request.symbol, request.timeframe, *asked)
    return [_provisional(claim, request.timeframe, asked) for claim in claims]


def _provisional(claim: Claim, timeframe: Timeframe, asked: Span) -> ProvisionalSpan:
    start, stop = max(claim.start, asked[0]), min(claim.stop, asked[1])
    return ProvisionalSpan(
        start=to_datetime(start),
        stop=to_datetime(stop),
        kind=claim.kind,
        slots=timeframe.slots(start, stop),
        first_heard=to_datetime(claim.first_heard),
        last_heard=to_datetime(claim.last_heard),
        times=claim.times,
        asks_again=to_datetime(claim.due),
    )


async def _summary(total: _Sum, elapsed: Callable[[], float]) -> CollectionSummary:
    held = [await _held(run) for run in total.runs]
    failed = sorted(span for each in held for span in each.failed)
    failures = {span: reason for run in total.runs for span, reason in run.failed.items()}

    def cost(of: Callable[[Tally], int]) -> int:
        return sum(of(run.tally) for run in total.runs)

    return CollectionSummary(
        collected_count=sum(each.collected for each in held),
        db_records_count=sum(each.rows for each in held),
        time_range=(
            to_datetime(min((each.span[0] for each in held), default=0)),
            to_datetime(max((each.span[1] for each in held), default=0)),
        ),
        chunks_processed=total.chunks,
        duration_seconds=elapsed(),
        api_calls_made=cost(lambda tally: tally.requests),
        overlap_analysis_results=dict(zip(OVERLAP_STATES, total.overlap, strict=True)),
        stored_count=cost(lambda tally: tally.stored),
        retries=cost(lambda tally: tally.retries),
        rate_limited=cost(lambda tally: tally.rate_limited),
        failed_spans=tuple(
            FailedSpan(to_datetime(start), to_datetime(stop), _reason(failures, start, stop)) for start, stop in failed
        ),
        provisional_spans=tuple(span for each in held for span in each.provisional),
        impossible_spans=tuple(span for each in held for span in each.impossible),
        revised_count=cost(lambda tally: tally.revised),
        removed_count=cost(lambda tally: tally.removed),
        stored_older_count=max(0, cost(lambda tally: tally.older)),
    )


def _reason(failures: Mapping[Span, str], start: int, stop: int) -> str:
    reasons = [reason for span, reason in failures.items() if span[0] < stop and start < span[1]]
    return reasons[0] if reasons else "not asked for again: too many failures in a row, or answers that contradict"
