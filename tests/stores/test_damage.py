"""A file that is damaged, in part or wholly, closed or open: it is survived, or an error that says what to do.

What is damaged is never taken for what was stored; and what the error says to do, works.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rxcandles.errors import SchemaError, StoreError
from rxcandles.model.timeframe import Timeframe
from rxcandles.stores import SqliteStore
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sqlite import schema
from tests.support.children import MODES
from tests.support.trouble import COUNT, STORED, TO, Bench

modes = pytest.mark.parametrize("mode", MODES)
PAGE = 4096
Damage = Callable[[Path], object]


def overwrite(filling: bytes, share: float = 0.5, size: int = 4 * PAGE) -> Damage:
    """Write over some pages."""

    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(int(path.stat().st_size * share) // PAGE * PAGE)
            file.write((filling * (size // len(filling)))[:size])

    return damage


def cut(size: Callable[[int], int]) -> Damage:
    return lambda path: os.truncate(path, size(path.stat().st_size))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def move_away(path: Path) -> None:
    """As the errors say."""
    for suffix in ("", "-wal"):
        beside = Path(f"{path}{suffix}")
        if beside.exists():
            beside.rename(beside.with_name(f"damaged{suffix}"))


MALFORMED = "database disk image is malformed; it is damaged; restore a copy, or move it away"
NONE = "file is not a database; it is no SQLite database, or a damaged one; name another file, or restore a copy"
RUBBISH = random.Random(1).randbytes(PAGE)
DAMAGES: dict[str, tuple[Damage, str]] = {
    "zeros in the middle": (overwrite(b"\0"), MALFORMED),
    "ones in the middle": (overwrite(b"\xff"), MALFORMED),
    "rubbish in the middle": (overwrite(RUBBISH), MALFORMED),
    "rubbish at the end": (overwrite(RUBBISH, 0.9, 20 * PAGE), MALFORMED),
    "rubbish at the beginning": (overwrite(RUBBISH, 0.0, PAGE), NONE),
    "half of it": (cut(lambda size: size // 2), MALFORMED),
    "one page": (cut(lambda size: PAGE), MALFORMED),
    "all but a page": (cut(lambda size: size - PAGE), MALFORMED),
    "all but a byte": (cut(lambda size: size - 1), "it has been cut short; it is damaged; restore a copy"),
    "not even the header": (cut(lambda size: 60), MALFORMED),
    "another kind of file": (lambda path: path.write_text("time,open,high\n" * 999), NONE),
    "a short text": (lambda path: path.write_text("candles"), NONE),
    "a folder": (folder, "unable to open database file; name a file, not a folder; check"),
}


@modes
@pytest.mark.parametrize("case", DAMAGES)
async def test_closed(bench: Bench, stored: Path, case: str, mode: str) -> None:
    """What is wrong is said at the latest when it is read, and what to do; moved away, everything comes anew."""
    damage, said = DAMAGES[case]
    shutil.copy(stored, bench.path)
    damage(bench.path)
    with pytest.raises(StoreError) as caught:
        await bench.run(mode, count=2500)
    assert str(caught.value).startswith(f"{bench.path}: {said}")
    move_away(bench.path)
    await bench.completes(mode)


async def test_empty(bench: Bench) -> None:
    """An empty file becomes a database."""
    bench.path.touch()
    await bench.completes("collection")


@modes
@pytest.mark.parametrize(
    ("damage", "said"),
    [(overwrite(b"\xff"), MALFORMED), (overwrite(b"\0"), MALFORMED), (cut(lambda size: size // 2), MALFORMED)],
    ids=["ones", "zeros", "half of it"],
)
async def test_open(bench: Bench, stored: Path, damage: Damage, said: str, mode: str) -> None:
    """A file that is damaged while it is open is an error too."""
    shutil.copy(stored, bench.path)
    async with SqliteStore(bench.path) as store:
        damage(bench.path)
        with pytest.raises(StoreError) as caught:
            await bench.collect(store, mode, count=2500)
        assert str(caught.value).startswith(f"{bench.path}: {said}")
    move_away(bench.path)
    await bench.completes(mode)


# The -wal


async def fill(store: SqliteStore, pages: int = 20) -> None:
    """Write some pages, the newer half of which is only in the -wal afterwards."""
    for page in range(pages):
        rows = STORED[page * 30 : page * 30 + 30]
        newer = STORED[page * 30 - 1].open_time if page else TO
        await store.write("KRW-D900", Timeframe.of("1m"), rows, (rows[-1].open_time, newer))
        if page == pages // 2:
            await store._open.rows("PRAGMA wal_checkpoint(TRUNCATE)")


WAL_DAMAGES: dict[str, Damage] = {
    "gone": Path.unlink,
    "empty": cut(lambda size: 0),
    "half": cut(lambda size: size // 2),
    "its header": overwrite(b"\xff", 0.0, 32),
    "not of it": overwrite(b"\xff", 0.0, 0),
    **{f"a byte at {share}": overwrite(b"\xa5", share, 1) for share in (0.1, 0.4, 0.7, 0.99)},
    **{f"cut at {share}": cut(lambda size, share=share: int(size * share)) for share in (0.02, 0.3, 0.6, 0.97)},  # type: ignore[misc]
}


@pytest.mark.parametrize("case", WAL_DAMAGES)
async def test_wal_after_a_kill(bench: Bench, case: str, tmp_path: Path) -> None:
    """What a killed process left in the -wal may be damaged: what is lost then is lost with its proof."""
    path = tmp_path / "killed.db"
    async with SqliteStore(path) as store:
        await fill(store)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{bench.path}{suffix}")
    WAL_DAMAGES[case](Path(f"{bench.path}-wal"))
    assert await bench.run("storage-only") == COUNT
    assert 11 * 30 <= bench.held() <= 20 * 30
    await bench.completes("collection")


@modes
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (overwrite(b"\xff", 0.2, 12 * PAGE), "database disk image is malformed; it is damaged"),
        (cut(lambda size: size // 2), "disk I/O error (SQLITE_IOERR_SHORT_READ); the disk is full, failing or gone"),
    ],
    ids=["ones", "half of it"],
)
async def test_wal_while_open(bench: Bench, damage: Damage, said: str, mode: str) -> None:
    """A -wal that is damaged while it is open is an error for whoever reads it then."""
    async with SqliteStore(bench.path) as store:
        await fill(store)
        damage(Path(f"{bench.path}-wal"))
        with pytest.raises(StoreError) as caught:
            await bench.run(mode, count=700)
        assert str(caught.value).startswith(f"{bench.path}: {said}")
    move_away(bench.path)
    await bench.completes(mode)


# Versions


async def test_newer_version(bench: Bench, stored: Path) -> None:
    """A file of a newer version is refused, with an error that says what to do, and not touched."""
    shutil.copy(stored, bench.path)
    with closing(sqlite3.connect(bench.path)) as database:
        database.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = bench.path.read_bytes()
    with pytest.raises(
        SchemaError, match=rf"version {schema.VERSION + 1}, this rxcandles knows {schema.VERSION}; upgrade"
    ):
        await bench.run("storage-only")
    assert bench.path.read_bytes() == before
    assert [path.name for path in bench.path.parent.iterdir()] == [bench.path.name]


VIEW_OF_VERSION_1 = (
    f"CREATE VIEW page AS SELECT series, {', '.join(COLUMNS)}, 0 AS last FROM candles WHERE 0",
    """
    CREATE TRIGGER page_candle INSTEAD OF INSERT ON page WHEN NEW.open IS NOT NULL BEGIN
        INSERT INTO candles (series, open_time) VALUES (NEW.series, NEW.open_time);
    END
    """,
    """
    CREATE TRIGGER page_end INSTEAD OF INSERT ON page WHEN NEW.open IS NULL AND NEW.last = 1 BEGIN
        UPDATE coverage SET rows = rows + (
            SELECT count(*) FROM candles WHERE series = NEW.series
            AND open_time >= NEW.open_time AND open_time < NEW.timestamp
        ) WHERE series = NEW.series AND start <= NEW.open_time AND stop >= NEW.timestamp;
    END
    """,
)
"""What was written through then, shortened where nobody looks."""


@modes
@pytest.mark.parametrize("key", ["open_time DESC", "open_time"])
async def test_older_version(bench: Bench, key: str, mode: str) -> None:
    """A file of version 1, of either order, is brought up to date with all its data, and goes on."""
    with closing(sqlite3.connect(bench.path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        for statement in (*schema.MIGRATIONS[0], *VIEW_OF_VERSION_1):
            database.execute(statement.replace("PRIMARY KEY (series, open_time DESC)", f"PRIMARY KEY (series, {key})"))
        database.execute("INSERT INTO series VALUES (7, 'upbit', 'KRW-D900', '1m')")
        slots = ", ".join("?" * len(COLUMNS))
        database.executemany(f"INSERT INTO candles VALUES (7, {slots})", STORED[:200])
        database.execute("INSERT INTO coverage VALUES (7, ?, ?, 200)", (STORED[199].open_time, TO))
        database.execute("PRAGMA user_version = 1")
        database.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        database.commit()
    async with SqliteStore(bench.path) as store:
        assert await store.rows("KRW-D900", Timeframe.of("1m"), 0, TO, "newest_first", 999) == STORED[:200]
    assert bench.held() == 200
    assert await bench.run(mode) == COUNT
    # One more for a gap that is unlikely enough to be asked about again.
    assert bench.simulator.stats.requests == -(-(COUNT - 200) // 30) + 1
    await bench.completes(mode)
    with closing(sqlite3.connect(bench.path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert database.execute("SELECT name FROM sqlite_master WHERE name LIKE 'page%'").fetchall() == []
