"""Frames and archives as people have them: their times, their zones, and the same once more."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

from rxcandles import RequestError, SqliteStore
from tests.support.broughtfiles import DAYS, HEAD, KST, ROWS, T, csv, got, lines, said, take, upbit_object, values


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        yield opened


def frame(rows: Sequence[tuple[Any, ...]] = ROWS, *, shift: int = 0, zone: str | None = None) -> pandas.DataFrame:
    made = pandas.DataFrame(rows, columns=["date", "open", "high", "low", "close", "volume"])
    times = pandas.to_datetime(made["date"] + shift, unit="s")
    made["date"] = times if zone is None else times.dt.tz_localize(zone)
    return made


def two_levels(*, tickers: Sequence[str], first: bool) -> pandas.DataFrame:
    made = frame(zone="UTC").set_index("date").rename(columns=str.title)
    parts = {ticker: made if ticker == tickers[-1] else made * 2 for ticker in tickers}
    joined = pandas.concat(parts, axis=1)
    return joined if first else joined.swaplevel(axis=1)


OBJECTS: list[tuple[str, Callable[[], Any], dict[str, Any]]] = [
    ("pyupbit", lambda: frame(shift=KST).set_index("date").rename_axis(None).assign(value=1.0), {}),
    ("pyupbit reset", lambda: frame(shift=KST).set_index("date").rename_axis(None).assign(value=1.0).reset_index(), {}),
    ("index of Korea", lambda: frame(shift=KST).set_index("date").rename_axis("candle_date_time_kst"), {}),
    ("index with a zone", lambda: frame(zone="UTC").set_index("date").rename_axis(None).tz_convert("Asia/Seoul"), {}),
    ("two columns", lambda: frame().assign(time=lambda f: f.date.dt.time, date=lambda f: f.date.dt.date), {}),
    (
        "midnight and time",
        lambda: frame().assign(time=lambda f: f.date.dt.strftime("%H:%M"), date=lambda f: f.date.dt.normalize()),
        {},
    ),
    (
        "time since midnight",
        lambda: frame().assign(time=lambda f: f.date - f.date.dt.normalize(), date=lambda f: f.date.dt.date),
        {},
    ),
    ("polars", lambda: polars.from_pandas(frame()), {}),
    ("polars of Korea", lambda: polars.from_pandas(frame(shift=KST).rename(columns={"date": "time_kst"})), {}),
    ("categories", lambda: pyarrow.Table.from_pandas(frame().assign(symbol=pandas.Categorical(["KRW-BTC"] * 40))), {}),
    ("text", lambda: frame().astype(str), {}),
    ("yahoo", lambda: two_levels(tickers=["BTC-KRW"], first=False), {}),
    ("yahoo by ticker", lambda: two_levels(tickers=["BTC-KRW"], first=True), {}),
    ("yahoo of two", lambda: two_levels(tickers=["ETH-KRW", "BTC-KRW"], first=False), {}),
    ("levels of rows", lambda: frame().assign(symbol="KRW-BTC").set_index(["symbol", "date"]), {}),
    ("missing amounts", lambda: frame().assign(turnover=pandas.NA, timestamp=None), {}),
    (
        "numbered columns",
        lambda: frame().set_axis(range(6), axis=1),
        {"columns": dict(zip(("open_time", "open", "high", "low", "close", "volume"), "012345", strict=True))},
    ),
    ("objects", lambda: [upbit_object(row) for row in ROWS], {}),
    (
        "numpy",
        lambda: [list(row) for row in frame(zone="UTC").assign(date=[row[0] * 1000 for row in ROWS]).to_numpy()],
        {},
    ),
    ("seconds", lambda: [list(row) for row in ROWS], {}),
]


@pytest.mark.parametrize(("name", "make", "options"), OBJECTS, ids=[name for name, *_ in OBJECTS])
async def test_objects(store: SqliteStore, name: str, make: Callable[[], Any], options: dict[str, Any]) -> None:
    """So does what is in memory."""
    assert got((await take(store, make(), **options))[1]) == ROWS


DAILY: list[tuple[str, Any, dict[str, Any], str | None]] = [
    ("at nine", frame(DAYS, shift=KST), {}, "KST"),
    (
        "at nine, Korean names",
        frame(DAYS, shift=KST).set_axis(["일자", "시가", "고가", "저가", "종가", "거래량"], axis=1),
        {},
        "KST",
    ),
    ("at nine, a timestamp", frame(DAYS, shift=KST).rename(columns={"date": "timestamp"}), {}, "KST"),
    ("at midnight", frame(DAYS), {}, "UTC"),
    ("dates", frame(DAYS).assign(date=lambda f: f.date.dt.date), {}, None),
    ("dates and Korea", frame(DAYS).assign(date=lambda f: f.date.dt.date), {"tz": "KST"}, None),
    ("digits", frame(DAYS).assign(date=lambda f: f.date.dt.strftime("%Y%m%d").astype(int)), {}, None),
    (
        "Korean dates",
        frame(DAYS)
        .set_axis(["일자", "시가", "고가", "저가", "종가", "거래량"], axis=1)
        .assign(일자=lambda f: f["일자"].dt.strftime("%Y. %m. %d.")),
        {},
        None,
    ),
]


@pytest.mark.parametrize(("name", "source", "options", "zone"), DAILY, ids=[name for name, *_ in DAILY])
async def test_days(store: SqliteStore, name: str, source: Any, options: dict[str, Any], zone: str | None) -> None:
    """Days open at nine in Korea, which is midnight in UTC; a date alone names the day in both."""
    report, found = await take(store, source, "1d", **options)
    assert got(found) == DAYS
    assert report.zone == zone


async def test_zone_and_encoding_are_said(store: SqliteStore, tmp_path: Path) -> None:
    """The report says in which zone times without one were taken, and why; and the encoding."""
    (tmp_path / "a.csv").write_bytes(lines("일시,시가,고가,저가,종가,거래량", csv).encode("cp949"))
    report, _ = await take(store, tmp_path / "a.csv", tz="UTC")
    assert (report.zone, report.encoding) == ("UTC", "cp949")
    assert report.notes == ("times without a zone were taken as UTC, as tz says",)
    report, _ = await take(store, frame(zone="UTC"), symbol="KRW-ETH")
    assert (report.zone, report.notes) == (None, ())
    report, _ = await take(store, frame(), symbol="KRW-XRP")
    assert report.notes == ("times without a zone were taken as UTC, as nothing says another; tz (--tz) does",)


async def test_times_of_day_as_numbers(store: SqliteStore, tmp_path: Path) -> None:
    """Numbers of five or six digits are hours, minutes and seconds, also where midnight follows as 0 and 100."""
    clocks = [(20231231, 235800), (20231231, 235900), (20240101, 0), (20240101, 100)]
    made = pandas.DataFrame(clocks, columns=["date", "time"]).assign(open=1.0, high=2.0, low=1.0, close=1.0, volume=1.0)
    made.to_csv(tmp_path / "a.csv", index=False)
    for symbol, source in (("KRW-BTC", made), ("KRW-ETH", tmp_path / "a.csv")):
        _, found = await take(store, source, symbol=symbol)
        assert [row.open_time for row in found] == [T - 120, T - 60, T, T + 60]
    with pytest.raises(RequestError, match="row 1: .*the time of day beside it is 900; write it as 13:00"):
        await take(store, made.assign(time=[900, 901, 902, 903]), symbol="KRW-XRP")


async def test_again_in_another_zone(store: SqliteStore, tmp_path: Path) -> None:
    """The same candles nine hours away are refused, from any file; with ``replace`` they take the others' place."""
    path = tmp_path / "a.csv"
    path.write_text(lines(HEAD, lambda r: f"{said(r[0], shift=KST)},{values(r)}"))
    await take(store, path)
    for source in (path, frame(shift=KST)):
        with pytest.raises(RequestError, match=r"are those that were imported before 9 hours later, at .*\(--tz\)"):
            await take(store, source, tz="KST")
    report, found = await take(store, path, tz="KST", replace=True)
    assert (report.replaced, got(found)) == (40, ROWS)


