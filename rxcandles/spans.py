"""Sets of time spans: union, subtraction, intersection.

A span is a half-open pair ``(start, stop)`` of UTC seconds. A :class:`SpanSet` keeps its spans disjoint, apart
and ascending, so that two sets that cover the same seconds are equal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import attrs

__all__ = ["Span", "SpanSet"]

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
        """Return what is in either."""
        return SpanSet((*self.spans, *other.spans))

    def intersect(self, other: SpanSet) -> SpanSet:
        """Return what is in both."""
        result = []
        mine, theirs = iter(self.spans), iter(other.spans)
        a, b = next(mine, None), next(theirs, None)
        while a and b:
            result.append((max(a[0], b[0]), min(a[1], b[1])))
            if a[1] <= b[1]:
                a = next(mine, None)
            else:
                b = next(theirs, None)
        return SpanSet(tuple(result))

    def subtract(self, other: SpanSet) -> SpanSet:
        """Return what is here and not in ``other``."""
        if not self.spans:
            return self
        edges = [self.spans[0][0], *(edge for span in other.spans for edge in span), self.spans[-1][1]]
        gaps = SpanSet(tuple(zip(edges[::2], edges[1::2], strict=True)))
        return self.intersect(gaps)

    def __contains__(self, time: int) -> bool:
        position = bisect_right(self.spans, time, key=lambda span: span[0])
        return position > 0 and time < self.spans[position - 1][1]

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def seconds(self) -> int:
        """The seconds covered, all spans together."""
        return sum(stop - start for start, stop in self.spans)
