"""The run against an obvious model: a set of open times that exist."""

from __future__ import annotations

import random
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.engine.chunk import Chunk, Proof
from rxcandles.engine.run import Run
from rxcandles.model import Request
from rxcandles.model.timeframe import BEGINNING, to_datetime

pytestmark = pytest.mark.exhaustive

MINUTE = 60
NOW = 1_700_000_040  # a whole minute
CLOSED = NOW - MINUTE  # the newest slot that is over and settled


class Market:
    """An exchange as a sorted list of open times."""

    def __init__(self, slots: set[int]) -> None:
        self.times = sorted(CLOSED - slot * MINUTE for slot in slots)
        self.requests = 0

    def answer(self, chunk: Chunk) -> Chunk:
        """What fetch would make of a chunk."""
        from rxcandles.model import Row

        self.requests += 1
        assert 1 <= chunk.question.count <= chunk.run.page
        end = bisect_left(self.times, chunk.question.resume)
        page = self.times[max(0, end - chunk.question.count) : end][::-1]
        reached = page[-1] if len(page) == chunk.question.count else BEGINNING
        rows = [Row(time, 1, 1, 1, 1, 1, 1, 0) for time in page]
        return chunk.but(page=Proof(rows, reached, (reached, chunk.question.resume)))


def walk(run: Run, market: Market, shuffle: random.Random) -> set[int]:
    """Walk the run with answers in any order; return the open times that arrived."""
    arrived: set[int] = set()
    under_way: list[Chunk] = []
    for _ in range(100_000):
        while (chunk := run.next()) is not None:
            under_way.append(chunk)
        if not under_way:
            assert run.complete
            return arrived
        chunk = market.answer(under_way.pop(shuffle.randrange(len(under_way))))
        arrived.update(row.open_time for row in chunk.rows)
        run.fetched(chunk)
        run.stored(chunk)
    raise AssertionError("the run does not end")


markets = st.builds(
    lambda density, length, seed, halt: {
        slot
        for slot in range(length)
        if random.Random(f"{seed}-{slot}").random() < density and not halt <= slot < halt + 400
    },
    density=st.sampled_from([1.0, 0.998, 0.9, 0.3, 0.02]),
    length=st.integers(0, 3000),
    seed=st.integers(0, 5),
    halt=st.sampled_from([10**6, 100, 700]),
)


@settings(max_examples=150, deadline=None)
@given(
    slots=markets,
    count=st.integers(1, 2500),
    cursors=st.integers(1, 5),
    page=st.sampled_from([200, 7]),
    seed=st.integers(0, 10),
    order=st.sampled_from(["newest_first", "oldest_first"]),
)
def test_count(slots: set[int], count: int, cursors: int, page: int, seed: int, order: str) -> None:
    """Whatever the gaps, the count is exact, or all there is, and the newest ones are those that arrive."""
    market = Market(slots)
    run = Run(Request("KRW-BTC", "1m", count=count, now=NOW + 10, order=order), page=page, cursors=cursors)
    arrived = walk(run, market, random.Random(seed))
    newest = set(market.times[-count:])
    assert newest <= arrived
    assert run.collected == len(newest)
    ready = run.ready()
    assert ready is not None
    assert newest <= {time for time in arrived if ready[0] <= time < ready[1]}


@settings(max_examples=150, deadline=None)
@given(
    slots=markets,
    ends=st.tuples(st.integers(0, 4000), st.integers(0, 4000)).filter(lambda ends: ends[0] != ends[1]),
    cursors=st.integers(1, 5),
    page=st.sampled_from([200, 7]),
    seed=st.integers(0, 10),
    order=st.sampled_from(["newest_first", "oldest_first"]),
)
def test_span(slots: set[int], ends: tuple[int, int], cursors: int, page: int, seed: int, order: str) -> None:
    """Of a span, everything that exists in it arrives, in either order and with any number of cursors."""
    market = Market(slots)
    one, other = (to_datetime(CLOSED - slot * MINUTE) for slot in ends)
    request = Request("KRW-BTC", "1m", to=one, end=other, now=NOW + 10, order=order)
    run = Run(request, page=page, cursors=cursors)
    arrived = walk(run, market, random.Random(seed))
    wanted = {time for time in market.times if request.span[0] <= time < request.span[1]}
    assert wanted <= arrived
    assert run.collected == len(wanted)
    assert run.ready() == request.span


