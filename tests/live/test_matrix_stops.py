"""A feed that stops anywhere, for whatever reason, has told nothing that is not stored, and goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from rxcandles.errors import StoreError
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import to_datetime
from rxcandles.model.updates import CandleUpdate
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores import SqliteStore
from tests.support.followed import Reader, check_store
from tests.support.world import BASE, MINUTE, World, run_following

BEGIN = BASE - 600
CONFIG = FollowConfig(forming=True, provisional=True)


def busy(*symbols: str) -> World:
    """Return a world in which each market trades four times a minute."""
    world = World(*symbols)
    for symbol in symbols:
        for at in range(-1200, 1200, 15):
            world.trade(symbol, BASE + at, 100 + at % 7)
    return world


def provided(store: Any, world: World) -> CandleDataProvider:
    return CandleDataProvider(store, world, SlidingWindowLimiter(10))


def test_abandoned_at_every_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """30: a feed is cancelled in its first statement, its second and so on; each goes on where the one before was."""

    async def main() -> None:
        world, given, left = busy("A-A"), list[int](), [0]
        execute, task = aiosqlite.Connection._execute, asyncio.create_task(asyncio.sleep(0))

        async def counted(self: Any, *arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                task.cancel()
            return await execute(self, *arguments, **named)  # type: ignore[no-untyped-call]

        async with SqliteStore(":memory:", exchange="world") as store:
            monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
            for statements in (*range(1, 20), *range(20, 80, 9)):
                left[0], since = statements, to_datetime(given[-1] + 60 if given else BEGIN)
                task = asyncio.create_task(follow(provided(store, world), since, given))
                with suppress(asyncio.CancelledError):
                    await task
                left[0] = 0
                assert await store.count("A-A", MINUTE, BEGIN, BASE + 3600) >= len(given)
                assert len(asyncio.all_tasks()) == 1
                verdict = Reader(world).verdict
                await check_store(world, store, ["A-A"], BEGIN, verdict)
                assert verdict.clean, (statements, verdict)
        assert given == list(range(BEGIN, given[-1] + 1, 60))
        assert given[-1] >= BASE + 120

    async def follow(provider: CandleDataProvider, since: Any, given: list[int]) -> None:
        async with provider.follow("A-A", "1m", since=since, config=CONFIG) as feed:
            async for update in feed:
                if isinstance(update, CandleUpdate):
                    given.append(update.candle.open_seconds)

    run_following(main)


@pytest.mark.parametrize("writes", [0, 3])
def test_a_full_disk(writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """30: the write that fails ends the feed for each reader, with its error; a later feed lacks nothing."""

    async def main() -> None:
        world = busy("A-A", "A-B")
        reader = Reader(world)
        async with SqliteStore(":memory:", exchange="world") as store:
            write, left = type(store).write, [writes]

            async def full(self: Any, *arguments: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    raise StoreError("database or disk is full")
                return await write(self, *arguments, **named)

            with monkeypatch.context() as patch:
                patch.setattr(type(store), "write", full)
                async with provided(store, world).follow(["A-A", "A-B"], "1m", since=to_datetime(BEGIN)) as feed:
                    other = feed.observe()
                    with pytest.raises(StoreError, match="disk is full"):
                        async for update in feed:
                            reader.take(update)
                    with pytest.raises(StoreError, match="disk is full"):
                        [_ async for _ in other]
                    with pytest.raises(StopAsyncIteration):
                        await anext(feed)
            for symbol, rows in reader.candles.items():
                stored = await store.rows(symbol, MINUTE, BEGIN, BASE + 1200, "oldest_first", 1000)
                assert set(rows.values()) <= set(stored)
            again = Reader(world)
            until = to_datetime(BASE + 600)
            async with provided(store, world).follow(["A-A", "A-B"], "1m", to_datetime(BEGIN), until=until) as feed:
                async for update in feed:
                    again.take(update)
            for symbol in ("A-A", "A-B"):
                again.compare(symbol, BEGIN, BASE + 600)
            assert again.verdict.clean, again.verdict

    run_following(main)


def test_a_second_collector_on_the_file(tmp_path: Path) -> None:
    """30: two that follow the same markets into one file disturb each other in nothing."""

    async def main() -> None:
        world, readers = busy("A-A", "A-B"), []
        path = tmp_path / "candles.db"
        async with SqliteStore(path, exchange="world") as one, SqliteStore(path, exchange="world") as two:

            async def follow(store: SqliteStore, symbols: Sequence[str]) -> None:
                reader = Reader(world)
                readers.append(reader)
                until = to_datetime(BASE + 600)
                async with provided(store, world).follow(symbols, "1m", to_datetime(BEGIN), until=until) as feed:
                    async for update in feed:
                        reader.take(update)

            async with asyncio.TaskGroup() as group:
                group.create_task(follow(one, ["A-A", "A-B"]))
                group.create_task(follow(two, ["A-B", "A-A"]))
            for reader in readers:
                for symbol in ("A-A", "A-B"):
                    reader.compare(symbol, BEGIN, BASE + 600)
                await check_store(world, one, ["A-A", "A-B"], BEGIN, reader.verdict)
                assert reader.verdict.clean, reader.verdict

    run_following(main)


def test_readers_that_are_slow_raise_or_leave() -> None:
    """28: one reads an update a minute, one raises, one is cancelled, one leaves; the others are given everything."""

    async def main() -> None:
        world = busy("A-A", "A-B")
        readers = {name: Reader(world) for name in ("fast", "slow", "raises", "cancelled")}
        end = 600.0

        async def read(source: Any, name: str) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(end):
                    async for update in source:
                        readers[name].take(update)
                        if name == "slow" and asyncio.get_running_loop().time() < 400:
                            await asyncio.sleep(60)
                        if name == "raises" and readers[name].given == 5:
                            raise ValueError("a reader's own fault")

        async def again(source: Any, name: str) -> None:
            while asyncio.get_running_loop().time() < end:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await read(source, name)

        async with (
            SqliteStore(":memory:", exchange="world") as store,
            provided(store, world).follow(["A-A", "A-B"], "1m", to_datetime(BEGIN), config=CONFIG) as feed,
        ):
            raises, leaves = feed.observe(), feed.observe()
            async with asyncio.TaskGroup() as group:
                group.create_task(read(feed, "fast"))
                group.create_task(read(feed.observe(), "slow"))
                group.create_task(again(feed.observe(), "cancelled"))
                with pytest.raises(ValueError, match="own fault"):
                    await read(raises, "raises")
                await anext(leaves)
                await leaves.aclose()
                assert [each async for each in leaves] == []
            await read_on(raises, readers["raises"])
        for name, reader in readers.items():
            for symbol in ("A-A", "A-B"):
                reader.compare(symbol, BEGIN, BASE + 540)
            assert reader.verdict.clean, (name, reader.verdict)
        assert readers["fast"].verdict.silent <= 30

    async def read_on(source: Any, reader: Reader) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                async for update in source:
                    reader.take(update)

    run_following(main)
