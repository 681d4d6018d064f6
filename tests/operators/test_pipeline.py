"""Pipelines of the candle operators over a real store and an exchange in memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import reactivex
from fakes import MINUTE, NEWEST, NOW, FakeExchange, candle, slots
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as rx

from rxcandles import operators as ops
from rxcandles.engine.chunk import Chunk
from rxcandles.errors import (
    ConnectionFailedError,
    ExchangeError,
    InvalidResponseError,
    MemoryLimitError,
    RateLimitedError,
    ServerError,
    UnknownMarketError,
)
from rxcandles.model import Request, Row
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, from_datetime, to_datetime
from rxcandles.stores import SqliteStore

TIMEFRAME = Timeframe.of("1m")
FAST = ops.Retry(base=0.001, longest=0.002)


class Unlimited:
    """A limiter that lets everything pass and remembers what it was told."""

    def __init__(self) -> None:
        self.permits = 0
        self.heard: list[object] = []
        self.slowest = 0.0

    async def acquire(self) -> float:
        self.permits += 1
        return 0.0

    def took(self, given: float, seconds: float, delay: float = 0.0) -> None:
        self.slowest = max(self.slowest, seconds)

    def observe(self, remaining: int) -> None:
        self.heard.append(remaining)

    def limited(self, retry_after: float | None = None) -> None:
        self.heard.append(("429", retry_after))

    def banned(self, seconds: float | None = None) -> None:
        self.heard.append(("418", seconds))


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        yield opened


def at(slot: int) -> datetime:
    """The instant ``slot`` minutes before the newest candle's open time."""
    return to_datetime(NEWEST - slot * MINUTE)


def asks(**asked: object) -> Request:
    return Request("KRW-BTC", "1m", now=NOW, **asked)  # type: ignore[arg-type]


def collecting(request: Request, store: SqliteStore, exchange: FakeExchange, **plan: object):  # type: ignore[no-untyped-def]
    return ops.plan_chunks(request, **plan).pipe(  # type: ignore[arg-type]
        ops.skip_stored(store), ops.rate_limit(Unlimited()), ops.fetch(exchange, retry=FAST), ops.persist(store)
    )


async def stored(store: SqliteStore) -> list[int]:
    return [row.open_time for row in await store.rows("KRW-BTC", TIMEFRAME, 0, 10**12, "oldest_first", 10**6)]


@pytest.mark.parametrize("density", [1.0, 0.998, 0.3, 0.02])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
@pytest.mark.parametrize("cursors", [1, 3])
async def test_three_endings_one_result(store: SqliteStore, density: float, order: str, cursors: int) -> None:
    """Summary, list and stream of the same request hold the same candles, and the second and third ask for nothing."""
    exchange = FakeExchange(slots(1500, density))
    request = asks(count=700, order=order)
    expected = [candle(time) for time in exchange.times[-700:]]
    if order == "newest_first":
        expected.reverse()
    first = collecting(request, store, exchange, cursors=cursors)
    assert await ops.run(first.pipe(ops.recall(store), ops.to_list(700))) == expected
    exchange.asked.clear()
    summary = await ops.run(collecting(request, store, exchange).pipe(ops.summarize()))
    assert summary.collected_count == summary.db_records_count == 700
    streamed = []
    async with collecting(request, store, exchange).pipe(
        ops.recall(store), ops.batch(64), ops.with_backpressure(2)
    ) as batches:
        async for candles in batches:
            streamed += candles
    assert streamed == expected
    assert exchange.asked == []


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
@pytest.mark.parametrize("density", [1.0, 0.3])
async def test_span(store: SqliteStore, order: str, density: float) -> None:
    """A span gives just its candles, in order, from an empty, a half full and a full store."""
    exchange = FakeExchange(slots(3000, density))
    start, stop = NEWEST - 2000 * MINUTE, NEWEST - 100 * MINUTE
    expected = [candle(time) for time in exchange.times if start <= time < stop]
    if order == "newest_first":
        expected.reverse()
    for begin in range(start, stop, 400 * MINUTE):  # every second page
        end = to_datetime(begin + 200 * MINUTE)
        await ops.run(collecting(asks(to=to_datetime(begin), end=end), store, exchange).pipe(ops.summarize()))
    for _ in range(2):
        request = asks(to=to_datetime(stop), end=to_datetime(start), order=order)
        read = await ops.run(collecting(request, store, exchange).pipe(ops.recall(store), ops.to_list(5000)))
        assert read == expected
        exchange.before = refuse


