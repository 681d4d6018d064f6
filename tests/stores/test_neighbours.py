"""Several that use one file at once: writers in two processes, and fifty readers of all kinds beside a writer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from rxcandles.model.timeframe import Timeframe
from rxcandles.stores import SqliteStore
from rxcandles.stores.sqlite.reader import SqliteReader
from tests.support.children import FORKED, MODES, Child
from tests.support.neighbours import watch
from tests.support.trouble import STORED, TO, Bench

SERIES = ("KRW-D900", Timeframe.of("1m"))


@pytest.mark.parametrize("apart", [0, 300], ids=["the same", "overlapping"])
@pytest.mark.parametrize("mode", MODES)
async def test_two_processes(bench: Bench, mode: str, apart: int) -> None:
    """Two processes that collect the same, or what overlaps, into a new file both get all of it, and it is true.

    At the worst each has fetched all of its own.
    """
    children = [Child(bench.job(mode, 1000, end)) for end in (TO, TO - apart * 60)]
    ended = await asyncio.gather(*(asyncio.to_thread(child.ended) for child in children))
    assert ended == [(False, 1000), (False, 1000)]
    start = [row.open_time for row in STORED if row.open_time < TO - apart * 60][999]
    held = bench.held()
    assert held >= sum(row.open_time >= start for row in STORED)
    assert sum(asked.rows for asked in bench.simulator.log) <= 2 * held + 4 * 50


async def task(store: SqliteStore, seen: int) -> int:
    """Read as a store of its own on the loop; return how many candles there were."""
    covered = sum(each.rows for each in await store.coverage(*SERIES, 0, TO))
    found = await store.rows(*SERIES, 0, TO, "newest_first", len(STORED))
    assert seen <= covered <= len(found)
    assert found == STORED[: len(found)]
    return len(found)


def thread(reader: SqliteReader, seen: int) -> int:
    """Read synchronously; return the same."""
    count, found = reader.count(0, TO), reader.rows(0, TO, "newest_first", len(STORED))
    assert seen <= count <= len(found)
    assert found == STORED[: len(found)]
    return len(found)


async def test_fifty_readers(tmp_path: Path) -> None:
    """Fifty readers, in tasks, threads and processes, disturb neither a writer nor each other.

    Each sees ever more candles, and never fewer than the ledger says.
    """
    path, page = tmp_path / "candles.db", 10
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(20))
        processes = stack.enter_context(ProcessPoolExecutor(4, FORKED))
        store = await stack.enter_async_context(SqliteStore(path))

        async def write(first: int, last: int) -> int:
            for at in range(first, last, page):
                newer = STORED[at - 1].open_time if at else TO
                rows = STORED[at : at + page]
                await store.write(*SERIES, rows, (rows[-1].open_time, newer))
            return last

        written = await write(0, page)
        stores = [await stack.enter_async_context(SqliteStore(path)) for _ in range(20)]
        readers: list[Callable[[int], Awaitable[int]]] = [
            *(partial(task, each) for each in stores),
            *(partial(loop.run_in_executor, threads, thread, store.reader(*SERIES)) for _ in range(20)),
            *(partial(loop.run_in_executor, processes, watch, str(path)) for _ in range(10)),
        ]
        seen = [written] * len(readers)
        midway = set()
        for _ in range(8):
            reads = [reader(before) for reader, before in zip(readers, seen, strict=True)]
            written, *seen = await asyncio.gather(write(written, written + 10 * page), *reads)
            midway.update(seen)
    assert len(seen) == 50
    assert len(midway) > 10
