"""What is SQLite's own: the file, its versions, its neighbours."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.errors import RequestError, SchemaError, StoreError
from rxcandles.model import Row
from rxcandles.model.claims import Absence
from rxcandles.model.timeframe import Timeframe
from rxcandles.modes.connect import connect
from rxcandles.ports import Covered, Series
from rxcandles.stores import SqliteStore
from rxcandles.stores.sql.connection import Durability
from rxcandles.stores.sqlite.schema import APPLICATION_ID, VERSION

MINUTE = Timeframe.of("1m")
ROW = Row(300, 100.0, 102.0, 98.0, 101.0, 1.25, 125.5, 359_000)


async def test_durable(tmp_path: Path) -> None:
    """What was written is there when the file is opened again, in WAL."""
    path = tmp_path / "candles.db"
    async with SqliteStore(path) as store:
        await store.write("KRW-BTC", MINUTE, [ROW], (300, 360))
    async with SqliteStore(path) as store:
        assert await store.rows("KRW-BTC", MINUTE, 0, 1000, "newest_first", 9) == [ROW]
        assert await store.coverage("KRW-BTC", MINUTE, 0, 1000) == [Covered(300, 360, 1)]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()


async def test_readable_with_a_sql_shell(tmp_path: Path) -> None:
    """Views with names and times are there for people."""
    path = tmp_path / "candles.db"
    async with SqliteStore(path) as store:
        await store.write("KRW-BTC", MINUTE, [ROW], (300, 360))
    connection = sqlite3.connect(path)
    assert connection.execute(
        "SELECT symbol, timeframe, open_time_utc, open_time_kst, close FROM candles_readable"
    ).fetchall() == [("KRW-BTC", "1m", "1970-01-01 00:05:00", "1970-01-01 09:05:00", 101.0)]
    assert connection.execute("SELECT symbol, start_utc, stop_utc, rows FROM coverage_readable").fetchall() == [
        ("KRW-BTC", "1970-01-01 00:05:00", "1970-01-01 00:06:00", 1)
    ]
    connection.close()


async def test_exchanges_apart(tmp_path: Path) -> None:
    """Two exchanges in one file don't mix."""
    path = tmp_path / "candles.db"
    async with SqliteStore(path) as upbit, SqliteStore(path, exchange="simulated") as simulated:
        await upbit.write("KRW-BTC", MINUTE, [ROW], (300, 360))
        assert await simulated.count("KRW-BTC", MINUTE, 0, 1000) == 0
        await simulated.write("KRW-BTC", MINUTE, [], (0, 60))
        assert await upbit.series() == [Series("simulated", "KRW-BTC", "1m"), Series("upbit", "KRW-BTC", "1m")]


async def test_foreign_database_is_refused(tmp_path: Path) -> None:
    """Another program's database is not written to."""
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    before = path.read_bytes()
    connection.close()
    with pytest.raises(SchemaError, match="another program's"):
        await SqliteStore.open(path)
    assert path.read_bytes() == before


async def test_readers_errors(tmp_path: Path) -> None:
    """What goes wrong for a synchronous reader is a StoreError too."""
    path = tmp_path / "candles.db"
    async with SqliteStore(path) as store:
        await store.write("KRW-BTC", MINUTE, [ROW], (300, 360))
        reader = store.reader("KRW-BTC", MINUTE)
        connection = sqlite3.connect(path)
        connection.execute("DROP TABLE candles")
        connection.close()
        with pytest.raises(StoreError, match="no such table"):
            reader.count(0, 1000)


async def test_reopened_on_another_file(tmp_path: Path) -> None:
    """A store that is opened again knows nothing of the file it had before."""
    path = tmp_path / "candles.db"
    store = SqliteStore(path)
    for _ in range(2):
        async with store:
            await store.write("KRW-ETH", MINUTE, [], (300, 360))
            await store.write("KRW-BTC", MINUTE, [ROW], (300, 360))
            assert len(await store.series()) == 2
        path.unlink()


@pytest.mark.parametrize(("durability", "level"), [("normal", 1), ("full", 2)])
async def test_durability(tmp_path: Path, durability: Durability, level: int) -> None:
    """What a power cut may cost is SQLite's own setting, also through ``connect``; anything else is refused."""
    async with SqliteStore(tmp_path / "one.db", durability=durability) as store:
        assert await store._open.rows("PRAGMA synchronous") == [(level,)]
    async with connect(tmp_path / "two.db", "simulated", durability=durability) as provider:
        repository: Any = provider.repository
        assert await repository._open.rows("PRAGMA synchronous") == [(level,)]
    for refused in (SqliteStore, connect):
        with pytest.raises(RequestError, match="durability is 'half'; take 'normal' or 'full'"):
            refused(tmp_path / "three.db", durability="half")  # type: ignore[operator]
    with pytest.raises(RequestError, match="busy_timeout is -1; take seconds from 0"):
        SqliteStore(tmp_path / "three.db", busy_timeout=-1)


