"""Many readings of a store in one visit of its thread."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path

import pytest

import rxcandles
from rxcandles import Row, SqliteStore, Timeframe
from rxcandles.cli.coverage_table import Layout
from rxcandles.errors import StoreError
from rxcandles.stores.overview import SeriesOverview, overview
from rxcandles.stores.sqlite.connection import Connection

MINUTE = Timeframe.of("1m")


async def filled(store: SqliteStore, series: int) -> None:
    for number in range(series):
        await store.write(f"KRW-{number:03}", MINUTE, [Row(600, 5, 5, 5, 5, 5, 5, 5)], (600, 660))


async def test_what_is_read_there(tmp_path: Path) -> None:
    """A visit returns what the work returns, raises what it raises, and all of it runs in one other thread."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        await filled(store, 2)

        async def look(inside: SqliteStore) -> tuple[list[object], str]:
            rows = [await inside.rows(f"KRW-{at:03}", MINUTE, 0, 1000, "oldest_first", 5) for at in range(2)]
            return [rows, await inside.series()], threading.current_thread().name

        found, thread = await store.visit(look)
        assert found == [
            [await store.rows(f"KRW-{at:03}", MINUTE, 0, 1000, "oldest_first", 5) for at in range(2)],
            await store.series(),
        ]
        assert thread != threading.current_thread().name

        async def broken(inside: SqliteStore) -> None:
            await inside._open.rows("SELECT 1 FROM nowhere")

        with pytest.raises(StoreError, match="no such table|tables are not"):
            await store.visit(broken)

        async def waiting(inside: SqliteStore) -> None:
            await asyncio.sleep(0)

        with pytest.raises(RuntimeError, match="may wait for nothing but that store"):
            await store.visit(waiting)
        assert len(await store.series()) == 2  # which is as it was
    with pytest.raises(StoreError, match="is closed"):
        await store.visit(look)


async def test_a_cancelled_visit_ends(tmp_path: Path) -> None:
    """At its next reading, so that whoever uses the store then does not wait for all of it."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        begun, go, readings = threading.Event(), threading.Event(), 0

        async def long(inside: SqliteStore) -> None:
            nonlocal readings
            while True:
                await inside.series()
                readings += 1
                begun.set()
                go.wait()

        task = asyncio.create_task(store.visit(long))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        assert await store.series() == []
        assert readings == 1


async def test_an_overview_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """250 series are looked at in a few visits, and each cell of their table is written once."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        await filled(store, 250)
        calls: Counter[str] = Counter()
        call = Connection.call

        async def counted(self: Connection, *arguments: object, **named: object) -> object:
            calls["visits"] += 1
            return await call(self, *arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(Connection, "call", counted)
        found = await overview(store)
        assert [each.series.symbol for each in found] == [f"KRW-{number:03}" for number in range(250)]
        assert calls["visits"] <= 6
    read = property(lambda self: calls.update(["size"]) or 7)
    monkeypatch.setattr(SeriesOverview, "size", read)
    layout = Layout(dict.fromkeys(found, (0, 60_000)), 300)
    assert len([*layout.lines([[]] * 250, blocks=True, width=300)]) == 254
    assert calls["size"] <= 4 * 250  # and as often where a series is looked up


async def test_twice_the_same(tmp_path: Path) -> None:
    """The public overview and the coverage of each agree, however many there are."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        await filled(store, 101)
        for each in await rxcandles.overview(store):
            assert (each.candles, each.missing, each.holes) == (1, 0, 0)
