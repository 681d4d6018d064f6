"""The state of one collection: which page to ask for next, told by what has arrived.

A request is a stretch of time of which nobody knows how many candles are in it: where nobody traded there is none. So
a run never guesses where a page ends. It walks a cursor from newer to older, as most exchanges' pages go, and each
answer says how far it has reached. A full page is 200 candles that exist, whatever the gaps, so no request is wasted
on a sparse market.

Several cursors may walk at once, each in a segment of its own (see :mod:`rxcandles.engine.segments`). Their chunks
interleave, so the order of the store is then not the order of the request; ``ready`` says which part is complete from
the request's first end on, and ``recall`` reads just that from the store.
"""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

import attrs

from rxcandles.engine.chunk import Chunk, Proof, Question, Step
from rxcandles.engine.seen import Seen
from rxcandles.engine.segments import Segment, Segments, newer
from rxcandles.model import SETTLE_SECONDS, Request, Row
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, Timeframe, to_datetime
from rxcandles.ports import CandleStore, PageUnit, RateLimiter

__all__ = ["Run", "Tally", "as_chunk"]

GIVE_UP = 3
"""Pages failed in a row after which the rest is not tried."""


@attrs.define(eq=False)
class Tally:
    """What a run has cost and brought so far, told by the stages as it happens: the one account of it."""

    requests: int = 0
    """Requests sent, retries included."""
    retries: int = 0
    """Attempts at a page after its first."""
    rate_limited: int = 0
    """Answers 429 among the requests."""
    pages: int = 0
    """Pages accepted."""
    stored: int = 0
    """Candles stored that the store did not hold as proven."""
    stored_before: int = 0
    """Candles that did not have to be fetched, since they were stored."""
    revised: int = 0
    """Candles that the store held with other values, which the exchange's new ones have replaced."""
    removed: int = 0
    """Candles that were deleted, as the exchange has them no longer."""
    older: int = 0
    """Candles stored, less those of the request that came; a page may bring what another has stored."""


class _Sent(NamedTuple):
    """A chunk that is on its way; not the chunk itself, which would keep it from being gone."""

    segment: Segment
    low: int
    likely: int
    step: weakref.ref[Step]


