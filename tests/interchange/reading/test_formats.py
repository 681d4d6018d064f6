"""Files as other tools write them come in as they are meant, each of them real."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles import MarkedRow, Row, SqliteStore, import_candles
from rxcandles.cli.console import format_candles
from rxcandles.interchange.reading import row_sources as sources
from rxcandles.model import CandleData
from rxcandles.model.timeframe import to_datetime

T = 1_704_067_200  # 2024-01-01
NOW = T + 10**7
PRICES = st.lists(st.floats(1e-8, 1e12), min_size=4, max_size=4).map(sorted)


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Candles that can be, at any minutes, oldest first."""
    rows = []
    for slot in sorted(draw(st.sets(st.integers(0, 5000), min_size=1, max_size=12))):
        low, first, last, high = draw(PRICES)
        opened = T + slot * 60
        volume, turnover = draw(st.floats(1e-8, 1e12)), draw(st.floats(0, 1e15))
        rows.append(Row(opened, first, high, low, last, volume, turnover, opened * 1000 + draw(st.integers(0, 99_999))))
    return rows


def full(rows: list[Row]) -> pandas.DataFrame:
    frame = pandas.DataFrame(rows).iloc[:, :8]
    frame["open_time"] = pandas.to_datetime(frame["open_time"], unit="s", utc=True)
    return frame


def as_pyupbit(rows: list[Row]) -> pandas.DataFrame:
    """What ``pyupbit.get_ohlcv`` returns: a naive Korean index without a name."""
    frame = full(rows)[["open", "high", "low", "close", "volume", "turnover"]].rename(columns={"turnover": "value"})
    frame.index = pandas.DatetimeIndex([to_datetime(row.open_time + 9 * 3600).replace(tzinfo=None) for row in rows])
    return frame


def as_freqtrade(rows: list[Row], unit: str = "ms") -> pandas.DataFrame:
    """What freqtrade stores: dates of milliseconds, or of nanoseconds in older files."""
    frame = full(rows)[["open_time", "open", "high", "low", "close", "volume"]].rename(columns={"open_time": "date"})
    return frame.astype({"date": f"datetime64[{unit}, UTC]"})


def as_ccxt(rows: list[Row]) -> list[list[float]]:
    """What ``exchange.fetch_ohlcv`` returns."""
    return [[row.open_time * 1000, *row[1:6]] for row in rows]


def ours(rows: list[Row], path: Path) -> None:
    path.write_text("\n".join(format_candles(CandleData.of("KRW-BTC", "1m", rows), "csv")))


Write = Callable[[list[Row], Path], object]
ALL, VALUE, PLAIN = 8, 7, 6
"""How many of a row's columns each has."""

FILES: list[tuple[str, str, int, Write]] = [
    ("rows.csv", "csv", ALL, lambda rows, path: full(rows).to_csv(path, index=False)),
    ("printed.csv", "csv", VALUE, ours),
    ("rows.parquet", "parquet", ALL, lambda rows, path: full(rows).to_parquet(path)),
    ("rows.feather", "feather", ALL, lambda rows, path: full(rows).to_feather(path)),
    ("BTC_KRW-1m.feather", "freqtrade", PLAIN, lambda rows, path: as_freqtrade(rows).to_feather(path)),
    ("BTC_KRW-1m.parquet", "freqtrade", PLAIN, lambda rows, path: as_freqtrade(rows, "ns").to_parquet(path)),
    ("BTC_KRW-1m.json", "freqtrade", PLAIN, lambda rows, path: path.write_text(json.dumps(as_ccxt(rows)))),
    ("ccxt.json", "ccxt", PLAIN, lambda rows, path: path.write_text(json.dumps(as_ccxt(rows)))),
    ("lines.json", "ccxt", PLAIN, lambda rows, path: path.write_text(json.dumps(as_ccxt(rows), indent=1) + "\n")),
    ("korean.csv", "pyupbit", VALUE, lambda rows, path: as_pyupbit(rows).to_csv(path)),
    ("korean.parquet", "pyupbit", VALUE, lambda rows, path: as_pyupbit(rows).to_parquet(path)),
]  # fmt: skip
OBJECTS: list[tuple[str, int, Callable[[list[Row]], Any]]] = [
    ("frame", ALL, full),
    ("frame", ALL, lambda rows: pyarrow.Table.from_pandas(full(rows))),
    ("frame", PLAIN, as_freqtrade),
    ("frame", PLAIN, lambda rows: as_freqtrade(rows).set_index("date")),
    ("pyupbit", VALUE, as_pyupbit),
    ("ccxt", PLAIN, as_ccxt),
    ("ccxt", PLAIN, lambda rows: [tuple(row) for row in as_ccxt(rows)]),
]


def expected(rows: list[Row], width: int) -> list[MarkedRow]:
    return [MarkedRow(*row[:width], *(None,) * (11 - width), proven=False) for row in rows]  # type: ignore[call-arg, arg-type]


class Place:
    """An open store, with a market of its own for each import."""

    def __init__(self, runner: asyncio.Runner, store: SqliteStore) -> None:
        self.run = runner.run
        self.store = store
        self._numbers = count()

    def imported(self, source: Any, style: str, market: str | None = None, **options: Any) -> list[MarkedRow]:
        symbol = market or f"KRW-T{next(self._numbers)}"
        report = self.run(import_candles(self.store, symbol, "1m", source, now=NOW, **options))
        found = self.run(self.store.imported(symbol, "1m", 0, NOW, "oldest_first", 10**6))
        assert (report.format, report.new) == (style, len(found))
        return found


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(":memory:"))
        yield Place(runner, store)
        runner.run(store.close())


