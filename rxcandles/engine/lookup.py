"""Look up what the store has of a chunk, so that only the rest is asked for.

When a run begins, the lookup reads its covered spans, its claims and its impossible candles once. Then each chunk is
narrowed to what is missing within a page. Covered spans are skipped, claims that are due are treated like gaps, and a
page that reaches stored candles reads the newest of them again.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import attrs

from rxcandles.engine.chunk import Chunk, Question, Stored
from rxcandles.engine.run import Run
from rxcandles.model.claims import Claim
from rxcandles.model.density import Trend, doubtful_gaps
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.ports import CandleStore, Covered, impossible_in, opens_of

__all__ = ["Look", "Lookup"]

MOST_GAPS: Final = 1000
"""Most gaps that are told apart when a run begins."""

AGAIN: Final = 3
"""Stored candles that a page reads again when it reaches them, since the exchange may have changed them."""

MOST_LATE: Final = 20
"""Most candles that are expected to have come late, right above stored ones."""


class Lookup:
    """One subscription; remembers what the store had of each run's span when the run began."""

    def __init__(self, store: CandleStore, *, absences: bool = False, overlap: int = AGAIN) -> None:
        self._store = store
        self._overlap = overlap
        self._absences = absences
        self._looks: WeakKeyDictionary[Run, Look] = WeakKeyDictionary()

    async def narrow(self, chunk: Chunk) -> Chunk:
        """Return the chunk with what the store has of it, and with the question for the rest."""
        run = chunk.run
        if chunk.index == 0 or run not in self._looks:
            self._looks[run] = await self._look_over(run)
            chunk = run.aligned(chunk)
        look, step, gap = self._looks[run], chunk.step, self._looks[run].gap
        # Chunks in the last gap need no lookup, except the one that reaches the candles below it.
        if gap is not None and step.top <= gap[1] and (gap[0] < step.low or gap[0] == step.floor):
            return chunk
        # Include the spans that touch its ends.
        covered = await self._store.coverage(*_series(run), max(0, step.floor - 1), step.top + 1, limit=run.page + 3)
        return await self._narrowed(chunk, _without(covered, _near(look.due, chunk)), look)

    async def renew(self, chunk: Chunk) -> Chunk:
        """Return the chunk narrowed again, since others may have stored some of it meanwhile."""
        run, step, store, series = chunk.run, chunk.step, self._store, _series(chunk.run)
        if chunk.question.resume < step.top:
            spared = await self._spared(chunk, chunk.question.resume, chunk.stored.held)
            run.tally.stored_before -= spared
        grid = run.request.timeframe
        low = max(step.floor, grid.shift(step.top, -run.page))
        count = run.need(grid.slots(low, step.top), step.want)
        chunk = chunk.but(question=Question(low, step.top, count, run.seam(chunk)), stored=Stored())
        start = max(0, low - 1)
        claims = await store.claims(*series, start, step.top)
        covered = await store.coverage(*series, max(0, step.floor - 1), step.top + 1, limit=run.page + 3)
        impossible = [each.open_time for each in await impossible_in(store, *series, start, step.top)]
        look = Look(SpanSet(), self._due(claims), claims, impossible)
        return await self._narrowed(chunk, _without(covered, look.due), look)

    async def _narrowed(self, chunk: Chunk, covered: list[Covered], look: Look) -> Chunk:
        top = chunk.step.top
        believed = [span for span in covered if span.start < top]
        if believed and believed[0].stop >= top:
            chunk = await self._resume(chunk, believed.pop(0))
        if not chunk.question.count:
            return chunk
        if chunk.question.seam is None:
            chunk = await self._seam(chunk, covered)
        edge = next((each.stop for each in believed if each.imported), 0)
        return await self._ask(chunk, SpanSet(each.span for each in believed), look, edge)

    def _due(self, claims: Sequence[Claim]) -> SpanSet:
        """Return the claims to ask about again."""
        now = time.time()
        return SpanSet(claim.span for claim in claims if self._absences or claim.is_due(now))

    async def _look_over(self, run: Run) -> Look:
        """Record what is covered and give the run its gaps, before its own pages change them."""
        store, series, asked = self._store, _series(run), run.request.span
        run.anew |= self._absences
        covered = await store.coverage(*series, *asked, limit=MOST_GAPS + 1)
        run.gaps = [newer.start for newer in reversed(covered[:-1])]
        spans = [each.span for each in covered]
        if len(spans) > MOST_GAPS:
            spans.append((0, spans[-1][0]))  # not looked up; counts as covered
        run.segments.covered = SpanSet(spans)
        claims = await store.claims(*series, max(0, asked[0] - 1), asked[1])
        due = self._due(claims)
        oldest = await opens_of(store, *series, 0, END, "oldest_first", 1)
        trend = await self._trend(run, covered[0], claims) if covered else Trend()
        first = oldest[0] if oldest else None
        run.seen.begin(trend, first, None if self._absences else await self._begins(run, first))
        impossible = await impossible_in(store, *series, *asked)
        return Look(run.segments.covered, due, claims, [each.open_time for each in impossible])

    async def _begins(self, run: Run, oldest: int | None) -> int | None:
        """Return the open time of the oldest stored candle if it is known that nothing is older."""
        if oldest is None:
            return None
        covered = await self._store.coverage(*_series(run), BEGINNING, BEGINNING + 1)
        if not any(span.start == BEGINNING and oldest < span.stop for span in covered):
            return None
        # A claim of an older file was never compared with candles of another length.
        claims = await self._store.claims(*_series(run), BEGINNING, BEGINNING + 1)
        return None if any(claim.due == BEGINNING for claim in claims) else oldest

    async def _trend(self, run: Run, newest: Covered, claims: Sequence[Claim]) -> Trend:
        """Return how dense the newest stored candles are."""
        absent = [claim.start for claim in claims if claim.stop == newest.stop]
        stop = min(newest.stop, *absent) if absent else newest.stop
        opens = await opens_of(self._store, *_series(run), newest.start, stop, "newest_first", run.page)
        if not opens:
            return Trend()
        # Count from candle to candle: the time below the oldest candle may be before the market began.
        return doubtful_gaps(opens, run.request.timeframe, Trend(), len(opens))[1]

    async def _spared(self, chunk: Chunk, resume: int, held: int) -> int:
        """Return how many of the candles stored in ``[resume, top)`` were stored before the run."""
        stretch = SpanSet(((resume, chunk.step.top),))
        look = self._looks.get(chunk.run)
        before = stretch if look is None else stretch.intersect(look.covered)
        if before == stretch:
            return held
        series = _series(chunk.run)
        return min(held, sum([await self._store.count(*series, *span) for span in before]))

    async def _resume(self, chunk: Chunk, stored: Covered) -> Chunk:
        """Begin behind the stored span that reaches down from the chunk's top."""
        step, series = chunk.step, _series(chunk.run)
        resume = max(stored.start, step.floor)
        if stored.start == resume and stored.stop == step.top and stored.rows >= 0:
            held = stored.rows
        else:
            held = await self._store.count(*series, resume, step.top)
        reached: int | None = None
        if step.want is not None and held >= step.want:
            held = step.want
            reached = await self._store.nth_newest(*series, resume, step.top, held)
        spared = await self._spared(chunk, resume, held)
        chunk.run.tally.stored_before += spared
        if reached is None and resume <= chunk.question.low:
            reached = resume
        if reached is not None:
            question = chunk.question.but(resume=resume, count=0)
            return chunk.but(question=question, stored=Stored(held, "complete_overlap", reached))
        return chunk.but(question=chunk.question.but(resume=resume, seam=None), stored=Stored(held, "partial_start"))

    async def _seam(self, chunk: Chunk, covered: Sequence[Covered]) -> Chunk:
        """Return the chunk with the oldest candle that is stored right above the gap."""
        resume = chunk.question.resume
        for span in covered:
            if span.start <= resume < span.stop and not span.imported:
                found = await opens_of(self._store, *_series(chunk.run), resume, span.stop, "oldest_first", 1)
                return chunk.but(question=chunk.question.but(seam=found[0])) if found else chunk
        return chunk

    async def _ask(self, chunk: Chunk, covered: SpanSet, look: Look, edge: int) -> Chunk:
        """Ask for the slots from the newest missing one to the oldest within a page, above ``edge``.

        If candles are stored below, ask for a few more: the newest of them, and the slots right above them that answers
        so far have left empty.
        """
        run, step, question, stored = chunk.run, chunk.step, chunk.question, chunk.stored
        grid, resume = run.request.timeframe, question.resume
        low = max(step.floor, grid.shift(resume, -run.page), edge)
        known = covered.intersect(SpanSet(((low, resume),)))
        missing = SpanSet(((low, resume),)).subtract(known)
        if not missing:  # only if covered spans overlap
            whole = attrs.evolve(stored, reached=low, overlap="complete_overlap")
            return chunk.but(question=question.but(count=0, known=()), stored=whole)
        lowest = missing.spans[0][0]
        look.gap = (covered.spans[-1][1] if covered else step.floor, resume)
        if known and stored.overlap == "no_overlap":
            tail = len(known) == 1 and known.spans[0][0] == low
            stored = attrs.evolve(stored, overlap="partial_middle_continuous" if tail else "partial_middle_fragment")
        slots = grid.slots(lowest, resume)
        need = run.need(slots, None if step.want is None else step.want - stored.held)
        suspects = look.impossible_in(lowest, resume)
        again = bool(suspects) or bool(missing.intersect(_near(look.due, chunk)))
        between = await self._opens(run, covered.intersect(SpanSet(((lowest, resume),))), run.page)
        below = await self._opens(run, SpanSet(each for each in covered if each[1] == lowest != edge), self._overlap)
        if below and need == slots:
            claim = look.by_stop.get(lowest)
            late = 0 if claim is None else grid.slots(*claim.span)
            need += len(below) + min(late, MOST_LATE)
        asked = question.but(low=low, again=again, known=[*between, *below], suspects=suspects)
        return chunk.but(question=run.asking(asked, need), stored=stored)

    async def _opens(self, run: Run, spans: SpanSet, limit: int) -> list[int]:
        """Return the open times of the newest ``limit`` stored candles from the first of the spans to the last."""
        if not spans:
            return []
        # One query for all of them: there may be a span for every other slot.
        around = (spans.spans[0][0], spans.spans[-1][1])
        return [
            each for each in await opens_of(self._store, *_series(run), *around, "newest_first", limit) if each in spans
        ]


