"""The plan of a run: which page to ask for next, told by what has arrived.

A request is a stretch of time of which nobody knows how many candles are in it: where nobody traded there is none. So
the plan never guesses where a page ends. It walks a cursor from newer to older, as the exchange's pages go, and each
answer says how far it has reached: a full page to its oldest candle, a short page to the beginning of the market. A
full page is 200 candles that exist, whatever the gaps, so no request is wasted on a sparse market.

One cursor is sequential by nature. Where the round trip is long against the rate, several walk at once: the stretch
is cut into segments, each with its own cursor. Their chunks interleave, so the order of the store is then not the
order of the request; ``ready`` says which part is complete from the request's first end on, and ``recall`` reads just
that from the store. A segment wastes about half a page where it meets the next, so they are long (up to 32 pages) in
the middle of a run, and end a little before their last page would be full: for a few candles more than that a page
of its own would have to be asked for.

From oldest to newest the segments are laid the other way and are one page long, by the density just seen; where
nothing was found their length grows fourfold, and a gap that is left below a page is halved, so that the first candle
of a market listed years after the request's start is found in the logarithm of that time.
"""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

from rxcandles.engine.chunk import Chunk, Segment, Tally, Ticket
from rxcandles.model import Request, Row
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.density import Trend, is_unlikely
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING
from rxcandles.ports import PageUnit

__all__ = ["Plan"]

LONGEST = 32
SHORTEST = 4
"""Pages in the longest and, where some slots are empty, the shortest segment laid for several cursors."""

SEAMLESS = 0.995
"""Density from which the candle at a seam is not read again: a gap behind it is so unlikely that it is doubtful."""

MARGIN = 1.5
"""Standard deviations by which a segment is shorter than its pages would hold on average."""

GIVE_UP = 3
"""Pages failed in a row after which the rest is not tried."""


class _Sent(NamedTuple):
    """A chunk that is on its way; not the chunk itself, which would keep it from being gone."""

    segment: Segment
    low: int
    likely: int
    ticket: weakref.ref[Ticket]


