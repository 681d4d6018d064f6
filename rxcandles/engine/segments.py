"""Cut the span of a request into segments, each walked by a cursor of its own.

One cursor must wait for each answer. If the round trip is long compared with the rate, several cursors walk at once,
each in its own segment. A segment wastes about half a page where it meets the next one. So segments are long (up to 32
pages) in the middle of a run, and end a little before their last page would be full: a few candles more would cost a
page of their own.

Oldest first, segments are laid from the old end and are one page long, by the density seen last. If a segment has no
candles, the next one is four times as long, and a gap that is left below a page is halved. So the first candle of a
market that was listed years after the request's start is found in logarithmic time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from math import sqrt
from typing import Final

import attrs

from rxcandles.engine.seen import Seen
from rxcandles.model import Row
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import PageUnit

__all__ = ["Segment", "Segments", "newer"]

LONGEST: Final = 32
SHORTEST: Final = 4
"""Pages in the longest segment for several cursors, and in the shortest one if some slots are empty."""

MARGIN: Final = 1.5
"""Standard deviations by which a segment is shorter than what its pages hold on average."""


@attrs.define(eq=False)
class Segment:
    """A span ``[lo, hi)`` walked by one cursor, from ``hi`` down. Times are UTC seconds."""

    lo: int
    hi: int
    cursor: int = attrs.field(init=False)
    """Everything in ``[cursor, hi)`` has arrived."""
    stored: int = attrs.field(init=False)
    """Everything in ``[stored, hi)`` is in the store."""
    found: int = 0
    """Candles that have arrived."""
    assumed: int = 0
    """Candles that are assumed where a page failed or was dropped, so that the rest can go on."""
    seam: int | None = None
    """Open time of the candle that the cursor stands at, the oldest that has arrived; None if unknown."""
    busy: bool = False

    def __attrs_post_init__(self) -> None:
        self.cursor = self.stored = self.hi

    @property
    def finished(self) -> bool:
        """Whether the cursor has reached the older end."""
        return self.cursor <= self.lo


class Segments:
    """The unfinished segments of one run, in the order of delivery."""

    def __init__(self, whole: Span, grid: Timeframe, page: int, unit: PageUnit, seen: Seen, *, upward: bool) -> None:
        self.page_unit: PageUnit = unit
        """What a page is measured in, as declared or as pages have shown."""
        self.covered = SpanSet()
        """What of the request was covered when the run began, as far as it was looked up."""
        self.upward = upward
        """Whether the oldest comes first."""
        self.found = self.assumed = 0
        """Candles of the segments that have left ``waiting``: arrived, and assumed."""
        self.waiting: deque[Segment] = deque()
        """The segments from the first unfinished one on."""
        self.unstored: deque[Segment] = deque()
        """The segments from the first one on that is not wholly stored."""
        self._grid = grid
        self._page = page
        self._seen = seen
        self._stretch = 1
        if whole[0] < whole[1]:
            segment = Segment(*whole)
            self.waiting.append(segment)
            self.unstored.append(segment)

    def contiguous(self) -> list[Segment]:
        """Return the segments up to the first unfinished one, which counts as far as it has come."""
        if self.upward:
            return list(self.waiting)
        result = []
        for segment in self.waiting:
            result.append(segment)
            if not segment.finished:
                break
        return result

    @property
    def arrived(self) -> int:
        """Candles that have arrived without a gap from the request's first end, including the assumed ones."""
        return self.found + self.assumed + sum(each.found + each.assumed for each in self.contiguous())

    # What arrives

    def share(self, segment: Segment, rows: Sequence[Row], top: int, reached: int) -> int:
        """Credit lower segments with rows that a page fetched beyond its own segment; return their number."""
        shared = 0
        for below in self.waiting:
            if below.hi <= segment.lo and not below.busy and reached < below.cursor <= top:
                end = max(reached, below.lo)
                known = newer(rows, end)
                found = known - newer(rows, below.cursor)
                below.found += found
                below.cursor = end
                if known:
                    # A seam further up would have the candles below it asked for, stored and handed out once more.
                    below.seam = rows[known - 1].open_time
                shared += found
        return shared

    def advance(self, segment: Segment, reached: int) -> None:
        """Move the cursor of a segment to where its page has reached."""
        segment.busy = False
        segment.cursor = max(reached, segment.lo)
        while self.waiting and self.waiting[0].finished and not self.waiting[0].busy:
            done = self.waiting.popleft()
            self.found += done.found
            self.assumed += done.assumed

    def lengthen(self, grows: bool) -> None:
        """Lay longer segments after a page without candles: an empty answer costs two requests, as it is confirmed."""
        self._stretch = min(self._stretch * (4 if self.upward else 2), 1 << 20) if grows else 1

    def begin(self, begins: int) -> None:
        """Ask for nothing before the market's beginning."""
        for segment in self.waiting:
            if not segment.busy and segment.cursor > segment.lo:
                if segment.hi <= begins:
                    segment.cursor = segment.lo
                else:
                    segment.lo = min(max(segment.lo, begins), segment.cursor)
        for segment in self.unstored:
            segment.stored = segment.lo if segment.hi <= begins else segment.stored

    def stored(self, top: int, reached: int) -> None:
        """Record that the chunk ``[reached, top)`` is stored."""
        for segment in self.unstored:
            # The chunks of a segment come in order, so those that did not come were dropped.
            if segment.lo < top <= segment.hi:
                segment.stored = min(segment.stored, max(reached, segment.lo))
            elif reached < segment.stored <= top:
                # Not beyond its own cursor: a page that is under way there brings its own rows.
                segment.stored = min(segment.stored, max(reached, segment.lo, segment.cursor))
        self.leave_stored()

    def leave_stored(self) -> None:
        """Remove the first segments that are wholly stored."""
        while self.unstored and self.unstored[0].stored <= self.unstored[0].lo:
            self.unstored.popleft()

    # How segments are cut

    def cut_upper(self, segment: Segment, need: float | None, cursors: int) -> None:
        """Leave a part of the segment to its cursor and the rest to others, if there are several cursors."""
        slots = self._grid.slots(segment.lo, segment.cursor)
        pages = (slots * self._seen.likely if need is None else need) / self._page
        if self.page_unit == "slots":
            pages = (slots if need is None else need / max(self._seen.likely, 1e-6)) / self._page
        shortest = SHORTEST if self._seen.is_sparse else 1
        length = self.slots_of(max(shortest, min(LONGEST, int(pages / cursors))) * self._stretch)
        if pages <= 2 * shortest or slots < length + self.slots_of(shortest):
            return
        cut = self.beside_pages((segment.lo, segment.cursor), self._grid.shift(segment.cursor, -length))
        if not segment.lo < cut < segment.cursor:
            return
        rest = Segment(segment.lo, cut)
        segment.lo = cut
        self._insert(segment, rest, after=True)

    def cut_lower(self, segment: Segment) -> Segment:
        """Cut the oldest page off a segment; the part above waits."""
        length = self.slots_of(1) * self._stretch
        slots = self._grid.slots(segment.lo, segment.cursor)
        if segment.cursor < segment.hi and self.page_unit == "rows":
            length = max(length, slots // 2)  # newer candles are known: halve the way to the oldest
        if slots <= length:
            return segment
        cut = self.beside_pages((segment.lo, segment.cursor), self._grid.shift(segment.lo, length))
        if cut >= segment.cursor:
            return segment
        lower = Segment(segment.lo, cut)
        segment.lo = cut
        self._insert(segment, lower, after=False)
        return lower

    def cut_first(self) -> int | None:
        """Cut the first two segments, laid before the gaps were known, at the border of a page; return where."""
        if not self.upward or len(self.waiting) < 2:
            return None
        segment, above = self.waiting[0], self.waiting[1]
        cut = self.beside_pages((segment.lo, above.hi), segment.hi)
        segment.hi = segment.cursor = segment.stored = above.lo = cut
        return cut

    def beside_pages(self, within: Span, cut: int) -> int:
        """Move a cut that lies in a gap between stored spans to the border of a page, so that no page is split."""
        low, high = self._gap_at(cut, within)
        if self.upward:
            if not within[0] < low:
                return cut
            pages = max(1, round(self._grid.slots(low, cut) / self.slots_of(1)))
            return min(high, self._grid.shift(low, self.slots_of(pages)))
        if not high < within[1]:
            return cut
        pages = round(self._grid.slots(cut, high) / self._page)
        return max(low, self._grid.shift(high, -pages * self._page))

    def _gap_at(self, time: int, within: Span) -> Span:
        """Return the gap between stored spans around a time, or an empty span if that time is stored."""
        spans = self.covered.spans
        above = bisect_right(spans, time, key=lambda span: span[0])
        low = spans[above - 1][1] if above else within[0]
        high = spans[above][0] if above < len(spans) else within[1]
        return (max(low, within[0]), min(high, within[1])) if low < time else (time, time)

    def slots_of(self, pages: int) -> int:
        """Return the slots that are likely to hold no more than ``pages`` full pages.

        They are slightly fewer than the average: a page that is not full costs less than an extra page for a few
        candles.
        """
        if self.page_unit == "slots":
            return self._page * pages
        density = max(self._seen.likely, 1e-6)
        candles = self._page * pages
        candles -= round(MARGIN * sqrt(candles * max(0.0, 1 - density)))
        return max(self._page, int(candles / density))

    def _insert(self, segment: Segment, new: Segment, *, after: bool) -> None:
        for segments in (self.waiting, self.unstored):
            segments.insert(segments.index(segment) + after, new)


def newer(rows: Sequence[Row], start: int) -> int:
    """Return how many rows (newest first) open at ``start`` or later."""
    return bisect_right(rows, -start, key=lambda row: -row.open_time)
