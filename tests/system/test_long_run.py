"""The long run in short: what ``python -m profiling days`` shows over a month, over two virtual hours."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

import rxcandles
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe
from tests.support.keeping import Keeping
from tests.support.vitals import traced_heap, vitals

pytestmark = pytest.mark.exhaustive

MINUTES = 40
"""Of a day, with all that befalls a service in one."""
MOST_GROWN = 100 * 1024
"""Bytes. A KiB left behind by each collection would be three times as much, 25 KB are turned over."""
CONNECTIONS = 5
"""One for each market collected at once, both of whose ends are in this process. Idle ones are closed after a while."""


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Collections, faults, an outage, a deploy: memory, files, threads and tasks stay as they are, the file is true."""
    days, held, memory = [], [], []
    async with Keeping(tmp_path / "candles.db", 2, MINUTES) as keeping:
        tracemalloc.start()
        try:
            for _ in range(2):
                days.append(await keeping.live())
                held.append(vitals())
                memory.append(traced_heap())
        finally:
            tracemalloc.stop()
        assert await keeping.audit() > 1000
    assert memory[1] - memory[0] < MOST_GROWN
    assert held[1].files - held[0].files <= 2 * CONNECTIONS
    assert held[1].tasks - held[0].tasks <= CONNECTIONS
    assert held[1].threads == held[0].threads
    # What the outage and the halt left empty is asked about once more.
    assert 4 * MINUTES < days[1].collections <= days[1].pages <= days[1].collections + 2
    assert days[1].again > days[1].again_requests == 0


async def test_an_exchange_that_is_ill(tmp_path: Path) -> None:
    """Days with a replica that lags, an hour that is lost and maintenance: in the end all of it is true."""
    async with Keeping(tmp_path / "candles.db", 2, 2 * MINUTES, ill=True) as keeping:
        days = [await keeping.live() for _ in range(2)]
        assert await keeping.audit() > 1000
    assert all(day.ill > 10 for day in days)
    assert all(day.pages <= 1.1 * day.collections for day in days)


async def test_the_log_stays_short(tmp_path: Path) -> None:
    """Thousands of candles stored one by one: the write-ahead log ends and begins anew at 16 MB."""
    wal, minute, longest = tmp_path / "candles.db-wal", Timeframe.of("1m"), 0
    async with rxcandles.SqliteStore(tmp_path / "candles.db") as store:
        for time in range(0, 4000 * 60, 60):
            row = Row(time, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, time * 1000)
            await store.write("KRW-BTC", minute, [row], (time, time + 60))
            longest = max(longest, wal.stat().st_size)
    assert 16_000_000 < longest < 17_000_000
