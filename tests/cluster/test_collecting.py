"""Collecting with workers of Dask: what is stored is true, what is reported adds up, and a stop is a stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from distributed import KilledWorker

import rxcandles
from rxcandles import (
    ClusterError,
    CollectionProgress,
    CollectionSummary,
    IncompleteError,
    Request,
    SeveralFailedError,
    SqliteStore,
    UnknownMarketError,
)
from rxcandles.cluster import collecting, plugin
from rxcandles.cluster.collecting import collect_on
from rxcandles.cluster.dask import Cluster
from rxcandles.cluster.host import Host
from rxcandles.engine import turns
from rxcandles.model.timeframe import to_datetime
from rxcandles.simulator import Market, faults
from tests.support.addresses import ByAddress
from tests.support.cluster import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

STOP = 1_700_000_040 // 12_000 * 12_000
SYMBOLS = ("KRW-BTC", "KRW-ETH", "KRW-XRP")
HERE, THERE = "127.0.0.71", "127.0.0.72"


def back(symbol: str, pages: int) -> Request:
    """A request of so many pages."""
    return Request(symbol, "1m", to=to_datetime(STOP), end=to_datetime(STOP - pages * 12_000))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Running]:
    """A scheduler with two workers in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("distributed"), "disabled", True)
        for name in [each for each in logging.root.manager.loggerDict if each.startswith("distributed")]:
            patch.setattr(logging.getLogger(name), "disabled", True)
        async with running([HERE, THERE]) as found:
            yield found


class Place:
    """An exchange and a database for one test."""

    def __init__(self, sim: ByAddress, path: Path, run: Running) -> None:
        self.sim, self.path, self.run = sim, path, run
        self.cluster = Cluster(run.client)

    def host(self, **options: Any) -> Host:
        """What a worker opens; a file serves as the shared database, since all workers are in this process."""
        how = {"base_url": self.sim.base_url, "rate_limit": None, "retry": rxcandles.Retry(2, base=0.01), **options}
        return Host.of(rxcandles.connect, str(self.path), "upbit", how)

    async def collect(
        self, requests: Sequence[Request], *told: Any, **options: Any
    ) -> dict[Request, CollectionSummary]:
        """Collect with the cluster."""
        how = {name: options.pop(name) for name in ("refetch", "include_imported") if name in options}
        return await collect_on(self.cluster, self.host(**options), requests, *told, page=200, **how)

    async def check(self, requests: Sequence[Request]) -> None:
        """Hold what is stored against the truth."""
        async with SqliteStore(self.path, exchange="simulated") as store:
            for request in requests:
                span = (request.symbol, request.timeframe, *request.span)
                rows = await store.rows(*span, "oldest_first", 10**6)
                truth = self.sim.market(request.symbol).rows("1m", *request.span)
                assert [row[:8] for row in rows] == [row[:8] for row in truth]
                (covered,) = await store.coverage(*span)
                assert covered.span[0] <= request.span[0] < request.span[1] <= covered.span[1]


