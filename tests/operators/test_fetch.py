"""What ``fetch`` makes of an exchange: faults that pass and that stay, refusals, clocks, and where a history ends."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as rx

from rxcandles import operators as ops
from rxcandles.errors import (
    ConnectionFailedError,
    InvalidResponseError,
    RateLimitedError,
    ServerError,
    UnknownMarketError,
)
from rxcandles.model import Row
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import from_datetime, to_datetime
from rxcandles.stores import SqliteStore
from tests.support.fakes import MINUTE, NEWEST, NOW, FakeExchange, slots
from tests.support.pipelines import FAST, TIMEFRAME, Unlimited, asks, at, collecting, refuse, stored


@pytest.mark.parametrize(
    "fault", [ConnectionFailedError("reset"), ServerError("502"), RateLimitedError("429"), ServerError("503", 0.001)]
)
async def test_passing_faults_are_retried(store: SqliteStore, fault: Exception) -> None:
    """A fault that passes is retried, each try with a permit of its own."""
    exchange, limiter = FakeExchange(slots(1000)), Unlimited()
    failures = iter([fault] * 5)

    def sometimes(to: int, count: int) -> None:
        error = next(failures, None)
        if error is not None:
            raise error

    exchange.before = sometimes
    summary = await ops.run(
        ops.plan_chunks(asks(count=400)).pipe(
            ops.rate_limit(limiter), ops.fetch(exchange, retry=FAST), ops.persist(store), ops.summarize()
        )
    )
    assert summary.collected_count == 400
    assert summary.retries == 5
    assert summary.api_calls_made == limiter.permits == 7
    assert summary.rate_limited == (5 if isinstance(fault, RateLimitedError) else 0)
    assert len(limiter.heard) == summary.rate_limited


async def test_a_page_that_fails_for_good(store: SqliteStore) -> None:
    """Collecting goes on without it and names it; the next run asks for just that page."""
    exchange = FakeExchange(slots(3000))
    bad = NEWEST + MINUTE - 400 * MINUTE

    def broken(to: int, count: int) -> None:
        if to == bad:
            raise ServerError("always")

    exchange.before = broken

    def pipeline():  # type: ignore[no-untyped-def]
        return ops.plan_chunks(asks(count=2000)).pipe(
            ops.skip_stored(store),
            ops.fetch(exchange, retry=FAST, on_failure="skip"),
            ops.persist(store),
            ops.summarize(),
        )

    summary = await ops.run(pipeline())
    assert summary.collected_count == 1800
    (failed,) = summary.failed_spans
    assert (failed.start, failed.stop) == (to_datetime(bad - 200 * MINUTE), to_datetime(bad))
    assert failed.reason == "always"
    exchange.before = lambda to, count: None
    exchange.asked.clear()
    assert (await ops.run(pipeline())).collected_count == 2000
    assert exchange.asked == [(bad, 200)]


async def test_everything_before_an_error_is_delivered(store: SqliteStore) -> None:
    """A stream gives all that came before the page that failed, also what a batch had begun, then raises its error."""
    exchange = FakeExchange(slots(3000))

    def broken(to: int, count: int) -> None:
        if to <= NEWEST - 500 * MINUTE:
            raise InvalidResponseError("nonsense")

    exchange.before = broken
    delivered = []
    with pytest.raises(InvalidResponseError, match="nonsense") as caught:
        async for candles in collecting(asks(count=2000), store, exchange).pipe(
            ops.recall(store), ops.batch(250), ops.with_backpressure(2)
        ):
            delivered += candles
    assert [each.open_seconds for each in delivered] == exchange.times[-600:][::-1]
    assert "KRW-BTC 1m, chunk 4" in caught.value.__notes__[0]


@pytest.mark.parametrize("on_failure", ["raise", "skip"])
async def test_refusals_are_raised_at_once(store: SqliteStore, on_failure: str) -> None:
    """A refusal is no page's fault: it ends the run with one request."""
    exchange = FakeExchange(slots(10))

    def unknown(to: int, count: int) -> None:
        raise UnknownMarketError("Code not found")

    exchange.before = unknown
    with pytest.raises(UnknownMarketError):
        await ops.run(
            ops.plan_chunks(asks(count=2000)).pipe(ops.fetch(exchange, on_failure=on_failure), ops.summarize())  # type: ignore[arg-type]
        )
    assert len(exchange.asked) == 1


@pytest.mark.parametrize("cursors", [1, 3])
async def test_nothing_from_the_middle(store: SqliteStore, cursors: int) -> None:
    """Oldest first with a count, a page that fails for good means that nothing is delivered before its error."""
    exchange = FakeExchange(slots(3000))

    def broken(to: int, count: int) -> None:
        if to <= NEWEST - 700 * MINUTE:
            raise InvalidResponseError("nonsense")

    exchange.before = broken
    delivered = []
    request = asks(count=1500, order="oldest_first")
    with pytest.raises(InvalidResponseError):
        async for candles in collecting(request, store, exchange, cursors=cursors).pipe(
            ops.recall(store), ops.with_backpressure()
        ):
            delivered += candles
    assert delivered == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), cursors=st.integers(1, 5), density=st.sampled_from([1.0, 0.9, 0.3]))
