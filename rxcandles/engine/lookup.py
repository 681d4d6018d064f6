"""What the store has of a chunk, so that only the rest is asked for."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import attrs

from rxcandles.engine.chunk import Chunk
from rxcandles.engine.run import Plan
from rxcandles.model.claims import Claim
from rxcandles.model.density import Trend, doubtful_gaps
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END
from rxcandles.ports import CandleStore, Covered, impossible_in

__all__ = ["Look", "Narrowing"]

MOST_HOLES: Final = 1000
"""Holes that are told apart at the beginning of a run."""

AGAIN: Final = 3
"""Stored candles that a page reads again where it reaches them: the exchange may have changed them since."""

MOST_LATE: Final = 20
"""Candles that may have come late right above them."""


class Narrowing:
    """One subscription, with what the store knew of each run's span when the run began."""

    def __init__(self, store: CandleStore, *, absences: bool = False) -> None:
        self._store = store
        self._absences = absences
        self._looks: WeakKeyDictionary[Plan, Look] = WeakKeyDictionary()

    async def narrow(self, chunk: Chunk) -> Chunk:
        """Return the chunk with what the store has of it, and what is to be asked for."""
        if chunk.index == 0 or chunk.plan not in self._looks:
            self._looks[chunk.plan] = await self._look_over(chunk.plan)
            chunk = chunk.plan.aligned(chunk)
        look = self._looks[chunk.plan]
        hole = look.hole
        # Chunks in the last hole found need no lookup, up to the one that reaches the candles below it.
        if hole is not None and chunk.top <= hole[1] and (hole[0] < chunk.low or hole[0] == chunk.floor):
            return chunk
        request = chunk.request
        # With the spans that touch its ends.
        covered = await self._store.coverage(
            request.symbol, request.timeframe, max(0, chunk.floor - 1), chunk.top + 1, limit=chunk.plan.page + 3
        )
        return await self._narrowed(chunk, _without(covered, _near(look.due, chunk)), look)

    async def renew(self, chunk: Chunk) -> Chunk:
        """Return the chunk narrowed anew, as others may have stored some of it since."""
        request, plan, store = chunk.request, chunk.plan, self._store
        if chunk.resume < chunk.top:
            plan.tally.stored_before -= await self._spared(chunk, chunk.resume, chunk.held)
        low = max(chunk.floor, request.timeframe.shift(chunk.top, -plan.page))
        ask = plan.need(request.timeframe.slots(low, chunk.top), chunk.want)
        chunk = chunk.but(
            low=low, resume=chunk.top, ask=ask, seam=chunk.segment.seam, over=0, known=(), again=False, held=0,
            overlap="no_overlap", reached=None, suspects=frozenset(),
        )  # fmt: skip
        series, start = (request.symbol, request.timeframe), max(0, low - 1)
        claims = await store.claims(*series, start, chunk.top)
        now = time.time()
        due = SpanSet(tuple(claim.span for claim in claims if self._absences or claim.is_due(now)))
        covered = await store.coverage(*series, max(0, chunk.floor - 1), chunk.top + 1, limit=plan.page + 3)
        impossible = [each.open_time for each in await impossible_in(store, *series, start, chunk.top)]
        return await self._narrowed(chunk, _without(covered, due), Look(SpanSet(), due, claims, impossible))

    async def _narrowed(self, chunk: Chunk, covered: list[Covered], look: Look) -> Chunk:
        believed = [span for span in covered if span.start < chunk.top]
        if believed and believed[0].stop >= chunk.top:
            chunk = await self._resume(chunk, believed.pop(0))
        if not chunk.ask:
            return chunk
        if chunk.seam is None:
            chunk = await self._seam(chunk, covered)
        edge = next((each.stop for each in believed if each.imported), 0)
        return await self._ask(chunk, SpanSet(tuple((each.start, each.stop) for each in believed)), look, edge)

    async def _look_over(self, plan: Plan) -> Look:
        """Note what is covered and tell the plan where the holes are, before the run's own pages change that."""
        request, store = plan.request, self._store
        plan.anew |= self._absences
        series = (request.symbol, request.timeframe)
        covered = await store.coverage(*series, *request.span, limit=MOST_HOLES + 1)
        plan.holes = [newer.start for newer in reversed(covered[:-1])]
        spans = [(each.start, each.stop) for each in covered]
        if len(spans) > MOST_HOLES:
            spans.append((0, spans[-1][0]))  # not looked at: taken for covered
        plan.covered = SpanSet(tuple(spans))
        start, stop = request.span
        claims = await store.claims(*series, max(0, start - 1), stop)
        now = time.time()
        due = SpanSet(tuple(claim.span for claim in claims if self._absences or claim.is_due(now)))
        oldest = await store.rows(*series, 0, END, "oldest_first", 1)
        trend = await self._trend(plan, covered[0], claims) if covered else Trend()
        first = oldest[0].open_time if oldest else None
        plan.know(trend, first, None if self._absences else await self._begins(plan, first))
        impossible = await impossible_in(store, *series, *request.span)
        return Look(plan.covered, due, claims, [each.open_time for each in impossible])

    async def _begins(self, plan: Plan, oldest: int | None) -> int | None:
        """Return the open time of the oldest candle where it is known already that nothing is older."""
        series = (plan.request.symbol, plan.request.timeframe)
        if oldest is None:
            return None
        covered = await self._store.coverage(*series, BEGINNING, BEGINNING + 1)
        if not any(span.start == BEGINNING and oldest < span.stop for span in covered):
            return None
        # What a file of before says was never held against candles of another length.
        claims = await self._store.claims(*series, BEGINNING, BEGINNING + 1)
        return None if any(claim.due == BEGINNING for claim in claims) else oldest

    async def _trend(self, plan: Plan, newest: Covered, claims: Sequence[Claim]) -> Trend:
        """Return how densely the newest stored candles lie."""
        request, grid = plan.request, plan.request.timeframe
        series = (request.symbol, grid)
        absent = [claim.start for claim in claims if claim.stop == newest.stop]
        stop = min(newest.stop, *absent) if absent else newest.stop
        rows = await self._store.rows(*series, newest.start, stop, "newest_first", plan.page)
        if not rows:
            return Trend()
        # From candle to candle: what a span has below its oldest one may be the time before the market.
        return doubtful_gaps([row.open_time for row in rows], grid, Trend(), len(rows))[1]

    async def _spared(self, chunk: Chunk, resume: int, held: int) -> int:
        """Return how many of the candles held in ``[resume, top)`` the run has not brought itself."""
        stretch = SpanSet(((resume, chunk.top),))
        look = self._looks.get(chunk.plan)
        before = stretch if look is None else stretch.intersect(look.covered)
        if before == stretch:
            return held
        series = (chunk.request.symbol, chunk.request.timeframe)
        return min(held, sum([await self._store.count(*series, *span) for span in before]))

    async def _resume(self, chunk: Chunk, run: Covered) -> Chunk:
        """Begin behind the stored run that reaches down from the chunk's top."""
        request = chunk.request
        resume = max(run.start, chunk.floor)
        if run.start == resume and run.stop == chunk.top and run.rows >= 0:
            held = run.rows
        else:
            held = await self._store.count(request.symbol, request.timeframe, resume, chunk.top)
        reached: int | None = None
        if chunk.want is not None and held >= chunk.want:
            held = chunk.want
            reached = await self._store.nth_newest(request.symbol, request.timeframe, resume, chunk.top, held)
        spared = await self._spared(chunk, resume, held)
        chunk.plan.tally.stored_before += spared
        if reached is None and resume <= chunk.low:
            reached = resume
        if reached is not None:
            return chunk.but(resume=resume, held=held, reached=reached, ask=0, overlap="complete_overlap")
        return chunk.but(resume=resume, held=held, seam=None, overlap="partial_start")

    async def _seam(self, chunk: Chunk, covered: Sequence[Covered]) -> Chunk:
        """Return the chunk with the oldest candle that is stored right above the hole, without a hole between."""
        request = chunk.request
        for span in covered:
            if span.start <= chunk.resume < span.stop and not span.imported:
                found = await self._store.rows(
                    request.symbol, request.timeframe, chunk.resume, span.stop, "oldest_first", 1
                )
                return chunk.but(seam=found[0].open_time) if found else chunk
        return chunk

    async def _ask(self, chunk: Chunk, covered: SpanSet, look: Look, edge: int) -> Chunk:
        """Ask for as many as there are slots from the newest missing one to the oldest within a page, above ``edge``.

        And for a few more where candles are stored below: the newest of them come again, with what answers so far have
        left out right above them.
        """
        grid, page = chunk.request.timeframe, chunk.plan.page
        low = max(chunk.floor, grid.shift(chunk.resume, -page), edge)
        known = covered.intersect(SpanSet(((low, chunk.resume),)))
        missing = SpanSet(((low, chunk.resume),)).subtract(known)
        if not missing:  # only a ledger whose spans overlap has that
            return chunk.but(reached=low, ask=0, known=(), overlap="complete_overlap")
        lowest = missing.spans[0][0]
        look.hole = (covered.spans[-1][1] if covered else chunk.floor, chunk.resume)
        overlap = chunk.overlap
        if known and overlap == "no_overlap":
            tail = len(known) == 1 and known.spans[0][0] == low
            overlap = "partial_middle_continuous" if tail else "partial_middle_fragment"
        slots = grid.slots(lowest, chunk.resume)
        need = chunk.plan.need(slots, None if chunk.want is None else chunk.want - chunk.held)
        suspects = look.impossible_in(lowest, chunk.resume)
        again = bool(suspects) or bool(missing.intersect(_near(look.due, chunk)))
        between = await self._opens(chunk, covered.intersect(SpanSet(((lowest, chunk.resume),))), page)
        below = await self._opens(
            chunk, SpanSet(tuple(span for span in covered if span[1] == lowest and lowest != edge)), AGAIN
        )
        if below and need == slots:
            claim = look.by_stop.get(lowest)
            late = 0 if claim is None else grid.slots(*claim.span)
            need += len(below) + min(late, MOST_LATE)
        chunk = chunk.but(low=low, overlap=overlap, again=again, known=[*between, *below], suspects=suspects)
        return chunk.plan.asking(chunk, need)

    async def _opens(self, chunk: Chunk, spans: SpanSet, limit: int) -> list[int]:
        """Return the open times of the newest ``limit`` stored candles from the first of the spans to the last."""
        if not spans:
            return []
        # One look for all of them: there may be one for every other slot.
        series = (chunk.request.symbol, chunk.request.timeframe)
        rows = await self._store.rows(*series, spans.spans[0][0], spans.spans[-1][1], "newest_first", limit)
        return [row.open_time for row in rows if row.open_time in spans]