async def test_minutes_that_are_all_alike(store: SqliteStore) -> None:
    """Minutes that say the same nine hours apart are no sign of another zone."""
    same = [[row[0] * 1000, 5, 6, 4, 5, 1] for row in ROWS]
    await take(store, same)
    report, _ = await take(store, [[row[0] + KST * 1000, *row[1:]] for row in same])
    assert report.new == 40


async def test_quiet_minutes(store: SqliteStore) -> None:
    """A few minutes of a quiet market may all lie on a longer grid by chance: that is told, not refused."""
    report, _ = await take(store, [[(T + 300 * n) * 1000, 5, 6, 4, 5, 1 + n] for n in range(6)])
    assert report.new == 6
    assert report.notes == ("each of its 6 times is one at which a candle of 5m opens; are they of 1m?",)
    report, _ = await take(store, [[(T + 60 * n * n) * 1000, 5, 6, 4, 5, 1] for n in range(60)], symbol="KRW-XRP")
    assert report.notes == ()


async def test_slots_without_a_trade(store: SqliteStore, tmp_path: Path) -> None:
    """Rows that have a time and nothing else are slots without a trade, left out and counted."""
    (tmp_path / "a.csv").write_text(lines(HEAD, csv) + f"{said(T + 3000)},,,,,\n{said(T + 3060)},,,,,0\n")
    report, found = await take(store, tmp_path / "a.csv")
    assert (report.rows, report.empty, got(found)) == (42, 2, ROWS)
    source = frame(ROWS, zone="UTC").set_index("date").asfreq("30s").reset_index()
    source = source[source.index % 2 == 0]
    source.loc[4, "open":"volume"] = float("nan")  # type: ignore[misc]
    report, found = await take(store, source, symbol="KRW-ETH")
    assert (report.empty, len(found)) == (1, 39)


