"""Frames from copies of months: what is copied when, and that nobody sees anything of it but the speed."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pytest

import rxcandles
from rxcandles.errors import RequestError
from rxcandles.interchange.cache.months import stored_batches
from rxcandles.interchange.columns import schema_of
from rxcandles.model import RowWithTrades, row_fields
from rxcandles.stores import SqliteStore
from rxcandles.stores.sqlite import access
from tests.support.fakes import row
from tests.support.quarter import APRIL, FEBRUARY, FRAME, HOUR, JANUARY, MARCH, SYMBOL, change, copied, read


async def test_second_frame(store: SqliteStore, path: Path, fetched: list[int]) -> None:
    """The second frame reads no rows from the database, only what has changed since, and is the same."""
    first = read(store)
    assert fetched == [744, 696, 744]
    assert copied(path) == ["2024-01", "2024-02", "2024-03"]

    fetched.clear()
    assert read(store).equals(first)
    assert rxcandles.to_pandas(rxcandles.stored_candles(store, SYMBOL, FRAME)).shape == (2184, 7)
    assert fetched == []

    await change(store, FEBRUARY, 5.0)
    second = read(store)
    assert fetched == [696]
    assert second["close"][744].as_py() == 5.0
    assert read(store, FEBRUARY + HOUR, FEBRUARY + 3 * HOUR).equals(second.slice(745, 2))


async def test_everything_that_makes_frames(store: SqliteStore, path: Path, fetched: list[int]) -> None:
    """Every kind of frame comes from copies, also of a part and newest first; but not one of every other candle."""
    table = read(store)
    fetched.clear()
    newest = rxcandles.stored_candles(store, SYMBOL, FRAME, order="newest_first")
    assert rxcandles.to_arrow(newest).equals(table)
    assert rxcandles.to_arrow(newest[300:-300]).equals(table.slice(300, 2184 - 600))
    assert rxcandles.to_polars(newest).equals(rxcandles.to_polars(list(newest)))
    batches = [batch async for batch in rxcandles.in_batches(newest, size=1000)]
    assert [len(batch) for batch in batches] == [1000, 1000, 184]
    assert pyarrow.Table.from_batches(batches).equals(table)
    assert fetched == []
    assert rxcandles.to_arrow(newest[::-2]).equals(table.take(list(range(0, 2184, 2))))


async def test_get_ohlcv(path: Path, fetched: list[int]) -> None:
    """The frame in one line is read from copies, and keeps none if it is told so."""
    asked: dict[str, Any] = {"since": "2024-01-01", "until": "2024-04-01", "db": path}
    without = rxcandles.get_ohlcv(SYMBOL, "60m", **asked, cache=False)
    assert copied(path) == []
    first = rxcandles.get_ohlcv(SYMBOL, "60m", **asked)
    fetched.clear()
    assert first.equals(rxcandles.get_ohlcv(SYMBOL, "60m", **asked))
    assert first.equals(without)
    assert fetched == []


async def test_month_that_is_not_over(
    store: SqliteStore, path: Path, clock: SimpleNamespace, fetched: list[int]
) -> None:
    """A month that is not over is copied at the second time without a change, one that changes all the time never."""
    clock.time = lambda: MARCH + 20 * 24 * HOUR
    for close in (5.0, 6.0, 7.0):
        await change(store, MARCH, close)
        read(store)
        assert copied(path) == ["2024-01", "2024-02", "(2024-03)"]
    read(store)
    assert copied(path) == ["2024-01", "2024-02", "2024-03"]
    fetched.clear()
    assert read(store)["close"][744 + 696].as_py() == 7.0
    assert fetched == []


async def test_month_that_has_changed(store: SqliteStore, path: Path) -> None:
    """A month that had changed since it was read is copied when it is read a second time."""
    read(store)
    await change(store, JANUARY, 5.0)
    read(store)
    assert copied(path) == ["(2024-01)", "2024-02", "2024-03"]
    read(store)
    assert copied(path) == ["2024-01", "2024-02", "2024-03"]


async def test_parts(store: SqliteStore, path: Path, fetched: list[int]) -> None:
    """Most of a month is copied at the second time, with the rest of it; less than half of it never."""
    start, stop = JANUARY + 10 * 24 * HOUR, FEBRUARY + 10 * 24 * HOUR
    table = read(store, start, stop)
    assert copied(path) == ["(2024-01)"]
    assert read(store, start, stop).equals(table)
    assert fetched == [504, 240, 744, 240]
    assert copied(path) == ["2024-01"]
    assert read(store, start, stop).equals(table)


async def test_edges_without_candles(store: SqliteStore, path: Path) -> None:
    """All of a month is read if only slots without a candle are left out."""
    await store.write("KRW-X", FRAME, [row(time) for time in range(FEBRUARY, MARCH, HOUR)][::-1], (JANUARY, APRIL))
    read(store, FEBRUARY - HOUR, MARCH, "KRW-X")
    assert copied(path) == ["2024-02"]
    await store.write(
        "KRW-Y", FRAME, [row(time) for time in range(FEBRUARY + 9 * HOUR, MARCH, HOUR)][::-1], (JANUARY, APRIL)
    )
    read(store, FEBRUARY + 9 * HOUR, APRIL, "KRW-Y")
    assert copied(path) == ["2024-02"] * 2


async def test_quiet_markets_and_long_timeframes(store: SqliteStore, path: Path) -> None:
    """What takes no longer from the database is not copied, and no folder is made."""
    await store.write("KRW-X", FRAME, [row(time) for time in range(JANUARY, APRIL, 5 * HOUR)][::-1], (JANUARY, APRIL))
    assert read(store, symbol="KRW-X").num_rows == 437
    rxcandles.to_arrow(rxcandles.stored_candles(store, SYMBOL, FRAME)[-60:])
    assert not path.with_name("candles.db.cache").exists()


async def test_trades_come_later(store: SqliteStore, path: Path) -> None:
    """A series whose candles have more columns from now on is not read from copies without them."""
    assert read(store).column_names[-1] == "timestamp"
    page = [RowWithTrades(*row(APRIL), 5, 1.5, 2.5)]
    await store.write(SYMBOL, FRAME, page, (APRIL, APRIL + HOUR))
    for _ in range(2):
        table = read(store, stop=APRIL + HOUR)
        assert table["trades"].to_pylist() == [None] * 2184 + [5]


@pytest.mark.parametrize("why", ["no option", "no room", "in memory", "read only", "file", "no Parquet"])
async def test_none(path: Path, why: str, fetched: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept where nobody wants it, or nobody may."""
    beside = path.with_name("candles.db.cache")
    if why == "read only":
        async with SqliteStore(path):
            pass
        monkeypatch.setattr(access, "_may_write", lambda path: False)
    elif why == "file":
        beside.write_text("")
    elif why == "no Parquet":  # as in some builds of pyarrow
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    cache = {"no option": False, "no room": 1}.get(why, True)
    async with SqliteStore(":memory:" if why == "in memory" else path, cache=cache) as store:
        if why == "in memory":
            page = [row(time) for time in range(APRIL - HOUR, JANUARY - HOUR, -HOUR)]
            await store.write(SYMBOL, FRAME, page, (JANUARY, APRIL))
            beside = path.joinpath(f"{store._database}.cache")
        for _ in range(2):
            assert read(store).num_rows == 2184
        assert sum(fetched) == 2 * 2184
        assert list(beside.glob("*")) == []
        assert beside.exists() == (why in ("file", "no room"))


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2GB", None])
def test_refused(wrong: Any, tmp_path: Path) -> None:
    """Other values are refused in a sentence, before anything is made."""
    for make in (SqliteStore, rxcandles.connect, rxcandles.open):
        with pytest.raises(RequestError, match="cache is .*; take True, False, or the most bytes"):
            make(tmp_path / "candles.db", cache=wrong)
    assert list(tmp_path.iterdir()) == []


