"""Stored candles as files: each read by the tools that read them, whole or not there."""

from __future__ import annotations

import asyncio
import csv
import json
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest
from pandas.testing import assert_frame_equal

import rxcandles
from rxcandles.errors import ExtraMissingError, RequestError, UnprovenError
from rxcandles.interchange import export_candles
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.stores import SqliteStore
from tests.support.fakes import row

HOUR = 3600
JANUARY = 1_704_067_200
"""2024-01-01."""
TIMES = [JANUARY + hour * HOUR for hour in range(-48, 2400) if hour % 7 and not 100 <= hour < 900]
"""Hours with gaps from the end of 2023 on; in February hardly any."""
SPAN = (TIMES[0], TIMES[-1] + HOUR)
FRAME = Timeframe.of("60m")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    (tmp_path / "out").mkdir()
    async with SqliteStore(tmp_path / "candles.db") as opened:
        await opened.write("KRW-BTC", FRAME, [row(time) for time in reversed(TIMES)], SPAN)
        yield opened


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def stored(store: SqliteStore, start: int = SPAN[0], stop: int = SPAN[1]) -> pyarrow.Table:
    return rxcandles.to_arrow(rxcandles.stored_candles(store, "KRW-BTC", "60m", to_datetime(start), to_datetime(stop)))


async def test_parquet(store: SqliteStore, out: Path) -> None:
    """A Parquet file has every candle, compressed with zstd, and says what it is of and what of that is proven."""
    done = await export_candles(store, "KRW-BTC", "1h", out / "btc.parquet")
    assert (done.paths, done.rows, done.span, done.missing) == ((out / "btc.parquet",), len(TIMES), SPAN, ())
    assert pyarrow.parquet.read_table(out / "btc.parquet").equals(stored(store))
    assert polars.read_parquet(out / "btc.parquet").equals(polars.from_arrow(stored(store)))
    assert_frame_equal(pandas.read_parquet(out / "btc.parquet"), stored(store).to_pandas())
    found = pyarrow.parquet.ParquetFile(out / "btc.parquet")
    assert found.metadata.row_group(0).column(0).compression == "ZSTD"
    about = json.loads(found.schema_arrow.metadata[b"rxcandles"])
    span = [to_datetime(each).isoformat() for each in SPAN]
    assert about == {
        "exchange": "upbit", "symbol": "KRW-BTC", "timeframe": "60m", "span": span, "proven": [span],
        "version": rxcandles.__version__,
    }  # fmt: skip


async def test_feather(store: SqliteStore, out: Path) -> None:
    """A feather file has the same, and the same said about it."""
    await export_candles(store, "KRW-BTC", "60m", out / "btc.feather")
    table = pyarrow.feather.read_table(out / "btc.feather")
    assert table.equals(stored(store))
    assert json.loads(table.schema.metadata[b"rxcandles"])["symbol"] == "KRW-BTC"


async def test_freqtrade(store: SqliteStore, out: Path) -> None:
    """freqtrade's file is called and read as freqtrade does that, and gives its frame."""
    done = await export_candles(store, "KRW-BTC", "60m", out, file_format="freqtrade")
    assert done.paths == (out / "BTC_KRW-1h.feather",)
    frame = pyarrow.dataset.dataset(done.paths[0], format="feather").to_table().to_pandas()
    assert list(frame.columns) == ["date", "open", "high", "low", "close", "volume"]
    frame["date"] = frame["date"].dt.as_unit("ms")
    assert_frame_equal(frame, rxcandles.to_freqtrade(list(rxcandles.stored_candles(
        store, "KRW-BTC", "60m", *map(to_datetime, SPAN)))))  # fmt: skip
    assert_frame_equal(pandas.read_feather(done.paths[0]).assign(date=frame["date"]), frame)


async def test_text(store: SqliteStore, out: Path) -> None:
    """CSV and JSON lines read back to the same numbers."""
    for name in ("btc.csv", "btc.jsonl"):
        await export_candles(store, "KRW-BTC", "60m", out / name)
    lines = [json.loads(line) for line in (out / "btc.jsonl").read_text().splitlines()]
    records = list(csv.DictReader((out / "btc.csv").read_text().splitlines()))
    assert records == [{name: str(value) for name, value in line.items()} for line in lines]
    assert [line["trade_price"] for line in lines] == stored(store)["close"].to_pylist()
    assert lines[0]["candle_date_time_utc"] == f"{to_datetime(TIMES[0]):%Y-%m-%dT%H:%M:%S}"


