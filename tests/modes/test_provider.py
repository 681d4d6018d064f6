"""The three modes, over a real file and an exchange in memory."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rxcandles.errors import (
    IncompleteError,
    InvalidResponseError,
    MemoryLimitError,
    RequestError,
    ServerError,
    SeveralFailedError,
    UnknownMarketError,
)
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model import CandleData, Request
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.settings import CollectionConfig, StreamingConfig
from rxcandles.model.timeframe import Timeframe, from_datetime, to_datetime
from rxcandles.modes.provider import CandleDataProvider, LargeCollectionWarning
from rxcandles.modes.sequence import CandleSequence
from rxcandles.operators import Retry
from rxcandles.ports import Page
from rxcandles.stores import SqliteStore
from tests.support.fakes import FakeExchange, candle

END = datetime(2024, 1, 31)
STOP = int(from_datetime(END))
MINUTE = 60
_MINUTE = Timeframe.of("1m")
FAST = Retry(attempts=2, base=0.001, longest=0.001)


@pytest.fixture
def exchange() -> FakeExchange:
    return FakeExchange([STOP - (5000 - each) * MINUTE for each in range(5000) if each % 10])


@pytest.fixture
async def provider(exchange: FakeExchange, tmp_path: Path) -> AsyncIterator[CandleDataProvider]:
    async with SqliteStore(tmp_path / "candles.db") as store:
        yield CandleDataProvider(store, exchange, SlidingWindowLimiter(None), retry=FAST, cursors=1)


def newest(exchange: FakeExchange, count: int) -> list[CandleData]:
    return [candle(time) for time in exchange.times[-count:][::-1]]


async def test_collection(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """A list of exactly what was asked for."""
    candles = await provider.get_candles("KRW-BTC", "1m", count=1000, to=END)
    assert isinstance(candles, list)
    assert candles == newest(exchange, 1000)


async def test_oldest_first(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """The same candles the other way round."""
    candles = await provider.get_candles("KRW-BTC", "1m", count=1000, to=END, order="oldest_first")
    assert candles == newest(exchange, 1000)[::-1]


async def test_modes_agree(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """The document's consistency check: list, storage and stream have the same candles of the same span."""
    start = END - timedelta(days=1)
    collected = await provider.get_candles("KRW-BTC", "1m", to=start, end=END)
    summary = await provider.collect_candles_only("KRW-BTC", "1m", to=start, end=END)
    stored = await provider.repository.get_candles_by_range("KRW-BTC", "1m", start, END)
    streamed = []
    async for chunk, _ in provider.stream_candles("KRW-BTC", "1m", to=start, end=END):
        streamed.extend(chunk)
    assert collected == stored == streamed
    assert summary.collected_count == len(stored) == 1440 - 144
    assert summary.time_range == (to_datetime(STOP - 86400), to_datetime(STOP))


