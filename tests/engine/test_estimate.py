"""A plan says what a collection will cost, and then it costs just that."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles.engine.estimate
from rxcandles import (
    CandleDataProvider,
    CollectionPlan,
    CollectionSummary,
    Order,
    Request,
    SlidingWindowLimiter,
    SqliteStore,
    Timeframe,
)
from rxcandles.engine.estimate import seconds_at_limit
from rxcandles.exchanges import UpbitExchange
from rxcandles.model.claims import Absence, ConfirmTimes
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import to_datetime
from rxcandles.simulator import Market, Simulator
from tests.support.fakes import MINUTE, NEWEST, FakeExchange, row
from tests.support.virtualloop import run_virtual

PAGE = 20
LENGTH = 2400
"""Minutes that the market below has, all of them."""
STOP = NEWEST + MINUTE
FIRST = STOP - LENGTH * MINUTE
GRID = Timeframe.of("1m")


def dense() -> FakeExchange:
    exchange = FakeExchange([FIRST + slot * MINUTE for slot in range(LENGTH)])
    exchange.page_limit = PAGE
    return exchange


async def both(
    request: Request, stored: list[tuple[int, int]], cursors: int | None
) -> tuple[CollectionPlan, int, CollectionSummary]:
    """Return the plan, the requests that the collection then takes, and what it comes to."""
    exchange = dense()
    with TemporaryDirectory() as folder:
        async with SqliteStore(Path(folder, "candles.db")) as store:
            for start, stop in stored:
                rows = [row(time) for time in range(stop - MINUTE, start - MINUTE, -MINUTE)]
                await store.write(request.symbol, request.timeframe, rows, (start, stop))
            provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(None), cursors=cursors)
            plan = await provider.plan(request)
            assert exchange.asked == []
            summary = await provider.collector.collect(request)
    assert plan.candles == summary.collected_count
    return plan, len(exchange.asked), summary


def at(slot: int) -> int:
    return FIRST + slot * MINUTE


spans = st.lists(
    st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 300)).map(
        lambda each: (at(each[0]), at(min(LENGTH, each[0] + each[1])))
    ),
    max_size=12,
).map(lambda found: list(SpanSet(tuple(found))))

counts = st.integers(1, LENGTH - PAGE).map(lambda count: Request("KRW-BTC", "1m", count, to=to_datetime(STOP)))
stretches = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, LENGTH)).map(
    lambda each: Request(
        "KRW-BTC", "1m", to=to_datetime(at(min(LENGTH, each[0] + each[1]))), end=to_datetime(at(each[0]))
    )
)


@given(st.one_of(counts, stretches), spans, st.sampled_from([0, rxcandles.engine.estimate.WALKED]))
@settings(max_examples=30, deadline=None)
def test_one_cursor(request: Request, stored: list[tuple[int, int]], walked: int) -> None:
    """The requests are as planned, whatever is stored: nothing, the ends, pieces in between; short runs and long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rxcandles.engine.estimate, "WALKED", walked)
        plan, requests, summary = asyncio.run(both(request, stored, 1))
    assert plan.requests == requests
    assert plan.missing_slots == summary.stored_count
    assert sum(GRID.slots(a.timestamp(), b.timestamp()) for a, b in plan.missing) == plan.missing_slots
    assert (plan.requests == 0) == (plan.missing == ())


@given(st.one_of(counts, stretches), st.integers(2, 5))
@settings(max_examples=12, deadline=None)
def test_several_cursors(request: Request, cursors: int) -> None:
    """With several cursors at once as well."""
    plan, requests, _ = asyncio.run(both(request, [], cursors))
    assert plan.requests == requests


@pytest.mark.parametrize("cursors", [2, 3, None])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
def test_both_orders(cursors: int | None, order: Order) -> None:
    """Stored ends and pieces, which begin and end with a page, are spared by all cursors, in either order."""
    request = Request("KRW-BTC", "1m", to=to_datetime(STOP), end=to_datetime(FIRST), order=order)
    stored = [(at(0), at(200)), (at(600), at(900)), (at(1000), at(1100)), (at(2000), at(2100))]
    plan, requests, _ = asyncio.run(both(request, stored, cursors))
    assert plan.requests == requests == (LENGTH - 700) // PAGE
    assert [(int(a.timestamp()), int(b.timestamp())) for a, b in plan.missing] == [
        (at(2100), STOP), (at(1100), at(2000)), (at(900), at(1000)), (at(200), at(600)),
    ]  # fmt: skip


def test_all_stored() -> None:
    """A count of which all is stored costs nothing."""
    request = Request("KRW-BTC", "1m", 100, to=to_datetime(STOP))
    plan, requests, _ = asyncio.run(both(request, [(at(2000), STOP)], None))
    assert (plan.requests, plan.stored, plan.candles, plan.disk_bytes, requests) == (0, 100, 100, 0, 0)