def test_what_failed_is_exact(seed: int, cursors: int, density: float) -> None:
    """Whatever pages fail for good, the summary counts what is held, and names just what is not."""
    shuffle = random.Random(seed)

    async def scenario() -> None:
        exchange = FakeExchange(slots(1500, density))

        def sometimes(to: int, count: int) -> None:
            if shuffle.random() < 0.2:
                raise InvalidResponseError("nonsense")

        exchange.before = sometimes
        request = asks(to=to_datetime(NEWEST + MINUTE), end=to_datetime(exchange.times[0]))
        async with SqliteStore(":memory:") as store:
            summary = await ops.run(
                ops.plan_chunks(request, cursors=cursors).pipe(
                    ops.skip_stored(store),
                    ops.fetch(exchange, retry=ops.Retry(attempts=1), on_failure="skip"),
                    ops.persist(store),
                    ops.summarize(),
                )
            )
            covered = await store.coverage("KRW-BTC", TIMEFRAME, *request.span)
            held = sum(each.rows for each in covered)
            assert summary.collected_count == summary.db_records_count == held
            missing = SpanSet((request.span,)).subtract(SpanSet(tuple((each.start, each.stop) for each in covered)))
            named = [(from_datetime(each.start), from_datetime(each.stop)) for each in summary.failed_spans]
            assert named == list(missing)

    with asyncio.Runner() as runner:
        runner.run(scenario())


async def test_servers_clock_decides(store: SqliteStore) -> None:
    """Where our clock runs an hour ahead, nothing after the server's now is stored or called proven."""
    exchange = FakeExchange(slots(1000))
    exchange.server_time = NOW - 3600
    exchange.times = [time for time in exchange.times if time <= NOW - 3600]  # the newest of these is forming there
    summary = await ops.run(collecting(asks(count=300), store, exchange).pipe(ops.summarize()))
    assert summary.collected_count == 300
    (covered,) = await store.coverage("KRW-BTC", TIMEFRAME, 0, 10**12)
    assert covered.stop == TIMEFRAME.floor(NOW - 3600 - 3)
    assert max(await stored(store)) < covered.stop


async def test_end_of_history(store: SqliteStore) -> None:
    """Fewer than asked for only where the market begins, which is remembered."""
    exchange = FakeExchange(slots(450))
    summary = await ops.run(collecting(asks(count=10_000), store, exchange).pipe(ops.summarize()))
    assert summary.collected_count == 450
    assert summary.time_range == (to_datetime(exchange.times[0]), to_datetime(NEWEST + MINUTE))
    assert (await store.coverage("KRW-BTC", TIMEFRAME, 0, 10**12))[0].start == 0
    exchange.before = refuse
    again = await ops.run(collecting(asks(count=10_000), store, exchange).pipe(ops.summarize()))
    assert again.collected_count == 450
    assert again.api_calls_made == 0


async def test_what_is_not_kept_is_not_proven(store: SqliteStore) -> None:
    """Where an exchange keeps candles for a time only, a page that ends there proves nothing older."""
    exchange = FakeExchange(slots(30))
    exchange.kept = lambda timeframe: 20 * MINUTE  # type: ignore[attr-defined]
    exchange.server_time = NOW
    for _ in range(2):
        summary = await ops.run(collecting(asks(to=at(10), end=at(90)), store, exchange).pipe(ops.summarize()))
        assert summary.collected_count == 19
        covered = await store.coverage("KRW-BTC", TIMEFRAME, 0, 10**12)
        assert [(each.start, each.rows) for each in covered] == [(exchange.times[0], 19)]
    older = await ops.run(collecting(asks(to=at(60), end=at(90)), store, exchange).pipe(ops.summarize()))
    assert (older.collected_count, older.time_range[0]) == (0, at(90))
    assert await store.coverage("KRW-BTC", TIMEFRAME, 0, exchange.times[0] - MINUTE) == []


async def test_no_market_yet(store: SqliteStore) -> None:
    """Before a market's first candle there is nothing, with one request and one that makes sure."""
    exchange = FakeExchange(slots(10))
    summary = await ops.run(collecting(asks(to=at(500), end=at(9000)), store, exchange).pipe(ops.summarize()))
    assert (summary.collected_count, summary.api_calls_made, summary.retries) == (0, 2, 0)


async def test_page_limit_of_the_exchange(store: SqliteStore) -> None:
    """A plan of larger pages than the exchange gives never takes a cut page for the end of history."""
    exchange = FakeExchange(slots(3000))
    whole = exchange.page_of
    exchange.page_limit = 100
    exchange.page_of = lambda to, count: whole(to, min(count, 100))  # type: ignore[method-assign]
    summary = await ops.run(collecting(asks(count=1000), store, exchange).pipe(ops.summarize()))
    assert summary.collected_count == 1000
    assert len(exchange.asked) == 10


async def test_a_page_of_nothing_but_the_seam(store: SqliteStore) -> None:
    """A page that only repeats the candle at ``to`` is no end of history: it is refused, and proves nothing."""
    exchange = FakeExchange(slots(10))
    exchange.times.append(NEWEST + MINUTE)
    exchange.page_of = lambda to, count: [to] * count  # type: ignore[method-assign]
    with pytest.raises(InvalidResponseError, match="nothing but the candle at `to`"):
        await ops.run(collecting(asks(count=1), store, exchange).pipe(ops.summarize()))
    assert await store.coverage("KRW-BTC", TIMEFRAME, 0, 10**12) == []


async def test_dropped_chunks_are_not_asked_for(store: SqliteStore) -> None:
    """A filter before fetch leaves spans out, and the run ends."""
    exchange = FakeExchange(slots(3000))
    summary = await ops.run(
        ops.plan_chunks(asks(count=2000)).pipe(
            rx.filter(lambda chunk: chunk.index % 2 == 0), ops.fetch(exchange), ops.persist(store), ops.summarize()
        )
    )
    assert len(exchange.asked) == 5
    assert summary.db_records_count == 1000


async def test_row_type() -> None:
    """A user's exchange may send plain rows with eight fields."""
    assert Row(*(0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0)).change_rate is None
