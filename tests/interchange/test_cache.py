"""Frames from copies of months: what is copied when, and that nobody sees anything of it but the speed."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import rxcandles
from rxcandles.errors import RequestError
from rxcandles.interchange.cache import copies, folder, months
from rxcandles.interchange.cache.months import stored_batches
from rxcandles.interchange.columns import schema_of
from rxcandles.model import RowWithTrades, row_fields
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.ports import CachePlace, Series
from rxcandles.stores import SqliteStore
from rxcandles.stores.sql.reader import SqlReader
from rxcandles.stores.sqlite import access
from tests.support.fakes import row

HOUR = 3600
FRAME = Timeframe.of("60m")
JANUARY, FEBRUARY, MARCH, APRIL = 1_704_067_200, 1_706_745_600, 1_709_251_200, 1_711_929_600
SYMBOL = "KRW-BTC"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a quarter of hours, 2,184 candles."""
    path = tmp_path_factory.mktemp("cache") / "candles.db"

    async def make() -> None:
        async with SqliteStore(path) as store:
            page = [row(time) for time in range(APRIL - HOUR, JANUARY - HOUR, -HOUR)]
            await store.write(SYMBOL, FRAME, page, (JANUARY, APRIL))

    asyncio.run(make())
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    path = tmp_path / "candles.db"
    shutil.copy(made, path)
    return path


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(path) as store:
        yield store


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    """What is logged once for a folder is logged in each test."""
    folder._TOLD.clear()
    yield
    folder._TOLD.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Now, for months that are over or not."""
    clock = SimpleNamespace(time=lambda: float(APRIL))
    monkeypatch.setattr(months, "time", clock)
    return clock


def read(store: SqliteStore, start: int = JANUARY, stop: int = APRIL, symbol: str = SYMBOL) -> pyarrow.Table:
    return rxcandles.to_arrow(rxcandles.stored_candles(store, symbol, FRAME, to_datetime(start), to_datetime(stop)))


def copied(path: Path) -> list[str]:
    """The months that have a copy, and in brackets those that were only seen."""
    names = sorted(each.name.split(".") for each in path.with_name("candles.db.cache").glob("*"))
    return [name[1] if name[-1] == "parquet" else f"({name[1]})" for name in names]


async def change(store: SqliteStore, time: int, close: float) -> None:
    page = [row(time)._replace(close=close, timestamp=int(close * 1000) + 10**13)]
    await store.write(SYMBOL, FRAME, page, (time, time + HOUR))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each statement has read."""
    rows: list[int] = []
    gathered = SqlReader.gathered

    def counting(self: Any, start: int, stop: int, limit: int, gather: Any) -> Any:
        batch = gathered(self, start, stop, limit, gather)
        rows.append(0 if batch is None else batch.num_rows)
        return batch

    monkeypatch.setattr(SqlReader, "gathered", counting)
    return rows


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


async def test_names(store: SqliteStore, path: Path) -> None:
    """No two names of copies differ by case only, and each copy is a Parquet file that says what it is."""
    for symbol in ("KRW-ABC", "KRW-abc"):
        page = [row(time) for time in range(MARCH - HOUR, FEBRUARY - HOUR, -HOUR)]
        try:
            await store.write(symbol, FRAME, page, (FEBRUARY, MARCH))
        except RequestError:
            continue
        read(store, FEBRUARY, MARCH, symbol)
    read(store)
    files = list(path.with_name("candles.db.cache").iterdir())
    assert len({each.name.lower() for each in files}) == len(files) >= 4
    assert {parquet.read_table(each).num_rows for each in files} == {744, 696}
    assert all(b"60m" in parquet.read_metadata(each).metadata[b"rxcandles copy"] for each in files)


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


async def test_memory(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches, a part of a month is in memory at a time, however long the month is."""
    monkeypatch.setattr(copies, "_AT_ONCE", 0)
    monkeypatch.setattr(months, "PAGE", 50)
    monkeypatch.setattr(months, "PART", 50)
    for _ in range(2):  # copies are made, then they are read
        candles = rxcandles.stored_candles(store, SYMBOL, FRAME)
        before, most, rows = pyarrow.total_allocated_bytes(), 0, 0
        async for batch in rxcandles.in_batches(candles, size=50):
            rows += len(batch)
            most = max(most, pyarrow.total_allocated_bytes() - before)
        assert rows == 2184
        assert most < 64 * 50 * 8


async def test_no_collections(store: SqliteStore) -> None:
    """Python's garbage collector never starts because of the rows, and nobody has turned it off."""
    candles = rxcandles.stored_candles(store, SYMBOL, FRAME)
    started: list[str] = []
    gc.collect()
    gc.callbacks.append(lambda phase, info: started.append(phase))
    try:
        list(stored_batches(candles._reader, schema_of(candles.fields), JANUARY, APRIL))
    finally:
        gc.callbacks.pop()
    assert len(started) <= 2
    assert gc.isenabled()


async def test_many_at_once(store: SqliteStore, path: Path) -> None:
    """Several threads read, copy, and delete what the others have made, all at once."""
    expected = read(store)
    beside = path.with_name("candles.db.cache")

    def work(number: int) -> bool:
        if number % 3 == 0:
            shutil.rmtree(beside, ignore_errors=True)
        reader = store.reader(SYMBOL, FRAME)
        batches = list(stored_batches(reader, expected.schema, JANUARY, APRIL))
        return bool(pyarrow.Table.from_batches(batches).equals(expected))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(60)))


