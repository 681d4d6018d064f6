"""A disk that is full or fails, a file that may not be written to or is locked: survived, or an error with what to do.

Afterwards the ledger is true, nothing that was stored is lost, and the same request brings the rest.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from rxcandles.errors import StoreError
from rxcandles.stores import SqliteStore
from rxcandles.stores.sqlite import connection as connection_module
from tests.support.children import FORKED, MODES, Job
from tests.support.neighbours import as_nobody, writing
from tests.support.trouble import COUNT, STORED, Bench

modes = pytest.mark.parametrize("mode", MODES)


# The disk


def may_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


async def no_more_pages(store: SqliteStore) -> None:
    """SQLite itself takes the database for full."""
    ((pages,),) = await store._open.rows("PRAGMA page_count")
    await store._open.rows(f"PRAGMA max_page_count = {pages + 1}")


@modes
async def test_no_room(bench: Bench, mode: str) -> None:
    """A database that may not grow is an error that says so; the same store goes on when it may."""
    async with SqliteStore(bench.path) as store:
        with pytest.raises(StoreError, match=r"candles\.db: database or disk is full; .*make room and ask again"):
            await bench.collect(store, mode, {4: no_more_pages})
        assert bench.told <= bench.held() < COUNT
        await store._open.rows("PRAGMA max_page_count = 1000000")
        assert await bench.collect(store, mode) == COUNT
    await bench.completes(mode)


@pytest.mark.parametrize("mode", MODES if may_mount() else ())
async def test_disk_full(bench: Bench, mode: str, tmp_path: Path) -> None:
    """The same on a real disk, where one may be made; also what opens a file on it is told."""
    with small_disk(tmp_path / "small") as folder:
        bench.path = folder / "candles.db"
        filler = folder / "filler"

        async def fill(_: SqliteStore) -> None:
            descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                while True:
                    os.write(descriptor, b"x" * 4096)
            os.close(descriptor)

        with pytest.raises(StoreError, match=r"candles\.db: .*make room"):
            await bench.run(mode, {4: fill})
        with pytest.raises(StoreError, match=r"candles\.db: .*make room"):
            await bench.run(mode)
        filler.unlink()
        assert bench.told <= bench.held() < COUNT
        await bench.completes(mode)


@modes
async def test_io_error(bench: Bench, mode: str) -> None:
    """A write that the system refuses is an error that names the disk; when it is well again all goes on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def refuse(_: SqliteStore) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(f"{bench.path}-wal").st_size, before[1]))

    try:
        with pytest.raises(StoreError, match=r"candles\.db: disk I/O error \(SQLITE_IOERR_WRITE\); .*mend the disk"):
            await bench.run(mode, {4: refuse})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert bench.told <= bench.held() < COUNT
    await bench.completes(mode)


# Permissions

DENIED = {
    # whether it exists, the mode of the file and of its folder, and what is said
    "a file that is read only": (True, 0o444, 0o777, "attempt to write a readonly database; .*check the permissions"),
    "a folder that is read only": (True, 0o666, 0o555, "attempt to write a readonly database; .*check the permissions"),
    "a file that is not ours": (True, 0o600, 0o777, "unable to open database file; .*may be written to"),
    "a folder that is not ours": (True, 0o666, 0o700, "unable to open database file; .*may be written to"),
    "a new file where none may be": (False, 0, 0o555, "unable to open database file; .*may be written to"),
}


@contextmanager
def another_users(bench: Bench, stored: Path | None, file_mode: int, folder_mode: int) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        bench.path = Path(folder, "candles.db")
        if stored is not None:
            shutil.copy(stored, bench.path)
            bench.path.chmod(file_mode)
        Path(folder).chmod(folder_mode)
        yield
        Path(folder).chmod(0o700)


async def nobody_does(job: Job) -> str:
    with ProcessPoolExecutor(1, FORKED) as pool:
        return await asyncio.wrap_future(pool.submit(as_nobody, job))


@modes
@pytest.mark.parametrize("case", DENIED)
async def test_denied(bench: Bench, stored: Path, case: str, mode: str) -> None:
    """Who may not write is told so, and nothing is changed."""
    exists, file_mode, folder_mode, said = DENIED[case]
    with another_users(bench, stored if exists else None, file_mode, folder_mode):
        told = await nobody_does(bench.job(mode, 2500))
        assert re.fullmatch(rf"StoreError: {bench.path}: {said}.*", told), told
        assert not exists or bench.held() == len(STORED)


@modes
@pytest.mark.parametrize("folder", [0o777, 0o555])
async def test_read_only_is_read(bench: Bench, stored: Path, mode: str, folder: int) -> None:
    """What is stored in a file that may not be written to, or in such a folder, can be had all the same."""
    with another_users(bench, stored, 0o444, folder):
        assert await nobody_does(bench.job(mode)) == f"collected {COUNT}"


# Locks


@modes
@pytest.mark.parametrize("long", [True, False])
async def test_locked(bench: Bench, mode: str, long: bool) -> None:
    """Another process's write that lasts longer than we wait is an error that says so; a shorter one is nothing."""
    with ExitStack() as stack:

        async def lock(_: SqliteStore) -> None:
            over.append(stack.enter_context(writing(bench.path)))
            if not long:
                asyncio.get_running_loop().call_later(0.05, over[0])

        over: list[Callable[[], None]] = []
        if long:
            with pytest.raises(StoreError, match=r"candles\.db: database is locked; .*wait .* or raise busy_timeout"):
                await bench.run(mode, {4: lock}, busy_timeout=0.05)
            over[0]()
            assert bench.told <= bench.held() < COUNT
        else:
            assert await bench.run(mode, {4: lock}) == COUNT
    await bench.completes(mode)


async def test_made_by_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another connection is just about to make is waited for; SQLite itself would not, here."""
    path = tmp_path / "candles.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        other.execute("COMMIT")

    monkeypatch.setattr(connection_module, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    async with SqliteStore(path) as store:
        assert await store.series() == []
    assert len(waited) == 1
    other.close()


async def test_no_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a folder for temporary files, a store without a file says what to do; one with a file needs none."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(StoreError, match="make room, or set TMPDIR"):
        await SqliteStore.open(":memory:")
    async with SqliteStore(tmp_path / "candles.db") as store:
        assert await store.series() == []
