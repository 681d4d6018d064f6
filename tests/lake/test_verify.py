"""A check of a lake finds whatever differs from the database, in plain words."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pyarrow.parquet
import pytest
import pytest_asyncio

from rxcandles import lake
from rxcandles.lake.manifest import read_manifest, write_manifest
from rxcandles.lake.target import target_at
from rxcandles.ports import Series
from rxcandles.stores import SqliteStore
from tests.support.fakes import row
from tests.support.lakes import APRIL, FEBRUARY, HOUR, JANUARY, MARCH, files_in

BTC = Series("upbit", "KRW-BTC", "60m")
FOLDER = "exchange=upbit/symbol=KRW-BTC/timeframe=60m"


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Two months of three hours, synced."""
    async with SqliteStore(":memory:") as opened:
        for start in (JANUARY, FEBRUARY):
            rows = [row(start + 3600 * hour) for hour in (2, 1, 0)]
            await opened.write("KRW-BTC", HOUR, rows, (start, start + 3 * 3600))
        await lake.sync(opened, tmp_path)
        yield opened


async def found(store: SqliteStore, folder: Path) -> list[tuple[str, str, str]]:
    before = files_in(folder)
    report = await lake.verify(store, folder)
    assert files_in(folder) == before, "nothing is written"
    return [(each.kind, each.path.removeprefix(f"{FOLDER}/"), each.detail) for each in report.findings]


async def test_clean(store: SqliteStore, tmp_path: Path) -> None:
    """Of an equal lake it says how much was compared."""
    report = await lake.verify(store, tmp_path)
    assert (report.clean, report.series, report.files, report.candles) == (True, 1, 2, 6)


async def test_files(store: SqliteStore, tmp_path: Path) -> None:
    """Files that are gone, cut, changed or strange."""
    january, february = (tmp_path / FOLDER / f"2024-0{month}.parquet" for month in (1, 2))
    content = january.read_bytes()
    january.write_bytes(content[:-1])
    february.unlink()
    (tmp_path / FOLDER / "2024-09.parquet").write_bytes(content)
    assert await found(store, tmp_path) == [
        (
            "changed_file",
            "2024-01.parquet",
            f"it has {len(content) - 1:,} bytes instead of {len(content):,}; sync again",
        ),
        ("missing_file", "2024-02.parquet", "it is not there; the manifest says that it has 3 candles; sync again"),
        ("stray_file", "2024-09.parquet", "the manifest does not name it, but readers will read it; sync again"),
    ]
    january.write_bytes(b"x" * len(content))
    [(kind, _, detail), *_] = await found(store, tmp_path)
    assert (kind, "its SHA-256 is another" in detail) == ("changed_file", True)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("value", "the candle of 2024-01-01T01:00:00Z has other values"),
        ("less", "it ends before the candle of 2024-01-01T02:00:00Z"),
        ("first", "it has a candle of 2024-01-01T00:00:00Z more or less than the store"),
        ("more", "it has candles that the store does not have"),
        ("columns", "its columns are not open_time, open"),
        ("no Parquet", "it can't be read as Parquet"),
    ],
)
async def test_rows(harm: str, says: str, store: SqliteStore, tmp_path: Path) -> None:
    """Each candle of a file is compared, even if the manifest agrees with the file."""
    path = tmp_path / FOLDER / "2024-01.parquet"
    table = pyarrow.parquet.ParquetFile(path).read()
    rows = table.to_pylist()
    if harm == "value":
        rows[1]["turnover"] += 1e-9 * rows[1]["turnover"]
    elif harm == "more":
        rows.append({**rows[-1], "open_time": rows[-1]["open_time"].replace(hour=9)})
    rows = {"less": rows[:-1], "first": rows[1:]}.get(harm, rows)
    made = pyarrow.Table.from_pylist(rows, table.schema)
    pyarrow.parquet.write_table(made.drop_columns(["close"]) if harm == "columns" else made, path)
    if harm == "no Parquet":
        path.write_bytes(b"not Parquet")
    target = target_at(tmp_path)
    manifest = read_manifest(target, BTC)
    assert manifest is not None
    file = manifest.files["2024-01.parquet"]
    name = f"{FOLDER}/2024-01.parquet"
    stat = target.stat(name)
    assert stat is not None
    same = attrs.evolve(file, rows=len(rows), sha256=target.sha256(name), stat=stat)
    write_manifest(target, attrs.evolve(manifest, files={**manifest.files, file.name: same}))
    [(kind, where, detail)] = await found(store, tmp_path)
    assert (kind, where) == ("other_candles", "2024-01.parquet")
    assert detail.startswith(says)


async def test_the_store_has_changed(store: SqliteStore, tmp_path: Path) -> None:
    """Candles and coverage that have come since are told as such."""
    await store.write("KRW-BTC", HOUR, [row(JANUARY)._replace(volume=3.0)], (JANUARY, JANUARY + 3600))
    await store.write("KRW-BTC", HOUR, [row(MARCH)], (MARCH, APRIL))
    since = "candles of the store have changed since: the candle of 2024-01-01T00:00:00Z has other values; sync again"
    covered = "2024-03-01 00:00:00 to 2024-04-01 00:00:00 UTC is not covered in it; sync again"
    assert await found(store, tmp_path) == [
        ("other_coverage", "_manifest.json", covered),
        ("not_synced", "2024-01.parquet", since),
        ("not_synced", "2024-03.parquet", "the store has candles of it, and the lake has none; sync again"),
    ]
    await lake.sync(store, tmp_path)
    assert await found(store, tmp_path) == []


async def test_evidence(store: SqliteStore, tmp_path: Path) -> None:
    """What an empty slot means is compared, too."""
    await store.write("KRW-BTC", HOUR, [], (JANUARY, JANUARY + 3600), absent="outage")
    [(kind, _, detail)] = await found(store, tmp_path)
    assert (kind, "what an empty slot means, has changed" in detail) == ("other_coverage", True)


async def test_series(store: SqliteStore, tmp_path: Path) -> None:
    """Series that only one of the two has."""
    await store.write("KRW-ETH", HOUR, [row(JANUARY)], (JANUARY, JANUARY + 3600))
    shutil.copytree(tmp_path / "exchange=upbit/symbol=KRW-BTC", tmp_path / "exchange=upbit/symbol=KRW-XRP")
    report = await lake.verify(store, tmp_path)
    assert [(each.kind, each.series.symbol) for each in report.findings] == [
        ("not_synced", "KRW-ETH"),
        ("not_stored", "KRW-XRP"),
    ]
    assert (await lake.verify(store, tmp_path, "KRW-BTC")).clean


async def test_another_database(store: SqliteStore, tmp_path: Path) -> None:
    """Files of another database are no lake of this one."""
    async with SqliteStore(":memory:") as other:
        await other.write("KRW-BTC", HOUR, [row(JANUARY)], (JANUARY, JANUARY + 3600))
        kinds = [each.kind for each in (await lake.verify(other, tmp_path)).findings]
    assert kinds[0] == "not_synced"
