"""Pipelines of the candle operators over a real store and an exchange in memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as rx

from rxcandles import operators as ops
from rxcandles.engine.chunk import Chunk
from rxcandles.errors import (
    ExchangeError,
    MemoryLimitError,
)
from rxcandles.model import Request
from rxcandles.model.timeframe import to_datetime
from rxcandles.stores import SqliteStore
from tests.support.fakes import MINUTE, NEWEST, NOW, FakeExchange, candle, slots
from tests.support.pipelines import FAST, TIMEFRAME, asks, at, collecting, refuse


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


async def test_guard_before_any_request(store: SqliteStore) -> None:
    """Too much for a list is refused before a request, naming what to do."""
    exchange = FakeExchange(slots(10))
    for request in (asks(count=501), asks(to=at(0), end=at(501))):
        with pytest.raises(MemoryLimitError, match=r"501 .*stream_candles"):
            await ops.run(ops.plan_chunks(request).pipe(ops.guard_plan(500), ops.fetch(exchange), ops.summarize()))
    assert exchange.asked == []


async def test_without_a_store() -> None:
    """No database, a filter in the middle, an operator of one's own: chunks come in order with their rows."""
    exchange = FakeExchange(slots(1000))

    async def closes(chunk: Chunk) -> list[float]:
        return [each.close for each in chunk.rows]

    prices = await ops.run(
        ops.plan_chunks(asks(count=1000)).pipe(ops.fetch(exchange), ops.map_async(closes, ahead=4), ops.to_list(1000))
    )
    assert prices == [candle(time).close for time in exchange.times[::-1]]


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