@pytest_asyncio.fixture(loop_scope="module")
async def place(cluster: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Pages take 5 ms; parts are four pages, so that a few requests have many of them."""
    monkeypatch.setattr(collecting, "PAGES", 4)
    monkeypatch.setattr(collecting, "LOOKING", 0.02)
    monkeypatch.setattr(collecting, "TELLING", 0.0)
    monkeypatch.setattr(plugin, "EVERY", 0.0)
    monkeypatch.setattr(turns, "LASTS", 0.2)
    markets = [Market("KRW-BTC"), Market("KRW-ETH", density=0.9), Market("KRW-XRP", density=0.5)]
    async with ByAddress(markets, rate=None, latency=0.005) as sim:
        yield Place(sim, tmp_path / "candles.db", cluster)
    for worker in cluster.workers.values():
        if (jobs := worker.plugins.get("rxcandles")) is not None:
            await jobs.hosts.close()


async def test_truth_sums_and_progress(place: Place) -> None:
    """Several series and a count: the truth, with the sums of one place, from both addresses; again costs nothing."""
    requests = [back(symbol, 14) for symbol in SYMBOLS] + [Request("KRW-ETH", "1m", count=900, to=to_datetime(STOP))]
    seen: dict[Request, list[CollectionProgress]] = {request: [] for request in requests}

    async def tell(request: Request, progress: CollectionProgress) -> None:
        seen[request].append(progress)

    summaries = await place.collect(requests, tell)
    assert list(summaries) == requests
    await place.check(requests[:3])
    spent = {each.address: each.requests for each in place.cluster.spent.values()}
    assert spent == {address: place.sim.by_address[address][200] for address in (HERE, THERE)}
    assert sum(spent.values()) == sum(each.api_calls_made for each in summaries.values()) == place.sim.stats.requests
    async with rxcandles.connect(":memory:", base_url=place.sim.base_url, rate_limit=None) as provider:
        for request, summary in summaries.items():
            alone = await provider.collect(request)
            assert (summary.collected_count, summary.time_range) == (alone.collected_count, alone.time_range)
            last = seen[request][-1]
            assert (last.collected_count, last.total_count) == (summary.collected_count,) * 2
            assert (last.requests, last.estimated_remaining_seconds) == (summary.api_calls_made, 0)
    place.sim.reset_stats()
    again = await place.collect(requests)
    assert place.sim.stats.requests == 0
    assert [each.collected_count for each in again.values()] == [each.collected_count for each in summaries.values()]


async def test_two_calls_with_one_client(place: Place) -> None:
    """Each hears of its own jobs, and stopping one does not stop the other."""
    told: dict[str, set[Request]] = {"a": set(), "b": set()}
    requests = [back("KRW-BTC", 4000), back("KRW-ETH", 12)]
    long, short = (
        asyncio.ensure_future(place.collect([each], lambda request, _, who=who: told[who].add(request)))
        for who, each in zip("ab", requests, strict=True)
    )
    while not all(told.values()):
        await asyncio.sleep(0.005)
    long.cancel()
    assert list(await short) == [requests[1]]
    assert told == {"a": {requests[0]}, "b": {requests[1]}}
    await asyncio.wait({long})
    assert long.cancelled()


async def test_what_fails_is_told_as_in_one_place(place: Place) -> None:
    """An unknown market ends its request, pages that fail leave a span, and everything else is collected.

    Warnings of the workers are in the log here, with the worker's name, once each.
    """
    good, bad, ill = back("KRW-BTC", 6), back("KRW-NONE", 400), back("KRW-XRP", 12)
    middle = STOP - 60_000
    place.sim.faults.add(faults.status(503), when=lambda asked: asked.market == "KRW-XRP" and (asked.to or 0) < middle)
    with pytest.raises(SeveralFailedError) as caught:
        await place.collect([good, bad, ill])
    assert list(caught.value.summaries) == [good]
    assert list(caught.value.failures) == [bad, ill]
    assert isinstance(caught.value.failures[bad], UnknownMarketError)
    assert place.sim.stats.by_status[404] <= collecting.AHEAD * 2
    missing = caught.value.failures[ill]
    assert isinstance(missing, IncompleteError)
    assert missing.summary.failed_spans[0].start == to_datetime(STOP - 12 * 12_000)
    assert "503" in str(missing)
    place.sim.faults.clear()
    assert set(await place.collect([good, ill])) == {good, ill}
    await place.check([good, ill])


async def test_warnings_of_workers_are_logged_here(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Each warning once, with the worker's name; and in the end who was told to slow down, and how often."""
    place.sim.faults.add(faults.limited({"Retry-After": "0"}), times=1)
    await place.collect([back("KRW-BTC", 8)])
    told = [record for record in caplog.records if getattr(record, "worker", None)]
    retries = [record for record in told if getattr(record, "event", "") == "retry"]
    assert len(retries) == 1
    assert retries[0].getMessage().startswith(f"{retries[0].worker}: KRW-BTC 1m")  # type: ignore[attr-defined]
    ends = [vars(record) for record in told if getattr(record, "event", "") == "address"]
    assert [(end["rate_limited"], end["address"] in (HERE, THERE)) for end in ends] == [(1, True)]


async def test_cancelled_within_a_second(place: Place) -> None:
    """What runs in workers stops, what waits never begins, and what was stored is true."""
    place.sim.latency = 0.1
    task = asyncio.ensure_future(place.collect([back("KRW-BTC", 4000)], rate_limit=10))
    while place.sim.stats.requests < 12:
        await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() - began < 1
    sent = place.sim.stats.requests
    await asyncio.sleep(0.2)
    assert place.sim.stats.requests == sent
    place.sim.latency = 0.0
    newest = Request("KRW-BTC", "1m", count=1, to=to_datetime(STOP))
    await place.collect([newest, back("KRW-BTC", 6)])
    await place.check([back("KRW-BTC", 6)])


async def test_a_failing_callback_stops_all(place: Place) -> None:
    """The error of a callback is raised as in one place, and the workers stop."""

    def tell(request: Request, progress: CollectionProgress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await place.collect([back("KRW-BTC", 400)], tell)
    assert isinstance(caught.value.exceptions[0], ZeroDivisionError)
    sent = place.sim.stats.requests
    await asyncio.sleep(0.05)
    assert place.sim.stats.requests == sent


async def test_window(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler never has more jobs than the window, and with it as many as keep the addresses busy."""
    peaks = []

    def tell(request: Request, progress: CollectionProgress) -> None:
        peaks.append(sum(key.startswith("rxcandles-") for key in map(str, place.run.scheduler.tasks)))

    await place.collect([back(symbol, 16) for symbol in SYMBOLS], tell)
    assert max(peaks) <= collecting.AHEAD * 2 + 2  # two that are done may not be forgotten yet
    monkeypatch.setattr(collecting, "WINDOW", 3)
    peaks.clear()
    await place.collect([back(symbol, 24) for symbol in SYMBOLS], tell)
    assert 2 <= max(peaks) <= 3 + 1


async def test_workers_come_and_go(place: Place) -> None:
    """A worker that comes later is used; one that ends gives its part to another; all is true."""
    requests = [back(symbol, 30) for symbol in SYMBOLS]
    task = asyncio.ensure_future(place.collect(requests))
    while place.sim.stats.requests < 12:
        await asyncio.sleep(0.005)
    later = await place.run.add("127.0.0.73")
    while not place.sim.by_address["127.0.0.73"]:
        await asyncio.sleep(0.005)
    await later.close()
    summaries = await task
    await place.check(requests)
    assert [each.time_range for each in summaries.values()] == [tuple(map(to_datetime, each.span)) for each in requests]


async def test_workers_that_die(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part whose workers die one after the other fails its request, in words."""

    class Future:
        def __await__(self) -> Any:
            raise KilledWorker("a key", None, 3)
            yield

        def release(self) -> None:
            pass

    monkeypatch.setattr(place.run.client, "submit", lambda *_, **__: Future())
    request = back("KRW-BTC", 8)
    with pytest.raises(SeveralFailedError) as caught:
        await place.collect([request])
    assert isinstance(caught.value.failures[request], ClusterError)
    assert str(caught.value.failures[request]).startswith("KRW-BTC 1m: 4 workers died, one after the other, while they")


async def test_deserted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the last worker goes and none comes, the collection ends after a while, in words; else it would wait on."""
    monkeypatch.setattr(collecting, "PATIENCE", 0.1)
    async with running([HERE]) as short:
        place.cluster = Cluster(short.client)
        task = asyncio.ensure_future(place.collect([back("KRW-BTC", 4000)]))
        while place.sim.stats.requests < 12:
            await asyncio.sleep(0.005)
        await short.workers[HERE].close()
        with pytest.raises(ClusterError, match=r"for 0.1 s no worker of inproc.* 'upbit'; what was fetched is stored"):
            async with asyncio.timeout(2):
                await task


async def test_another_version(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with another version of the library collects nothing, and says so."""
    monkeypatch.setattr(plugin, "VERSION", "9.9.9")
    with pytest.raises(SeveralFailedError, match=r"has rxcandles 9\.9\.9, and .* sent the job"):
        await place.collect([back("KRW-BTC", 4)])
    assert place.sim.stats.requests == 0


async def test_no_address(place: Place) -> None:
    """Without a worker for the exchange, nothing waits for ever."""
    host = Host.of(rxcandles.connect, str(place.path), "binance", {})
    with pytest.raises(
        ClusterError, match=r"no worker of inproc.* 'binance'; start one: rxcandles worker inproc://.*=1"
    ):
        await collect_on(place.cluster, host, [Request("BTCUSDT", "1m", count=5)], page=1000)


async def test_scheduler_goes(tmp_path: Path, place: Place) -> None:
    """The error names it, says that nothing is lost, and comes at once."""
    async with running([HERE]) as short:
        place.cluster = Cluster(short.client)
        task = asyncio.ensure_future(place.collect([back("KRW-BTC", 4000)]))
        while place.sim.stats.requests < 12:
            await asyncio.sleep(0.005)
        await short.scheduler.close()
        with pytest.raises(ClusterError, match=r"the scheduler at inproc.* has gone; what was fetched is stored"):
            async with asyncio.timeout(2):
                await task
        await short.client._close(fast=True)  # it would look for another scheduler for two seconds
