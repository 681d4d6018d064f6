"""A tool is known in both directions from its file alone: what is exported for it is recognised when it comes back."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

import rxcandles
from rxcandles import RequestError, SqliteStore, export_candles, import_candles
from rxcandles.interchange import tools
from rxcandles.interchange.output import Contents, Format
from rxcandles.interchange.reading.file_names import series_of_name, statements_of_name
from rxcandles.interchange.tools.freqtrade import freqtrade_file
from rxcandles.interchange.tools.tool import Names, Tool
from rxcandles.interchange.vocabulary.statements import Statement
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.modes.sequence import Columns
from tests.support.fakes import row

HOUR = 3600
START = 1_704_067_200
"""2024-01-01."""
STAMPS = [START + hour * HOUR for hour in range(50) if hour % 7]


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        yield opened


async def stored(store: SqliteStore, frame: Timeframe, opens: Sequence[int]) -> None:
    rows = [row(time) for time in reversed(opens)]
    await store.write("KRW-BTC", frame, rows, (opens[0], frame.shift(opens[-1], 1)))


async def came_back(path: Path, frame: Timeframe, **options: Any) -> tuple[str, list[tuple[float, ...]]]:
    """The format that a file was read as, and its candles."""
    async with SqliteStore(":memory:") as other:
        report = await import_candles(other, "KRW-BTC", frame, path, **options)
        found = await other.rows_with_imported("KRW-BTC", frame, 0, 10**11, "oldest_first", 10**6)
    return report.format, [tuple(each[:6]) for each in found]


# The whole of a tool: what it calls files, columns and times, and how its files are written.


def toy_file(symbol: str, timeframe: str) -> str:
    return f"{symbol}@{timeframe}.toy.csv"


def write_toy(path: Path, contents: Contents, pages: Iterable[Columns]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["began", "first", "top", "bottom", "end price", "amount"])
        for page in pages:
            writer.writerows(zip(*page[:6], strict=True))


class Toy(Tool):
    name = "toy"
    is_format = True
    kind = "csv"
    columns: ClassVar[Names] = {
        "open_time": ("began",), "open": ("first",), "high": ("top",), "low": ("bottom",), "close": ("end price",),
        "volume": ("amount",),
    }  # fmt: skip
    export = Format(write_toy, needs_arrow=False, keeps_proven=False, file_name=toy_file)

    def by_name(self, name: str) -> Statement | None:
        if not name.endswith(".toy.csv"):
            return None
        symbol, _, timeframe = name.removesuffix(".toy.csv").partition("@")
        return Statement("by its name", symbol, timeframe)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool, as long as the test runs."""
    monkeypatch.setattr(tools, "_TOOLS", dict(tools._TOOLS))
    tools.register(Toy())


@pytest.mark.usefixtures("toy")
async def test_a_tool_is_one_class(store: SqliteStore, tmp_path: Path) -> None:
    """One that is registered is written and read without a word about it anywhere else."""
    frame = Timeframe.of("60m")
    await stored(store, frame, STAMPS)
    done = await export_candles(store, "KRW-BTC", frame, tmp_path / "data", file_format="toy")
    assert done.paths == (tmp_path / "data" / "KRW-BTC@60m.toy.csv",)
    assert series_of_name(done.paths[0]) == ("KRW-BTC", "60m")
    for options in ({}, {"format": "toy"}):
        style, candles = await came_back(done.paths[0], frame, **options)
        assert (style, candles) == ("toy", [tuple(row(time)[:6]) for time in STAMPS])
    with pytest.raises(RequestError, match="the candles of KRW-BTC 60m, not KRW-BTC 1m"):
        await came_back(done.paths[0], Timeframe.of("1m"))
    with pytest.raises(RequestError, match="file_format is 'toy'; take another, it has no column that says which"):
        await export_candles(store, "KRW-BTC", frame, tmp_path, file_format="toy", include_imported=True)
    with pytest.raises(RequestError, match="file_format is 'toy'; leave out by"):
        await export_candles(store, "KRW-BTC", frame, tmp_path, file_format="toy", by="month")


