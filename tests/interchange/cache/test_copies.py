"""Copies: their names, what is in them, and that damage, a full disk and many readers cost time only."""

from __future__ import annotations

import gc
import io
import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
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
from rxcandles.model import row_fields
from rxcandles.ports import CachePlace, Series
from rxcandles.stores import SqliteStore
from tests.support.fakes import row
from tests.support.quarter import APRIL, FEBRUARY, FRAME, HOUR, JANUARY, MARCH, SYMBOL, copied, read

numbers = st.floats(allow_nan=False, allow_infinity=False)


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
