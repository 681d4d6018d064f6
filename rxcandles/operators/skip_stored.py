"""Sparing the exchange what the store has."""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

import attrs
import reactivex
from reactivex import Observable

from rxcandles.arguments import check_like
from rxcandles.chunk import Chunk
from rxcandles.flow import Operator, map_async
from rxcandles.planning import Plan
from rxcandles.ports import CandleStore, Covered
from rxcandles.spans import Span, SpanSet

__all__ = ["Narrowing", "skip_stored"]

MOST_HOLES: Final = 1000
"""Holes that are told apart at the beginning of a run."""


def skip_stored(store: CandleStore) -> Operator[Chunk, Chunk]:
    """Narrow each chunk to what the store lacks; a chunk that is wholly stored passes with nothing to be fetched.

    A stored stretch of any length is one chunk and one lookup in the ledger; one more, when a run begins, tells the
    plan which holes there are. All holes within a page are one request.
    Chunks keep their order; none is dropped. Raises ``StoreError``.
    """
    check_like("store", store, CandleStore, "coverage", "count", "nth_newest")

    def operator(source: Observable[Chunk]) -> Observable[Chunk]:
        return reactivex.defer(lambda _: source.pipe(map_async(Narrowing(store).narrow)))

    return operator


class Narrowing:
    """One subscription, with the last hole found in the ledger for each run: chunks in it need no lookup."""

    def __init__(self, store: CandleStore) -> None:
        self._store = store
        self._before: WeakKeyDictionary[Plan, SpanSet] = WeakKeyDictionary()
        """What was covered when a run began, before its own pages."""
        self._holes: WeakKeyDictionary[Plan, Span] = WeakKeyDictionary()

    async def narrow(self, chunk: Chunk) -> Chunk:
        """Return the chunk with what the store has of it, and what is to be asked for."""
        if chunk.index == 0:
            await self._look_over(chunk.plan)
        hole = self._holes.get(chunk.plan)
        if hole is not None and hole[0] <= chunk.low and chunk.top <= hole[1]:
            return attrs.evolve(chunk, unknown=hole[0])
        request = chunk.request
        covered = await self._store.coverage(
            request.symbol, request.timeframe, chunk.floor, chunk.top, limit=chunk.plan.page + 2
        )
        if covered and covered[0].stop >= chunk.top:
            chunk = await self._resume(chunk, covered.pop(0))
        if not chunk.ask:
            return chunk
        return self._ask(chunk, SpanSet(tuple((each.start, each.stop) for each in covered)))

    async def _look_over(self, plan: Plan) -> None:
        """Note what is covered and tell the plan where the holes are, before the run's own pages change that."""
        request = plan.request
        covered = await self._store.coverage(request.symbol, request.timeframe, *request.span, limit=MOST_HOLES + 1)
        plan.holes = [newer.start for newer in reversed(covered[:-1])]
        spans = [(each.start, each.stop) for each in covered]
        if len(spans) > MOST_HOLES:
            spans.append((0, spans[-1][0]))  # not looked at: taken for covered
        self._before[plan] = SpanSet(tuple(spans))

    async def _spared(self, chunk: Chunk, resume: int, held: int) -> int:
        """Return how many of the candles held in ``[resume, top)`` the run has not brought itself."""
        stretch = SpanSet(((resume, chunk.top),))
        before = stretch.intersect(self._before.get(chunk.plan, stretch))
        if before == stretch:
            return held
        series = (chunk.request.symbol, chunk.request.timeframe)
        return min(held, sum([await self._store.count(*series, *span) for span in before]))

    async def _resume(self, chunk: Chunk, run: Covered) -> Chunk:
        """Begin behind the stored run that reaches down from the chunk's top."""
        request = chunk.request
        resume = max(run.start, chunk.floor)
        if run.start == resume and run.stop == chunk.top:
            held = run.rows
        else:
            held = await self._store.count(request.symbol, request.timeframe, resume, chunk.top)
        reached: int | None = None
        if chunk.want is not None and held >= chunk.want:
            held = chunk.want
            reached = await self._store.nth_newest(request.symbol, request.timeframe, resume, chunk.top, held)
        chunk.plan.tally.stored_before += await self._spared(chunk, resume, held)
        if reached is None and resume <= chunk.low:
            reached = resume
        if reached is not None:
            return attrs.evolve(chunk, resume=resume, held=held, reached=reached, ask=0, overlap="complete_overlap")
        return attrs.evolve(chunk, resume=resume, held=held, overlap="partial_start")

    def _ask(self, chunk: Chunk, covered: SpanSet) -> Chunk:
        """Ask for as many as there are slots from the newest missing one to the oldest within a page."""
        grid, page = chunk.request.timeframe, chunk.plan.page
        low = max(chunk.floor, grid.shift(chunk.resume, -page))
        known = covered.intersect(SpanSet(((low, chunk.resume),)))
        missing = SpanSet(((low, chunk.resume),)).subtract(known)
        lowest = missing.spans[0][0]
        unknown = covered.spans[-1][1] if covered else chunk.floor
        self._holes[chunk.plan] = (unknown, chunk.resume)
        overlap = chunk.overlap
        if known and overlap == "no_overlap":
            tail = len(known) == 1 and known.spans[0][0] == low
            overlap = "partial_middle_continuous" if tail else "partial_middle_fragment"
        wanted = page if chunk.want is None else chunk.want - chunk.held
        return attrs.evolve(
            chunk,
            low=low,
            unknown=unknown,
            ask=min(page, grid.slots(lowest, chunk.resume), wanted),
            overlap=overlap,
        )