class Run:
    """Decides the chunks of one collection; told by the stages what arrived (``fetched``) and what is ``stored``.

    ``page`` is the most candles a request may ask for, or with ``page_unit="slots"`` the most slots; ``cursors`` how
    many may be walked at once: a number, or a function of the seconds that a request has taken of late (0.0 before the
    first). ``wake`` is called whenever there may be a chunk again.
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
        """Who gives permits for its requests; set by ``rate_limit``."""
        self.store: CandleStore | None = None
        """Where its candles are stored; set by ``persist``."""
        self.when_stored: dict[int, Callable[[Span | None], object]] = {}
        """Who waits until a chunk, by its index, is stored; called with what its page proves."""
        self.absent: AbsentSlot | None = None
        """What a slot without a candle means, as the exchange that is asked declares it."""
        self.absent_untold = False
        """Whether a store is still to hear that; it takes it that nobody traded."""
        self.pages_unsaid = False
        """Whether a page has not said what it covers."""
        self.failed: dict[Span, str] = {}
        """Spans that could not be fetched, and why."""
        self.error: Exception | None = None
        """Why the run ends before everything has arrived."""
        self.gaps: Sequence[int] = ()
        """Newer ends of the gaps that lay between stored spans when the run began, oldest first."""
        self.made = 0
        """Chunks made so far."""
        self.round_trip = 0.0
        """Seconds that a request has taken of late."""
        self.void: list[Span] = []
        """What an answer of the run was wrong about, as a later one has shown; it is no longer covered."""
        self.impossible: dict[int, str] = {}
        """Why candles of the exchange can't be true, by open time, as far as pages of the run have had such."""
        self.anew = False
        """Whether the run asks for what is covered already, so that this does not tell what it has fetched."""
        self.stop = request.stop
        """Newer end of what can have arrived: the request's, or what was over by the server's clock."""
        self._cursors_at = cursors if callable(cursors) else lambda round_trip: cursors
        self._answered = False
        self._wake = wake
        self._grid = request.timeframe
        self._bottom = request.start if request.start is not None else self._grid.ceil(BEGINNING)
        upward = request.start is not None and request.order == "oldest_first"
        whole = (self._bottom, request.stop)
        self.segments = Segments(whole, self._grid, page, page_unit, self.seen, upward=upward)
        """What is left to be asked for and stored."""
        self._open: dict[int, _Sent] = {}
        self._failures = 0

    # What the source asks

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
                    return None  # what is under way should suffice; if not, it will be told
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
        """Settle chunks that nobody has any more as dropped on their way, as planned; say whether others are left.

        To be called when no stage is at work. ``all_of_them``: also those that some operator still has.
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

    # What the stages tell

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
        """Take what a page tells besides its candles."""
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
        """Record that what a chunk has reached is in the store, and tell who waits for that."""
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
        """What a page is measured in, by what is declared or by what has come."""
        return self.segments.page_unit

    @property
    def collected(self) -> int:
        """Candles of the request that have arrived without a gap (other than failed spans) from its first end."""
        found = self.segments.found + sum(segment.found for segment in self.segments.contiguous())
        return found if self.request.count is None else min(found, self.request.count)

    @property
    def settled(self) -> int:
        """Chunks whose end is known; those under way are not among them."""
        return self.made - len(self._open)

    @property
    def expected(self) -> int:
        """Candles there will be: the count asked for, or an estimate by the density just seen."""
        if self.complete:
            return self.collected
        if self.request.count is not None:
            return self.request.count
        waiting = self.segments.waiting
        rest = sum(self._grid.slots(segment.lo, segment.cursor) for segment in waiting)
        return self.segments.found + sum(segment.found for segment in waiting) + round(rest * self.seen.likely)

    @property
    def bottom(self) -> int:
        """The oldest time that everything has arrived down to, from the request's newer end."""
        contiguous = self.segments.contiguous()
        return max(contiguous[-1].cursor, contiguous[-1].lo) if contiguous else self._bottom

    @property
    def gaps_found(self) -> int:
        """Gaps between stored spans that the request's span has; with a ``count``, those come to so far."""
        return len(self.gaps) - (bisect_right(self.gaps, self.bottom) if self.request.start is None else 0)

    def ready(self) -> Span | None:
        """Return the span whose candles can be handed out in the request's order, or None while there is none.

        With a count there may be more candles in it than asked for: the newest ``count`` are meant.
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
        """Whether all of it has been stored, so that nothing more will come."""
        return self.complete and not self.segments.unstored

    # How it goes on

    @property
    def _cursors(self) -> int:
        # What is stored is known by the time of the first answer: a cut before would be in the middle of a page.
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
        """Return the first chunk, which was cut off before the gaps were known, cut beside the pages of one."""
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
        """Return the open time of the candle that the cursor of a chunk under way stands at, where it is known."""
        sent = self._open.get(chunk.index)
        return None if sent is None else sent.segment.seam

    def need(self, slots: int, want: int | None) -> int:
        """Return how many to ask for, where so many slots lack and so many candles are wanted (None: all)."""
        return min(self.page, slots, self.page if not want or self.page_unit == "slots" else want)

    def asking(self, question: Question, need: int) -> Question:
        """Return the question for ``need`` candles before ``resume``, and for the one at the seam where that helps.

        A page that lacks its newest candle is then told by that, which nothing else shows where many slots are empty.
        """
        rows = self.page_unit == "rows" and question.seam is not None
        over = rows and self.page > 1 and (question.again or self.seen.is_sparse)
        return question.but(count=min(self.page, need + over), over=int(over))

    def _abandon(self) -> None:
        """Call all that is left failed."""
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


def as_chunk(symbol: str, timeframe: str | Timeframe, rows: Sequence[Row], covered: Span) -> Chunk:
    """Return candles that came by themselves as a chunk, for ``persist`` and what stands behind it.

    * ``rows``: newest first, open times in ``covered``.
    * ``covered``: ``(start, stop)``, UTC seconds: every candle that exists in there is among ``rows``.

    It is all of a run of its own. Raises ``RequestError`` where no candle opens in ``covered``::

        live.pipe(rx.map(lambda each: ops.as_chunk("KRW-BTC", "1m", each.rows, each.span)), ops.persist(store))
    """
    start, stop = covered
    grid = Timeframe.of(timeframe)
    request = Request(symbol, grid, to=to_datetime(stop), end=to_datetime(start), now=stop + SETTLE_SECONDS + 1)
    run = Run(request, page=max(1, grid.slots(start, stop)))
    planned = run.next()
    assert planned is not None  # a request has at least one slot
    chunk = planned.but(page=Proof(rows, request.span[0], request.span))
    return chunk.but(candles=run.fetched(chunk))
