"""What reads folders of Parquet reads a lake, here and from S3, with exchange, symbol and timeframe as columns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import duckdb
import pandas
import polars
import pyarrow.dataset
import pytest

from rxcandles import lake
from rxcandles.stores import SqliteStore
from tests.lake.conftest import Bucket
from tests.support.fakes import row
from tests.support.lakes import FEBRUARY, HOUR, JANUARY
from tests.support.s3server import SECRET, arrow_files, variables

HOURS = 30
ROWS = [row(start + 3600 * hour) for start in (JANUARY, FEBRUARY) for hour in range(HOURS)]
HIGHEST = max(each.high for each in ROWS)
SYMBOLS = ("KRW-BTC", "KRW-xBTC")
PAIRS = sorted(("upbit", symbol, "60m", len(ROWS), HIGHEST) for symbol in SYMBOLS)


async def fill(target: str | Path) -> None:
    async with SqliteStore(":memory:") as store:
        for symbol in SYMBOLS:
            for start in (JANUARY, FEBRUARY):
                rows = [each for each in ROWS if start <= each.open_time < start + 86_400 * 9]
                await store.write(symbol, HOUR, rows[::-1], (start, start + 3600 * HOURS))
        await lake.sync(store, target)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("lake")
    asyncio.run(fill(folder))
    return folder


@pytest.fixture(scope="module")
def remote(server: str) -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(server).items():
            patch.setenv(name, value)
        made = Bucket("bucket-of-readers", server)
        arrow_files(server).create_dir(made.name)
        asyncio.run(fill(made.address))
        yield made


def grouped(frame: pandas.DataFrame) -> list[tuple[Any, ...]]:
    """By series: the number of candles, and the highest price."""
    keys = ["exchange", "symbol", "timeframe"]
    frame[keys] = frame[keys].astype(str)
    found = frame.groupby(keys)["high"].agg(["count", "max"]).reset_index()
    return sorted(tuple(each) for each in found.itertuples(index=False))


SQL = (
    "SELECT exchange, symbol, timeframe, count(*), max(high) FROM read_parquet('{}/**/*.parquet')"
    " GROUP BY ALL ORDER BY ALL"
)


def test_duckdb(local: Path) -> None:
    """DuckDB: a glob; the folders are columns."""
    assert duckdb.sql(SQL.format(local)).fetchall() == PAIRS
    one = f"{local}/exchange=upbit/symbol=KRW-BTC/timeframe=60m/*.parquet"
    oldest = f"SELECT epoch(min(open_time)), count(*) FROM '{one}' WHERE epoch(open_time) >= {FEBRUARY}"
    assert duckdb.sql(oldest).fetchone() == (FEBRUARY, HOURS)


def test_duckdb_s3(remote: Bucket) -> None:
    """DuckDB from S3, with its extension httpfs."""
    packaged = files("duckdb_extension_httpfs") / "extensions" / f"v{duckdb.__version__}"
    with duckdb.connect() as connection, as_file(packaged / "httpfs.duckdb_extension") as extension:
        connection.load_extension(str(extension))
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID 'made-up-key', SECRET '{SECRET}', REGION 'us-east-1',"
            f" ENDPOINT '{remote.host}', URL_STYLE 'path', USE_SSL false)"
        )
        assert connection.execute(SQL.format(remote.address)).fetchall() == PAIRS


def polars_found(address: str, **options: Any) -> list[tuple[Any, ...]]:
    keys = ["exchange", "symbol", "timeframe"]
    scanned = polars.scan_parquet(f"{address}/**/*.parquet", hive_partitioning=True, **options)
    found = scanned.group_by(keys).agg(polars.len().cast(polars.Int64), polars.max("high")).collect()
    return sorted(found.rows())


def test_polars(local: Path) -> None:
    """Polars: a glob, lazily."""
    assert polars_found(str(local)) == PAIRS


def test_polars_s3(remote: Bucket) -> None:
    """Polars from S3."""
    options = {
        "aws_endpoint_url": remote.server, "aws_access_key_id": "made-up-key", "aws_secret_access_key": SECRET,
        "aws_region": "us-east-1", "aws_allow_http": "true",
    }  # fmt: skip
    assert polars_found(remote.address, storage_options=options) == PAIRS


def as_dataset(path: str, fs: Any) -> pandas.DataFrame:
    found: pandas.DataFrame = pyarrow.dataset.dataset(path, filesystem=fs, partitioning="hive").to_table().to_pandas()
    return found


READERS: dict[str, Callable[[str, Any], pandas.DataFrame]] = {
    "pandas": lambda path, fs: pandas.read_parquet(path, filesystem=fs),
    "pyarrow": as_dataset,
}


@pytest.mark.parametrize("reader", READERS)
def test_folders(reader: str, local: Path, remote: Bucket) -> None:
    """pandas and Arrow: the folder itself; what is no Parquet is left out by its underscore."""
    read = READERS[reader]
    assert grouped(read(str(local), None)) == PAIRS
    assert grouped(read(f"{remote.name}/lake", arrow_files(remote.server))) == PAIRS


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's own, with pandas 3.1
def test_dask(local: Path, remote: Bucket) -> None:
    """Dask: the folder itself, a part for each file."""
    dask = pytest.importorskip("dask")
    frames = pytest.importorskip("dask.dataframe")
    from fsspec.implementations.arrow import ArrowFSWrapper

    with dask.config.set(scheduler="synchronous"):
        # Of S3 one would take s3fs, which brings forty packages.
        for path, fs in ((str(local), None), (f"{remote.name}/lake", ArrowFSWrapper(arrow_files(remote.server)))):
            frame = frames.read_parquet(path, filesystem=fs)
            assert grouped(frame[["exchange", "symbol", "timeframe", "high"]].compute()) == PAIRS