@pytest.mark.usefixtures("toy")
def test_registering() -> None:
    """A name is given once, and columns are named that there are."""
    with pytest.raises(RequestError, match="there is a tool 'toy' already"):
        tools.register(Toy())

    class Wrong(Tool):
        name = "wrong"
        columns: ClassVar[Names] = {"colour": ("red",)}

    with pytest.raises(RequestError, match="columns is 'colour'; name columns of ours: open_time, open, high"):
        tools.register(Wrong())


@pytest.mark.parametrize("frame", TIMEFRAMES, ids=str)
async def test_freqtrade_there_and_back(frame: Timeframe, store: SqliteStore, tmp_path: Path) -> None:
    """Of every timeframe freqtrade's file comes back as what it is, months too."""
    opens = [frame.shift(frame.floor(START), number) for number in range(-5, 1)]
    await stored(store, frame, opens)
    done = await export_candles(store, "KRW-BTC", frame, tmp_path, file_format="freqtrade")
    [path] = done.paths
    assert path.name == freqtrade_file("KRW-BTC", frame.name)
    assert series_of_name(path) == ("KRW-BTC", frame.name)
    assert await came_back(path, frame) == ("freqtrade", [tuple(row(time)[:6]) for time in opens])


async def test_folder_of_freqtrade_names_the_exchange(store: SqliteStore, tmp_path: Path) -> None:
    """In freqtrade's folder of another exchange, candles are that one's; other folders say nothing."""
    await stored(store, Timeframe.of("60m"), STAMPS)
    folders = {"user_data/data/upbit": True, "data/binance": True, "user_data/data/mine": True,
               "user_data/data/binance": False}  # fmt: skip
    for folder, is_taken in folders.items():
        done = await export_candles(store, "KRW-BTC", "60m", tmp_path / folder, file_format="freqtrade")
        if is_taken:
            assert len((await came_back(done.paths[0], Timeframe.of("60m")))[1]) == len(STAMPS)
        else:
            with pytest.raises(RequestError, match="by its folder, the candles of the exchange binance, not of upbit"):
                await came_back(done.paths[0], Timeframe.of("60m"))


async def test_pyupbit_and_ccxt_there_and_back(store: SqliteStore) -> None:
    """What is made for them in memory is known again; Korean time is read as such."""
    frame = Timeframe.of("60m")
    await stored(store, frame, STAMPS)
    candles = rxcandles.stored_candles(store, "KRW-BTC", "60m")
    expected = [tuple(row(time)[:6]) for time in STAMPS]
    for name, made in (("ccxt", rxcandles.to_ccxt(candles)), ("pyupbit", rxcandles.to_pyupbit(candles)),
                       ("frame", rxcandles.to_freqtrade(candles))):  # fmt: skip
        async with SqliteStore(":memory:") as other:
            report = await import_candles(other, "KRW-BTC", frame, made)
            found = await other.rows_with_imported("KRW-BTC", frame, 0, 10**11, "oldest_first", 10**6)
        assert (report.format, [tuple(each[:6]) for each in found]) == (name, expected)


def test_each_tool_has_a_name_of_its_own() -> None:
    """No file's name is claimed by two tools."""
    names = (
        "KRW-BTC_candle-1m_20250101.csv", "KRW-BTC_minute1_20250217_1200.csv", "BTCUSDT-1m-2024-01.zip",
        "Upbit_BTCKRW_minute.csv", "UPBIT_BTCKRW, 60.csv", "BTC_KRW-1h.feather",
    )  # fmt: skip
    for name in names:
        assert sum(tool.by_name(name) is not None for tool in tools.known_tools()) == 1
        assert statements_of_name(Path(name), folders=False)[1]