@settings(max_examples=60, deadline=None)
@given(slots=markets, cursors=st.integers(1, 4), seed=st.integers(0, 10))
def test_ready_prefix(slots: set[int], cursors: int, seed: int) -> None:
    """At any moment, nothing that is ready lacks a candle, and what was ready stays so."""
    for order in ("newest_first", "oldest_first"):
        market = Market(slots)
        end = to_datetime(CLOSED - 2000 * MINUTE)
        request = Request("KRW-BTC", "1m", end=end, now=NOW + 10, order=order)
        run = Run(request, cursors=cursors)
        shuffle = random.Random(seed)
        arrived: set[int] = set()
        under_way: list[Chunk] = []
        before = 0
        while not run.complete:
            while (chunk := run.next()) is not None:
                under_way.append(chunk)
            chunk = market.answer(under_way.pop(shuffle.randrange(len(under_way))))
            run.fetched(chunk)
            arrived.update(row.open_time for row in chunk.rows)
            run.stored(chunk)
            ready = run.ready()
            assert ready is not None
            assert {time for time in market.times if ready[0] <= time < ready[1]} <= arrived
            assert ready[1] - ready[0] >= before
            before = ready[1] - ready[0]


@pytest.mark.parametrize("density", [1.0, 0.998, 0.3, 0.02])
def test_full_pages(density: float) -> None:
    """One cursor asks for full pages of existing candles, whatever the density: 2,000 candles are 10 requests."""
    shuffle = random.Random(3)
    market = Market({slot for slot in range(int(3000 / density)) if shuffle.random() < density})
    walk(Run(Request("KRW-BTC", "1m", count=2000, now=NOW + 10)), market, shuffle)
    assert market.requests == 10


@pytest.mark.parametrize("density", [1.0, 0.998, 0.95, 0.3, 0.02])
def test_segments_waste_little(density: float) -> None:
    """Two cursors over 100 pages waste no more than six requests, whatever the density."""
    shuffle = random.Random(3)
    market = Market({slot for slot in range(int(25_000 / density)) if shuffle.random() < density})
    walk(Run(Request("KRW-BTC", "1m", count=20_000, now=NOW + 10), cursors=2), market, shuffle)
    assert market.requests <= 106


def test_listing_is_found_quickly() -> None:
    """From oldest to newest, years before the listing cost a few requests, not one a page."""
    market = Market(set(range(1000)))
    request = Request(
        "KRW-BTC",
        "1m",
        to=to_datetime(CLOSED - 3_000_000 * MINUTE),
        end=to_datetime(NOW),
        now=NOW + 10,
        order="oldest_first",
    )
    walk(Run(request), market, random.Random(1))
    assert market.requests <= 45


def test_dropped_chunks() -> None:
    """A chunk that nobody has any more counts as planned, and the run goes on; one that somebody has is waited for."""
    run = Run(Request("KRW-BTC", "1m", count=1000, now=NOW + 10))
    spans = []
    while not run.complete:
        chunk = run.next()
        assert chunk is not None
        spans.append(chunk.span)
        assert run.drop()
        assert run.next() is None
        del chunk
        assert not run.drop()
    assert len(spans) == 5
    assert all(newer[0] == older[1] for newer, older in zip(spans, spans[1:], strict=False))


def test_failures_in_a_row() -> None:
    """After three failed pages in a row the rest is called failed, and named."""
    run = Run(Request("KRW-BTC", "1m", count=2000, now=NOW + 10))
    while (chunk := run.next()) is not None:
        run.fetched(chunk.but(failure=RuntimeError("down"), page=Proof((), chunk.step.low)))
    assert run.complete
    assert run.made == 3
    assert sum(stop - start for start, stop in run.failed) == 2000 * MINUTE
    assert run.collected == 0
