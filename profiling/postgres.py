"""A PostgreSQL server beside a file, in turn: writers, bytes a candle, a million rows into Arrow, a copy, kills."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import rxcandles
from profiling.support.harness import machine, measured, table
from rxcandles.model import Row
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.stores.opening import store_at
from tests.support.postgres import Server

MINUTE = Timeframe.of("1m")
PAGE = 200
FIRST = 1_704_067_200


def rows(number: int) -> list[Row]:
    """A page of a market that trades each minute, newest first; pages go back in time."""
    luck = random.Random(number)
    newest = FIRST - number * PAGE * 60
    found = []
    for slot in range(PAGE):
        opened, price = newest - slot * 60, 5e7 + luck.randrange(100_000) * 100.0
        volume = luck.randrange(10**8) / 1e8
        found.append(
            Row(opened, price, price + 4000, price - 3000, price + 1000, volume, price * volume, (opened + 59) * 1000)
        )
    return found


async def _pages(database: str, durability: str, symbol: str, numbers: list[int]) -> None:
    async with store_at(database, durability=durability) as store:  # type: ignore[arg-type]
        for number in numbers:
            page = rows(number)
            await store.write(symbol, MINUTE, page, (page[-1].open_time, page[0].open_time + 60))


def _write(database: str, durability: str, symbol: str, numbers: list[int]) -> float:
    """Write pages in a process of their own; return the seconds."""
    began = time.perf_counter()
    asyncio.run(_pages(database, durability, symbol, numbers))
    return time.perf_counter() - began


def written(database: str, durability: str, writers: int, pages: int, *, same: bool) -> float:
    """Candles a second of so many writers, each in a process of its own, in one series or one each."""
    asyncio.run(_pages(database, durability, "KRW-WARM", [0]))
    with ProcessPoolExecutor(writers, get_context("forkserver")) as pool:
        list(pool.map(time.sleep, [0.2] * writers))
        began = time.perf_counter()
        names = ["KRW-BTC" if same else f"KRW-{at}" for at in range(writers)]
        jobs = [
            pool.submit(_write, database, durability, name, list(range(at, pages, writers)))
            for at, name in enumerate(names)
        ]
        for job in jobs:
            job.result()
        seconds = time.perf_counter() - began
    asyncio.run(_check(database, pages, same=same))
    return pages * PAGE / seconds


async def _check(database: str, pages: int, *, same: bool) -> None:
    async with store_at(database) as store:
        held = [each for each in await store.series() if each.symbol != "KRW-WARM"]
        counts = [await store.count(each.symbol, MINUTE, BEGINNING, END - 1) for each in held]
        assert sum(counts) == pages * PAGE, counts
        if same:
            assert len(await store.coverage("KRW-BTC", MINUTE, BEGINNING, END - 1)) == 1
    assert (await rxcandles.verify(database)).clean


async def _arrow(database: str) -> dict[str, Any]:
    import time

    import rxcandles
    from rxcandles.stores.opening import store_at

    async with store_at(database) as store:
        candles = rxcandles.stored_candles(store, "KRW-BTC", "1m", "1990-01-01", "2030-01-01")
        rxcandles.to_arrow(candles[:10])
        began, cpu = time.perf_counter(), time.process_time()
        table = rxcandles.to_arrow(candles)
        return {"rows": table.num_rows, "wall": time.perf_counter() - began, "own": time.process_time() - cpu}


async def _copied(source: str, target: str) -> dict[str, Any]:
    import rxcandles

    report = await rxcandles.copy_candles(source, target)
    return {"candles": report.candles}


def killed(server: Server, database: str, kills: int) -> dict[str, Any]:
    """Kill a server so often while four write to it; return what became of the pages that were told as written."""
    told: dict[int, int] = {}
    stop = threading.Event()

    async def writer(at: int) -> None:
        async with store_at(database) as store:
            number = at
            while not stop.is_set():
                page = rows(number)
                told[number] = await store.write("KRW-BTC", MINUTE, page, (page[-1].open_time, page[0].open_time + 60))
                number += 4

    threads = [threading.Thread(target=lambda at=at: asyncio.run(writer(at))) for at in range(4)]
    for thread in threads:
        thread.start()
    luck = random.Random(5)
    for _ in range(kills):
        time.sleep(luck.uniform(0.2, 0.8))
        server.kill()
        time.sleep(luck.uniform(0.0, 0.5))
        server.start()
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join()

    async def look() -> dict[str, Any]:
        lost = wrong = 0
        async with store_at(database) as store:
            for number in told:
                page = rows(number)
                there = await store.rows(
                    "KRW-BTC", MINUTE, page[-1].open_time, page[0].open_time + 60, "newest_first", PAGE + 1
                )
                lost += len(page) - len(there)
                wrong += sum(one != other for one, other in zip(page, there, strict=False))
            count = await store.count("KRW-BTC", MINUTE, BEGINNING, END - 1)
            covered = await store.coverage("KRW-BTC", MINUTE, BEGINNING, END - 1)
        clean = (await rxcandles.verify(database)).clean
        return {
            "kills": kills, "pages told": len(told), "candles told as new": sum(told.values()), "stored": count,
            "lost": lost, "wrong": wrong, "false coverage": sum(e.rows for e in covered) - count, "verify": clean,
        }  # fmt: skip

    return asyncio.run(look())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling postgres")
    parser.add_argument("--pages", type=int, default=1000, help="pages of 200 in each measurement of writers")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--candles", type=int, default=1_000_000, help="read into Arrow")
    parser.add_argument("--copy", type=int, default=5_000_000, help="candles of the copy")
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args(arguments)
    server = Server(durable=True)
    server.start()
    try:
        _measure(server, options)
    finally:
        server.close()
    return 0


def _measure(server: Server, options: argparse.Namespace) -> None:
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as folder:
        number = 0

        def fresh(kind: str) -> str:
            nonlocal number
            number += 1
            return str(Path(folder, f"{number}.db")) if kind == "SQLite" else server.url(server.fresh())

        found: dict[tuple[str, str, str], list[float]] = {}
        for _ in range(options.rounds):
            for writers, same in ((1, True), (4, False), (4, True)):
                for kind in ("SQLite", "PostgreSQL"):
                    for durability in ("normal", "full"):
                        speed = written(fresh(kind), durability, writers, options.pages, same=same)
                        where = "one series" if same else "a series each"
                        key = (f"{writers} writer{'s' * (writers > 1)}, {where}", kind, durability)
                        found.setdefault(key, []).append(speed)
        lines: list[dict[str, Any]] = []
        for (what, kind, how), speeds in found.items():
            said = ", ".join(f"{each:,.0f}" for each in speeds)
            lines.append({"": what, "store": kind, "durability": how, "candles a second": said})
        say(table(f"Writing {options.pages:,} pages of {PAGE}. {machine()}", lines) + "\n")

        both = {kind: fresh(kind) for kind in ("SQLite", "PostgreSQL")}
        for database in both.values():
            _write(database, "normal", "KRW-BTC", list(range(options.candles // PAGE)))
        sizes = {kind: asyncio.run(_size(database)) for kind, database in both.items()}
        lines = []
        for _ in range(options.rounds):
            for kind, database in both.items():
                read = measured(_arrow, database)
                lines.append({
                    "store": kind, "rows": read["rows"], "seconds": round(read["wall"], 2),
                    "CPU of the reader": round(read["own"], 2), "peak MB": round(read["rss_mb"]),
                    "bytes a candle": round(sizes[kind], 1),
                })  # fmt: skip
        say(table("Into Arrow, in turn", lines) + "\n")

        if options.copy:
            source = fresh("SQLite")
            _write(source, "normal", "KRW-BTC", list(range(options.copy // PAGE)))
            target, back = fresh("PostgreSQL"), fresh("SQLite")
            lines = []
            for what, one, other in (
                ("to the server", source, target), ("again", source, target), ("back into a file", target, back)
            ):  # fmt: skip
                done = measured(_copied, one, other)
                lines.append({
                    "copy": what, "candles": done["candles"], "seconds": round(done["seconds"], 1),
                    "peak MB": round(done["rss_mb"]),
                })  # fmt: skip
            say(table(f"A copy of {options.copy:,} candles", lines) + "\n")
        if options.kills:
            say(
                table("The server killed while four write", [killed(server, fresh("PostgreSQL"), options.kills)]) + "\n"
            )


async def _size(database: str) -> float:
    async with store_at(database) as store:
        return (await store.row_size())[0]