async def test_by_month(store: SqliteStore, out: Path) -> None:
    """A file a month, none for a month without candles, in folders that DuckDB, polars and Arrow read as columns."""
    done = await export_candles(store, "KRW-BTC", "60m", out / "lake", by="month")
    folder = out / "lake" / "symbol=KRW-BTC" / "timeframe=60m"
    months = sorted({f"{to_datetime(time):%Y-%m}" for time in TIMES})
    assert "2023-12" in months
    assert list(done.paths) == [folder / f"{month}.parquet" for month in months]
    whole = stored(store)
    for path in done.paths:
        times = pyarrow.parquet.read_table(path)["open_time"].to_pylist()
        assert {f"{time:%Y-%m}" for time in times} == {path.stem}
    sql = "SELECT symbol, timeframe, count(*), sum(close) FROM read_parquet(?, hive_partitioning = true) GROUP BY ALL"
    found = duckdb.execute(sql, [f"{out}/lake/**/*.parquet"]).fetchall()
    assert found == [("KRW-BTC", "60m", len(TIMES), pytest.approx(sum(whole["close"].to_pylist())))]
    lake = polars.scan_parquet(f"{out}/lake/**/*.parquet", hive_partitioning=True).collect()
    assert lake.drop("symbol", "timeframe").sort("open_time").equals(polars.from_arrow(whole))
    assert lake["timeframe"].unique().to_list() == ["60m"]


async def test_by_month_is_refused_whole(store: SqliteStore, out: Path) -> None:
    """Where one month's file is there already, none is written."""
    first = await export_candles(store, "KRW-BTC", "60m", out, by="month", since=to_datetime(SPAN[1] - HOUR))
    with pytest.raises(RequestError, match="there is a file already"):
        await export_candles(store, "KRW-BTC", "60m", out, by="month")
    assert files(out) == list(first.paths)
    assert len((await export_candles(store, "KRW-BTC", "60m", out, by="month", force=True)).paths) > 1


async def test_part(store: SqliteStore, out: Path) -> None:
    """A span is what is in it: the older end included, the newer excluded; a length is counted from the newer."""
    start, stop = TIMES[3], TIMES[20]
    both = {"to": to_datetime(stop), "since": to_datetime(start)}
    assert (await export_candles(store, "KRW-BTC", "60m", out / "a.parquet", **both)).rows == 17  # type: ignore[arg-type]
    assert pyarrow.parquet.read_table(out / "a.parquet").equals(stored(store, start, stop))
    both["since"] = timedelta(seconds=stop - start)  # type: ignore[assignment]
    assert (await export_candles(store, "KRW-BTC", "60m", out / "b.parquet", **both)).span == (start, stop)  # type: ignore[arg-type]


@pytest.mark.parametrize("by", ["month", None])
async def test_nothing_in_it(store: SqliteStore, out: Path, by: Literal["month"] | None) -> None:
    """A span without a candle is refused, with what is stored instead, and no file is made."""
    start = JANUARY + 200 * HOUR
    ends = {"since": to_datetime(start), "to": to_datetime(start + HOUR)}
    says = (
        "no candle of KRW-BTC 60m is stored from 2024-01-09 08:00:00 to 2024-01-09 09:00:00 UTC; "
        "what is stored is from 2023-12-30 00:00:00 to 2024-04-09 23:00:00 UTC"
    )
    with pytest.raises(RequestError, match=says):
        await export_candles(store, "KRW-BTC", "60m", out / "a.parquet" if by is None else out, by=by, **ends)  # type: ignore[arg-type]
    assert files(out) == []


async def test_makes_folders(store: SqliteStore, out: Path) -> None:
    """The folder that freqtrade and months are written into is made; what has a file's suffix is none."""
    await export_candles(store, "KRW-BTC", "60m", out / "user_data" / "upbit", file_format="freqtrade")
    assert files(out) == [out / "user_data" / "upbit" / "BTC_KRW-1h.feather"]
    for wrong in ({"by": "month"}, {"file_format": "freqtrade"}):
        with pytest.raises(RequestError, match=r"path is .*x.csv'; give a folder"):
            await export_candles(store, "KRW-BTC", "60m", out / "x.csv", **wrong)  # type: ignore[arg-type]


IMPORTED = [JANUARY + 200 * HOUR, SPAN[1] + HOUR, SPAN[1] + 2 * HOUR]
"""The first lies where the exchange has said that there is nothing."""


@pytest.fixture
async def mixed(store: SqliteStore) -> SqliteStore:
    """Also with two candles after those of the exchange that another tool had, which knows no turnover."""
    report = await rxcandles.import_candles(
        store, "KRW-BTC", "60m", [[time * 1000, 2.0, 3.0, 1.0, 2.0, 5.0] for time in IMPORTED]
    )
    assert (report.new, report.covered) == (2, 1)
    return store


