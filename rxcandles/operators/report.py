"""Report the progress of a run."""

from __future__ import annotations

import time
from collections.abc import Callable

import reactivex
from reactivex import Observable

from rxcandles.engine.chunk import Chunk
from rxcandles.flow import Operator
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.timeframe import to_datetime
from rxcandles.operators.calling import shown_to, told
from rxcandles.operators.pieces import check_chunk
from rxcandles.util.arguments import check_callable

__all__ = ["report"]


def report(
    callback: Callable[[CollectionProgress], object] | None, *, clock: Callable[[], float] = time.monotonic
) -> Operator[Chunk, Chunk]:
    """Call ``callback`` with a :class:`CollectionProgress` for every chunk, then pass the chunk on.

    The call runs on the event loop, so a slow callback slows the run. An ``async def`` is awaited. An exception of the
    callback ends the run as its error. None calls nothing.

    >>> chunks = ops.plan_chunks(request).pipe(ops.skip_stored(store), ops.fetch(exchange), ops.persist(store))
    >>> def show(progress):
    ...     print(progress.collected_count, "of", progress.total_count)
    >>> _ = await ops.run(chunks.pipe(ops.report(show)))
    60 of 60
    """
    check_callable("clock", clock)
    check_callable("callback", callback, optional=True)

    def operator(source: Observable[Chunk]) -> Observable[Chunk]:
        if callback is None:
            return source

        def subscribed(_: object) -> Observable[Chunk]:
            began, done, held = clock(), 0, 0

            def progress(chunk: Chunk) -> CollectionProgress:
                nonlocal done, held
                check_chunk("report", chunk)
                done += 1
                held += chunk.candles
                return _progress(chunk, done, held, clock() - began)

            return source.pipe(shown_to([told(callback, progress)]))

        return reactivex.defer(subscribed)

    return operator


def _progress(chunk: Chunk, done: int, held: int, elapsed: float) -> CollectionProgress:
    # The run counts a page when it arrives, which is before its chunk comes here.
    run, tally = chunk.run, chunk.run.tally
    total = run.expected
    to_come = max(0, total - run.collected)
    held = min(held, total) if run.complete or run.request.count is not None else held
    low, top = chunk.span
    reached = max(chunk.reached if chunk.reached is not None else low, chunk.step.floor)
    return CollectionProgress(
        current_chunk=done,
        total_chunks=max(run.settled + -(-to_come // run.page), done),
        collected_count=held,
        estimated_remaining_seconds=elapsed / held * max(0, total - held) if held else 0.0,
        current_chunk_range=(to_datetime(min(reached, top)), to_datetime(top)),
        total_count=max(total, held),
        elapsed_seconds=elapsed,
        requests=tally.requests,
        retries=tally.retries,
        rate_limited=tally.rate_limited,
        stored_before=tally.stored_before,
        gaps_found=run.gaps_found,
        revised=tally.revised,
    )