def refuse(to: int, count: int) -> None:
    raise AssertionError("nothing may be asked for")


async def test_holes_are_healed_at_their_price(store: SqliteStore) -> None:
    """Three spans with holes of 300 and 60 slots between them: both healed with three requests.

    The last of each hole reads the three newest candles stored below it again.
    """
    exchange = FakeExchange(slots(3000))
    for newer, older in ((0, 500), (800, 1300), (1360, 2000)):
        await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
    exchange.asked.clear()
    summary = await ops.run(collecting(asks(to=at(0), end=at(2000)), store, exchange).pipe(ops.summarize()))
    assert [count for _, count in exchange.asked] == [200, 100 + 3, 60 + 3]
    assert summary.collected_count == summary.db_records_count == 2000
    assert summary.stored_count == 360
    assert sum(summary.overlap_analysis_results.values()) == summary.chunks_processed


HOLE = st.sampled_from([1, 2, 59, 60, 199, 200, 201, 300, 399, 400, 401, 450]) | st.integers(1, 900)


@settings(deadline=None, max_examples=60)
@given(
    between=st.lists(st.tuples(st.integers(1, 500), HOLE), min_size=1, max_size=4),
    cursors=st.integers(1, 8),
    order=st.sampled_from(["newest_first", "oldest_first"]),
)
async def test_holes_cost_no_more_with_several_cursors(
    between: list[tuple[int, int]], cursors: int, order: str
) -> None:
    """Each hole costs its slots in pages, wherever it lies, however many cursors walk, and up as well as down."""
    holes, position = [], 0
    for stored, hole in between:
        holes.append((position + stored, position + stored + hole))
        position = holes[-1][1]
    last = position + between[0][0]
    exchange = FakeExchange(slots(last + 1000))
    async with SqliteStore(":memory:") as store:
        await _heal(store, exchange, holes, last, cursors, order)


@pytest.mark.parametrize("cursors", [1, 2, 5])
async def test_what_is_older_than_asked_is_counted_once(store: SqliteStore, cursors: int) -> None:
    """A page that runs into the next cursor's part brings nothing older than asked: that is what lies before the span.

    So nothing counts as there before where nothing was.
    """
    exchange = FakeExchange(slots(8000, density=0.3), latency=0.01)
    request = asks(to=at(0), end=at(20_000))
    summary = await ops.run(collecting(request, store, exchange, cursors=cursors).pipe(ops.summarize()))
    rows = await store.rows("KRW-BTC", TIMEFRAME, 0, 10**12, "oldest_first", 10_000)
    older = sum(row.open_time < request.span[0] for row in rows)
    assert (summary.stored_older_count, summary.stored_count) == (older, len(rows))
    assert summary.collected_count == summary.stored_count - older