@pytest.mark.parametrize(("name", "style", "width", "write"), FILES, ids=[name for name, *_ in FILES])
@settings(max_examples=12, deadline=None)
@given(rows=histories())
def test_files(
    name: str, style: str, width: int, write: Write, place: Place, tmp_path_factory: Any, rows: list[Row]
) -> None:
    """Each file comes in just as it was, by its name alone, whatever of turnover and timestamp it has."""
    path = tmp_path_factory.mktemp("files") / name
    write(rows, path)
    named = "BTC_KRW" in name or "printed" in name
    found = place.run(_alone(path, style)) if named else place.imported(str(path), style)
    assert found == expected(rows, width)


async def _alone(path: Path, style: str) -> list[MarkedRow]:
    """Import what can only be of one market."""
    async with SqliteStore(path.with_name("candles.db")) as store:
        assert (await import_candles(store, "KRW-BTC", "1m", path, now=NOW)).format == style
        return await store.imported("KRW-BTC", "1m", 0, NOW, "oldest_first", 10**6)


@pytest.mark.parametrize(("style", "width", "make"), OBJECTS)
@settings(max_examples=12, deadline=None)
@given(rows=histories(), order=st.randoms(use_true_random=False))
def test_objects(
    style: str, width: int, make: Callable[[list[Row]], Any], place: Place, rows: list[Row], order: Any
) -> None:
    """What pandas, Arrow, ccxt and pyupbit have in memory comes in likewise, in any order."""
    shuffled = order.sample(rows, len(rows))
    assert place.imported(make(shuffled), style) == expected(rows, width)


def test_generic_csv(place: Place, tmp_path: Path) -> None:
    """Any CSV comes in, given what its columns are called and which zone its times are of."""
    path = tmp_path / "theirs.csv"
    path.write_text(
        '\ufeffWhen;Last;First;Top;Bottom;Amount;Note\r\n\r\n2024-03-31 20:00:00;1;1;1;1;1;"a\nb"\r\n', encoding="utf-8"
    )
    columns = {
        "open_time": "When",
        "open": "First",
        "high": "Top",
        "low": "Bottom",
        "close": "Last",
        "volume": "Amount",
    }
    (row,) = place.imported(path, "csv", columns=columns, tz="America/New_York")
    assert row.open_time == datetime(2024, 4, 1, tzinfo=ZoneInfo("UTC")).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "1704067200", "1704067200000", "1704067200000000", "1704067200000000000", "1704067200.0", "2024-01-01",
        "20240101", "2024-01-01 00:00", "2024-01-01T00:00:00Z", "2024-01-01T09:00:00+09:00",
        " 2024-01-01T00:00:00.000 ",
    ],
)  # fmt: skip
def test_times(place: Place, tmp_path: Path, text: str) -> None:
    """Times are read as ISO 8601, of UTC where they don't say, or as numbers whose digits tell their unit."""
    path = tmp_path / "one.csv"
    path.write_text(f"Timestamp,Open,High,Low,Close,Volume\n{text},1,1,1,1,1\n")
    (row,) = place.imported(path, "csv")
    assert (row.open_time, row.timestamp) == (T, None)


async def test_days(tmp_path: Path) -> None:
    """Day candles keep the three columns that only they have; days of pandas' pyupbit frames open at 9 in Korea."""
    row = Row(T, 1.0, 2.0, 0.5, 1.5, 3.0, 4.0, T * 1000, 1.25, 0.25, 0.2)
    frame = pandas.DataFrame([row])
    async with SqliteStore(":memory:") as store:
        await import_candles(store, "KRW-BTC", "1d", frame)
        assert await store.imported("KRW-BTC", "1d", 0, NOW, "newest_first", 9) == [MarkedRow(*row, proven=False)]
        report = await import_candles(store, "KRW-BTC", "1d", as_pyupbit([row]))
    assert (report.new, report.same) == (0, 1)


def test_nobody_traded(place: Place) -> None:
    """Rows with which others fill up minutes without a trade are left out and counted, or kept if asked for."""
    filled = [[T * 1000, 5, 5, 5, 5, 0], [(T + 60) * 1000, 5, 6, 4, 5, 1], [(T + 120) * 1000, 5, 5, 5, 5, 0.0]]
    assert len(place.imported(filled, "ccxt")) == 1
    assert len(place.imported(filled, "ccxt", keep_empty=True)) == 3
    report = place.run(import_candles(place.store, "KRW-EMPTY", "1m", filled))
    assert (report.rows, report.new, report.empty) == (3, 1, 2)


def test_pieces(place: Place, tmp_path: Path) -> None:
    """A JSON file is read in pieces that end anywhere, and none of its rows is lost between them."""
    rows = [Row(T + 60 * n, 1.5, 2.5, 0.5, 1.25, n + 0.125, 0, 0) for n in range(20_000)]
    path = tmp_path / "long.json"
    path.write_text(json.dumps(as_ccxt(rows)))
    assert place.imported(path, "ccxt") == expected(rows, PLAIN)


def test_memory(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a file takes the same memory however long it is: that of one batch."""
    monkeypatch.setattr(sources, "BATCH", 500)
    peaks = []
    for length in (1000, 4000):
        path = tmp_path / "long.csv"
        lines = (f"{T + 60 * n},1,2,0.5,1.5,{n + 1}" for n in range(length))
        path.write_text("\n".join(("time,open,high,low,close,volume", *lines)))
        tracemalloc.start()
        try:
            place.run(import_candles(place.store, f"KRW-M{length}", "1m", path, now=NOW))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3 < 2_000_000
