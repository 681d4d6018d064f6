"""A request in parts: the parts tile it, and their summaries, joined in any order, are its summary."""

from __future__ import annotations

import random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles import CollectionSummary, Request, RequestError
from rxcandles.model.reports import FailedSpan
from rxcandles.model.timeframe import TIMEFRAMES, to_datetime
from tests.support.fakes import MINUTE, NEWEST, FakeExchange, slots


@given(
    st.sampled_from(TIMEFRAMES), st.integers(0, 10**9), st.integers(1, 10**8), st.integers(1, 10**6), st.sampled_from(
        ["newest_first", "oldest_first"]
    ),
)  # fmt: skip
def test_parts_tile_the_request(timeframe, start, length, size, order) -> None:
    """Newest first, each of at most ``size`` slots and as many as fit, without a gap or an overlap."""
    size = max(size, length // timeframe.seconds // 500 if timeframe.seconds else 1)  # some hundred parts are enough
    try:
        request = Request("KRW-BTC", timeframe, to=to_datetime(start + length), end=to_datetime(start), order=order)
    except RequestError:  # no candle opens there
        return
    parts = list(request.split(size))
    assert parts[0].stop == request.stop
    assert parts[-1].start == request.start
    assert [part.start for part in parts[:-1]] == [part.stop for part in parts[1:]]
    assert all(part.most == size for part in parts[:-1])
    assert 0 < parts[-1].most <= size or request.most == 0
    assert {(part.symbol, part.timeframe, part.order, part.count) for part in parts} == {
        ("KRW-BTC", timeframe, order, None)
    }


def test_count_is_whole() -> None:
    """A request by count is its only part: which candles exist is not known."""
    request = Request("KRW-BTC", "1m", count=1_000_000)
    assert list(request.split(100)) == [request]
    with pytest.raises(RequestError, match="slots is 0"):
        next(request.split(0))


COSTS = {
    "duration_seconds", "chunks_processed", "api_calls_made", "overlap_analysis_results", "retries", "stored_count",
    "stored_older_count",
}  # fmt: skip
"""What depends on where pages begin."""


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 1), st.integers(200, 900))
async def test_joined_is_the_summary_of_the_whole(seed: int, density: float, size: int) -> None:
    """With a hole, and a history that begins within: what is held is the same, in any order of the parts."""
    luck = random.Random(seed)
    times = slots(luck.randrange(300, 900), density, seed)
    hole = (NEWEST - luck.randrange(200, 900) * MINUTE, luck.randrange(1, 200) * MINUTE)
    times = [time for time in times if not hole[0] <= time < sum(hole)]
    stop = NEWEST - luck.randrange(200) * MINUTE
    request = Request("KRW-BTC", "1m", to=to_datetime(stop), end=to_datetime(stop - 1500 * MINUTE))
    found = []
    for parts in ([request], luck.sample(sorted(request.split(size), key=hash), -(-request.most // size))):
        async with rxcandles.connect(":memory:", FakeExchange(times), rate_limit=None) as provider:
            found.append(CollectionSummary.joined([await provider.collect(part) for part in parts]))
    whole, joined = found
    names = {field.name for field in attrs.fields(CollectionSummary)} - COSTS - {"provisional_spans"}
    assert {name: getattr(joined, name) for name in names} == {name: getattr(whole, name) for name in names}
    assert joined.stored_count >= joined.collected_count


async def test_a_claim_across_parts_is_one() -> None:
    """A provisional beginning that several parts have a piece of is one span, as in the summary of the whole."""
    request = Request("KRW-BTC", "1m", to=to_datetime(NEWEST), end=to_datetime(NEWEST - 1000 * MINUTE))
    async with rxcandles.connect(":memory:", FakeExchange(slots(300)), rate_limit=None) as provider:
        parts = [await provider.collect(part) for part in request.split(250)]
        whole = await provider.collect(request)
    joined = CollectionSummary.joined(reversed(parts))
    assert [(each.kind, each.slots) for each in joined.provisional_spans] == [("beginning", 701)]
    assert joined.provisional_spans == whole.provisional_spans
    with pytest.raises(RequestError, match="parts is empty"):
        CollectionSummary.joined([])


def test_spans_that_touch_become_one() -> None:
    """Failures of one reason on both sides of a part's end are one span; others stay apart, oldest first."""
    at = [to_datetime(NEWEST + n * MINUTE) for n in range(5)]
    failed = [FailedSpan(at[2], at[3], "down"), FailedSpan(at[1], at[2], "down"), FailedSpan(at[3], at[4], "away")]
    parts = [
        CollectionSummary(0, 0, (span.start, span.stop), 1, 1.0, 6, {"no_overlap": 1}, failed_spans=(span,))
        for span in failed
    ]
    joined = CollectionSummary.joined(parts)
    assert joined.failed_spans == (FailedSpan(at[1], at[3], "down"), failed[2])
    assert (joined.api_calls_made, joined.time_range, joined.overlap_analysis_results) == (
        18,
        (at[1], at[4]),
        {"no_overlap": 3},
    )