async def test_longest(tmp_path: Path) -> None:
    """A billion slots are planned without walking over them."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        provider = CandleDataProvider(store, dense(), SlidingWindowLimiter(10))
        plan = await provider.plan(Request("KRW-BTC", "1s", end=to_datetime(0), to=to_datetime(STOP)))
    assert plan.requests == -(-plan.candles // PAGE)
    assert plan.candles == STOP
    assert plan.seconds > 86_400


async def test_where_history_begins(tmp_path: Path) -> None:
    """Where a market begins within a span, one request more makes sure, and those below are not needed."""
    listed = int(datetime(2024, 1, 1, 12, tzinfo=UTC).timestamp())
    async with Simulator([Market("KRW-BTC", listed=listed)], rate=None) as simulator:
        exchange = UpbitExchange(simulator.base_url)
        async with SqliteStore(tmp_path / "candles.db") as store:
            provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(None), cursors=1)
            request = Request("KRW-BTC", "1m", to=datetime(2024, 1, 2), end=datetime(2024, 1, 1))
            plan = await provider.plan(request)
            assert simulator.stats.requests == 0
            summary = await provider.collector.collect(request)
        await exchange.close()
    assert plan.requests == 8
    assert summary.api_calls_made == 720 // 200 + 1 + 1


def test_seconds() -> None:
    """The seconds are those that the limiter takes."""

    async def last(limiter: SlidingWindowLimiter) -> float:
        began = asyncio.get_running_loop().time()
        for _ in range(25):
            given = await limiter.acquire()
        return given - began

    for rate in (10.0, 2.5, 0.5):
        limiter = SlidingWindowLimiter(rate)
        planned = seconds_at_limit(limiter, 25)
        assert run_virtual(last(limiter)) == pytest.approx(planned)
    assert seconds_at_limit(SlidingWindowLimiter(None), 25) == seconds_at_limit(SlidingWindowLimiter(3), 3) == 0.0


@pytest.mark.parametrize("cursors", [1, 4])
async def test_not_kept(cursors: int) -> None:
    """What the exchange has dropped is not counted, and collecting asks for little of it."""
    now = int(time.time()) // MINUTE * MINUTE
    exchange = FakeExchange([now - slot * MINUTE for slot in range(4000, 0, -1)])
    exchange.kept = lambda timeframe: 3000 * MINUTE  # type: ignore[attr-defined]
    async with SqliteStore(":memory:") as store:
        provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(None), cursors=cursors)
        request = Request("KRW-BTC", "1m", end=to_datetime(now - 500_000 * MINUTE))
        plan = await provider.plan(request)
        summary = await provider.collect(request)
    assert plan.not_kept is not None
    assert plan.not_kept[0] == to_datetime(now - 500_000 * MINUTE)
    assert plan.not_kept[1] == plan.missing[-1][0]
    assert plan.requests == 15
    assert plan.missing_slots == pytest.approx(3000, abs=2)
    assert summary.collected_count == pytest.approx(4000, abs=2)
    assert len(exchange.asked) <= 20 + 5 * cursors


@pytest.mark.parametrize(("minutes", "requests"), [([], 0), ([1800], 1), ([300, 1800], 2), ([1785, 1800], 1)])
@pytest.mark.parametrize("stored_from", [200, 1000])
async def test_asking_again(minutes: list[int], requests: int, stored_from: int) -> None:
    """What is due to be asked about again is told apart and costs what it says: a request each, or one for neighbours;
    nothing of it is missing, as no candle is expected there. What is not due yet costs nothing."""
    doubted = [(at(minute), at(minute + 10)) for minute in minutes if minute >= stored_from]
    requests -= len(minutes) - len(doubted)
    missing, exchange = stored_from - 200, dense()
    exchange.times = [time for time in exchange.times if not any(a <= time < b for a, b in doubted)]
    request = Request("KRW-BTC", "1m", to=to_datetime(STOP), end=to_datetime(at(200)))
    rows = [row(time) for time in exchange.times[::-1] if time >= at(stored_from)]
    absences = [Absence.of("gap", span, ConfirmTimes()) for span in doubted]
    for age in (0, 7200):
        async with SqliteStore(":memory:") as store:
            proven = (at(stored_from), STOP)
            await store.write(request.symbol, request.timeframe, rows, proven, absences, time.time() - age)
            provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(None), cursors=1)
            plan = await provider.plan(request)
            exchange.asked.clear()
            await provider.collector.collect(request)
        assert plan.requests == len(exchange.asked)
        assert plan.missing_slots == missing
        # Where the pages are tiny, one may be more since the candle at a seam is read again.
        assert plan.requests_again - (requests if age else 0) in ((0, 1) if age and missing else (0,))
        newest_first = [(to_datetime(a), to_datetime(b)) for a, b in reversed(doubted)]
        assert list(plan.doubtful) == (newest_first if age else [])
