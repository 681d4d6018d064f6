"""The state of one run: it decides from what has arrived which page to ask for next.

Nobody knows how many candles a request's span has, since a slot without a trade has no candle. So a run never guesses
where a page ends. It walks a cursor from newer to older, as the pages of most exchanges go, and each answer says how
far it has reached. A full page is 200 candles that exist, however many slots are empty, so no request is wasted on a
sparse market.

Several cursors may walk at once, each in a segment of its own (see :mod:`rxcandles.engine.segments`). Their chunks
interleave, so the store is not filled in the order of the request. ``ready`` returns the span that is complete from the
request's first end on, and ``recall`` reads just that span from the store.
"""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

import attrs

from rxcandles.engine.chunk import Chunk, Question, Step
from rxcandles.engine.seen import Seen
from rxcandles.engine.segments import Segment, Segments, newer
from rxcandles.engine.tally import Tally
from rxcandles.model import Request
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING
from rxcandles.ports import CandleStore, PageUnit, RateLimiter

__all__ = ["Run"]

GIVE_UP = 3
"""Failed pages in a row after which the rest is given up."""


class _Sent(NamedTuple):
    """A chunk on its way; not the chunk itself, since a reference would keep it alive."""

    segment: Segment
    low: int
    likely: int
    step: weakref.ref[Step]


