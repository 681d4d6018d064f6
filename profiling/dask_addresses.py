"""Many addresses by Dask, against an exchange that counts by address: the rate, and what kills and a stop cost.

Everything runs on this machine: scheduler and workers as processes, each worker with an address of 127.0.0.0/8 (on
Linux), one PostgreSQL, and the simulated exchange in a process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs

import rxcandles
from profiling.support.harness import machine, table
from rxcandles import ClusterError, Request
from rxcandles.cluster.parts import PAGES
from rxcandles.exchanges import UpbitExchange
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.simulator import Market
from rxcandles.stores.postgres.store import PostgresStore
from tests.support.addresses import ByAddress
from tests.support.postgres import Server

__all__ = ["main"]

RATE: Final = 10
LATENCY: Final = 0.03
STOP: Final = 1_700_000_040 // 12_000 * 12_000
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
SYMBOLS: Final = ("KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-DOGE")


def requests(parts: int) -> list[Request]:
    """Requests of so many parts for each market."""
    span = {"to": to_datetime(STOP), "end": to_datetime(STOP - parts * PAGES * 12_000)}
    return [Request(symbol, "1m", **span) for symbol in SYMBOLS]  # type: ignore[arg-type]


@attrs.define
class Cluster:
    """Processes of Dask."""

    folder: Path
    scheduler: subprocess.Popen[bytes]
    address: str
    workers: dict[str, subprocess.Popen[bytes]] = attrs.field(factory=dict)

    @classmethod
    def started(cls, folder: Path, port: int = 0) -> Cluster:
        """Start a scheduler."""
        there = folder / "scheduler.json"
        there.unlink(missing_ok=True)
        words = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--dashboard-address", ":0"]
        process = _begun("dask", *words, "--scheduler-file", str(there), folder=folder)
        while not there.exists() or b"}" not in there.read_bytes():
            time.sleep(0.05)
        address = there.read_text().partition('"address": "')[2].partition('"')[0]
        return cls(folder, process, address)

    def add(self, address: str) -> None:
        """Start a worker that sends from an address."""
        words = ["worker", self.address, "--resources", "simulated=1", "--source-address", address, "--quiet"]
        self.workers[address] = _begun("rxcandles", *words, folder=self.folder)

    async def ready(self, count: int) -> None:
        """Wait until so many workers are there."""
        from distributed import Client

        async with Client(self.address, asynchronous=True) as client:
            await client.wait_for_workers(count)

    def close(self) -> None:
        """Kill all of them."""
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()


def _begun(module: str, *words: str, folder: Path) -> subprocess.Popen[bytes]:
    with open(folder / "log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words], stdout=log, stderr=log, cwd=folder, env=ENVIRONMENT
        )


MARKETS: Final = {symbol: Market(symbol, density=1.0) for symbol in SYMBOLS}


async def serve() -> None:
    """Serve the markets; print the address, and for each line that comes how many requests there were, and refused."""
    async with ByAddress(MARKETS.values(), rate=RATE, latency=LATENCY) as sim:
        async with UpbitExchange(sim.base_url, source_address="127.0.0.99") as exchange:
            for symbol in SYMBOLS:  # the first page of a market takes a tenth of a second, in which others wait
                await exchange.page(symbol, Timeframe.of("1m"), STOP, 200)
        sim.reset_stats()
        sim.by_address.clear()
        print(sim.base_url, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            refused = sum(counts[429] + counts[418] for counts in sim.by_address.values())
            print(sim.stats.requests, refused, flush=True)


class Exchange:
    """The simulated exchange, in a process of its own: it would count late what comes while others compute."""

    def __init__(self, folder: Path) -> None:
        program = "import asyncio; from profiling.dask_addresses import serve; asyncio.run(serve())"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=ENVIRONMENT, cwd=folder,
        )  # fmt: skip
        self.base_url = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    @property
    def counts(self) -> tuple[int, int]:
        """Requests so far, and those that were refused."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        requests, refused = map(int, self._line().split())
        return requests, refused

    def close(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.communicate()


@attrs.define
class Bench:
    """All that a scenario needs."""

    exchange: Exchange
    cluster: Cluster
    database: str

    async def collect(self, wanted: Sequence[Request]) -> None:
        """Collect by the cluster."""
        async with rxcandles.connect(self.database, exchange="simulated", base_url=self.exchange.base_url) as provider:
            await provider.collect_many(wanted, client=self.cluster.address)

    async def truth(self, wanted: Sequence[Request]) -> str:
        """Say whether what is covered has the exchange's candles, no others, and how much of it is covered."""
        wrong = slots = covered = 0
        async with PostgresStore(self.database, exchange="simulated") as store:
            for request in wanted:
                series = (request.symbol, request.timeframe)
                spans = SpanSet(each.span for each in await store.coverage(*series, *request.span))
                for span in spans.intersect(SpanSet((request.span,))):
                    rows = await store.rows(*series, *span, "oldest_first", 10**7)
                    wrong += [each[:8] for each in rows] != [
                        each[:8] for each in MARKETS[request.symbol].rows("1m", *span)
                    ]
                    covered += request.timeframe.slots(*span)
                slots += request.most
                extra = await store.count(*series, *request.span)
                wrong += extra != sum(
                    [await store.count(*series, *span) for span in spans.intersect(SpanSet((request.span,)))]
                )
        return f"{'true' if not wrong else f'{wrong} WRONG'}, {100 * covered / slots:.0f} %"


@asynccontextmanager
async def bench(server: Server, addresses: int) -> AsyncIterator[Bench]:
    """Start everything with an empty database."""
    name = server.fresh()
    with tempfile.TemporaryDirectory() as folder:
        exchange = Exchange(Path(folder))
        cluster = Cluster.started(Path(folder))
        try:
            for number in range(addresses):
                cluster.add(f"127.0.0.{100 + number}")
            await cluster.ready(addresses)
            yield Bench(exchange, cluster, server.url(name))
        finally:
            cluster.close()
            exchange.close()
            server.drop(name)


async def scaled(server: Server, addresses: int, parts: int) -> dict[str, Any]:
    """Collect as many parts for each address."""
    async with bench(server, addresses) as it:
        wanted = requests(addresses * parts // len(SYMBOLS))
        began = time.monotonic()
        await it.collect(wanted)
        seconds = time.monotonic() - began
        needed = addresses * parts * PAGES
        sent, refused = it.exchange.counts
        return {
            "addresses": addresses, "pages": needed, "requests": sent, "seconds": seconds,
            "share of n × 10/s": f"{100 * needed / seconds / (addresses * RATE):.0f} %", "429": refused,
            "stored": await it.truth(wanted),
        }  # fmt: skip


async def worker_killed(server: Server, addresses: int, parts: int) -> dict[str, Any]:
    """Kill a worker after four seconds; another takes its part."""
    async with bench(server, addresses) as it:
        wanted = requests(addresses * parts // len(SYMBOLS))
        began = time.monotonic()
        task = asyncio.ensure_future(it.collect(wanted))
        await asyncio.sleep(4)
        it.cluster.workers["127.0.0.100"].send_signal(signal.SIGKILL)
        await task
        return _row("a worker of 4 killed", it, addresses * parts * PAGES, began, await it.truth(wanted))


async def scheduler_killed(server: Server, addresses: int, parts: int) -> list[dict[str, Any]]:
    """Kill the scheduler after four seconds; start it again, and collect once more."""
    async with bench(server, addresses) as it:
        wanted, port = requests(addresses * parts // len(SYMBOLS)), int(it.cluster.address.rpartition(":")[2])
        task = asyncio.ensure_future(it.collect(wanted))
        await asyncio.sleep(4)
        it.cluster.scheduler.send_signal(signal.SIGKILL)
        began, heard = time.monotonic(), ""
        try:
            await task
        except ClusterError:
            heard = f"{time.monotonic() - began:.1f} s until the call ends"
        await asyncio.sleep(1)
        sent, _ = it.exchange.counts
        await asyncio.sleep(2)
        lines = [
            {
                **_row("the scheduler killed", it, addresses * parts * PAGES, began, await it.truth(wanted)),
                "seconds": heard, "requests after": it.exchange.counts[0] - sent,
            }
        ]  # fmt: skip
        it.cluster.scheduler.wait()
        it.cluster.scheduler = Cluster.started(it.cluster.folder, port).scheduler
        await it.cluster.ready(addresses)
        began = time.monotonic()
        await it.collect(wanted)
        lines.append(_row("the same call again", it, addresses * parts * PAGES, began, await it.truth(wanted)))
        return lines


async def cancelled(server: Server, addresses: int, parts: int) -> dict[str, Any]:
    """Cancel the call after four seconds."""
    async with bench(server, addresses) as it:
        wanted = requests(addresses * parts // len(SYMBOLS))
        task = asyncio.ensure_future(it.collect(wanted))
        await asyncio.sleep(4)
        began = time.monotonic()
        task.cancel()
        await asyncio.wait({task})
        ended, (sent, _) = time.monotonic() - began, it.exchange.counts
        await asyncio.sleep(2)
        told = _row("cancelled", it, addresses * parts * PAGES, began, await it.truth(wanted))
        return {**told, "seconds": f"{ended:.2f} s until the call ends", "requests after": it.exchange.counts[0] - sent}


def _row(what: str, it: Bench, needed: int, began: float, truth: str) -> dict[str, Any]:
    requests, refused = it.exchange.counts
    return {
        "what": what, "pages": needed, "requests": requests, "seconds": time.monotonic() - began,
        "requests after": "", "429": refused, "stored": truth,
    }  # fmt: skip


async def _measured(counts: Sequence[int], parts: int) -> None:
    server = Server()
    try:
        server.start()
        lines = [await scaled(server, count, parts) for count in counts]
        print(table(f"{LATENCY * 1000:.0f} ms away, {RATE} requests a second and address", lines), flush=True)
        lines = [
            await worker_killed(server, 4, parts),
            *await scheduler_killed(server, 4, parts),
            await cancelled(server, 4, parts),
        ]
        print(table("\nfour addresses", lines))
    finally:
        server.close()
    print(f"\n{machine()}")


def main(arguments: list[str]) -> int:
    from rxcandles.cli.addresses import hush

    parser = argparse.ArgumentParser(prog="python -m profiling dask_addresses")
    parser.add_argument("--addresses", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument(
        "--parts", type=int, default=8, help=f"parts of {PAGES} pages for each address, a multiple of 4"
    )
    given = parser.parse_args(arguments)
    hush(0)  # what Dask says of a scheduler that is killed
    asyncio.run(_measured(given.addresses, given.parts))
    return 0