async def test_turnover(store: SqliteStore, tmp_path: Path) -> None:
    """The turnover comes in under each of its names."""
    for at, name in enumerate(
        ("value", "acc_trade_price", "candle_acc_trade_price", "quote_volume", "거래대금", "Volume KRW")
    ):
        path = tmp_path / f"{at}.csv"
        path.write_text(lines(f"{HEAD},{name}", lambda r: f"{csv(r)},77.5"))
        _, found = (
            await take(store, path, symbol=f"KRW-T{at}", tz="UTC")
            if name != "Volume KRW"
            else await take(store, path, tz="UTC")
        )
        assert {row.turnover for row in found} == {77.5}


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


async def test_zip(store: SqliteStore, tmp_path: Path) -> None:
    """The one file in an archive comes in, also a binary one; several, or another market's, are refused."""
    content = lines(HEAD, csv).encode()
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(**{"x/b.csv": content, "__MACOSX/b.csv": b"", "read.me": b"?"}))
    assert got((await take(store, path))[1]) == ROWS
    frame(zone="UTC").to_parquet(tmp_path / "a.parquet")
    path.write_bytes(zipped(**{"a.parquet": (tmp_path / "a.parquet").read_bytes()}))
    assert got((await take(store, path, symbol="KRW-ETH"))[1]) == ROWS
    for files, says in (
        ({"a.csv": content, "b.csv": content}, "has 2 files of candles in it; unpack it"),
        ({}, "has no file of candles|can't be unpacked|does not say"),
        ({"KRW-ETH_candle-1m_20240101.csv": content}, "has, by its name, the candles of KRW-ETH 1m"),
        ({"xl/workbook.xml": content}, "is an Excel workbook"),
    ):
        path.write_bytes(zipped(**files))
        with pytest.raises(RequestError, match=says):
            await take(store, path)


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "symbol=KRW-BTC/timeframe=1m/2024-01.csv"])
async def test_our_own_files(tmp_path: Path, name: str) -> None:
    """Our files say what they are of, in metadata or folders: another market, timeframe or exchange is refused."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {b"rxcandles": b'{"exchange": "upbit", "symbol": "KRW-BTC", "timeframe": "1m"}'}
    made = pyarrow.Table.from_pandas(frame(zone="UTC")).replace_schema_metadata(about)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(made, path)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(made, path)
    else:
        frame(zone="UTC").to_csv(path, index=False)
    for exchange, symbol, timeframe in (
        ("upbit", "KRW-ETH", "1m"),
        ("upbit", "KRW-BTC", "3m"),
        ("other", "KRW-BTC", "1m"),
    ):
        if exchange == "other" and path.suffix == ".csv":
            continue
        async with SqliteStore(":memory:", exchange=exchange) as other:
            with pytest.raises(RequestError, match="has, by its (metadata|folders), the candles of"):
                await take(other, path, timeframe, symbol)
    async with SqliteStore(":memory:") as store:
        assert got((await take(store, path))[1]) == ROWS
