"""Sets of spans against sets of seconds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rxcandles.model.spans import SpanSet

spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8).map(lambda each: SpanSet(tuple(each)))


def seconds(spans: SpanSet) -> set[int]:
    return {second for start, stop in spans for second in range(start, stop)}


@given(one=spans, other=spans)
def test_algebra(one: SpanSet, other: SpanSet) -> None:
    """Union, intersection and subtraction are those of the seconds."""
    assert seconds(one.union(other)) == seconds(one) | seconds(other)
    assert seconds(one.intersect(other)) == seconds(one) & seconds(other)
    assert seconds(one.subtract(other)) == seconds(one) - seconds(other)


@given(one=spans)
def test_fewest_spans(one: SpanSet) -> None:
    """Spans are ascending and apart, so that equal sets are equal."""
    assert all(start < stop for start, stop in one)
    assert all(left[1] < right[0] for left, right in zip(one.spans, one.spans[1:], strict=False))
    assert SpanSet(tuple((second, second + 1) for second in seconds(one))) == one


@given(one=spans, second=st.integers(-1, 41))
def test_membership(one: SpanSet, second: int) -> None:
    """A second is in the set where it is in one of its spans."""
    assert (second in one) == (second in seconds(one))


@given(one=spans)
def test_sizes(one: SpanSet) -> None:
    """The seconds are counted; only the empty set is false."""
    assert one.seconds == len(seconds(one))
    assert bool(one) == bool(seconds(one))
