"""What can't be imported is refused with file, line or row, value and what is allowed; nothing is stored."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pytest

import rxcandles
from rxcandles import ExtraMissingError, RequestError, SqliteStore, import_candles

T = 1_704_067_200  # 2024-01-01
NOW = T + 86_400 + 30
HEAD = "open_time,open,high,low,close,volume"
GOOD = "2024-01-01T00:00:00Z,5,6,4,5,1"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "candles.db") as opened:
        yield opened
        with sqlite3.connect(opened.path) as file:
            for table in ("series", "candles", "coverage", "imported", "imports"):
                assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        file.close()


def csv(*lines: str) -> str:
    return "\n".join((HEAD, GOOD, *lines))


CSV: list[tuple[str, str]] = [
    (csv("2024-01-01T00:00:30Z,5,6,4,5,1"),
     r"line 3: open_time is '2024-01-01T00:00:30Z'.*no 1m candle opens; the nearest open at 2024-01-01T00:00:00Z and"),
    (csv("2024-01-01T00:01:00.5Z,5,6,4,5,1"), r"line 3: open_time is .*no 1m candle opens"),
    (csv("2024-01-02T00:00:00Z,5,6,4,5,1"), r"line 3: .*this 1m candle is not over at 2024-01-02T00:00:30Z.*; leave"),
    (csv("2030-01-01T00:00:00Z,5,6,4,5,1"), r"line 3: open_time is '2030-.* not over"),
    (csv("1969-12-31T00:00:00Z,5,6,4,5,1"), r"line 3: open_time is '1969.*; take times from 1970 on"),
    (csv("yesterday,5,6,4,5,1"), r"line 3: open_time is 'yesterday': write ISO 8601, or seconds"),
    (csv("01/02/2024,5,6,4,5,1"), r"line 3: open_time is '01/02/2024': write ISO 8601"),
    (csv("12345,5,6,4,5,1"), r"line 3: open_time is '12345': numbers of 10 digits are seconds"),
    (csv(",5,6,4,5,1"), r"line 3: open_time is ''"),
    (csv(GOOD, "", GOOD.replace("5,1", "5,2")),
     r"line 2: the candle of 2024-01-01T00:00:00Z is open 5.0, high 6.0, low 4.0, close 5.0, volume 1.0 here, but in"
     r" line 5: open 5.0.*volume 2.0; keep one"),
    (csv("2024-01-01T00:01:00Z,5,6,4,nan,1"), r"line 3: the candle of 2024-01-01T00:01:00Z: close is nan, not a"),
    (csv("2024-01-01T00:01:00Z,5,inf,4,5,1"), r"line 3: .*high is inf"),
    (csv("2024-01-01T00:01:00Z,5,6,0,5,1"), r"line 3: .*low is 0.0, not a finite price above 0"),
    (csv("2024-01-01T00:01:00Z,5,6,4,7,1"), r"line 3: .*open 5.0 and close 7.0 are not within low 4.0 and high 6.0"),
    (csv("2024-01-01T00:01:00Z,5,6,4,5,-1"), r"line 3: .*volume is -1.0, not a finite amount"),
    (csv("2024-01-01T00:01:00Z,5,6,4,,1"), r"line 3: close is ''; take a number"),
    (csv("2024-01-01T00:01:00Z,5,6,4,five,1"), r"line 3: close is 'five'; take a number"),
    (csv('2024-01-01T00:01:00Z,"5,5",6,4,5,1'), r"line 3: open is '5,5'; take a number, with a point"),
    (csv("2024-01-01T00:01:00Z,5,6,4,5"), r"line 3: it has 5 values, its header 6"),
    (csv('2024-01-01T00:01:00Z,5,6,4,"5'), r"is no CSV in UTF-8"),
    (HEAD + ",turnover\n" + GOOD + ",-1", r"line 2: .*turnover is -1.0"),
    (HEAD + ",timestamp\n" + GOOD + ",1.5", r"line 2: .*timestamp is 1.5, not milliseconds"),
    (HEAD + ",market\n" + GOOD + ",KRW-ETH", r"line 2: it is of 'KRW-ETH', not of 'KRW-BTC'"),
    ("", r"has no header"),
    (HEAD, r"has no rows; there is nothing to import"),
    ("a,b\n1,2", r"its columns are 'a', 'b', which have no open_time, open, high, low, close, volume; rename them"),
    (HEAD + ",open\n" + GOOD + ",5", r"column 'open' is there more than once"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), CSV)
async def test_csv(store: SqliteStore, tmp_path: Path, text: str, says: str) -> None:
    """Each mistake in a CSV is named by its line, however good the lines around it are."""
    path = tmp_path / "theirs.csv"
    path.write_text(text)
    with pytest.raises(RequestError, match=says) as caught:
        await import_candles(store, "KRW-BTC", "1m", path, now=NOW)
    assert str(path) in str(caught.value)


async def test_a_mistake_late(store: SqliteStore, tmp_path: Path) -> None:
    """A mistake after thousands of good lines leaves none of them behind, there or in the temporary folder."""
    path = tmp_path / "theirs.csv"
    path.write_text("\n".join((HEAD, *(f"{T + 60 * n},5,6,4,5,1" for n in range(11_000)), "x,5,6,4,5,1")))
    with pytest.raises(RequestError, match="line 11002: open_time is 'x'"):
        await import_candles(store, "KRW-BTC", "1m", path, now=NOW * 2)


async def test_the_row_is_the_right_one(store: SqliteStore, tmp_path: Path) -> None:
    """Rows are counted right through all batches, from wherever they come."""
    frame = pandas.DataFrame({"date": range(T, T + 60 * 12_000, 60)}).assign(open=5, high=6, low=4, close=5, volume=1.5)
    frame.loc[11_001, "volume"] = -1
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_feather(tmp_path / "a.feather")
    rows = [[time * 1000, *rest] for time, *rest in frame.itertuples(index=False)]
    for source in (frame, tmp_path / "a.parquet", tmp_path / "a.feather", rows):
        with pytest.raises(RequestError, match="row 11002: .*volume is -1"):
            await import_candles(store, "KRW-BTC", "1m", source, now=NOW * 2)


ROW = [T * 1000, 5, 6, 4, 5, 1]
JSON: list[tuple[str, str]] = [
    ("{}", "is no JSON list of lists"),
    ("", "is no JSON list of lists"),
    ("[]", "has no rows"),
    ("[[1,2", "ends in the middle"),
    (json.dumps([ROW])[:-1], "is no JSON list of lists|ends in the middle"),
    (json.dumps([ROW, ROW]).replace("], [", "] ["), "is no JSON list of lists"),
    (json.dumps([ROW, ROW[:5]]), r"row 2 is \[1704067200000, 5, 6, 4, 5\]; give \[milliseconds, open"),
    (json.dumps([ROW, 5]), r"row 2 is 5; give"),
    (json.dumps([ROW, [True, *ROW[1:]]]), r"row 2: open_time is True: give a time"),
    (json.dumps([ROW, [*ROW[:5], True]]), r"row 2: volume is True; take a number"),
    (json.dumps([ROW, [ROW[0], *[None] * 5]]), r"row 2: open is None; take a number"),
    (json.dumps([ROW, [T, *ROW[1:]]]), r"row 2: open_time is 1704067200: the rows before have another unit"),
]


@pytest.mark.parametrize(("text", "says"), JSON)
async def test_json(store: SqliteStore, tmp_path: Path, text: str, says: str) -> None:
    """So is each in a JSON file, by its row."""
    path = tmp_path / "theirs.json"
    path.write_text(text)
    with pytest.raises(RequestError, match=says):
        await import_candles(store, "KRW-BTC", "1m", path, now=NOW)


FRAME = pandas.DataFrame({"date": [datetime(2024, 1, 1), pandas.NaT], **dict.fromkeys(("open", "high", "low"), 5.0)})
FRAME = FRAME.assign(close=5.0, volume=1.0)
CASES: list[tuple[Any, str]] = [
    (FRAME, r"the frame, row 2: open_time is NaT: it is missing"),
    (pyarrow.Table.from_pandas(FRAME), r"the frame, row 2: open_time is None: give a time"),
    (
        FRAME.assign(date=pandas.Timestamp("2024-01-01") + pandas.Timedelta(1, "ns")),
        r"row 1: open_time is|can't be read",
    ),
    (FRAME.assign(date="2024-01-01", close=["x", 5.0]), r"row 1: close is 'x'"),
    (FRAME[["date", "open"]], r"the frame: its columns are 'date', 'open', which have no high, low, close, volume"),
    (FRAME.iloc[:0], r"the frame has no rows"),
    ([], r"the list has no rows"),
    ([[1]], r"the list, row 1 is \[1\]; give"),
    (5, r"source is 5; give the path"),
    (None, r"source is None; give the path"),
    (pandas.DataFrame, r"source is <class.*; give the path"),
    ("", r"source is ''; give a path"),
    ("absent.csv", r"there is no file 'absent.csv'"),
    (Path(__file__).parent, r"there is no file"),
    (__file__, r"its name does not say what it is; end it with one of .csv"),
]


@pytest.mark.parametrize(("source", "says"), CASES)
async def test_sources(store: SqliteStore, source: Any, says: str) -> None:
    """What is no source, or no whole one, is refused too."""
    with pytest.raises(RequestError, match=says):
        await import_candles(store, "KRW-BTC", "1m", source, now=NOW)


@pytest.mark.parametrize("name", ["a.parquet", "a.feather"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"ARROW1" * 99, b"\0" * 999])
async def test_no_such_format(store: SqliteStore, tmp_path: Path, name: str, content: bytes) -> None:
    """A file that is not what its name says is refused."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RequestError, match=rf"{name} (is no (Parquet|feather) file|can't be read)"):
        await import_candles(store, "KRW-BTC", "1m", path)


async def test_damaged_parquet(store: SqliteStore, tmp_path: Path) -> None:
    """A Parquet file that is damaged in the middle is refused as a whole."""
    path = tmp_path / "a.parquet"
    times = pandas.date_range("2024-01-01", periods=9000, freq="min")
    pandas.DataFrame({"date": times, **dict.fromkeys(("open", "high", "low", "close"), 5.0)}).assign(
        volume=range(1, 9001)
    ).to_parquet(path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[200:4000] = bytes(3800)
    path.write_bytes(content)
    with pytest.raises(RequestError, match="can't be read"):
        await import_candles(store, "KRW-BTC", "1m", path)


@pytest.mark.parametrize("name", ["ETH_KRW-1m.feather", "BTC_KRW-5m.feather", "BTC_KRW-8h.feather"])
async def test_of_another_series(store: SqliteStore, tmp_path: Path, name: str) -> None:
    """A file of freqtrade's that has another market or timeframe by its name is not taken for this one's."""
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(
        RequestError, match=r"has, by its name, the candles of KRW-.*, not KRW-BTC 1m; import it as those"
    ):
        await import_candles(store, "KRW-BTC", "1m", tmp_path / name)


async def test_times_that_are_there_twice(store: SqliteStore) -> None:
    """A time of the hour that a zone's clocks repeat or leave out is refused: nobody knows which is meant."""
    for time in ("2023-11-05 01:30", "2023-03-12 02:30"):
        frame = FRAME.assign(date=time)
        with pytest.raises(
            RequestError, match=r"row 1: open_time is '2023.*there twice or not at all; write it with its"
        ):
            await import_candles(store, "KRW-BTC", "1m", frame, tz="America/New_York")


async def test_pyupbit_shape_as_csv(store: SqliteStore, tmp_path: Path) -> None:
    """pyupbit's Korean times are not read as UTC because somebody calls the file CSV."""
    path = tmp_path / "a.csv"
    path.write_text(",open,high,low,close,volume,value\n2024-01-01 09:00:00,5,6,4,5,1,5\n")
    with pytest.raises(
        RequestError,
        match=r"a.csv: its times, such as 2024-01-01 09:00, have no zone, and may be Korean: .*'value'.*\(--tz\)",
    ):
        await import_candles(store, "KRW-BTC", "1m", path, format="csv")


OPTIONS: list[tuple[str, Any]] = [
    *[("format", value) for value in ("excel", "", 5, [])],
    *[("columns", value) for value in (5, "a=b", {"open_time": 5}, {"opened": "Date"})],
    *[("tz", value) for value in ("", "Seoul", "../x", "\0", 9, [])],
    *[("keep_empty", value) for value in (0, "yes", None)],
    *[("replace", value) for value in (0, "yes", None)],
    *[("now", value) for value in (-1, "now", float("nan"))],
]


@pytest.mark.parametrize(("name", "value"), OPTIONS)
async def test_options(store: SqliteStore, name: str, value: Any) -> None:
    """An option that can't be meant is refused by name, with its value and what is allowed."""
    options: dict[str, Any] = {name: value}
    with pytest.raises(RequestError, match=rf"{name} is {re.escape(repr(value))}|columns is 'opened'") as caught:
        await import_candles(store, "KRW-BTC", "1m", [ROW], **options)
    assert re.search("; (take|give|name|its keys are)", str(caught.value))


async def test_who_and_where(store: SqliteStore) -> None:
    """So are a market, a timeframe and a store that can't be."""
    for arguments, says in (
        ((store, "KRW BTC", "1m"), "symbol is 'KRW BTC'"),
        ((store, "KRW-BTC", "2m"), "timeframe is '2m'"),
        (("candles.db", "KRW-BTC", "1m"), "store is 'candles.db'; give a SqliteStore or a PostgresStore"),
    ):
        with pytest.raises(RequestError, match=says):
            await rxcandles.import_candles(*arguments, [ROW])  # type: ignore[arg-type]


async def test_without_pyarrow(store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pyarrow is not installed, the error says how to install it; CSV needs none."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExtraMissingError, match=r"needs pyarrow: pip install 'rxcandles\[arrow\]'"):
        await import_candles(store, "KRW-BTC", "1m", tmp_path / "a.parquet")
