"""Everything together: a real file, a real server on loopback, and the truth of the simulated markets."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles import CandleData
from rxcandles import operators as ops
from rxcandles.exchanges import UpbitExchange
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.simulator import Market, Simulator, faults

NOW = int(datetime(2026, 3, 11, 14, 40, 30, tzinfo=UTC).timestamp())
NEWEST = to_datetime(NOW - 30)
"""No candle opens from here on that is over."""

MARKETS = tuple(Market(f"KRW-D{int(density * 1000)}", density) for density in (1.0, 0.998, 0.3, 0.02))


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(MARKETS, rate=None, clock=lambda: NOW) as simulator:
        yield simulator


@pytest.fixture
async def provider(sim: Simulator, tmp_path: Path) -> AsyncIterator[rxcandles.CandleDataProvider]:
    path = tmp_path / "candles.db"
    async with rxcandles.connect(path, "simulated", sim.base_url, rate_limit=None) as opened:
        yield opened


def truth(market: Market, start: int, stop: int) -> list[CandleData]:
    """The candles that exist in ``[start, stop)``, oldest first."""
    return [CandleData(market.symbol, "1m", *row) for row in market.rows("1m", start, stop)]


async def everything(provider: rxcandles.CandleDataProvider, order: str, **asked: object) -> list[list[CandleData]]:
    """The same request in the three modes, storage read back."""
    summary = await provider.collect_candles_only(**asked)  # type: ignore[arg-type]
    stored = await provider.repository.get_candles_by_range(
        asked["symbol"],
        "1m",
        *summary.time_range,
        order,  # type: ignore[arg-type]
    )
    assert summary.collected_count == summary.db_records_count == len(stored)
    collected = await provider.get_candles(**asked, order=order)  # type: ignore[arg-type]
    streamed = []
    async with provider.stream_candles(**asked, order=order) as stream:  # type: ignore[arg-type]
        async for candles, _ in stream:
            streamed += candles
    return [stored, list(collected), streamed]


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.symbol)
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_modes_are_true(
    provider: rxcandles.CandleDataProvider, sim: Simulator, market: Market, order: str
) -> None:
    """By count and by span, in both orders, the three modes have what the market has; twice, and then for nothing."""
    by_count = truth(market, NOW - 30 - int(2600 * 60 / market.density), NOW - 30)[-2000:]
    start, stop = NEWEST - timedelta(days=3, minutes=7), NEWEST - timedelta(days=1)
    by_span = truth(market, int(start.timestamp()), int(stop.timestamp()))
    for turn in range(2):
        for expected, asked in (
            (by_count, {"count": 2000, "to": NEWEST}),
            (by_span, {"to": stop, "end": start}),
        ):
            wanted = expected if order == "oldest_first" else expected[::-1]
            for found in await everything(provider, order, symbol=market.symbol, timeframe="1m", **asked):
                assert found == wanted
        assert turn == 0 or sim.stats.requests == 0
        sim.reset_stats()


@pytest.mark.parametrize("mode", ["list", "stream", "stream ahead", "storage"])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_each_mode_from_nothing(
    provider: rxcandles.CandleDataProvider, sim: Simulator, mode: str, order: str
) -> None:
    """Each mode alone, on an empty store and a sparse market, with several cursors."""
    market = MARKETS[2]
    start, stop = NEWEST - timedelta(days=6), NEWEST - timedelta(days=1)
    expected = truth(market, int(start.timestamp()), int(stop.timestamp()))
    asked = {"symbol": market.symbol, "timeframe": "1m", "to": stop, "end": start}
    if mode == "storage":
        await provider.collect_candles_only(**asked)  # type: ignore[arg-type]
        found = await provider.repository.get_candles_by_range(market.symbol, "1m", start, stop, order)  # type: ignore[arg-type]
    elif mode == "list":
        found = list(await provider.get_candles(**asked, order=order))  # type: ignore[arg-type]
    else:
        config = rxcandles.StreamingConfig(chunk_yield_size=300, enable_backpressure=mode == "stream")
        chunks = provider.stream_candles(**asked, config=config, order=order)  # type: ignore[arg-type]
        found = [candle async for candles, _ in chunks for candle in candles]
    assert found == (expected if order == "oldest_first" else expected[::-1])


@pytest.mark.parametrize("timeframe", [frame.name for frame in rxcandles.TIMEFRAMES])
async def test_every_timeframe(provider: rxcandles.CandleDataProvider, timeframe: str) -> None:
    """Every timeframe is collected, with all its fields, from its own grid."""
    frame = Timeframe.of(timeframe)
    stop = frame.floor(NOW - 3600)
    start = max(frame.shift(stop, -250), frame.floor(MARKETS[1].listed))
    expected = [CandleData("KRW-D998", timeframe, *row) for row in MARKETS[1].rows(timeframe, start, stop)]
    asked = {"to": to_datetime(stop), "end": to_datetime(start), "order": "oldest_first"}
    assert await provider.get_candles("KRW-D998", timeframe, **asked) == expected  # type: ignore[arg-type]
    assert len(expected) > 5


async def test_beginning_of_a_market(provider: rxcandles.CandleDataProvider, sim: Simulator, tmp_path: Path) -> None:
    """Oldest first from long before the listing, the first candle comes after a few requests, not one a page."""
    market = Market("KRW-NEW", 1.0, listed=NOW - 600 * 60)
    async with (
        Simulator((market,), rate=None, clock=lambda: NOW) as simulator,
        rxcandles.connect(tmp_path / "new.db", "simulated", base_url=simulator.base_url, rate_limit=None) as fresh,
    ):
        begin = datetime(2017, 1, 1, tzinfo=UTC)
        async with fresh.stream_candles("KRW-NEW", "1m", to=begin, end=NEWEST, order="oldest_first") as stream:
            candles, _ = await anext(stream)
        assert candles[0].open_seconds == Timeframe.of("1m").floor(market.listed)
        assert simulator.stats.requests < 60


async def test_our_clock_ahead(tmp_path: Path) -> None:
    """Where the server is two hours behind us, what is lazily returned stays what it was when more is collected."""
    clock = [time.time() - 7200]
    async with (
        Simulator((Market("KRW-BTC"),), rate=None, clock=lambda: clock[0]) as sim,
        rxcandles.connect(tmp_path / "candles.db", "simulated", sim.base_url, rate_limit=None) as provider,
    ):
        config = rxcandles.CollectionConfig(max_memory_objects=100, enable_memory_warning=False)
        candles = await provider.get_candles("KRW-BTC", "1m", count=3000, config=config)
        summary = await provider.collect_candles_only("KRW-BTC", "1m", count=3000)
        assert summary.time_range[1] <= to_datetime(clock[0])
        before = list(candles)
        clock[0] += 7200
        await provider.collect_candles_only("KRW-BTC", "1m", count=100)
        assert list(candles) == before
        assert candles.index(candles[5]) == 5
        assert candles[:1][0] == candles[0] == next(iter(candles))


async def test_unknown_market(provider: rxcandles.CandleDataProvider, sim: Simulator) -> None:
    """A market that the exchange does not know is an error that says so, after one request."""
    with pytest.raises(rxcandles.UnknownMarketError, match="KRW-GONE"):
        await provider.get_candles("KRW-GONE", "1m", count=5000)
    assert sim.stats.requests == 1


PASSING = {
    "reset before": faults.drop("before"),
    "reset after the headers": faults.drop("headers"),
    "reset in the body": faults.drop("body"),
    "500": faults.status(500),
    "502 with HTML": faults.status(502, "<html>bad gateway</html>"),
    "503": faults.status(503, headers={"Retry-After": "0"}),
    "429": faults.limited(),
}
WRONG = {
    "truncated": faults.truncated(),
    "garbage": faults.garbage(),
    "HTML": faults.html(),
    "error object": faults.error_object(),
    "other market": faults.other_market(),
    "misaligned": faults.misaligned(),
    "unordered": faults.unordered(),
    "repeated": faults.repeated(),
    "future": faults.future(),
}
IMPOSSIBLE = {
    "NaN": faults.nan(),
    "negative volume": faults.negative_volume(),
    "high below low": faults.high_below_low(),
}


FAST = ops.Retry(base=0.001, longest=0.002)


@pytest.mark.parametrize("fault", [*PASSING, *WRONG, *IMPOSSIBLE])
async def test_passing_faults(sim: Simulator, tmp_path: Path, fault: str) -> None:
    """A fault that passes costs a retry, and nothing else."""
    async with rxcandles.SqliteStore(tmp_path / "candles.db") as store, UpbitExchange(sim.base_url) as exchange:
        limiter = rxcandles.SlidingWindowLimiter(None, window=0.01)
        provider = rxcandles.CandleDataProvider(store, exchange, limiter, retry=FAST)
        sim.faults.add((PASSING | WRONG | IMPOSSIBLE)[fault], times=2)
        summary = await provider.collect_candles_only("KRW-D998", "1m", count=1000, to=NEWEST)
        assert summary.collected_count == 1000
        # aiohttp itself asks once more where a connection was closed before an answer.
        assert summary.retries == 2 or fault == "reset before"
        assert sim.stats.requests == summary.api_calls_made + 2 - summary.retries
        stored = await store.get_candles_by_range("KRW-D998", "1m", *summary.time_range)
    assert stored == truth(MARKETS[1], NOW - 30 - 1100 * 60, NOW - 30)[-1000:][::-1]


@pytest.mark.parametrize("fault", WRONG)
async def test_wrong_answers(sim: Simulator, tmp_path: Path, fault: str) -> None:
    """A page that is never what was asked for is not stored; the rest is, and the next run heals just that."""
    async with rxcandles.SqliteStore(tmp_path / "candles.db") as store, UpbitExchange(sim.base_url) as exchange:
        provider = rxcandles.CandleDataProvider(store, exchange, rxcandles.SlidingWindowLimiter(None), retry=FAST)
        bad = (NOW - 30) // 60 * 60 - 400 * 60
        sim.faults.add(WRONG[fault], when=lambda asked: asked.to is not None and bad - 60 < asked.to < bad + 600)
        asked = {"symbol": "KRW-D1000", "timeframe": "1m", "count": 1000, "to": NEWEST}
        with pytest.raises(rxcandles.InvalidResponseError):
            await provider.get_candles(**asked)  # type: ignore[arg-type]
        with pytest.raises(rxcandles.IncompleteError) as caught:
            await provider.collect_candles_only(**asked)  # type: ignore[arg-type]
        summary = caught.value.summary
        (failed,) = summary.failed_spans
        assert (failed.start, failed.stop) == (to_datetime(bad - 200 * 60), to_datetime(bad))
        assert summary.collected_count == summary.db_records_count == 800
        sim.faults.clear()
        sim.reset_stats()
        summary = await provider.collect_candles_only(**asked)  # type: ignore[arg-type]
        assert (summary.collected_count, summary.stored_count, summary.api_calls_made) == (1000, 200, 1)
        stored = await provider.repository.get_candles_by_range("KRW-D1000", "1m", *summary.time_range, "oldest_first")
        assert stored == truth(MARKETS[0], NOW - 30 - 1000 * 60, NOW - 30)


async def test_repeated_seam_is_repaired(sim: Simulator, tmp_path: Path) -> None:
    """A page that begins with the last candle of the one before is repaired: exact, and without a hole."""
    sim.faults.add(faults.seam())
    async with rxcandles.connect(tmp_path / "candles.db", "simulated", sim.base_url, rate_limit=None) as provider:
        candles = await provider.get_candles("KRW-D998", "1m", count=1000, to=NEWEST)
        assert candles == truth(MARKETS[1], NOW - 30 - 1100 * 60, NOW - 30)[-1000:][::-1]
        assert len(await provider.repository.coverage("KRW-D998", Timeframe.of("1m"), 0, 10**12)) == 1


@pytest.mark.parametrize("leave", ["break", "exception", "cancel", "timeout"])
async def test_leaving_a_stream(sim: Simulator, tmp_path: Path, leave: str) -> None:
    """However a stream is left: no task, no connection, no open request, and what was fetched is whole."""

    async def consume() -> None:
        async with (
            rxcandles.connect(tmp_path / "candles.db", "simulated", sim.base_url, rate_limit=None) as provider,
            provider.stream_candles("KRW-D1000", "1m", count=50_000, to=NEWEST) as stream,
        ):
            async for _, meta in stream:
                if meta.chunk_index == 2:
                    reached.set()
                    if leave == "break":
                        break
                    if leave == "exception":
                        raise KeyError("mine")
                    await asyncio.Event().wait()

    reached = asyncio.Event()
    before = asyncio.all_tasks()
    task = asyncio.create_task(consume())
    await reached.wait()
    if leave == "cancel":
        task.cancel()
    if leave == "timeout":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.01)
    else:
        expected = {"exception": KeyError, "cancel": asyncio.CancelledError}.get(leave)
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        assert result is None if expected is None else isinstance(result, expected)
    servers = {each for each in asyncio.all_tasks() if "aiohttp/web" in repr(each) or "/simulator/" in repr(each)}
    assert asyncio.all_tasks() - before - servers == set()
    async with rxcandles.SqliteStore(tmp_path / "candles.db", exchange="simulated") as store:
        minute = Timeframe.of("1m")
        covered = await store.coverage("KRW-D1000", minute, 0, 10**12)
        rows = [await store.count("KRW-D1000", minute, each.start, each.stop) for each in covered]
        assert rows == [each.rows for each in covered]
        assert rows == [minute.slots(each.start, each.stop) for each in covered]
        assert sum(rows) >= 3000


async def test_strict_limit(tmp_path: Path) -> None:
    """Against a strict server, a burst and what follows draw no 429; the rate can be changed while running."""
    async with (
        Simulator(MARKETS, rate=20, latency=0.005, clock=lambda: NOW) as sim,
        rxcandles.connect(tmp_path / "candles.db", "simulated", sim.base_url, rate_limit=20) as provider,
    ):
        summary = await provider.collect_candles_only("KRW-D1000", "1m", count=50 * 200, to=NEWEST)
        assert (summary.api_calls_made, summary.rate_limited) == (50, 0)
        assert sim.stats.by_status[429] == 0


async def test_a_429_is_waited_out(tmp_path: Path) -> None:
    """A limit that is lower than we think is found by its 429s; everything is collected all the same."""
    async with (
        Simulator(MARKETS, rate=10, clock=lambda: NOW) as sim,
        rxcandles.connect(tmp_path / "candles.db", "simulated", sim.base_url, rate_limit=40) as provider,
    ):
        summary = await provider.collect_candles_only("KRW-D1000", "1m", count=16 * 200, to=NEWEST)
        assert summary.collected_count == 3200
        assert summary.rate_limited == sim.stats.by_status[429]
        assert sim.stats.by_status[418] == 0


async def test_own_composition(provider: rxcandles.CandleDataProvider, sim: Simulator) -> None:
    """The compositions of the documentation work as they are written there."""
    store, exchange, limiter = provider.repository, provider.exchange, provider.limiter
    request = rxcandles.Request("KRW-D998", "1m", count=1500, to=NEWEST)
    told: list[rxcandles.CollectionProgress] = []
    summary = await ops.run(
        ops.plan_chunks(request).pipe(
            ops.skip_stored(store), ops.rate_limit(limiter), ops.fetch(exchange), ops.persist(store),
            ops.report(told.append), ops.summarize(),
        )
    )  # fmt: skip
    async with ops.plan_chunks(request).pipe(
        ops.skip_stored(store), ops.rate_limit(limiter), ops.fetch(exchange), ops.persist(store),
        ops.recall(store), ops.batch(1000), ops.with_backpressure(buffer=2),
    ) as batches:  # fmt: skip
        streamed = [candles async for candles in batches]
    listed = await ops.run(
        ops.plan_chunks(request).pipe(
            ops.guard_plan(50_000), ops.skip_stored(store), ops.rate_limit(limiter), ops.fetch(exchange),
            ops.persist(store), ops.recall(store), ops.to_list(50_000),
        )
    )  # fmt: skip
    expected = truth(MARKETS[1], NOW - 30 - 1600 * 60, NOW - 30)[-1500:][::-1]
    assert listed == list(itertools.chain(*streamed)) == expected
    assert [len(candles) for candles in streamed] == [1000, 500]
    assert summary.collected_count == told[-1].collected_count == 1500


async def test_connect_closes_everything(sim: Simulator, tmp_path: Path) -> None:
    """After the block the exchange and the store are closed; an exchange object may be given."""
    exchange = UpbitExchange(sim.base_url, name="mine")
    async with rxcandles.connect(tmp_path / "candles.db", exchange=exchange, rate_limit=None) as provider:
        await provider.get_candles("KRW-D1000", "1m", count=1, to=NEWEST)
        assert (await provider.repository.series())[0].exchange == "mine"
    with pytest.raises(rxcandles.StoreError, match="closed"):
        await provider.repository.series()
    with pytest.raises(rxcandles.ExchangeError, match="closed"):
        await provider.exchange.markets()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exchange": "other"}, "exchange is 'other'; take one of upbit"),
        ({"rate_limit": 0}, "rate_limit is 0"),
        ({"rate_limit": float("nan")}, "rate_limit is nan"),
        ({"base_url": "nonsense"}, "nonsense"),
        ({"exchange": UpbitExchange(), "base_url": "http://127.0.0.1:1"}, "base_url"),
        ({"rate_limit": 5, "limiter": rxcandles.SlidingWindowLimiter(5)}, "limiter is .*; give it without rate_limit"),
    ],
)
def test_connect_refuses(arguments: dict[str, object], message: str, tmp_path: Path) -> None:
    """Arguments that can't be meant are refused before a file is made."""
    with pytest.raises(rxcandles.RequestError, match=message):
        rxcandles.connect(tmp_path / "candles.db", **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


async def test_shared_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two providers of one exchange that share its limit draw no 429 together; other servers share nothing unasked."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    async with Simulator(MARKETS, rate=20, clock=lambda: NOW) as sim:

        async def collect(name: str, symbol: str) -> int:
            path = tmp_path / name
            async with rxcandles.connect(path, "simulated", sim.base_url, 20, share_limit=True) as provider:
                assert isinstance(provider.limiter, rxcandles.MachineLimiter)
                summary = await provider.collect_candles_only(symbol, "1m", count=20 * 200, to=NEWEST)
                return summary.collected_count

        assert await asyncio.gather(collect("a.db", "KRW-D1000"), collect("b.db", "KRW-D998")) == [4000, 4000]
        assert sim.stats.by_status[429] == 0
        async with rxcandles.connect(tmp_path / "c.db", "simulated", sim.base_url) as provider:
            assert isinstance(provider.limiter, rxcandles.SlidingWindowLimiter)
            assert not isinstance(provider.limiter, rxcandles.MachineLimiter)
    async with rxcandles.connect(tmp_path / "d.db") as provider:
        assert isinstance(provider.limiter, rxcandles.MachineLimiter)


async def test_limiter_given(tmp_path: Path) -> None:
    """A limiter that is given decides, for the real exchange as well, whose limit the machine would else share."""
    limiter = rxcandles.SlidingWindowLimiter(5)
    async with rxcandles.connect(tmp_path / "candles.db", limiter=limiter) as provider:
        assert provider.limiter is limiter


async def test_markets(provider: rxcandles.CandleDataProvider) -> None:
    """The market list comes with its names."""
    markets = await provider.exchange.markets()
    assert {market.symbol for market in markets} == {market.symbol for market in MARKETS}


async def test_a_provider_that_is_not_open() -> None:
    """What is forgotten in opening a provider is told, with what to write."""
    opening: Any = rxcandles.connect("never.db", "simulated")
    with pytest.raises(AttributeError, match=r"'get_candles' is the provider's.*write `async with rxcandles.connect"):
        opening.get_candles("KRW-BTC", "1m", count=5)
    with pytest.raises(TypeError, match="opened asynchronously; write `async with"), opening:
        pass
