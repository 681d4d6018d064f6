"""Following twenty markets for a virtual month, in a file: nothing grows, and all is there.

The markets trade in all of their minutes down to one in fifty. Every virtual day has what a day brings: connections
that are cut, a page that fails, an hour in which the stream says nothing, and a reader that sleeps for two hours.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from random import Random
from typing import Any, Final

from profiling.support.endless import DAY, Endless
from profiling.support.harness import machine, table
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.updates import Update
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores import SqliteStore
from tests.support.vitals import vitals
from tests.support.world import BASE, passing, run_following

SHARES: Final = (
    1.0,
    1.0,
    1.0,
    0.9,
    0.8,
    0.6,
    0.5,
    0.4,
    0.3,
    0.3,
    0.2,
    0.2,
    0.1,
    0.1,
    0.1,
    0.05,
    0.05,
    0.02,
    0.02,
    0.02,
)
"""Of its minutes in which each market trades."""


class _Reader:
    """Reads a feed, and holds what it is given against the truth as it goes, so that it keeps nothing."""

    def __init__(self, world: Endless) -> None:
        self.world = world
        self.next = dict.fromkeys(world.symbols, int(BASE))
        """The open time up to which each market was checked."""
        self.candles = self.wrong = self.updates = 0
        self.asleep_until = 0.0

    async def read(self, updates: AsyncIterator[Update]) -> None:
        async for update in updates:
            self.updates += 1
            if update.kind == "candle":
                self._take(update.symbol, update.candle.row)
            if self.world.now < self.asleep_until:
                await asyncio.sleep(self.asleep_until - self.world.now)

    def _take(self, symbol: str, row: Any) -> None:
        """The candle is the first that trades since the one before, with the values that it ended with."""
        due = self.next[symbol]
        while not (truth := self.world.rows(symbol, due, due + 60, self.world.now)) and due < row.open_time:
            due += 60
        self.wrong += truth[:1] != [row]
        self.candles += 1
        self.next[symbol] = row.open_time + 60


async def _happen(world: Endless, readers: list[_Reader], random: Random) -> None:
    """Let things happen day after day."""

    def fail(symbol: str) -> Exception | None:
        return passing() if random.random() < 0.5 else None

    while True:
        morning = world.now
        for hour in sorted(random.sample(range(24), 6)):
            await asyncio.sleep(max(0.0, morning + hour * 3600 + random.uniform(0, 3000) - world.now))
            world.cut(random.choice((1000, 1001, 1006)))
            if hour % 2:
                world.fault = fail
                await asyncio.sleep(random.uniform(5, 120))
                world.fault = lambda symbol: None
            else:
                readers[1].asleep_until = world.now + 7200
        await asyncio.sleep(max(0.0, morning + DAY - world.now))


async def _live(path: Path, days: int, seed: int) -> list[dict[str, Any]]:
    world = Endless({f"KRW-M{number:02}": share for number, share in enumerate(SHARES)})
    lines: list[dict[str, Any]] = []
    async with SqliteStore(path, exchange="world") as store:
        provider = CandleDataProvider(store, world, SlidingWindowLimiter(10))
        async with provider.follow(world.symbols, "1m", since=_time(BASE)) as feed, asyncio.TaskGroup() as group:
            readers = [_Reader(world), _Reader(world)]
            running: list[Coroutine[Any, Any, None]] = [
                readers[0].read(feed), readers[1].read(feed.observe()), _happen(world, readers, Random(seed))
            ]  # fmt: skip
            tasks = [group.create_task(each) for each in running]
            for day in range(1, days + 1):
                began, before = time.process_time(), world.requests.total()
                await asyncio.sleep(BASE + day * DAY - world.now)
                used = time.process_time() - began
                held = vitals()
                line: dict[str, Any] = {"day": day, "RSS MB": round(held.rss / 1e6, 1), "objects": held.objects}
                line |= {"files": held.files, "threads": held.threads, "tasks": held.tasks}
                line |= {"requests": world.requests.total() - before, "candles": readers[0].candles}
                line |= {"wrong": sum(each.wrong for each in readers), "CPU s": round(used, 1)}
                lines.append(line | {"connects": feed.stats().streams.get("connects", 0)})
                sys.stderr.write(f"{lines[-1]}\n")
            for each in tasks:
                each.cancel()
    return lines


def _time(seconds: float) -> Any:
    from rxcandles.model.timeframe import to_datetime

    return to_datetime(seconds)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling follow_days")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.getLogger("rxcandles").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        lines = run_following(lambda: _live(Path(folder, "candles.db"), options.days, options.seed))
    shown = [each for each in lines if each["day"] in (1, 2) or each["day"] % 10 == 0 or each is lines[-1]]
    sys.stdout.write(table(f"Twenty markets followed for {options.days} virtual days. {machine()}", shown) + "\n")
    return 1 if lines[-1]["wrong"] else 0