async def test_disk_full(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk costs a line in the log and nothing else; no part of a file remains."""

    def full(self: object, data: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies._Summed, "write", full)
    with caplog.at_level(logging.INFO, "rxcandles"):
        for _ in range(2):
            assert read(store).num_rows == 2184
    said = [each.message for each in caplog.records if "cache" in each.message]
    assert said == [
        f"{path}.cache: no months are kept here for the next data frame: [Errno 28] No space left on device"
    ]
    assert copied(path) == []


async def test_changed_from_outside_while_read(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long copy that is cut short after its sum was found right is read to the end from the database."""
    monkeypatch.setattr(months, "PART", 100)
    monkeypatch.setattr(copies, "_AT_ONCE", 0)
    table = read(store)
    candles = rxcandles.stored_candles(store, SYMBOL, FRAME)
    batches = stored_batches(candles._reader, table.schema, JANUARY, APRIL)
    first = next(batches)
    [january] = path.with_name("candles.db.cache").glob("*.2024-01.*")
    os.truncate(january, 9000)
    assert pyarrow.Table.from_batches([first, *batches]).equals(table)
    assert copied(path) == ["2024-02", "2024-03"]


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


async def test_damage(store: SqliteStore, path: Path) -> None:
    """Whatever byte of a copy is another one, or how much of it is missing, it is no copy any more."""
    table = read(store, JANUARY, FEBRUARY)
    [copy] = path.with_name("candles.db.cache").iterdir()
    data, total = copy.read_bytes(), int(copy.name.split(".")[3], 16)
    [month] = store.reader(SYMBOL, FRAME).months(JANUARY, FEBRUARY)
    about = folder.Folder(CachePlace(str(path), 1, Series("upbit", SYMBOL, "60m")), table.column_names).about(month)

    def opened(content: bytes, **other: object) -> pyarrow.Table:
        found = copies.read_copy(io.BytesIO(content), len(content), total, table.schema, {**about, **other})
        return pyarrow.Table.from_batches(list(found))

    assert opened(data).equals(table)
    places = range(0, len(data), 997)
    harmed = [data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :] for at in places]
    for content in [*harmed, *(data[:at] for at in places), data + b"x", b"PAR1"]:
        with pytest.raises(copies.BadCopyError, match="sum"):
            opened(content)
    for name, value in {"symbol": "KRW-ETH", "timeframe": "30m", "revision": 5, "month": "2024-02"}.items():
        with pytest.raises(copies.BadCopyError, match="about"):
            opened(data, **{name: value})


numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(*[numbers] * 6, st.integers(0, 2**53), *[st.none() | numbers] * 3), min_size=1, max_size=30),
    st.integers(1, 9),
)
def test_every_bit(rows: list[tuple[Any, ...]], size: int) -> None:
    """Whatever a candle has comes back from a copy bit by bit, also what is missing, in parts of any length."""
    schema = schema_of(row_fields("1d"))
    columns: list[Any] = [[day * 86_400 * 10**6 for day in range(len(rows))], *zip(*rows, strict=True)]
    arrays = [pyarrow.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    table = pyarrow.Table.from_arrays(arrays, schema=schema)
    file = io.BytesIO()
    writer = copies.CopyWriter(file, schema)
    for batch in table.to_batches(size):
        writer.add(batch)
    total = writer.finish({"month": "2024-01"})
    file.seek(0)
    found = list(copies.read_copy(file, len(file.getvalue()), total, schema, {"month": "2024-01"}))
    assert [len(batch) for batch in found] == [len(batch) for batch in table.to_batches(size)]
    again = pyarrow.Table.from_batches(found)
    assert again.equals(table)
    for mine, theirs in zip(again.columns[1:], table.columns[1:], strict=True):
        assert list(map(str, mine.to_pylist())) == list(map(str, theirs.to_pylist()))  # 0.0 is not -0.0


async def test_another_month_s_name(store: SqliteStore, path: Path, fetched: list[int]) -> None:
    """A copy under the name of another month, with its sum, is recognised by what it says, and made anew."""
    table = read(store)
    january, february, march = sorted(path.with_name("candles.db.cache").iterdir(), key=lambda each: each.name)
    total = january.name.split(".")[3]
    january.replace(march.with_name(".".join([*march.name.split(".")[:3], total, "parquet"])))
    march.unlink()
    fetched.clear()
    for _ in range(2):
        assert read(store).equals(table)
    assert fetched == [744, 744]
    assert copied(path) == ["2024-01", "2024-02", "2024-03"]
    assert february.exists()