@pytest.mark.parametrize("file_format", ["parquet", "feather"])
async def test_imported(mixed: SqliteStore, out: Path, file_format: str) -> None:
    """With imported candles a file has those of both kinds, and says of each whether it is proven."""
    path = out / f"a.{file_format}"
    done = await export_candles(mixed, "KRW-BTC", "60m", path, include_imported=True)
    table = pyarrow.dataset.dataset(path, format=file_format).to_table()
    assert (done.rows, table.num_rows) == (len(TIMES) + 2, len(TIMES) + 2)
    assert done.missing == ((SPAN[1], IMPORTED[-1] + HOUR),)
    assert table.slice(0, len(TIMES)).drop_columns("proven").equals(stored(mixed))
    assert table["proven"].to_pylist() == [True] * len(TIMES) + [False] * 2
    assert table["turnover"].to_pylist()[-2:] == [None, None]
    assert [each.timestamp() for each in table["open_time"].to_pylist()[-2:]] == IMPORTED[1:]


async def test_imported_as_text(mixed: SqliteStore, out: Path) -> None:
    """In text what an import lacks is empty, or null."""
    for name in ("a.csv", "a.jsonl"):
        await export_candles(mixed, "KRW-BTC", "60m", out / name, since=timedelta(hours=4), include_imported=True)
    with (out / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (out / "a.jsonl").read_text().splitlines()]
    assert [each["proven"] for each in rows] == ["true", "false", "false"]
    assert [each["proven"] for each in lines] == [True, False, False]
    assert (rows[-1]["candle_acc_trade_price"], lines[-1]["candle_acc_trade_price"]) == ("", None)
    assert float(rows[0]["candle_acc_trade_price"]) == lines[0]["candle_acc_trade_price"]
    assert (float(rows[-1]["trade_price"]), lines[-1]["trade_price"]) == (2, 2)


async def test_imported_days(store: SqliteStore, out: Path) -> None:
    """Day candles keep their further columns, and ``proven`` is behind them."""
    await rxcandles.import_candles(store, "KRW-BTC", "1d", [[JANUARY * 1000, 2.0, 3.0, 1.0, 2.0, 5.0]])
    await export_candles(store, "KRW-BTC", "1d", out / "a.parquet", include_imported=True)
    [day] = pyarrow.parquet.read_table(out / "a.parquet").to_pylist()
    assert (list(day)[-2:], day["close"], day["change_rate"], day["proven"]) == (
        ["change_rate", "proven"], 2, None, False,
    )  # fmt: skip


async def test_only_imported(store: SqliteStore, out: Path) -> None:
    """Where all that is there was imported, the refusal says so; freqtrade's shape has no place for the mark."""
    await rxcandles.import_candles(store, "KRW-QQQ", "1m", [[JANUARY * 1000, 2.0, 3.0, 1.0, 2.0, 5.0]])
    with pytest.raises(RequestError, match="KRW-QQQ 1m but 1 imported candles, none of them proven"):
        await export_candles(store, "KRW-QQQ", "1m", out / "a.csv")
    with pytest.raises(RequestError, match="file_format is 'freqtrade'; take another"):
        await export_candles(store, "KRW-QQQ", "1m", out, file_format="freqtrade", include_imported=True)
    assert (await export_candles(store, "KRW-QQQ", "1m", out / "a.csv", include_imported=True)).rows == 1


async def test_unproven(store: SqliteStore, out: Path) -> None:
    """What isn't proven is said; where it has to be complete, nothing is written."""
    start, stop = TIMES[0] - 5 * HOUR, SPAN[1] + 2 * HOUR
    ends = {"since": to_datetime(start), "to": to_datetime(stop)}
    missing = ((start, SPAN[0]), (SPAN[1], stop))
    with pytest.raises(UnprovenError, match="2 spans are not proven, the oldest 2023-12-2") as caught:
        await export_candles(store, "KRW-BTC", "60m", out / "a.parquet", complete=True, **ends)  # type: ignore[arg-type]
    assert caught.value.missing == missing
    assert files(out) == []
    done = await export_candles(store, "KRW-BTC", "60m", out / "a.parquet", **ends)  # type: ignore[arg-type]
    assert (done.missing, done.rows) == (missing, len(TIMES))