@attrs.define
class Look:
    """What the store knew of a run's span when the run began."""

    covered: SpanSet
    """What was covered before the run's own pages."""
    due: SpanSet
    """The part of it that is asked about again."""
    claims: Sequence[Claim]
    """All claims."""
    impossible: Sequence[int] = ()
    """Open times of impossible candles, oldest first."""
    gap: Span | None = None
    """The last gap that was found."""
    by_stop: Mapping[int, Claim] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.by_stop = {claim.stop: claim for claim in self.claims}

    def impossible_in(self, start: int, stop: int) -> frozenset[int]:
        """Return the open times of impossible candles in ``[start, stop)``."""
        return frozenset(self.impossible[bisect_left(self.impossible, start) : bisect_left(self.impossible, stop)])


def _series(run: Run) -> tuple[str, Timeframe]:
    return run.request.symbol, run.request.timeframe


def _near(due: SpanSet, chunk: Chunk) -> SpanSet:
    """Return the part of ``due`` that matters to a chunk: the newest claim below its top, and a page below that."""
    # To scan all of it at every chunk would take quadratic time.
    last = bisect_left(due.spans, chunk.step.top + 1, key=lambda span: span[0])
    if not last:
        return SpanSet()
    run = chunk.run
    lowest = run.request.timeframe.shift(min(chunk.question.low, due.spans[last - 1][0]), -run.page)
    first = bisect_right(due.spans, lowest, hi=last, key=lambda span: span[1])
    return SpanSet(due.spans[first:last])


def _without(covered: Sequence[Covered], due: SpanSet) -> list[Covered]:
    """Return the covered spans without ``due``, newest first; -1 rows if they must be counted."""
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