async def test_no_folder(tmp_path: Path) -> None:
    """A folder that does not exist is a StoreError that says what to check."""
    with pytest.raises(StoreError, match="check that its folder exists"):
        await SqliteStore.open(tmp_path / "absent" / "candles.db")


def test_no_thread_outlives_a_failed_opening(tmp_path: Path) -> None:
    """A loop that ends right after an opening has failed is not reported to by the connection's thread."""
    for _ in range(100):
        with pytest.raises(StoreError):
            asyncio.run(SqliteStore.open(tmp_path / "absent" / "candles.db"))


@pytest.mark.parametrize("path", ["", None, 3, "a\0b"])
def test_bad_paths(path: object) -> None:
    """A path that can't be one is refused."""
    with pytest.raises(RequestError, match="path is"):
        SqliteStore(path)  # type: ignore[arg-type]


async def test_two_writers(tmp_path: Path) -> None:
    """Two connections that write the same and neighbouring spans at once end with one whole ledger."""
    path = tmp_path / "candles.db"
    async with SqliteStore(path) as one, SqliteStore(path) as other:

        async def fill(store: SqliteStore, first: int) -> None:
            for page in range(first, 40, 1):
                rows = [ROW._replace(open_time=slot * 60) for slot in range(page * 10, page * 10 + 10)]
                await store.write("KRW-BTC", MINUTE, rows, (page * 600, page * 600 + 600))

        await asyncio.gather(fill(one, 0), fill(other, 10))
        assert await one.coverage("KRW-BTC", MINUTE, 0, 10**6) == [Covered(0, 40 * 600, 400)]
        assert await other.count("KRW-BTC", MINUTE, 0, 10**6) == 400


async def test_half_written_migration_is_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails leaves the file as it was."""
    from rxcandles.stores.sqlite import connection as module

    path = tmp_path / "candles.db"
    with monkeypatch.context() as patch:
        patch.setattr(module, "MIGRATIONS", (("CREATE TABLE series (id)", "CREATE NONSENSE"),))
        with pytest.raises(StoreError, match="NONSENSE"):
            await SqliteStore.open(path)
    async with SqliteStore(path) as store:
        assert await store.series() == []


async def test_migrations_run_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older file is brought up to date with its data."""
    from rxcandles.stores.sqlite import connection as module
    from rxcandles.stores.sqlite import header

    path = tmp_path / "candles.db"
    async with SqliteStore(path) as store:
        await store.write("KRW-BTC", MINUTE, [ROW], (300, 360))
    monkeypatch.setattr(module, "MIGRATIONS", (*module.MIGRATIONS, ("CREATE TABLE added (x)",)))
    monkeypatch.setattr(module, "VERSION", VERSION + 1)
    monkeypatch.setattr(header, "VERSION", VERSION + 1)
    async with SqliteStore(path) as store:
        assert await store.count("KRW-BTC", MINUTE, 0, 1000) == 1
    async with SqliteStore(path):
        pass
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("SELECT count(*) FROM added").fetchone() == (0,)
    connection.close()


@settings(deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False), time=st.integers(0, 4_000_000_000))
def test_floats_survive(value: float, time: int) -> None:
    """Every float64 comes back bit for bit."""

    async def scenario() -> None:
        async with SqliteStore(":memory:") as store:
            written = Row(time, value, value, value, value, value, value, time * 1000)
            await store.write("KRW-BTC", MINUTE, [written], (time, time + 1))
            (read,) = await store.rows("KRW-BTC", MINUTE, time, time + 1, "newest_first", 1)
            assert [each.hex() if isinstance(each, float) else each for each in read[:8]] == [
                (each + 0.0).hex() if isinstance(each, float) else each for each in written[:8]
            ]

    with asyncio.Runner() as runner:
        runner.run(scenario())


@pytest.mark.parametrize("late", [False, True])
async def test_a_candle_that_forms_elsewhere_replaces_nothing(late: bool) -> None:
    """With a ``timestamp`` that tells nothing: below a doubtful head less volume is an earlier state of the candle.

    Anywhere else the newest answer counts, whatever it says.
    """
    head = [Absence("head", 360, 600, 120, 3600)]
    forming = ROW._replace(volume=0.5, close=100.5)
    async with SqliteStore(":memory:") as store:
        await store.write("KRW-BTC", MINUTE, [ROW], (300, 360))
        written = await store.write("KRW-BTC", MINUTE, [forming], (300, 600 if late else 360), head if late else [])
        assert await store.rows("KRW-BTC", MINUTE, 0, 1000, "newest_first", 9) == [ROW if late else forming]
        assert len(written.revised) == (0 if late else 1)
