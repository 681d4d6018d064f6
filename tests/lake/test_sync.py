"""A sync makes the lake equal to the store, and writes what has changed only."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path, PurePath
from typing import Any

import pyarrow.parquet
import pytest
import pytest_asyncio

from rxcandles import export_candles, lake
from rxcandles.errors import LakeError, RequestError
from rxcandles.lake import syncing
from rxcandles.lake.manifest import read_manifest
from rxcandles.lake.target import target_at
from rxcandles.model import Row, RowWithTrades
from rxcandles.model.claims import Absence
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, to_datetime
from rxcandles.ports import Series
from rxcandles.stores import SqliteStore
from tests.support.fakes import row
from tests.support.lakes import FEBRUARY, HOUR, JANUARY, MARCH, files_in, lake_rows

BTC = Series("upbit", "KRW-BTC", "60m")
FOLDER = "exchange=upbit/symbol=KRW-BTC/timeframe=60m"


@pytest_asyncio.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        yield opened


async def fill(store: SqliteStore, start: int, hours: int = 3, stop: int | None = None, **more: Any) -> None:
    """Store so many hours from ``start`` on, and cover them, or all until ``stop``."""
    rows = [row(start + 3600 * hour) for hour in range(hours)][::-1]
    await store.write("KRW-BTC", HOUR, rows, (start, start + 3600 * hours if stop is None else stop), **more)


async def stored(store: SqliteStore) -> list[Row]:
    return await store.rows("KRW-BTC", HOUR, BEGINNING, END, "oldest_first", 10_000)


async def test_a_month_a_file(store: SqliteStore, tmp_path: Path) -> None:
    """Each month with candles is a file, with the columns and types of an export, oldest first."""
    await fill(store, JANUARY)
    await fill(store, MARCH, 2)
    [done] = await lake.sync(store, tmp_path)
    assert (done.candles, done.files, done.written, done.removed) == (5, 2, 2, 0)
    assert (done.start, done.stop) == tuple(map(to_datetime, (JANUARY, MARCH + 7200)))
    names = {f"{FOLDER}/{name}" for name in ("2024-01.parquet", "2024-03.parquet", "_manifest.json")}
    assert files_in(tmp_path).keys() == names
    assert lake_rows(tmp_path) == await stored(store)


async def test_as_an_export(store: SqliteStore, tmp_path: Path) -> None:
    """A file has exactly the schema and the candles of an export of that month."""
    await fill(store, JANUARY)
    await lake.sync(store, tmp_path / "lake")
    await export_candles(store, "KRW-BTC", "60m", tmp_path / "one.parquet")
    one = pyarrow.parquet.read_table(tmp_path / "one.parquet")
    other = pyarrow.parquet.ParquetFile(tmp_path / "lake" / FOLDER / "2024-01.parquet").read()
    assert other.equals(one)


async def test_only_what_changed(store: SqliteStore, tmp_path: Path) -> None:
    """A second sync writes nothing at all; after a change in one month it writes that month and the manifest."""
    await fill(store, JANUARY)
    await fill(store, MARCH)
    await lake.sync(store, tmp_path)
    before = files_in(tmp_path)
    [done] = await lake.sync(store, tmp_path)
    assert (done.written, files_in(tmp_path)) == (0, before)
    await store.write("KRW-BTC", HOUR, [row(JANUARY)._replace(close=101.5)], (JANUARY, JANUARY + 3600))
    [done] = await lake.sync(store, tmp_path)
    after = files_in(tmp_path)
    changed = {name.rpartition("/")[2] for name in after if after[name] != before[name]}
    assert (done.written, changed) == (1, {"2024-01.parquet", "_manifest.json"})
    assert lake_rows(tmp_path) == await stored(store)


async def test_a_month_that_vanished(store: SqliteStore, tmp_path: Path) -> None:
    """A file whose candles are all gone is removed; so is one that no manifest names, from an earlier kill."""
    for start in (JANUARY, FEBRUARY, MARCH):
        await fill(store, start, 1)
    await lake.sync(store, tmp_path)
    (tmp_path / FOLDER / "2024-04.parquet").write_bytes(b"left")
    for start in (JANUARY, FEBRUARY):
        await store.write("KRW-BTC", HOUR, [], (start, start + 3600), gone=[start])
    [done] = await lake.sync(store, tmp_path)
    assert (done.files, done.written, done.removed) == (1, 0, 3)
    assert lake_rows(tmp_path) == await stored(store) == [row(MARCH)]


async def test_evidence(store: SqliteStore, tmp_path: Path) -> None:
    """The manifest says what is covered, what is provisional, what is impossible, and what an empty slot means."""
    head = Absence("head", JANUARY + 3 * 3600, JANUARY + 4 * 3600, 100.0, 200.0)
    await fill(
        store, JANUARY, 3, JANUARY + 4 * 3600, absences=[head], heard=JANUARY + 9e4, absent="either",
        impossible={JANUARY: "high -1.0 is negative"},
    )  # fmt: skip
    await lake.sync(store, tmp_path)
    manifest = read_manifest(target_at(tmp_path), BTC)
    assert manifest is not None
    evidence = manifest.evidence
    assert list(evidence.covered) == [each.span for each in (await store.coverage(*BTC[1:2], HOUR, 0, END))[::-1]]
    assert list(evidence.claims) == await store.claims("KRW-BTC", HOUR, 0, END)
    assert evidence.absent_slot == "either"
    assert list(evidence.impossible) == await store.impossible("KRW-BTC", HOUR, 0, END)
    assert len(evidence.claims) == len(evidence.impossible) == 1
    plain = json.loads((tmp_path / FOLDER / "_manifest.json").read_text())
    assert (plain["schema"], plain["provisional"][0]["start"]) == ("rxcandles/lake/1", "2024-01-01T03:00:00Z")
    assert [each["rows"] for each in plain["files"]] == [3]


async def test_coverage_alone(store: SqliteStore, tmp_path: Path) -> None:
    """What is covered without a new candle changes the manifest, and no file."""
    await fill(store, JANUARY)
    await lake.sync(store, tmp_path)
    await store.write("KRW-BTC", HOUR, [], (FEBRUARY, MARCH))
    [done] = await lake.sync(store, tmp_path)
    manifest = read_manifest(target_at(tmp_path), BTC)
    assert manifest is not None
    assert (done.written, (FEBRUARY, MARCH) in manifest.evidence.covered.spans) == (0, True)


@pytest.mark.parametrize("harm", ["removed", "cut", "other bytes", "copied"])
async def test_a_file_that_was_harmed(harm: str, store: SqliteStore, tmp_path: Path) -> None:
    """A file that is not what the manifest says is written again; one that was only copied is not."""
    await fill(store, JANUARY)
    await lake.sync(store, tmp_path)
    path = tmp_path / FOLDER / "2024-01.parquet"
    content = path.read_bytes()
    if harm == "removed":
        path.unlink()
    else:
        harmed = {"cut": content[:-9], "other bytes": b"x" * len(content), "copied": content}[harm]
        path.write_bytes(harmed)
        os.utime(path, (1, 1))
    [done] = await lake.sync(store, tmp_path)
    assert done.written == (harm != "copied")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("timeframe", "times", "names"),
    [
        ("240m", [JANUARY, FEBRUARY], ["2024-01", "2024-02"]),
        ("1d", [JANUARY, MARCH, JANUARY + 400 * 86_400], ["2024", "2025"]),
        ("1w", [1_703_462_400, 1_704_067_200], ["2023", "2024"]),
        ("1M", [JANUARY, MARCH], ["all"]),
        ("1y", [JANUARY], ["all"]),
    ],
)
async def test_longer_timeframes(
    timeframe: str, times: list[int], names: list[str], store: SqliteStore, tmp_path: Path
) -> None:
    """Days and weeks have a file a year, months and years one; a change in any month of it writes it again."""
    frame = Timeframe.of(timeframe)
    await store.write("KRW-BTC", frame, [row(time) for time in times[::-1]], (times[0], frame.shift(times[-1], 1)))
    [done] = await lake.sync(store, tmp_path)
    assert sorted(PurePath(name).stem for name in files_in(tmp_path) if name.endswith(".parquet")) == names
    [done] = await lake.sync(store, tmp_path)
    assert (done.written, (await lake.verify(store, tmp_path)).findings) == (0, ())
    last = row(times[-1])._replace(volume=9.0)
    await store.write("KRW-BTC", frame, [last], (times[-1], frame.shift(times[-1], 1)))
    [done] = await lake.sync(store, tmp_path)
    assert (done.written, lake_rows(tmp_path)[-1].volume) == (1, 9.0)


async def test_trades(store: SqliteStore, tmp_path: Path) -> None:
    """When a series gets columns that it did not have, all its files get them."""
    await fill(store, JANUARY)
    await lake.sync(store, tmp_path)
    counted = RowWithTrades(*row(MARCH), 12, 1.5, 150.0)
    await store.write("KRW-BTC", HOUR, [counted], (MARCH, MARCH + 3600))
    [done] = await lake.sync(store, tmp_path)
    assert (done.written, (await lake.verify(store, tmp_path)).findings) == (2, ())


async def test_unfinished_files(store: SqliteStore, tmp_path: Path) -> None:
    """What a killed sync has left unfinished is removed, but not what another may be writing now."""
    await fill(store, JANUARY)
    await lake.sync(store, tmp_path)
    old, young = (tmp_path / FOLDER / f".2024-01.parquet.{number}.part" for number in "01")
    old.write_bytes(b"")
    young.write_bytes(b"")
    os.utime(old, (time.time() - 4000,) * 2)
    await lake.sync(store, tmp_path)
    assert (old.exists(), young.exists()) == (False, True)


async def test_another_database(store: SqliteStore, tmp_path: Path) -> None:
    """The files of another database are not replaced, and not removed, unless that is asked for."""
    await fill(store, JANUARY)
    await fill(store, MARCH)
    await lake.sync(store, tmp_path)
    before = files_in(tmp_path)
    async with SqliteStore(":memory:") as other:
        await fill(other, FEBRUARY)
        with pytest.raises(LakeError, match=r"has KRW-BTC 60m from another database; .* \(--replace\)"):
            await lake.sync(other, tmp_path)
        assert files_in(tmp_path) == before
        [done] = await lake.sync(other, tmp_path, replace=True)
        assert (done.written, done.removed, lake_rows(tmp_path)) == (1, 2, await stored(other))


async def test_which(store: SqliteStore, tmp_path: Path) -> None:
    """Only the series that are named, or match, are synced; those of other exchanges are others."""
    for symbol in ("KRW-BTC", "KRW-ETH", "BTC-ETH"):
        await store.write(symbol, HOUR, [row(JANUARY)], (JANUARY, JANUARY + 3600))
    done = await lake.sync(store, tmp_path, "KRW-*", "1h")
    assert [each.series.symbol for each in done] == ["KRW-BTC", "KRW-ETH"]
    assert [each.series.symbol for each in await lake.sync(store, tmp_path, "BTC-ETH")] == ["BTC-ETH"]


async def test_while_candles_come(store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A month that changes while it is written is written again, so the file is of one moment."""
    await fill(store, JANUARY)
    write, changes = syncing.write_file, iter([108.0, 109.0])
    loop = asyncio.get_running_loop()

    def writing(*given: Any) -> Any:
        file = write(*given)
        close = next(changes, None)
        if close is not None:
            later = row(JANUARY)._replace(close=close, high=200.0)
            change = store.write("KRW-BTC", HOUR, [later], (JANUARY, JANUARY + 3600))
            asyncio.run_coroutine_threadsafe(change, loop).result()
        return file

    monkeypatch.setattr(syncing, "write_file", writing)
    await lake.sync(store, tmp_path)
    assert lake_rows(tmp_path) == await stored(store)
    monkeypatch.undo()
    assert (await lake.sync(store, tmp_path))[0].written == 0