@attrs.define
class Look:
    """What the store knew of a run's span when the run began."""

    covered: SpanSet
    """What was covered, before the run's own pages."""
    due: SpanSet
    """What of that is asked about again."""
    claims: Sequence[Claim]
    """All doubtful absences."""
    impossible: Sequence[int] = ()
    """Open times of candles that can't be true, oldest first."""
    hole: Span | None = None
    """The last hole found."""
    by_stop: Mapping[int, Claim] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.by_stop = {claim.stop: claim for claim in self.claims}

    def impossible_in(self, start: int, stop: int) -> frozenset[int]:
        """Return those in ``[start, stop)``."""
        return frozenset(self.impossible[bisect_left(self.impossible, start) : bisect_left(self.impossible, stop)])


def _near(due: SpanSet, chunk: Chunk) -> SpanSet:
    """Return what of ``due`` matters to a chunk: the newest below its top, and a page below that."""
    # All of it at every chunk would take the square of the time.
    last = bisect_left(due.spans, chunk.top + 1, key=lambda span: span[0])
    if not last:
        return SpanSet()
    lowest = chunk.request.timeframe.shift(min(chunk.low, due.spans[last - 1][0]), -chunk.plan.page)
    first = bisect_right(due.spans, lowest, hi=last, key=lambda span: span[1])
    return SpanSet(due.spans[first:last])


def _without(covered: Sequence[Covered], due: SpanSet) -> list[Covered]:
    """Return what is covered but not to be asked about again, newest first; -1 rows where they must be counted."""
    if not due:
        return list(covered)
    result: list[Covered] = []
    for span in covered:
        whole = SpanSet(((span.start, span.stop),))
        left = whole.subtract(due)
        if left == whole:
            result.append(span)
        else:
            result += [Covered(start, stop, -1) for start, stop in reversed(left.spans)]
    return result