async def test_nothing_proven(store: SqliteStore, out: Path) -> None:
    """Candles of which nothing is proven are written all the same, and that is said of all of them."""
    with sqlite3.connect(store.path) as file:
        file.execute("DELETE FROM coverage WHERE start < ?", (SPAN[1],))
    file.close()
    done = await export_candles(store, "KRW-BTC", "60m", out / "a.parquet")
    assert (done.rows, done.span, done.missing) == (len(TIMES), SPAN, (SPAN,))
    about = json.loads(pyarrow.parquet.read_schema(out / "a.parquet").metadata[b"rxcandles"])
    assert about["proven"] == []


async def test_day_columns(store: SqliteStore, out: Path) -> None:
    """Day candles have their three columns, with what is absent left empty."""
    day = row(86_400)._replace(prev_closing_price=1.5, change_price=-0.1)
    await store.write("KRW-BTC", Timeframe.of("1d"), [day], (86_400, 2 * 86_400))
    await export_candles(store, "KRW-BTC", "1d", out / "a.parquet")
    found = pyarrow.parquet.read_table(out / "a.parquet").to_pylist()[0]
    assert [found[name] for name in ("prev_closing_price", "change_price", "change_rate")] == [1.5, -0.1, None]


class Waiting:
    """A store whose reader waits in the middle of the candles until it may go on."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def reader(self, symbol: str, timeframe: Timeframe) -> Any:
        self._reader = self._store.reader(symbol, timeframe)
        return self

    def rows(self, *asked: Any) -> Any:
        return self._reader.rows(*asked) if len(asked) == 4 else self._store.rows(*asked)

    def opens(self, *asked: Any) -> Any:
        return self._reader.opens(*asked) if len(asked) == 4 else self._store.opens(*asked)

    def columns(self, start: int, stop: int, limit: int) -> Any:
        if start > SPAN[0]:
            self.reached.set()
            self.go_on.wait(10)
        return self._reader.columns(start, stop, limit)


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
async def test_cancelled(store: SqliteStore, out: Path, file_format: str) -> None:
    """Who is cancelled waits until the thread has stopped, and no part of a file is left."""
    (out / f"a.{file_format}").write_text("old")
    waiting = Waiting(store)
    work = asyncio.create_task(export_candles(waiting, "KRW-BTC", "60m", out / f"a.{file_format}", force=True))  # type: ignore[arg-type]
    await asyncio.to_thread(waiting.reached.wait, 10)
    work.cancel()
    await asyncio.sleep(0)
    assert not work.done()
    waiting.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert [path.read_text() for path in files(out)] == ["old"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"path": "a.xlsx"}, r"path is '.*a.xlsx'; give one that ends in .parquet"),
        ({"path": "a"}, r"path is '.*a'; give one that ends in .parquet"),
        ({"file_format": "excel"}, r"file_format is 'excel'; take one of"),
        ({"by": "year"}, r"by is 'year'; take 'month', or None"),
        ({"path": "a", "by": "month", "file_format": "freqtrade"}, r"file_format is 'freqtrade'; leave out by"),
        ({"by": "month", "timeframe": "1M"}, r"by is 'month'; leave it out"),
        ({"symbol": "KRW-NONE"}, r"nothing is stored of KRW-NONE 60m; collect it first"),
        ({"symbol": "a b"}, r"symbol is 'a b'; write"),
        ({"timeframe": "2m"}, r"timeframe is '2m'; take"),
        ({"since": "2024"}, r"since is '2024'; write '2024-01-31'"),
        ({"since": timedelta(days=10**6)}, r"since is .*; give"),
        ({"since": timedelta(0)}, r"between since and to is empty"),
        ({"to": 5}, r"to is 5; write '2024-01-31'"),
        ({"complete": 1}, r"complete is 1; take True or False"),
        ({"force": "yes"}, r"force is 'yes'; take True or False"),
        ({"path": "none/a.csv"}, r"there is no folder 'none'; make it"),
        ({"path": ""}, r"path is ''; give a path"),
    ],
)
async def test_refused(store: SqliteStore, out: Path, asked: dict[str, Any], says: str, monkeypatch: Any) -> None:
    """What can't be meant is refused by name, and nothing is written."""
    monkeypatch.chdir(out)
    given = {"symbol": "KRW-BTC", "timeframe": "60m", "path": "a.csv", **asked}
    with pytest.raises(RequestError, match=says):
        await export_candles(store, given.pop("symbol"), given.pop("timeframe"), given.pop("path"), **given)
    assert files(out) == []


async def test_absent(store: SqliteStore, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow, text can be written and the others say what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    await export_candles(store, "KRW-BTC", "60m", out / "a.csv")
    with pytest.raises(ExtraMissingError, match=r"this needs pyarrow: pip install 'rxcandles\[export\]'"):
        await export_candles(store, "KRW-BTC", "60m", out / "a.parquet")