async def test_lazy_sequence(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """More than a list may hold comes lazily, with a warning that names the other modes."""
    with pytest.warns(LargeCollectionWarning, match="stream_candles suits"):
        candles = await provider.get_candles(
            "KRW-BTC", "1m", count=3000, to=END, config=CollectionConfig(max_memory_objects=2999)
        )
    assert isinstance(candles, CandleSequence)
    assert len(candles) == 3000
    assert candles == newest(exchange, 3000)


async def test_warning_can_be_hidden(provider: CandleDataProvider) -> None:
    """Without the warning nothing is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = CollectionConfig(max_memory_objects=10, enable_memory_warning=False)
        assert len(await provider.get_candles("KRW-BTC", "1m", count=300, to=END, config=config)) == 300


async def test_sparse_span_fits_a_list(provider: CandleDataProvider) -> None:
    """A span with more slots than a list may hold, but fewer candles, is a list."""
    config = CollectionConfig(max_memory_objects=950, enable_memory_warning=False)
    candles = await provider.get_candles("KRW-BTC", "1m", to=END, end=END - timedelta(minutes=1000), config=config)
    assert isinstance(candles, list)
    assert len(candles) == 900


async def test_memory_limit(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """Without the fallback more is refused before any request."""
    config = CollectionConfig(fallback_to_streaming=False)
    with pytest.raises(MemoryLimitError, match="200,000 candles asked for, a list may hold 50,000"):
        await provider.get_candles("KRW-BTC", "1m", count=200_000, to=END, config=config)
    assert exchange.asked == []


async def test_history_ends(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """Fewer than asked for come where the market's history ends; lazily too, and the second time without a request."""
    config = CollectionConfig(max_memory_objects=10, enable_memory_warning=False)
    for _ in range(2):
        assert len(await provider.get_candles("KRW-BTC", "1m", count=9999, to=END)) == 4500
        assert len(await provider.get_candles("KRW-BTC", "1m", count=9999, to=END, config=config)) == 4500
    assert sum(count for _, count in exchange.asked) == 4602  # two of them to be sure that nothing is older


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("size", [1, 150, 200, 1000, 5000])
async def test_stream(provider: CandleDataProvider, exchange: FakeExchange, order: str, ahead: bool, size: int) -> None:
    """Chunks of the size asked for, whose meta adds up, with and without running ahead."""
    config = StreamingConfig(chunk_yield_size=size, enable_backpressure=not ahead)
    count = 1000 if size > 1 else 50
    chunks, metas = [], []
    async for candles, meta in provider.stream_candles(
        "KRW-BTC",
        "1m",
        count=count,
        to=END,
        config=config,
        order=order,  # type: ignore[arg-type]
    ):
        chunks.append(candles)
        metas.append(meta)
    expected = newest(exchange, count)
    assert [each for chunk in chunks for each in chunk] == (expected if order == "newest_first" else expected[::-1])
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    assert [meta.chunk_index for meta in metas] == list(range(len(chunks)))
    assert {meta.chunk_count for meta in metas} == {len(chunks)}
    assert [meta.is_final_chunk for meta in metas] == [False] * (len(chunks) - 1) + [True]
    assert [meta.total_progress for meta in metas] == pytest.approx(
        [min(1.0, size * (index + 1) / count) for index in range(len(chunks))]
    )
    times = [each.open_time for each in chunks[0]]
    assert metas[0].chunk_time_range == (min(times), max(times))


async def test_stream_of_a_span_ends_exact(provider: CandleDataProvider) -> None:
    """How many chunks a span has is an estimate, exact with the final one, also where the span's end is empty."""
    start = datetime(2024, 1, 1)
    metas = [meta async for _, meta in provider.stream_candles("KRW-BTC", "1m", to=END, end=start)]
    assert [meta.is_final_chunk for meta in metas] == [False] * 4 + [True]
    assert metas[-1].chunk_count == 5
    assert metas[-1].total_progress == 1.0
    assert all(meta.total_progress < 1.0 for meta in metas[:-1])


async def test_stream_of_nothing(provider: CandleDataProvider) -> None:
    """A span without a candle is a stream without a chunk."""
    span = {"to": datetime(2020, 1, 1), "end": datetime(2020, 1, 2)}
    assert [chunk async for chunk in provider.stream_candles("KRW-BTC", "1m", **span)] == []


async def test_stream_bounds(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """While the consumer works, at most ``buffer_chunks`` chunks wait, and the collection pauses."""
    config = StreamingConfig(chunk_yield_size=200, buffer_chunks=2)
    async with provider.stream_candles("KRW-BTC", "1m", count=4000, to=END, config=config) as stream:
        async for _, meta in stream:
            for _ in range(20):
                await provider.repository.count("KRW-BTC", _MINUTE, 0, 1)  # gives the pipeline every chance
            stats = stream.stats()
            assert stats.waiting <= 2
            assert len(exchange.asked) <= meta.chunk_index + 1 + 2 + 4 + 1


async def test_running_ahead(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """Without backpressure a slow consumer does not slow the collection, and as little waits in memory."""
    config = StreamingConfig(chunk_yield_size=200, buffer_chunks=2, enable_backpressure=False)
    async with provider.stream_candles("KRW-BTC", "1m", count=4000, to=END, config=config) as stream:
        await anext(stream)
        while len(exchange.asked) < 20:
            await provider.repository.count("KRW-BTC", _MINUTE, 0, 1)
        assert stream.stats().waiting <= 2
        rest = [len(candles) async for candles, _ in stream]
    assert rest == [200] * 19


async def test_leaving_a_stream(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """After the block nothing runs, and everything fetched is stored and covered."""
    exchange.latency = 0.001
    async with provider.stream_candles("KRW-BTC", "1m", count=4000, to=END) as stream:
        async for _ in stream:
            break
    assert exchange.under_way == 0
    assert stream.stats().tasks == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    (covered,) = await provider.repository.coverage("KRW-BTC", _MINUTE, 0, 10**12)
    assert covered.rows == await provider.repository.count("KRW-BTC", _MINUTE, 0, 10**12) >= 1000


async def test_stream_is_an_async_generator(provider: CandleDataProvider) -> None:
    """``asend``, ``athrow`` and ``aclose`` are a generator's."""
    stream = provider.stream_candles("KRW-BTC", "1m", count=4000, to=END)
    first, _ = await stream.asend(None)
    assert len(first) == 1000
    with pytest.raises(KeyError):
        await stream.athrow(KeyError("mine"))
    assert [chunk async for chunk in stream] == []
    await stream.aclose()


async def test_stream_error_after_what_came_before(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """A stream raises after everything that came before was delivered, and no chunk is called final."""

    def broken(to: int, count: int) -> None:
        if to < exchange.times[-1300]:
            raise InvalidResponseError("nonsense")

    exchange.before = broken
    metas, delivered = [], 0
    with pytest.raises(InvalidResponseError):
        async for candles, meta in provider.stream_candles("KRW-BTC", "1m", count=4000, to=END):
            metas.append(meta)
            delivered += len(candles)
    assert delivered == 200 + 6 * 199  # whole pages, each with the candle at its seam once more
    assert not any(meta.is_final_chunk for meta in metas)


async def test_error_among_cursors(exchange: FakeExchange, tmp_path: Path) -> None:
    """With several cursors too, everything that comes before the failed page is delivered before its error."""

    def broken(to: int, count: int) -> None:
        if to <= exchange.times[-2000]:
            raise InvalidResponseError("nonsense")

    exchange.before = broken
    async with SqliteStore(tmp_path / "candles.db") as store:
        provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(None), retry=FAST, cursors=4)
        for order in ("newest_first", "oldest_first"):
            delivered: list[int] = []
            with pytest.raises(InvalidResponseError):
                async for candles, meta in provider.stream_candles(
                    "KRW-BTC",
                    "1m",
                    to=END,
                    end=to_datetime(exchange.times[-4000]),
                    order=order,  # type: ignore[arg-type]
                ):
                    delivered += [each.open_seconds for each in candles]
                    assert not meta.is_final_chunk
            if order == "newest_first":
                assert delivered == exchange.times[-len(delivered) :][::-1]
                assert 1800 <= len(delivered) <= 2200
            else:
                assert delivered == []


async def test_storage_only(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """A summary comes back; the second time nothing is asked for."""
    told: list[CollectionProgress] = []
    summary = await provider.collect_candles_only("KRW-BTC", "1m", count=3000, to=END, progress_callback=told.append)
    assert (summary.collected_count, summary.db_records_count, summary.stored_count) == (3000, 3000, 3000)
    assert (summary.chunks_processed, summary.api_calls_made, summary.retries) == (16, 16, 0)
    assert summary.time_range == (to_datetime(exchange.times[-3000]), to_datetime(STOP))
    assert summary.overlap_analysis_results["no_overlap"] == 16
    assert summary.duration_seconds > 0
    assert told[-1].collected_count == 3000
    again = await provider.collector.collect_only("KRW-BTC", "1m", count=3000, to=END)
    assert (again.collected_count, again.stored_count, again.api_calls_made) == (3000, 0, 0)
    assert again.overlap_analysis_results["complete_overlap"] == 1


async def test_incomplete(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """What could not be fetched is an error that carries the summary of the rest."""
    bad = exchange.times[-(200 + 4 * 199)]

    def broken(to: int, count: int) -> None:
        if to == bad + MINUTE:
            raise ServerError("status 500")

    exchange.before = broken
    with pytest.raises(IncompleteError, match=r"but not 2024-01-30 .* \(status 500\); ask again") as caught:
        await provider.collect_candles_only("KRW-BTC", "1m", to=END, end=END - timedelta(minutes=2000))
    summary = caught.value.summary
    assert len(summary.failed_spans) == 1
    assert summary.retries == 1
    assert summary.collected_count == summary.db_records_count == 1800 - 180


async def test_down_for_good(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """An exchange that is down is not asked for every page: three failures in a row end it."""

    def down(to: int, count: int) -> None:
        raise ServerError("status 503")

    exchange.before = down
    with pytest.raises(IncompleteError) as caught:
        await provider.collect_candles_only("KRW-BTC", "1m", count=100_000, to=END)
    assert len(exchange.asked) == 3 * 2
    assert caught.value.summary.collected_count == 0
    missing = sum((each.stop - each.start for each in caught.value.summary.failed_spans), timedelta())
    assert missing == timedelta(minutes=100_000)


async def test_many_series_share_the_limit(exchange: FakeExchange, tmp_path: Path) -> None:
    """Every series gets its turn: a short one is done long before the others, and no request is lost to them."""
    exchange.latency = 0.001
    asked: list[str] = []
    page = exchange.page

    async def noted(symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        asked.append(symbol)
        return await page(symbol, timeframe, to, count)

    exchange.page = noted  # type: ignore[method-assign]
    counts = {"KRW-LONG": 4000, "KRW-ALSO": 3000, "KRW-SHORT": 400, "KRW-ONE": 1}
    requests = [Request(symbol, "1m", count=count, to=END) for symbol, count in counts.items()]
    told: dict[str, int] = {}
    async with SqliteStore(tmp_path / "candles.db") as store:
        provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(100, window=0.1))
        summaries = await provider.collect_many(
            [*requests, requests[0]], lambda request, progress: told.update({request.symbol: progress.collected_count})
        )
    assert {request.symbol: summary.collected_count for request, summary in summaries.items()} == counts == told
    assert len(asked) == 21 + 16 + 2 + 1 + 1
    last = {symbol: at for at, symbol in enumerate(asked)}
    assert max(last["KRW-SHORT"], last["KRW-ONE"]) < len(asked) * 0.6


async def test_many_series_of_which_one_fails(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """A series that fails does not stop the others, and is told apart in the end."""

    def unknown(to: int, count: int) -> None:
        if count == 7:
            raise UnknownMarketError("Code not found")

    exchange.before = unknown
    requests = [Request("KRW-BTC", "1m", count=500, to=END), Request("KRW-GONE", "1m", count=7, to=END)]
    with pytest.raises(SeveralFailedError, match="1 of 2 series failed; the first: Code not found") as caught:
        await provider.collect_many(requests)
    assert caught.value.summaries[requests[0]].collected_count == 500
    assert list(caught.value.failures) == [requests[1]]


async def test_several_calls_at_once(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """Calls share the store and the limiter; the same request twice at once is right twice."""
    results = await asyncio.gather(
        provider.get_candles("KRW-BTC", "1m", count=1000, to=END),
        provider.get_candles("KRW-BTC", "1m", count=1000, to=END),
        provider.get_candles("KRW-ETH", "1m", count=1000, to=END),
    )
    assert results[0] == results[1] == newest(exchange, 1000)
    assert {each.symbol for each in results[2]} == {"KRW-ETH"}


@pytest.mark.parametrize("mode", ["get_candles", "stream_candles", "collect_candles_only"])
async def test_bad_requests(provider: CandleDataProvider, exchange: FakeExchange, mode: str) -> None:
    """What can't be meant is refused before anything is sent, in every mode."""
    call = getattr(provider, mode)
    for wrong in ({}, {"count": 0}, {"count": 5, "end": END}, {"to": END, "end": END}):
        with pytest.raises(RequestError):
            result = call("KRW-BTC", "1m", **wrong)
            await result
    with pytest.raises(RequestError):
        await call("KRW BTC", "1m", count=1)
    with pytest.raises(RequestError):
        await call("KRW-BTC", "1x", count=1)
    assert exchange.asked == []


async def test_cancelled_collection_keeps_what_it_has(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """Cancelled, nothing runs on, everything fetched is covered, and the same request goes on from there."""
    exchange.latency = 0.001
    task = asyncio.create_task(provider.collect_candles_only("KRW-BTC", "1m", count=4000, to=END))
    while len(exchange.asked) < 7:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert exchange.under_way == 0
    (covered,) = await provider.repository.coverage("KRW-BTC", _MINUTE, 0, 10**12)
    assert covered.rows >= 200 + 5 * 199
    exchange.asked.clear()
    summary = await provider.collect_candles_only("KRW-BTC", "1m", count=4000, to=END)
    assert summary.collected_count == 4000
    assert len(exchange.asked) == 20 - covered.rows // 200


async def test_now(provider: CandleDataProvider, exchange: FakeExchange) -> None:
    """Asked up to now, the forming candle is left out, and is fetched when it is over."""
    now = int(time.time()) // 60 * 60
    exchange.times = [now - each * MINUTE for each in range(300, -1, -1)]
    candles = await provider.get_candles("KRW-BTC", "1m", count=100)
    assert len(candles) == 100
    assert candles[0].open_seconds + MINUTE <= time.time()
