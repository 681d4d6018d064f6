"""A sync may end at any step; what it leaves claims nothing that is not there, and the next one does the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles import lake
from rxcandles.lake.manifest import read_manifest
from rxcandles.lake.target import _Folder, target_at
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import END
from rxcandles.ports import Series
from rxcandles.stores import SqliteStore
from tests.support.fakes import row
from tests.support.lakes import APRIL, FEBRUARY, HOUR, JANUARY, MARCH, Killed, Steps, files_in, lake_rows

BTC = Series("upbit", "KRW-BTC", "60m")
MONTHS = (JANUARY, FEBRUARY, MARCH, APRIL)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


async def change(store: SqliteStore, kind: str, month: int, hour: int) -> None:
    """One thing that can happen to a month of the store."""
    start = month + 3600 * hour
    span = (start, start + 7200)
    if kind == "write":
        await store.write("KRW-BTC", HOUR, [row(start)], span)
    elif kind == "revise":
        await store.write("KRW-BTC", HOUR, [row(start)._replace(volume=hour + 2.5)], span, gone=[])
    elif kind == "remove":
        await store.write("KRW-BTC", HOUR, [], span, gone=[start])
    else:
        await store.write("KRW-BTC", HOUR, [row(start + 3600)], span, impossible={start: "it is impossible"})


async def opens(store: SqliteStore) -> set[int]:
    """The open times of all candles of the store."""
    return {each.open_time for each in await store.rows("KRW-BTC", HOUR, 0, END, "oldest_first", 10_000)}


def check_truth(folder: Path, sure: set[int]) -> None:
    """Of what the manifest calls covered, the lake has every candle that the store has had all the time."""
    manifest = read_manifest(target_at(folder), BTC)
    covered = manifest.evidence.covered if manifest else SpanSet()
    assert {each for each in sure if each in covered} <= {each.open_time for each in lake_rows(folder)}


async def check_equal(store: SqliteStore, folder: Path) -> None:
    """The lake is the store."""
    manifest = read_manifest(target_at(folder), BTC)
    assert manifest is not None
    assert lake_rows(folder) == await store.rows("KRW-BTC", HOUR, 0, END, "oldest_first", 10_000)
    assert (
        list(manifest.evidence.covered) == [each.span for each in await store.coverage("KRW-BTC", HOUR, 0, END)][::-1]
    )
    assert (await lake.verify(store, folder)).findings == ()


CHANGE = st.tuples(
    st.sampled_from(["write", "revise", "remove", "impossible"]), st.sampled_from(MONTHS), st.integers(0, 3)
)


@settings(max_examples=8, deadline=None)
@given(rounds=st.lists(st.tuples(st.lists(CHANGE, min_size=1, max_size=6), st.none() | st.integers(0, 12)), max_size=4))
def test_kills_and_changes(runner: asyncio.Runner, rounds: list[Any]) -> None:
    """Changes, then a sync that ends at some step, several times: a last sync makes the lake equal to the store."""

    async def play(folder: Path, steps: Steps) -> None:
        async with SqliteStore(":memory:") as store:
            await change(store, "write", JANUARY, 0)
            sure = set[int]()
            for changes, last in rounds:
                for each in changes:
                    await change(store, *each)
                sure &= await opens(store)
                steps.done, steps.last = 0, last
                try:
                    await lake.sync(store, folder)
                except Killed:
                    check_truth(folder, sure)
                else:
                    await check_equal(store, folder)
                    sure = await opens(store)
            steps.last = None
            await lake.sync(store, folder)
            await check_equal(store, folder)

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        runner.run(play(Path(folder), Steps(patch, _Folder)))


def test_each_step(runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before each of its steps in turn, a sync that writes, replaces and removes is made good by the next."""
    steps = Steps(monkeypatch, _Folder)

    async def play(last: int | None, folder: Path) -> int:
        async with SqliteStore(":memory:") as store:
            steps.last = None
            await change(store, "write", JANUARY, 0)
            await change(store, "write", FEBRUARY, 0)
            await lake.sync(store, folder)
            await change(store, "remove", JANUARY, 0)
            await change(store, "revise", FEBRUARY, 0)
            await change(store, "write", MARCH, 0)
            steps.done, steps.last = 0, last
            if last is not None:
                with pytest.raises(Killed):
                    await lake.sync(store, folder)
                check_truth(folder, {FEBRUARY})
                steps.last = None
            await lake.sync(store, folder)
            await check_equal(store, folder)
        return steps.done

    number = runner.run(play(None, tmp_path / "all"))
    assert number == 3 * 4 + 2 + 3, "two files and a manifest after each, a removal, the last manifest"
    for last in range(0, number, 2):
        runner.run(play(last, tmp_path / str(last)))


def test_two_at_once(runner: asyncio.Runner, tmp_path: Path) -> None:
    """Two syncs of one series at once, while candles come, end in a lake that a third one makes equal to the store."""

    async def play() -> None:
        async with SqliteStore(":memory:") as store:
            for month in MONTHS:
                await change(store, "write", month, 0)
            one, other = (asyncio.ensure_future(lake.sync(store, tmp_path)) for _ in range(2))
            for month in MONTHS:
                await change(store, "revise", month, 0)
            await asyncio.gather(one, other)
            await lake.sync(store, tmp_path)
            await check_equal(store, tmp_path)

    runner.run(play())


def test_cancelled(runner: asyncio.Runner, tmp_path: Path) -> None:
    """A cancelled sync has ended when the cancellation arrives, and leaves no unfinished file."""

    async def play() -> None:
        async with SqliteStore(":memory:") as store:
            for month in MONTHS:
                await change(store, "write", month, 0)
            for turns in range(1, 40, 6):
                task = asyncio.ensure_future(lake.sync(store, tmp_path))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert not [name for name in files_in(tmp_path) if name.endswith(".part")]
            await lake.sync(store, tmp_path)
            await check_equal(store, tmp_path)

    runner.run(play())