async def _heal(
    store: SqliteStore, exchange: FakeExchange, holes: list[tuple[int, int]], last: int, cursors: int, order: str
) -> None:
    newer = 0
    for top, bottom in (*holes, (last, last)):
        await ops.run(collecting(asks(to=at(newer), end=at(top)), store, exchange).pipe(ops.summarize()))
        newer = bottom
    exchange.asked.clear()
    request = asks(to=at(0), end=at(last), order=order)
    chunks = ops.plan_chunks(request, cursors=cursors).pipe(
        ops.skip_stored(store), ops.fetch(exchange), ops.persist(store), ops.summarize()
    )
    summary = await ops.run(chunks)
    assert summary.collected_count == last
    assert len(exchange.asked) <= sum(-(-(bottom - top) // 200) for top, bottom in holes)


async def test_many_holes_in_a_page(store: SqliteStore) -> None:
    """Ten holes within a page are one request."""
    exchange = FakeExchange(slots(3000))
    for hole in range(10):
        newer, older = hole * 15, hole * 15 + 10
        await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
    exchange.asked.clear()
    await ops.run(collecting(asks(to=at(0), end=at(150)), store, exchange).pipe(ops.summarize()))
    assert len(exchange.asked) == 1


async def test_prepend_append_and_heal(store: SqliteStore) -> None:
    """One call puts older candles in front, newer behind, and fills what is between."""
    exchange = FakeExchange(slots(3000))
    for newer, older in ((400, 600), (700, 900)):
        await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
    exchange.asked.clear()
    await ops.run(collecting(asks(to=at(200), end=at(1100)), store, exchange).pipe(ops.summarize()))
    assert [count for _, count in exchange.asked] == [200, 100 + 3, 200]
    assert len(await stored(store)) == 900
    assert len(await store.coverage("KRW-BTC", TIMEFRAME, 0, 10**12)) == 1


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


@settings(max_examples=40, deadline=None)
@given(
    density=st.sampled_from([1.0, 0.95, 0.3, 0.05]),
    requests=st.lists(
        st.tuples(st.integers(0, 900), st.integers(1, 900), st.booleans(), st.sampled_from([1, 3])),
        min_size=1,
        max_size=6,
    ),
)
def test_any_requests(density: float, requests: list[tuple[int, int, bool, int]]) -> None:
    """Whatever was collected before, a request gives exactly its candles, asks for no slot twice, and then nothing."""

    async def scenario() -> None:
        exchange = FakeExchange(slots(600, density))
        async with SqliteStore(":memory:") as store:
            for first, length, by_count, cursors in requests:
                if by_count:
                    request = asks(count=length, to=at(first))
                    expected = [time for time in exchange.times if time < request.stop][-length:]
                else:
                    request = asks(to=at(first), end=at(first + length))
                    expected = [time for time in exchange.times if request.span[0] <= time < request.span[1]]
                for _ in range(2):
                    pipeline = collecting(request, store, exchange, cursors=cursors)
                    read = await ops.run(pipeline.pipe(ops.recall(store), ops.to_list(10**6)))
                    assert [each.open_seconds for each in read] == expected[::-1]
                    exchange.before = refuse
                exchange.before = lambda to, count: None
            covered = await store.coverage("KRW-BTC", TIMEFRAME, 0, 10**12)
            for each in covered:
                inside = [time for time in exchange.times if each.start <= time < each.stop]
                assert each.rows == len(inside)
                assert await store.count("KRW-BTC", TIMEFRAME, each.start, each.stop) == len(inside)

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


async def test_guard_before_any_request(store: SqliteStore) -> None:
    """Too much for a list is refused before a request, naming what to do."""
    exchange = FakeExchange(slots(10))
    for request in (asks(count=501), asks(to=at(0), end=at(501))):
        with pytest.raises(MemoryLimitError, match=r"501 .*stream_candles"):
            await ops.run(ops.plan_chunks(request).pipe(ops.guard_plan(500), ops.fetch(exchange), ops.summarize()))
    assert exchange.asked == []


async def test_progress(store: SqliteStore) -> None:
    """Progress counts up to what was asked for, and its estimates end exact."""
    exchange = FakeExchange(slots(3000, 0.3))
    told: list[CollectionProgress] = []
    await ops.run(collecting(asks(count=1000), store, exchange).pipe(ops.report(told.append), ops.summarize()))
    # From the second page on the candle at the seam is read again, as the market is sparse.
    assert [each.current_chunk for each in told] == [1, 2, 3, 4, 5, 6]
    assert [each.collected_count for each in told] == [200, 399, 598, 797, 996, 1000]
    assert [each.total_chunks for each in told] == [6] * 6
    assert told[-1].estimated_remaining_seconds == 0
    assert all(each.current_chunk_range[0] < each.current_chunk_range[1] for each in told)
    assert told[-1].requests == 6


async def test_progress_error_ends_the_run(store: SqliteStore) -> None:
    """An error in the callback is the run's error."""

    def explode(progress: CollectionProgress) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await ops.run(
            collecting(asks(count=1000), store, FakeExchange(slots(2000))).pipe(ops.report(explode), ops.summarize())
        )


async def test_without_a_store() -> None:
    """No database, a filter in the middle, an operator of one's own: chunks come in order with their rows."""
    exchange = FakeExchange(slots(1000))

    async def closes(chunk: Chunk) -> list[float]:
        return [each.close for each in chunk.rows]

    prices = await ops.run(
        ops.plan_chunks(asks(count=1000)).pipe(ops.fetch(exchange), ops.map_async(closes, ahead=4), ops.to_list(1000))
    )
    assert prices == [candle(time).close for time in exchange.times[::-1]]


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


async def test_subscribe_again_resumes(store: SqliteStore) -> None:
    """``ops.retry`` over the pipeline plans again and spares what is stored."""
    exchange = FakeExchange(slots(3000))
    failures = iter([False, False, True, False, True])

    def sometimes(to: int, count: int) -> None:
        if next(failures, False):
            raise ExchangeError("once")

    exchange.before = sometimes
    summary = await ops.run(collecting(asks(count=2000), store, exchange).pipe(ops.summarize(), rx.retry(3)))
    assert summary.collected_count == 2000
    assert len(exchange.asked) == 10 + 2


async def test_observers_share_a_run(store: SqliteStore) -> None:
    """A plain Rx observer can be subscribed, and sees every candle once."""
    exchange = FakeExchange(slots(3000))
    seen: list[int] = []
    done = asyncio.Event()
    collecting(asks(count=1000), store, exchange).pipe(ops.recall(store)).subscribe(
        lambda candles: seen.extend(each.open_seconds for each in candles), on_completed=done.set
    )
    await done.wait()
    assert seen == exchange.times[-1000:][::-1]


async def test_summary_of_nothing(store: SqliteStore) -> None:
    """A plan without a chunk has a summary of zeros."""
    request = asks(to=to_datetime(NEWEST + MINUTE), end=datetime(2040, 1, 1, tzinfo=UTC))
    summary = await ops.run(collecting(request, store, FakeExchange([])).pipe(ops.summarize()))
    assert (summary.collected_count, summary.chunks_processed, summary.api_calls_made) == (0, 0, 0)


async def test_overlap_states(store: SqliteStore) -> None:
    """A chunk is told apart by how it lies over what is stored."""
    exchange = FakeExchange(slots(3000))

    async def overlap(newer: int, older: int) -> list[str]:
        summary = await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
        return [name for name, count in summary.overlap_analysis_results.items() if count]

    assert await overlap(1000, 1050) == ["no_overlap"]
    assert await overlap(1000, 1050) == ["complete_overlap"]
    assert await overlap(1020, 1100) == ["partial_start"]
    assert await overlap(990, 1110) == ["partial_middle_fragment"]
    assert await overlap(900, 1110) == ["complete_overlap", "partial_middle_continuous"]


def piped(store: SqliteStore, exchange: FakeExchange):  # type: ignore[no-untyped-def]
    return ops.skip_stored(store), ops.fetch(exchange, retry=FAST), ops.persist(store)


@pytest.mark.parametrize("where", ["before skip_stored", "before persist"])
async def test_a_drop_loses_only_what_was_dropped(store: SqliteStore, where: str) -> None:
    """A filter that drops a chunk, before or behind ``fetch``, loses that chunk's candles and no others."""
    exchange = FakeExchange(slots(3000))
    stages = list(piped(store, exchange))
    stages.insert(0 if where == "before skip_stored" else 2, rx.filter(lambda chunk: chunk.index != 1))
    found = await ops.run(ops.plan_chunks(asks(count=1000)).pipe(*stages, ops.recall(store), ops.to_list(1000)))
    assert [each.open_seconds for each in found] == exchange.times[:-1001:-1][:200] + exchange.times[:-1001:-1][400:]


@pytest.mark.parametrize("density", [1.0, 0.3])
async def test_chunks_kept_back_are_not_dropped(store: SqliteStore, density: float) -> None:
    """A chunk that an operator keeps back for a while, or wraps in an observable, is waited for: the count is exact."""
    exchange = FakeExchange(slots(3000, density))
    expected = exchange.times[-1000:][::-1]
    wrapped = rx.flat_map(lambda chunk: reactivex.of(chunk).pipe(*piped(store, exchange)))
    for stages in ((rx.delay(0.02), *piped(store, exchange)), (wrapped,)):
        found = await ops.run(ops.plan_chunks(asks(count=1000)).pipe(*stages, ops.recall(store), ops.to_list(1000)))
        assert [each.open_seconds for each in found] == expected


async def test_kept_chunks_end_the_wait(store: SqliteStore) -> None:
    """Chunks that somebody keeps in a list, and that then are dropped, do not keep the run from ending."""
    kept: list[Chunk] = []
    exchange = FakeExchange(slots(3000))
    summary = await ops.run(
        ops.plan_chunks(asks(count=600)).pipe(
            rx.do_action(kept.append),
            rx.filter(lambda chunk: chunk.index > 0),
            *piped(store, exchange),
            ops.summarize(),
        )
    )
    assert summary.db_records_count == 400
    assert len(kept) == 3


async def test_two_requests_through_one_chain(store: SqliteStore) -> None:
    """Requests that are merged before the stages are both read, and summed up."""
    exchange = FakeExchange(slots(3000, 0.5))
    requests = (asks(count=700), Request("KRW-ETH", "1m", count=300, now=NOW))
    for merge in (reactivex.merge, reactivex.concat):
        merged = merge(*(ops.plan_chunks(request) for request in requests))
        found = await ops.run(merged.pipe(*piped(store, exchange), ops.recall(store), ops.to_list(2000)))
        by_symbol = [[each.open_seconds for each in found if each.symbol == request.symbol] for request in requests]
        assert by_symbol == [exchange.times[-700:][::-1], exchange.times[-300:][::-1]]
        summary = await ops.run(merged.pipe(*piped(store, exchange), ops.summarize()))
        assert (summary.collected_count, summary.db_records_count) == (1000, 1000)


async def test_page_limit_of_the_exchange(store: SqliteStore) -> None:
    """A plan of larger pages than the exchange gives never takes a cut page for the end of history."""
    exchange = FakeExchange(slots(3000))
    whole = exchange.page_of
    exchange.page_limit = 100
    exchange.page_of = lambda to, count: whole(to, min(count, 100))  # type: ignore[method-assign]
    summary = await ops.run(collecting(asks(count=1000), store, exchange).pipe(ops.summarize()))
    assert summary.collected_count == 1000
    assert len(exchange.asked) == 10


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


@pytest.mark.parametrize("density", [0.3, 0.998])
async def test_progress_with_several_cursors(store: SqliteStore, density: float) -> None:
    """With several cursors too progress ends with what the summary says."""
    exchange = FakeExchange(slots(6000, density), latency=0.001)
    told: list[CollectionProgress] = []
    pipeline = collecting(asks(count=5000), store, exchange, cursors=4)
    summary = await ops.run(pipeline.pipe(ops.report(told.append), ops.summarize()))
    assert told[-1].collected_count == told[-1].total_count == summary.collected_count == 5000


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


@pytest.mark.parametrize("cursors", [1, 4])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_newly_stored_are_counted_exactly(store: SqliteStore, order: str, cursors: int) -> None:
    """What a page brings of what was proven before, by an earlier run or by its neighbour, is not counted as new."""
    exchange = FakeExchange(slots(3000, 0.3))
    for newer, older in ((300, 600), (1200, 1600), (4000, 4100)):
        await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
    before = len(await stored(store))
    request = asks(to=at(0), end=at(4050), order=order)
    summary = await ops.run(collecting(request, store, exchange, cursors=cursors).pipe(ops.summarize()))
    assert summary.stored_count == len(await stored(store)) - before


async def test_a_page_of_nothing_but_the_seam(store: SqliteStore) -> None:
    """A page that only repeats the candle at ``to`` is no end of history: it is refused, and proves nothing."""
    exchange = FakeExchange(slots(10))
    exchange.times.append(NEWEST + MINUTE)
    exchange.page_of = lambda to, count: [to] * count  # type: ignore[method-assign]
    with pytest.raises(InvalidResponseError, match="nothing but the candle at `to`"):
        await ops.run(collecting(asks(count=1), store, exchange).pipe(ops.summarize()))
    assert await store.coverage("KRW-BTC", TIMEFRAME, 0, 10**12) == []


async def test_row_type() -> None:
    """A user's exchange may send plain rows with eight fields."""
    assert Row(*(0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0)).change_rate is None