class Plan:
    """Decides the chunks of one run; told by the stages what arrived (``fetched``) and what is stored (``stored``).

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
        self.page_unit: PageUnit = page_unit
        """What a page is measured in, by what is declared or by what has come."""
        self.absent: AbsentSlot | None = None
        """What a slot without a candle means, as the exchange that is asked declares it."""
        self.absent_untold = False
        """Whether a store is still to hear that; it takes it that nobody traded."""
        self.pages_unsaid = False
        """Whether a page has not said what it covers."""
        self.failed: list[Span] = []
        """Spans that could not be fetched."""
        self.error: Exception | None = None
        """Why the plan ends before everything has arrived."""
        self.tally = Tally()
        """What the run has cost and brought so far."""
        self.holes: Sequence[int] = ()
        """Newer ends of the holes that lay between stored spans when the run began, oldest first."""
        self.covered = SpanSet()
        """What of the request was covered when the run began, as far as that was looked up."""
        self.made = 0
        """Chunks made so far."""
        self.round_trip = 0.0
        """Seconds that a request has taken of late."""
        self.trend = Trend()
        """How densely the market trades, by the candles looked up and fetched so far."""
        self.places = 0
        """Candles fetched so far: the places where a gap could have been seen."""
        self.oldest_held: int | None = None
        """Open time of the oldest candle that the store held when the run began."""
        self.void: list[Span] = []
        """What an answer of the run was wrong about, as a later one has shown; it is no longer covered."""
        self.impossible: dict[int, str] = {}
        """Why candles of the exchange can't be true, by open time, as far as pages of the run have had such."""
        self.anew = False
        """Whether the run asks for what is covered already, so that this does not tell what it has fetched."""
        self.begins: int | None = None
        """Where the market's history begins, as far as that had been heard when the run began; None for unknown."""
        self._cursors_at = cursors if callable(cursors) else lambda round_trip: cursors
        self._heard = False
        self._wake = wake
        self._grid = request.timeframe
        self._bottom = request.start if request.start is not None else self._grid.ceil(BEGINNING)
        self._upward = request.start is not None and request.order == "oldest_first"
        self.stop = request.stop
        """Newer end of what can have arrived: the request's, or what was over by the server's clock."""
        self._open: dict[int, _Sent] = {}
        self._found = self._assumed = 0  # of the segments that have left `_segments`
        self._density = 1.0
        self._known = False
        self._stretch = 1
        self._failures = 0
        self._segments: deque[Segment] = deque()
        """In the order of delivery, from the first unfinished one on."""
        self._unstored: deque[Segment] = deque()
        """The same, from the first one on that is not wholly in the store."""
        if self._bottom < request.stop:
            whole = Segment(self._bottom, request.stop, request.stop, request.stop)
            self._segments.append(whole)
            self._unstored.append(whole)

    # What the source asks

    @property
    def complete(self) -> bool:
        """Whether everything asked for has arrived."""
        count = self.request.count
        return not self._segments or (count is not None and self._arrived >= count)

    def next(self) -> Chunk | None:
        """Return the next chunk, or None while everything that can be asked for is under way."""
        if self.complete:
            return None
        busy = sum(segment.busy for segment in self._segments)
        if busy >= self._cursors:
            return None
        count = self.request.count
        expected = float(self._found + self._assumed)
        exact = True
        for segment in self._segments:
            expected += segment.found + segment.assumed
            if not segment.busy and not segment.finished:
                if count is not None and expected >= count:
                    return None  # what is under way should suffice; if not, it will be told
                if self._upward:
                    segment = self._cut_lower(segment)
                elif self._cursors > 1:
                    self._cut_upper(segment, None if count is None else count - expected)
                return self._chunk(segment, int(count - expected) if count is not None and exact else None)
            if not segment.finished:
                exact = False
                expected += self._density * self._grid.slots(segment.lo, segment.cursor)
        return None

    def drop(self, *, all_of_them: bool = False) -> bool:
        """Settle chunks that nobody has any more as dropped on their way, as planned; say whether others are left.

        To be called when no stage is at work. ``all_of_them``: also those that some operator still has.
        """
        gone = [index for index, sent in self._open.items() if all_of_them or sent.ticket() is None]
        for index in gone:
            sent = self._open.pop(index)
            sent.segment.assumed += sent.likely
            sent.segment.stored = min(sent.segment.stored, sent.low)
            self._advance(sent.segment, sent.low)
        if gone:
            self._leave_stored()
            self._wake()
        return bool(self._open)

    # What the stages tell

    def fetched(self, chunk: Chunk) -> int:
        """Hear what a chunk has reached; return how many candles of the request that is."""
        if self._open.pop(chunk.index, None) is None or chunk.reached is None:
            return 0
        self._heard = True
        segment, shared = chunk.segment, 0
        if chunk.horizon is not None:
            self.stop = min(self.stop, chunk.horizon)
        if chunk.failure is not None:
            self.failed.append((chunk.low, chunk.resume))
            segment.assumed += self._likely(chunk.low, chunk.resume, chunk.want, chunk.held)
            found = chunk.held
            self._failures += 1
        else:
            self._failures = 0
            newer = _newer(chunk.rows, chunk.resume)
            found = chunk.held + max(0, _newer(chunk.rows, segment.lo) - newer)
            shared = self._share(segment, chunk, chunk.reached)
            if fresh := len(chunk.rows) - newer:
                seen = fresh / max(1, self._grid.slots(chunk.rows[-1].open_time, chunk.resume))
                self._density += (seen - self._density) * (0.3 if self._known else 1.0)
                self._known = True
                self.places += fresh
            if chunk.begins is not None:
                self._begin(chunk.begins)
            grows = not found if self._upward else not chunk.ask
            if chunk.windowed:
                self.page_unit = "slots"
                grows = False
            # That nothing is there costs two requests, so it is asked in longer steps.
            self._stretch = min(self._stretch * (4 if self._upward else 2), 1 << 20) if grows else 1
        segment.found += found
        self._advance(segment, chunk.reached)
        if self.page_unit == "rows":
            segment.seam = chunk.reached if chunk.rows and chunk.rows[-1].open_time == segment.cursor else None
        elif chunk.rows:
            segment.seam = chunk.rows[-1].open_time
        if self._failures >= GIVE_UP:
            self._abandon()
        self._wake()
        return found + shared

    def fail(self, chunk: Chunk, error: Exception) -> None:
        """Hear that a chunk failed for good and the run with it: only what comes before it is still asked for."""
        self._open.pop(chunk.index, None)
        if chunk.segment in self._segments:
            self.error = error
            while self._segments.pop() is not chunk.segment:
                pass
        self._wake()

    def took(self, seconds: float) -> None:
        """Hear how long a request has taken, from sending it to the end of its answer."""
        self.round_trip += (seconds - self.round_trip) * (0.3 if self.round_trip else 1.0)

    def stored(self, chunk: Chunk) -> None:
        """Hear that what a chunk has reached is in the store."""
        self.tally.stored += chunk.fresh
        self.tally.revised += chunk.revised
        if chunk.reached is None:
            return
        for segment in self._unstored:
            # The chunks of a segment come by in order, so those of its own that did not come were dropped.
            if segment is chunk.segment:
                segment.stored = min(segment.stored, max(chunk.reached, segment.lo))
            elif chunk.reached < segment.stored <= chunk.top:
                # No further than it has arrived itself: a page that is under way there brings its own.
                segment.stored = min(segment.stored, max(chunk.reached, segment.lo, segment.cursor))
        self._leave_stored()

    # What is known so far

    @property
    def collected(self) -> int:
        """Candles of the request that have arrived without a gap (other than failed spans) from its first end."""
        found = self._found + sum(segment.found for segment in self._contiguous())
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
        rest = sum(self._grid.slots(segment.lo, segment.cursor) for segment in self._segments)
        return self._found + sum(segment.found for segment in self._segments) + round(rest * self._density)

    @property
    def bottom(self) -> int:
        """The oldest time that everything has arrived down to, from the request's newer end."""
        contiguous = self._contiguous()
        return max(contiguous[-1].cursor, contiguous[-1].lo) if contiguous else self._bottom

    @property
    def gaps_found(self) -> int:
        """Holes between stored spans that the request's span has; with a ``count``, those come to so far."""
        return len(self.holes) - (bisect_right(self.holes, self.bottom) if self.request.start is None else 0)

    def ready(self) -> Span | None:
        """Return the span whose candles can be handed out in the request's order, or None while there is none.

        With a count there may be more candles in it than asked for: the newest ``count`` are meant.
        """
        first = self._unstored[0] if self._unstored else None
        if self._upward:
            return (self._bottom, self.stop if first is None else first.lo)
        bottom = self._bottom if first is None else max(first.lo, first.stored)
        if self.request.order == "oldest_first":
            waits = any(segment.stored > max(segment.cursor, segment.lo) for segment in self._unstored)
            if waits or not self.complete or self.error is not None:
                return None
        return (bottom, self.stop)

    @property
    def ended(self) -> bool:
        """Whether all of it has been stored, so that nothing more will come."""
        return self.complete and not self._unstored

    # How it goes on

    @property
    def _cursors(self) -> int:
        # What is stored is known by the time of the first answer: a cut before would be in the middle of a page.
        return max(1, self._cursors_at(self.round_trip)) if self._heard else 1

    @property
    def _arrived(self) -> int:
        ahead = self._contiguous()
        return self._found + self._assumed + sum(segment.found + segment.assumed for segment in ahead)

    def _contiguous(self) -> list[Segment]:
        """The segments up to the first unfinished one, which counts as far as it has come."""
        if self._upward:
            return list(self._segments)
        result = []
        for segment in self._segments:
            result.append(segment)
            if not segment.finished:
                break
        return result

    def _likely(self, low: int, high: int, want: int | None, held: int = 0) -> int:
        likely = round(self._grid.slots(low, high) * self._density)
        return likely if want is None else min(likely, want - held)

    def _leave_stored(self) -> None:
        while self._unstored and self._unstored[0].stored <= self._unstored[0].lo:
            self._unstored.popleft()

    def _chunk(self, segment: Segment, want: int | None) -> Chunk:
        low = max(segment.lo, self._grid.shift(segment.cursor, -self.page))
        slots = self._grid.slots(low, segment.cursor)
        segment.busy = True
        chunk = Chunk(
            plan=self,
            segment=segment,
            index=self.made,
            top=segment.cursor,
            low=low,
            floor=segment.lo,
            want=want,
            resume=segment.cursor,
            ask=self.need(slots, want),
            seam=segment.seam,
        )
        chunk = self.asking(chunk, chunk.ask)
        self.made += 1
        likely = self._likely(low, segment.cursor, want)
        self._open[chunk.index] = _Sent(segment, low, likely, weakref.ref(chunk.ticket))
        return chunk

    def need(self, slots: int, want: int | None) -> int:
        """Return how many to ask for, where so many slots lack and so many candles are wanted (None: all)."""
        return min(self.page, slots, self.page if not want or self.page_unit == "slots" else want)

    def asking(self, chunk: Chunk, need: int) -> Chunk:
        """Return the chunk asking for ``need`` candles before ``resume``, and for the one at the seam where that helps.

        A page that lacks its newest candle is then told by that, which nothing else shows where many slots are empty.
        """
        rows = self.page_unit == "rows" and chunk.seam is not None
        over = rows and self.page > 1 and (chunk.again or self.is_sparse)
        return chunk.but(ask=min(self.page, need + over), over=int(over))

    @property
    def is_sparse(self) -> bool:
        """Whether an empty slot is nothing unusual; else a page that lacks its newest candle shows that by itself."""
        return self._known and self._density < SEAMLESS and not is_unlikely(1, self.trend)

    @property
    def density(self) -> float | None:
        """The share of slots that trade, by what was seen of late; None before anything was."""
        return self._density if self._known else None

    def know(self, trend: Trend, oldest: int | None, begins: int | None) -> None:
        """Hear what the store knows of the market: its density, its oldest candle, and whether it is the first."""
        self.trend, self.oldest_held, self.begins = trend, oldest, begins
        if trend.rows >= self.page / 4:
            self._density, self._known = trend.rows / (trend.rows + trend.empty), True

    def _begin(self, begins: int) -> None:
        """Take nothing for left to be asked before the market's beginning."""
        for segment in self._segments:
            if not segment.busy and segment.cursor > segment.lo:
                if segment.hi <= begins:
                    segment.cursor = segment.lo
                else:
                    segment.lo = min(max(segment.lo, begins), segment.cursor)
        for segment in self._unstored:
            segment.stored = segment.lo if segment.hi <= begins else segment.stored

    def _cut_upper(self, segment: Segment, need: float | None) -> None:
        """Leave a cursor among several a stretch of its own, and the rest of its segment to others."""
        slots = self._grid.slots(segment.lo, segment.cursor)
        pages = (slots * self._density if need is None else need) / self.page
        if self.page_unit == "slots":
            pages = (slots if need is None else need / max(self._density, 1e-6)) / self.page
        shortest = SHORTEST if self.is_sparse else 1
        length = self._slots_of(max(shortest, min(LONGEST, int(pages / self._cursors))) * self._stretch)
        if pages <= 2 * shortest or slots < length + self._slots_of(shortest):
            return
        cut = self._beside_pages(segment, self._grid.shift(segment.cursor, -length))
        if not segment.lo < cut < segment.cursor:
            return
        rest = Segment(segment.lo, cut, cut, cut)
        segment.lo = cut
        self._insert(segment, rest, after=True)

    def _beside_pages(self, segment: Segment, cut: int) -> int:
        """Move a cut that lies in a hole between stored spans to the end of a page there: none is cut in two."""
        low, high = self._hole_at(cut, (segment.lo, segment.cursor))
        if self._upward:
            if not segment.lo < low:
                return cut
            pages = max(1, round(self._grid.slots(low, cut) / self._slots_of(1)))
            return min(high, self._grid.shift(low, self._slots_of(pages)))
        if not high < segment.cursor:
            return cut
        pages = round(self._grid.slots(cut, high) / self.page)
        return max(low, self._grid.shift(high, -pages * self.page))

    def _hole_at(self, time: int, within: Span) -> Span:
        """Return the hole between stored spans around a time, or nothing where that is stored."""
        spans = self.covered.spans
        above = bisect_right(spans, time, key=lambda span: span[0])
        low = spans[above - 1][1] if above else within[0]
        high = spans[above][0] if above < len(spans) else within[1]
        return (max(low, within[0]), min(high, within[1])) if low < time else (time, time)

    def aligned(self, chunk: Chunk) -> Chunk:
        """Return the first chunk, which was cut off before the holes were known, cut beside the pages of one."""
        if not self._upward or self._heard or len(self._segments) < 2:
            return chunk
        segment, above = self._segments[0], self._segments[1]
        whole = Segment(segment.lo, above.hi, above.hi, above.hi)
        cut = self._beside_pages(whole, segment.hi)
        segment.hi = segment.cursor = segment.stored = above.lo = cut
        low = max(segment.lo, self._grid.shift(cut, -self.page))
        ask = self.need(self._grid.slots(low, cut), chunk.want)
        return chunk.but(top=cut, low=low, resume=cut, ask=ask)

    def _cut_lower(self, segment: Segment) -> Segment:
        """Cut the oldest page off a segment; what is left above waits."""
        length = self._slots_of(1) * self._stretch
        slots = self._grid.slots(segment.lo, segment.cursor)
        if segment.cursor < segment.hi and self.page_unit == "rows":
            length = max(length, slots // 2)  # newer candles are known: halve the way to the oldest
        if slots <= length:
            return segment
        cut = self._beside_pages(segment, self._grid.shift(segment.lo, length))
        if cut >= segment.cursor:
            return segment
        lower = Segment(segment.lo, cut, cut, cut)
        segment.lo = cut
        self._insert(segment, lower, after=False)
        return lower

    def _slots_of(self, pages: int) -> int:
        """Return the slots that are likely to hold no more than ``pages`` full pages.

        A little fewer than they hold on average: a page that is not full costs less than one more for a few candles.
        """
        if self.page_unit == "slots":
            return self.page * pages
        density = max(self._density, 1e-6)
        candles = self.page * pages
        candles -= round(MARGIN * sqrt(candles * max(0.0, 1 - density)))
        return max(self.page, int(candles / density))

    def _insert(self, segment: Segment, new: Segment, *, after: bool) -> None:
        for segments in (self._segments, self._unstored):
            segments.insert(segments.index(segment) + after, new)

    def _share(self, segment: Segment, chunk: Chunk, reached: int) -> int:
        """Spare the segments below what a page that ran over the end of its own has brought of them; count that."""
        shared = 0
        for below in self._segments:
            if below.hi <= segment.lo and not below.busy and reached < below.cursor <= chunk.top:
                end = max(reached, below.lo)
                found = _newer(chunk.rows, end) - _newer(chunk.rows, below.cursor)
                below.found += found
                below.cursor = end
                shared += found
        return shared

    def _advance(self, segment: Segment, reached: int) -> None:
        segment.busy = False
        segment.cursor = max(reached, segment.lo)
        while self._segments and self._segments[0].finished and not self._segments[0].busy:
            done = self._segments.popleft()
            self._found += done.found
            self._assumed += done.assumed

    def _abandon(self) -> None:
        """Call all that is left failed."""
        for segment in [segment for segment in self._segments if not segment.finished and not segment.busy]:
            slots = self._grid.slots(segment.lo, segment.cursor)
            if self.request.count is not None:
                slots = min(slots, self._slots_of(1) * (self.request.count - self._arrived) // self.page)
            if slots > 0:
                self.failed.append((self._grid.shift(segment.cursor, -slots), segment.cursor))
            segment.assumed += slots
            self._advance(segment, segment.lo)


def _newer(rows: Sequence[Row], start: int) -> int:
    """Rows (newest first) that open at ``start`` or later."""
    return bisect_right(rows, -start, key=lambda row: -row.open_time)