async def test_a_manifest_that_is_none(store: SqliteStore, tmp_path: Path) -> None:
    """A manifest that can't be read, or of a newer version, is left, and the error says what to do."""
    await fill(store, JANUARY)
    await lake.sync(store, tmp_path)
    path = tmp_path / FOLDER / "_manifest.json"
    plain = json.loads(path.read_text())
    evil = {**plain, "files": [{**plain["files"][0], "name": "../../../x.parquet"}]}
    for text in ("", "{", "[]", '{"schema": "rxcandles/lake/2"}', json.dumps({**plain, "files": 1}), json.dumps(evil)):
        path.write_text(text)
        with pytest.raises(LakeError, match=r"_manifest.json can't be read"):
            await lake.sync(store, tmp_path)
        [finding] = (await lake.verify(store, tmp_path)).findings
        assert (finding.kind, path.read_text()) == ("unreadable", text)


async def test_a_place_that_is_none(store: SqliteStore, tmp_path: Path) -> None:
    """A file in the lake's place, and any address but that of a bucket, are refused."""
    await fill(store, JANUARY)
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match=r"the lake .*file: "):
        await lake.sync(store, tmp_path / "file")
    for address in ("ftp://host/lake", "postgresql://u:secret@db/x", "s3://", "s3:///x", "s3://k:secret@b/x", ""):
        with pytest.raises(RequestError, match="target ") as told:
            await lake.sync(store, address)
        assert "secret" not in str(told.value)
