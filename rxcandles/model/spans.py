"""Sets of time spans: union, subtraction, intersection.

A span is a half-open pair ``(start, stop)`` of UTC seconds. A :class:`SpanSet` keeps its spans disjoint, apart and
ascending, so that two sets that cover the same seconds are equal.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TypeAlias

import attrs

__all__ = ["Span", "SpanSet", "runs"]

Span: TypeAlias = tuple[int, int]


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    result: list[Span] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], stop))
        else:
            result.append((start, stop))
    return tuple(result)


@attrs.frozen
class SpanSet:
    """An immutable set of seconds, kept as the fewest spans; empty and reversed spans add nothing."""

    spans: tuple[Span, ...] = attrs.field(default=(), converter=_merged)

    def union(self, other: SpanSet) -> SpanSet:
        """Return the seconds in either set."""
        return SpanSet((*self.spans, *other.spans))

    def intersect(self, other: SpanSet) -> SpanSet:
        """Return the seconds in both sets, in time linear in the spans of both where the sets overlap."""
        if not self.spans or not other.spans:
            return SpanSet()
        start, stop = max(self.spans[0][0], other.spans[0][0]), min(self.spans[-1][1], other.spans[-1][1])
        result = []
        mine, theirs = iter(self._around(start, stop)), iter(other._around(start, stop))
        a, b = next(mine, None), next(theirs, None)
        while a and b:
            result.append((max(a[0], b[0]), min(a[1], b[1])))
            if a[1] <= b[1]:
                a = next(mine, None)
            else:
                b = next(theirs, None)
        return SpanSet(tuple(result))

    def subtract(self, other: SpanSet) -> SpanSet:
        """Return the seconds in this set and not in ``other``; as fast as ``intersect``."""
        if not self.spans:
            return self
        start, stop = self.spans[0][0], self.spans[-1][1]
        edges = [start, *(edge for span in other._around(start, stop) for edge in span), stop]
        gaps = SpanSet(tuple(zip(edges[::2], edges[1::2], strict=True)))
        return self.intersect(gaps)

    def _around(self, start: int, stop: int) -> tuple[Span, ...]:
        """Return the spans that overlap ``[start, stop)``, whole."""
        first = bisect_right(self.spans, start, key=itemgetter(1))
        return self.spans[first : bisect_left(self.spans, stop, lo=first, key=itemgetter(0))]

    def __contains__(self, time: int) -> bool:
        position = bisect_right(self.spans, time, key=itemgetter(0))
        return position > 0 and time < self.spans[position - 1][1]

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def seconds(self) -> int:
        """Number of seconds in all spans together."""
        return sum(stop - start for start, stop in self.spans)


def runs(places: Sequence[int]) -> list[Span]:
    """Return ascending numbers as the fewest spans."""
    found: list[Span] = []
    for place in places:
        if found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found
