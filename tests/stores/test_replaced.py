"""The file is deleted, moved or replaced while it is open, or what lies beside it: nothing is lost without a word."""

from __future__ import annotations

import asyncio
import filecmp
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rxcandles.errors import StoreError
from rxcandles.model.timeframe import Timeframe
from rxcandles.stores import SqliteStore
from tests.support.children import MODES
from tests.support.trouble import COUNT, STORED, TO, Bench

modes = pytest.mark.parametrize("mode", MODES)
MINUTE = Timeframe.of("1m")
SAID = "was deleted, moved or replaced while it was open; .* open the store again, and the same request brings the rest"
ALL = ("", "-wal", "-shm")


def delete(*suffixes: str) -> Callable[[Path], None]:
    def strike(path: Path) -> None:
        for suffix in suffixes:
            Path(f"{path}{suffix}").unlink()

    return strike


def move(*suffixes: str) -> Callable[[Path], None]:
    def strike(path: Path) -> None:
        for suffix in suffixes:
            Path(f"{path}{suffix}").rename(f"{path.with_name('moved.db')}{suffix}")

    return strike


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def replace(path: Path) -> None:
    path.with_name("another.db").rename(path)


def replace_wal(path: Path) -> None:
    path.with_name("another.db-wal").touch()
    path.with_name("another.db-wal").rename(f"{path}-wal")


STRIKES: dict[str, tuple[Callable[[Path], None], str]] = {
    # what is done, and where everything is afterwards
    "deleted": (delete(""), ""),
    "deleted with all": (delete(*ALL), ""),
    "moved": (move(""), "moved.db"),
    "moved with all": (move(*ALL), "moved.db"),
    "moved with its folder": (move_folder, "../moved/candles.db"),
    "replaced": (replace, ""),
    "its wal deleted": (delete("-wal"), "candles.db"),
    "its shm deleted": (delete("-shm"), "candles.db"),
    "both deleted": (delete("-wal", "-shm"), "candles.db"),
    "its wal replaced": (replace_wal, "candles.db"),
}


@modes
@pytest.mark.parametrize("case", STRIKES)
async def test_while_collecting(bench: Bench, stored: Path, case: str, mode: str, tmp_path: Path) -> None:
    """It is an error before long; what had been stored is in what was the file, and what is there now is as it was."""
    strike, left = STRIKES[case]
    bench.path = tmp_path / "folder" / "candles.db"
    bench.path.parent.mkdir()
    shutil.copy(stored, bench.path.with_name("another.db"))

    async def struck(_: SqliteStore) -> None:
        while bench.told < 30:  # the first page is stored
            await asyncio.sleep(0)
        strike(bench.path)

    with pytest.raises(StoreError, match=rf"candles\.db(-wal|-shm)? {SAID}"):
        await bench.run(mode, {3: struck})
    assert bench.simulator.stats.requests <= 9
    assert bench.told >= 30
    bench.path.parent.mkdir(exist_ok=True)
    if left:
        shutil.copy(bench.path.parent / left, tmp_path / "whole.db")  # by itself, without a -wal
        assert bench.told <= bench.held(tmp_path / "whole.db") < COUNT
    if case == "replaced":
        assert filecmp.cmp(bench.path, stored, shallow=False)
        assert bench.held() == len(STORED)
    elif left != "candles.db":
        assert not bench.path.exists()
    await bench.completes(mode)


@modes
@pytest.mark.parametrize("strike", [delete(""), replace], ids=["deleted", "replaced"])
async def test_all_was_stored(bench: Bench, stored: Path, strike: Callable[[Path], None], mode: str) -> None:
    """Where everything is stored in a file that is no longer there, that is not what the user is told."""
    shutil.copy(stored, bench.path)
    shutil.copy(stored, bench.path.with_name("another.db"))
    async with SqliteStore(bench.path) as store:
        assert await bench.collect(store, mode) == COUNT
        strike(bench.path)
        with pytest.raises(StoreError, match=SAID):
            await bench.collect(store, mode)
    assert bench.simulator.stats.requests == 0
    await bench.completes(mode)


async def test_while_committing(bench: Bench) -> None:
    """The last page, too, is only said to be stored where its file is still there when it is."""
    async with SqliteStore(bench.path) as store:
        await store.write("KRW-D900", MINUTE, STORED[:100], (STORED[99].open_time, TO))

        def strike(statement: str) -> None:
            if statement == "COMMIT":
                bench.path.unlink()

        await store._open.call(lambda connection: connection.set_trace_callback(strike))
        with pytest.raises(StoreError, match=SAID):
            await store.write("KRW-D900", MINUTE, STORED[100:200], (STORED[199].open_time, STORED[99].open_time))


async def test_nothing_more_goes_there(bench: Bench) -> None:
    """What is written afterwards goes nowhere, not into the file that was moved."""
    async with SqliteStore(bench.path) as store:
        await store.write("KRW-D900", MINUTE, STORED[:100], (STORED[99].open_time, TO))
        move("")(bench.path)
        for _ in range(2):
            with pytest.raises(StoreError, match=SAID):
                await store.write("KRW-D900", MINUTE, STORED[100:200], (STORED[199].open_time, STORED[99].open_time))
    assert bench.held(bench.path.with_name("moved.db")) == 100


@pytest.mark.parametrize("strike", [move(""), delete("-wal")], ids=["moved", "its wal deleted"])
async def test_before_it_is_closed(bench: Bench, strike: Callable[[Path], None]) -> None:
    """What is written last is in the file also where that is moved, or loses its -wal, before it is closed."""
    async with SqliteStore(bench.path) as store:
        await store.write("KRW-D900", MINUTE, STORED[:100], (STORED[99].open_time, TO))
        strike(bench.path)
    moved = bench.path.with_name("moved.db")
    assert bench.held(moved if moved.exists() else None) == 100


async def test_readers(bench: Bench, stored: Path) -> None:
    """A reader reads on in a file that is gone, as nobody changes that; what is put in its place is not mixed in."""
    shutil.copy(stored, bench.path)
    shutil.copy(stored, bench.path.with_name("another.db"))
    async with SqliteStore(bench.path) as store:
        reader = store.reader("KRW-D900", MINUTE)
        bench.path.unlink()
        assert reader.count(0, TO) == len(STORED)
        with pytest.raises(StoreError, match="unable to open database file; .*check that its folder exists"):
            store.reader("KRW-D900", MINUTE)
        assert not bench.path.exists()
        replace(bench.path)
        with pytest.raises(StoreError, match=SAID):
            reader.rows(0, TO, "newest_first", 10)
        with pytest.raises(StoreError, match=SAID):
            store.reader("KRW-D900", MINUTE)


async def test_names_that_need_care(bench: Bench, tmp_path: Path) -> None:
    """Any name of a file is taken as it is, also by readers."""
    for name in ("a b.db", "100%25.db", "what?mode=memory.db", "a#b.db", "캔들.db", "-.db"):
        bench.path = tmp_path / name
        async with SqliteStore(bench.path) as store:
            await store.write("KRW-D900", MINUTE, STORED[:1], (STORED[0].open_time, TO))
            assert store.reader("KRW-D900", MINUTE).count(0, TO) == 1
        assert bench.held() == 1