async def test_imported(store: SqliteStore, path: Path) -> None:
    """With imported candles among them, all are read from the database."""
    candles = rxcandles.stored_candles(store, SYMBOL, FRAME, include_imported=True)
    assert rxcandles.to_arrow(candles)["proven"].to_pylist() == [True] * 2184
    assert not path.with_name("candles.db.cache").exists()


async def test_own_reader() -> None:
    """A reader that knows nothing of months is read a page at a time."""
    pages = {0: [(0, 60), *[(1.0, 2.0)] * 6, (5, 6)], 61: []}
    reader: Any = SimpleNamespace(columns=lambda start, stop, limit: pages[start])
    [batch] = stored_batches(reader, schema_of(row_fields("1m")), 0, 120)
    assert batch["timestamp"].to_pylist() == [5, 6]


async def test_behind_a_link(path: Path) -> None:
    """A database that is reached by a link has its copies where the file is."""
    (path.parent / "elsewhere").mkdir()
    link = path.parent / "elsewhere" / "link.db"
    link.symlink_to(path)
    async with SqliteStore(link) as store:
        read(store)
    assert copied(path) == ["2024-01", "2024-02", "2024-03"]
    assert [each.name for each in link.parent.iterdir()] == ["link.db"]


async def test_older_file_that_may_not_be_written_to(path: Path) -> None:
    """Revision 0 means that it is unknown: nothing is copied."""
    async with SqliteStore(path) as store:
        with closing(sqlite3.connect(path)) as file:
            file.execute("DELETE FROM months")
            file.commit()
        assert {month.revision for month in await store.months(SYMBOL, FRAME, JANUARY, APRIL)} == {0}
        read(store)
    assert copied(path) == []