class Run:
    """Decides the chunks of one collection; the stages report what has arrived (``fetched``) and what is ``stored``.

    * ``wake``: called whenever ``next`` may have a chunk again.
    * ``page``: the most candles that a request may ask for, or the most slots with ``page_unit="slots"``.
    * ``cursors``: how many cursors may walk at once: a number, or a function of the seconds that a request has taken of
      late (0.0 before the first).
    """

    def __init__(
        self,
        request: Request,
        wake: Callable[[], None] = lambda: None,
        *,
        page: int = 200,
        page_unit: PageUnit = "rows",
        cursors: int | Callable[[float], int] = 1,
    ) -> None:
        self.request = request
        self.page = page
        self.tally = Tally()
        """What the run has cost and brought so far."""
        self.seen = Seen(page)
        """What is known of the market."""
        self.limiter: RateLimiter | None = None
        """Gives permits for its requests; set by ``rate_limit``."""
        self.store: CandleStore | None = None
        """Stores its candles; set by ``persist``."""
        self.when_stored: dict[int, Callable[[Span | None], object]] = {}
        """Callbacks by index of the chunk, called when it is stored, with the span that its page proves."""
        self.absent: AbsentSlot | None = None
        """What a slot without a candle means, as the exchange declares it; None before it is asked."""
        self.absent_untold = False
        """Whether the store is still to be told, since it assumes that nobody traded."""
        self.pages_unsaid = False
        """Whether a page has not said what it covers."""
        self.failed: dict[Span, str] = {}
        """Spans that could not be fetched, and why."""
        self.error: Exception | None = None
        """Why the run ends before everything has arrived."""
        self.gaps: Sequence[int] = ()
        """Newer ends of the gaps between stored spans when the run began, oldest first."""
        self.made = 0
        """Chunks made so far."""
        self.round_trip = 0.0
        """Seconds that a request has taken of late."""
        self.void: list[Span] = []
        """Spans that an answer of the run was wrong about, as a later answer has shown; they are no longer covered."""
        self.impossible: dict[int, str] = {}
        """Why candles of the exchange are impossible, by open time, as far as pages of the run contained them."""
        self.anew = False
        """Whether the run asks for what is covered already; then coverage does not show what it has fetched."""
        self.stop = request.stop
        """Newer end of what can have arrived: the request's, or what was closed by the server's clock."""
        self._cursors_at = cursors if callable(cursors) else lambda round_trip: cursors
        self._answered = False
        self._wake = wake
        self._grid = request.timeframe
        self._bottom = request.start if request.start is not None else self._grid.ceil(BEGINNING)
        upward = request.start is not None and request.order == "oldest_first"
        whole = (self._bottom, request.stop)
        self.segments = Segments(whole, self._grid, page, page_unit, self.seen, upward=upward)
        """What is left to fetch and to store."""
        self._open: dict[int, _Sent] = {}
        self._failures = 0

    # Called by the source

    @property
    def complete(self) -> bool:
        """Whether everything asked for has arrived."""
        count = self.request.count
        return not self.segments.waiting or (count is not None and self.segments.arrived >= count)

    def next(self) -> Chunk | None:
        """Return the next chunk, or None while everything that can be asked for is under way."""
        segments, count = self.segments, self.request.count
        if self.complete or sum(segment.busy for segment in segments.waiting) >= self._cursors:
            return None
        expected = float(segments.found + segments.assumed)
        exact = True
        for segment in segments.waiting:
            expected += segment.found + segment.assumed
            if not segment.busy and not segment.finished:
                if count is not None and expected >= count:
                    return None  # the chunks under way should suffice; if they do not, `wake` is called
                if segments.upward:
                    segment = segments.cut_lower(segment)
                elif self._cursors > 1:
                    segments.cut_upper(segment, None if count is None else count - expected, self._cursors)
                return self._chunk(segment, int(count - expected) if count is not None and exact else None)
            if not segment.finished:
                exact = False
                expected += self.seen.likely * self._grid.slots(segment.lo, segment.cursor)
        return None

    def drop(self, *, all_of_them: bool = False) -> bool:
        """Settle the chunks that no operator has any more as dropped, as planned; say whether others are left.

        Call it when no stage is at work. ``all_of_them`` also settles those that some operator still has.
        """
        gone = [index for index, sent in self._open.items() if all_of_them or sent.step() is None]
        for index in gone:
            sent = self._open.pop(index)
            sent.segment.assumed += sent.likely
            sent.segment.stored = min(sent.segment.stored, sent.low)
            self.segments.advance(sent.segment, sent.low)
        if gone:
            self.segments.leave_stored()
            self._wake()
        return bool(self._open)

    # Called by the stages

    def fetched(self, chunk: Chunk) -> int:
        """Record what a chunk has reached; return how many candles of the request that is."""
        sent, reached = self._open.pop(chunk.index, None), chunk.reached
        if chunk.page is not None:
            self.impossible.update(chunk.page.impossible)
        if sent is None or reached is None:
            return 0
        self._answered = True
        segment, rows, shared, resume = sent.segment, chunk.rows, 0, chunk.question.resume
        if chunk.failure is not None:
            low, held = chunk.question.low, chunk.stored.held
            self.failed[(low, resume)] = str(chunk.failure)
            segment.assumed += self._likely(low, resume, chunk.step.want, held)
            found = held
            self._failures += 1
        else:
            self._failures = 0
            above = newer(rows, resume)
            found = chunk.stored.held + max(0, newer(rows, segment.lo) - above)
            shared = self.segments.share(segment, rows, chunk.step.top, reached)
            if fresh := len(rows) - above:
                self.seen.fetched(fresh, self._grid.slots(rows[-1].open_time, resume))
            self._learn(chunk, nothing=not found)
        segment.found += found
        self.segments.advance(segment, reached)
        if self.page_unit == "rows":
            segment.seam = reached if rows and rows[-1].open_time == segment.cursor else None
        elif rows:
            segment.seam = rows[-1].open_time
        if self._failures >= GIVE_UP:
            self._abandon()
        self._wake()
        return found + shared

    def _learn(self, chunk: Chunk, *, nothing: bool) -> None:
        """Record what a page says besides its candles."""
        grows, page = nothing if self.segments.upward else not chunk.question.count, chunk.page
        if page is not None:
            if page.horizon is not None:
                self.stop = min(self.stop, page.horizon)
            if page.begins is not None:
                self.segments.begin(page.begins)
            if page.windowed:
                self.segments.page_unit, grows = "slots", False
        self.segments.lengthen(grows)

    def fail(self, chunk: Chunk, error: Exception) -> None:
        """End the run with a chunk that failed for good: only what comes before it is still asked for."""
        sent = self._open.pop(chunk.index, None)
        if sent is not None and sent.segment in self.segments.waiting:
            self.error = error
            while self.segments.waiting.pop() is not sent.segment:
                pass
        self._wake()

    def took(self, seconds: float) -> None:
        """Record how long a request has taken, from sending it to the end of its answer."""
        self.round_trip += (seconds - self.round_trip) * (0.3 if self.round_trip else 1.0)

    def stored(self, chunk: Chunk) -> None:
        """Record that what a chunk has reached is stored, and call what waits for that."""
        written, tally = chunk.written, self.tally
        if written is not None:
            tally.stored += written
            tally.revised += len(written.revised)
            tally.removed += len(written.removed)
            tally.older += written - max(0, chunk.candles - chunk.stored.held)
            self.void += written.void
        if chunk.reached is not None:
            self.segments.stored(chunk.step.top, chunk.reached)
        waits = self.when_stored.pop(chunk.index, None)
        if waits is not None:
            waits(chunk.proven)

    # What is known so far

    @property
    def page_unit(self) -> PageUnit:
        """What a page is measured in, as declared or as pages have shown."""
        return self.segments.page_unit

    @property
    def collected(self) -> int:
        """Candles of the request that have arrived without a gap from its first end; failed spans are not gaps here."""
        found = self.segments.found + sum(segment.found for segment in self.segments.contiguous())
        return found if self.request.count is None else min(found, self.request.count)

    @property
    def settled(self) -> int:
        """Chunks whose outcome is known; those under way are not among them."""
        return self.made - len(self._open)

    @property
    def expected(self) -> int:
        """Candles there will be: the count asked for, or an estimate from the density seen last."""
        if self.complete:
            return self.collected
        if self.request.count is not None:
            return self.request.count
        waiting = self.segments.waiting
        rest = sum(self._grid.slots(segment.lo, segment.cursor) for segment in waiting)
        return self.segments.found + sum(segment.found for segment in waiting) + round(rest * self.seen.likely)

    @property
    def bottom(self) -> int:
        """The oldest time down to which everything has arrived, from the request's newer end."""
        contiguous = self.segments.contiguous()
        return max(contiguous[-1].cursor, contiguous[-1].lo) if contiguous else self._bottom

    @property
    def gaps_found(self) -> int:
        """Gaps between stored spans in the request's span; with a ``count``, those reached so far."""
        return len(self.gaps) - (bisect_right(self.gaps, self.bottom) if self.request.start is None else 0)

    def ready(self) -> Span | None:
        """Return the span whose candles can be emitted in the request's order, or None if there is none yet.

        With a count it may have more candles than were asked for; the newest ``count`` are the request's.
        """
        unstored = self.segments.unstored
        first = unstored[0] if unstored else None
        if self.segments.upward:
            return (self._bottom, self.stop if first is None else first.lo)
        bottom = self._bottom if first is None else max(first.lo, first.stored)
        if self.request.order == "oldest_first":
            waits = any(segment.stored > max(segment.cursor, segment.lo) for segment in unstored)
            if waits or not self.complete or self.error is not None:
                return None
        return (bottom, self.stop)

    @property
    def ended(self) -> bool:
        """Whether all of it is stored, so that nothing more will come."""
        return self.complete and not self.segments.unstored

    # How the next chunks are made

    @property
    def _cursors(self) -> int:
        # Use one cursor until the first answer: only then is it known what is stored, and a cut before that could split
        # a page.
        return max(1, self._cursors_at(self.round_trip)) if self._answered else 1

    def _likely(self, low: int, high: int, want: int | None, held: int = 0) -> int:
        likely = round(self._grid.slots(low, high) * self.seen.likely)
        return likely if want is None else min(likely, want - held)

    def _chunk(self, segment: Segment, want: int | None) -> Chunk:
        low = max(segment.lo, self._grid.shift(segment.cursor, -self.page))
        step = Step(self.made, low, segment.cursor, segment.lo, want)
        count = self.need(self._grid.slots(low, segment.cursor), want)
        question = self.asking(Question(low, segment.cursor, count, segment.seam), count)
        segment.busy = True
        self.made += 1
        self._open[step.index] = _Sent(segment, low, self._likely(low, segment.cursor, want), weakref.ref(step))
        return Chunk(self, step, question)

    def aligned(self, chunk: Chunk) -> Chunk:
        """Return the first chunk, which was cut before the gaps were known, cut again at the border of a page."""
        cut = None if self._answered else self.segments.cut_first()
        sent = self._open.get(chunk.index)
        if cut is None or sent is None:
            return chunk
        low = max(sent.segment.lo, self._grid.shift(cut, -self.page))
        step = attrs.evolve(chunk.step, low=low, top=cut)
        self._open[chunk.index] = sent._replace(low=low, step=weakref.ref(step))
        count = self.need(self._grid.slots(low, cut), step.want)
        return chunk.but(step=step, question=Question(low, cut, count))

    def seam(self, chunk: Chunk) -> int | None:
        """Return the open time of the candle that the cursor of a chunk under way stands at, if it is known."""
        sent = self._open.get(chunk.index)
        return None if sent is None else sent.segment.seam

    def need(self, slots: int, want: int | None) -> int:
        """Return how many candles to ask for if ``slots`` slots are missing and ``want`` are wanted (None: all)."""
        return min(self.page, slots, self.page if not want or self.page_unit == "slots" else want)

    def asking(self, question: Question, need: int) -> Question:
        """Return the question for ``need`` candles before ``resume``, and for the candle at the seam if that helps.

        The candle at the seam shows whether a page lacks its newest candle; on a sparse market nothing else shows it.
        """
        rows = self.page_unit == "rows" and question.seam is not None
        over = rows and self.page > 1 and (question.again or self.seen.is_sparse)
        return question.but(count=min(self.page, need + over), over=int(over))

    def _abandon(self) -> None:
        """Count everything that is left as failed."""
        segments = self.segments
        for segment in [each for each in segments.waiting if not each.finished and not each.busy]:
            slots = self._grid.slots(segment.lo, segment.cursor)
            if self.request.count is not None:
                slots = min(slots, segments.slots_of(1) * (self.request.count - segments.arrived) // self.page)
            if slots > 0:
                span = (self._grid.shift(segment.cursor, -slots), segment.cursor)
                self.failed[span] = "not asked for again: too many failures in a row"
            segment.assumed += slots
            segments.advance(segment, segment.lo)
