"""What a source says of zone, market, timeframe or exchange, wherever it says it, is read right or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas
import pytest

from rxcandles import RequestError, SqliteStore
from rxcandles.interchange.reading.file_names import series_of_name
from rxcandles.interchange.vocabulary.zones import Named, zone_called, zone_in_words
from tests.support.broughtfiles import HEAD, KST, ROWS, T, csv, got, lines, said, take, values

FEW = ROWS[:6]
VALUES = "open,high,low,close,volume"


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        yield opened


def _write(path: Path, text: str) -> None:
    path.write_text(text)


async def says(store: SqliteStore, path: Path, text: str, frame: str = "1m", **options: Any) -> str:
    """Import a file that can't be meant, and return the sentence that refuses it."""
    _write(path, text)
    with pytest.raises(RequestError) as caught:
        await take(store, path, frame, **options)
        pytest.fail(f"{path.name}: {text[:80]!r} went in")
    assert await store.imported_series() == [], path.name
    return str(caught.value)


async def is_right(store: SqliteStore, path: Path, text: str, shift: int = 0, **options: Any) -> str:
    """Import a file whose rows must come in at their times; return the notes."""
    _write(path, text)
    report, found = await take(store, path, replace=True, **options)
    assert got(found) == FEW, (path.name, text[:80], report)
    return " ".join(report.notes)


AHEAD: list[tuple[str, int]] = [
    *((name, KST) for name in (
        "time (UTC+9)", "time(GMT+9)", "time_utc+09:00", "시간(UTC+9)", "시간 (UTC+09:00)", "time(+09:00)",
        "time [UTC+9]",
        "time (KST)", "time_kst", "datetime_kr", "time (Asia/Seoul)", "time Asia/Seoul", "asia_seoul_time",
        "Korea Standard Time",
        "time (Seoul)", "한국 표준시", "time_jst", "time (JST)", "time (Tokyo)", "time +0900",
        "candleDateTimeKst", "시각(한국시간)",
        "time (UTC + 9)", "utc+9",
    )),
    *((name, -5 * 3600) for name in ("time (UTC-5)", "time_utc-05:00", "time (GMT-05:00)",
    "time (America/New_York)", "time (New York)", "time_-0500")),
    ("time (UTC+5:30)", 19_800),
    ("time (UTC+05:45)", 20_700),
    *((name, 0) for name in ("time (UTC)", "time_utc", "Gmt time", "time (UTC+0)", "utc", "time (GMT+00:00)")),
]  # fmt: skip


async def test_zones_in_names_of_columns(store: SqliteStore, tmp_path: Path) -> None:
    """Whatever offset or place the name of a column says, its times are read there."""
    for name, ahead in AHEAD:
        text = lines(f"{name},{VALUES}", lambda r, ahead=ahead: f"{said(r[0], shift=ahead)},{values(r)}", FEW)  # type: ignore[misc]
        told = await is_right(store, tmp_path / "a.csv", text)
        assert f"as the column's name {name!r} says" in told


async def test_zones_that_are_not_clear(store: SqliteStore, tmp_path: Path) -> None:
    """A name that may mean several zones is asked about; with tz it goes in."""
    for name in ("time (EST)", "time_cst", "local_time", "time (PST)", "time (UTC+25)", "time_utc9", "현지시간"):
        text = lines(f"{name},{VALUES}", csv, FEW)
        told = await says(store, tmp_path / "a.csv", text)
        assert "which may mean more than one; say which with tz (--tz)" in told, name
    await is_right(store, tmp_path / "a.csv", text, tz="UTC")


async def test_zones_in_columns_of_their_own(store: SqliteStore, tmp_path: Path) -> None:
    """A column that names the zone of each row is followed, row by row."""
    for name, value in (
        ("timezone", "Asia/Seoul"), ("tz", "KST"), ("utc_offset", "9"), ("utc_offset", "+09:00"), ("tz_offset",
        "32400"),
        ("offset", "540"), ("시간대", "KST"), ("zone", "UTC+9"), ("TimeZone", "GMT+9"),
    ):  # fmt: skip
        text = lines(f"{name},{HEAD}", lambda r, v=value: f"{v},{said(r[0], shift=KST)},{values(r)}", FEW)  # type: ignore[misc]
        assert f"as column {name!r} says" in await is_right(store, tmp_path / "a.csv", text)
    text = lines(
        f"tz,{HEAD}", lambda r: f"{'KST' if r[0] > T else 'UTC'},{said(r[0], shift=KST * (r[0] > T))},{values(r)}", FEW
    )
    await is_right(store, tmp_path / "a.csv", text)
    frame = pandas.DataFrame([[said(r[0], shift=KST), "Asia/Seoul", *r[1:]] for r in FEW])
    frame.columns = pandas.Index(["time", "timezone", *VALUES.split(",")])
    assert got((await take(store, frame, replace=True))[1]) == FEW


async def test_zone_columns_that_are_not_clear(store: SqliteStore, tmp_path: Path) -> None:
    """One that names no zone for sure, or another than tz, is refused."""
    for value, options, told in (
        ("EST", {}, "which can't be told for sure; leave that column out and say the zone with tz (--tz)"),
        ("17", {}, "which can't be told for sure"),
        ("KST", {"tz": "UTC"}, "in KST by column 'tz', and tz says UTC"),
    ):
        text = lines(f"tz,{HEAD}", lambda r, v=value: f"{v},{csv(r)}", FEW)  # type: ignore[misc]
        assert told in await says(store, tmp_path / "a.csv", text, **options)


async def test_zones_in_names_of_files_and_lines(store: SqliteStore, tmp_path: Path) -> None:
    """So is what the file's name or a line above the header says, unless tz says another."""
    text = lines(HEAD, lambda r: f"{said(r[0], shift=KST)},{values(r)}", FEW)
    for name in ("KRW-BTC_1m_KST.csv", "btc_kst.csv", "BTC (UTC+9).csv", "export_Asia-Seoul.csv", "JST data.csv"):
        await is_right(store, tmp_path / name, text)
    for line in ("# times are KST", "# timezone: Asia/Seoul", "times in UTC+09:00", "KRW-BTC 1분봉 (KST)"):
        assert "KST" in await is_right(store, tmp_path / "a.csv", f"{line}\n{text}") or "Seoul" in line
    await is_right(store, tmp_path / "x_UTC.csv", text, tz="KST")
    for line in ("# local time", "# 한국시간 기준", "# times are EST"):
        assert "say which with tz (--tz)" in await _refused(tmp_path / "a.csv", f"{line}\n{text}")
    assert "say which with tz (--tz)" in await _refused(tmp_path / "seoul_data.csv", text)


async def _refused(path: Path, text: str, frame: str = "1m", **options: Any) -> str:
    async with SqliteStore(":memory:") as store:
        return await says(store, path, text, frame, **options)


async def test_zones_beside_the_date(store: SqliteStore, tmp_path: Path) -> None:
    """A time of day, or a trade's time, whose name says a zone says it for the date beside it."""
    for head, pattern in (
        ("date,time (KST)", "%Y-%m-%d,%H:%M"),
        ("datetime,timestamp_kst", "%Y-%m-%d %H:%M,%Y-%m-%d %H:%M"),
    ):
        text = lines(f"{head},{VALUES}", lambda r, p=pattern: f"{said(r[0], p, shift=KST)},{values(r)}", FEW)  # type: ignore[misc]
        await is_right(store, tmp_path / "a.csv", text)


async def test_zones_in_columns_of_any_name(store: SqliteStore, tmp_path: Path) -> None:
    """A zone in a column that is called anything else is asked about, and tz answers."""
    for name, value in (("location", "Asia/Seoul"), ("tzinfo", "KST"), ("x", "UTC+9")):
        text = lines(f"{name},{HEAD}", lambda r, v=value: f"{v},{csv(r)}", FEW)  # type: ignore[misc]
        told = await says(store, tmp_path / "a.csv", text)
        assert f"column {name!r} says {value!r}; say which with tz (--tz)" in told
    await is_right(store, tmp_path / "a.csv", text, tz="UTC")


def test_values_that_name_zones() -> None:
    """Hours, minutes and seconds are told apart by their size; what is none is none."""
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    for value, hours in (("9", 9), (9.0, 9), ("-5", -5), ("330", 5.5), (32400, 9), ("+05:30", 5.5), ("Z", 0), ("0", 0)):
        there = zone_called(value)
        assert there is not None
        offset = moment.astimezone(there).utcoffset()
        assert offset is not None
        assert offset.total_seconds() == hours * 3600
    assert [zone_called(value) for value in ("EST", "x", "17", "+25:00")] == [None] * 4
    assert zone_called("America/New_York") == ZoneInfo("America/New_York")
    for text in ("KRW-BTC_1m", "test.csv", "best_2024-01-05", "export-2024", "budget", "list-09"):
        assert zone_in_words(text) == Named(text)


async def test_commas(store: SqliteStore, tmp_path: Path) -> None:
    """No group of thousands begins with 0, and what can be read in two ways, or in both, is refused with its value."""
    for at, (delimiter, numbers, told) in enumerate([
        (",", ("0,500",), "volume is '0,500'"),
        (",", ("1,500", "0,500"), "volume is '0,500'"),
        (",", ("0,5",), "volume is '0,5'"),
        (",", ("1,25",), "volume is '1,25'"),
        (",", ("12,3456",), "volume is '12,3456'"),
        (",", ("00,123",), "volume is '00,123'"),
        (";", ("1,500",), "volume is '1,500'; its comma may stand before decimals or between thousands"),
        (";", ("0,5", "1,234,567"), "'0,5' has decimals after its comma, and beside '1,234,567'"),
        (";", ("0,500", "1,000,000.5"), "'0,500' has decimals after its comma, and beside '1,000,000.5'"),
        (";", ("0,500", "0.500"), "volume is '0.500'; it has a point where the others have a comma"),
    ]):  # fmt: skip
        text = HEAD.replace(",", delimiter) + "\n"
        for row, number in zip(ROWS, numbers, strict=False):
            text += delimiter.join((said(row[0]), "100", "110", "90", "105", f'"{number}"')) + "\n"
        assert told in await says(store, tmp_path / f"a{at}.csv", text)


async def test_commas_that_are_clear(tmp_path: Path) -> None:
    """One number that can be read in one way alone decides for all."""
    for delimiter, numbers, volumes in (
        (";", ("1,500", "0,5"), [1.5, 0.5]),
        (";", ("1,500", "0,500"), [1.5, 0.5]),
        (";", ("1.500", "12,3456"), [1500, 12.3456]),
        (";", ("1,500", "100.5"), [1500, 100.5]),
        (",", ("1,500", "1,234,567.5"), [1500, 1234567.5]),
    ):
        text = HEAD.replace(",", delimiter) + "\n"
        for row, number in zip(ROWS, numbers, strict=False):
            text += delimiter.join((said(row[0]), "100", "110", "90", "105", f'"{number}"')) + "\n"
        (tmp_path / "a.csv").write_text(text)
        async with SqliteStore(":memory:") as store:
            assert [each.volume for each in (await take(store, tmp_path / "a.csv"))[1]] == volumes


OTHERS: list[tuple[str, str]] = [
    *((name, "ETH") for name in (
        "종목명", "종목", "asset", "name", "trading_pair", "base_currency", "currency", "coin_name", "sym", "s",
        "id", "slug",
        "market_name", "baseAsset", "instrument_name", "contract", "whatever",
    )),
    *(("name", value) for value in (
        "ethereum", "Ethereum", "이더리움", "KRW-ETH", "eth/krw", "ETHKRW", "ETH-USDT", "BTC-USDT", "BTCUSDT",
        "BINANCE:BTCKRW",
        "KRW-XYZ",
    )),
    ("asset", "XYZ"), ("quote_currency", "USDT"), ("quote", "BTC"), ("currency", "USD"), ("base", "ETH"),
    ("exchange_name", "bithumb"), ("source", "binance"), ("provider", "Binance US"), ("venue", "coinone"),
    ("거래소명", "빗썸"),
    ("candle", "5m"), ("freq", "5T"), ("candle_type", "minute5"), ("barsize", "5 mins"), ("type", "day"),
    ("minutes", "5"),
    ("unit", "60"), ("step", "300"), ("info", "5m"), ("봉종류", "일봉"), ("timeframe", "1h"),
]  # fmt: skip


async def test_columns_that_say_another(store: SqliteStore, tmp_path: Path) -> None:
    """Whatever a column is called, a value that names another market, exchange or timeframe is refused."""
    for name, value in OTHERS:
        text = lines(f"{name},{HEAD}", lambda r, v=value: f"{v},{csv(r)}", FEW)  # type: ignore[misc]
        told = await says(store, tmp_path / "a.csv", text)
        assert repr(value) in told, (name, told)
    text = lines(f"name,{HEAD}", lambda r: f"{'BTC' if r[0] < T + 120 else 'ETH'},{csv(r)}", FEW)
    assert "line 4: column 'name' says 'ETH'" in await says(store, tmp_path / "a.csv", text)
    frame = pandas.DataFrame([["ETH", said(r[0]), *r[1:]] for r in FEW], columns=["label", *HEAD.split(",")])
    frame.to_parquet(tmp_path / "a.parquet")
    rows = frame.to_json(orient="records")
    (tmp_path / "a.json").write_text(rows)
    for source in (frame, tmp_path / "a.parquet", tmp_path / "a.json"):
        with pytest.raises(RequestError, match="row 1: column 'label' says 'ETH'"):
            await take(store, source)


async def test_columns_that_agree(store: SqliteStore, tmp_path: Path) -> None:
    """One that names what is asked for passes, and one that nobody can read is said to be left out."""
    for name, value in (
        ("종목명", "비트코인"), ("asset", "BTC"), ("name", "Bitcoin"), ("trading_pair", "BTC-KRW"), ("pair_name",
        "btc_krw"),
        ("quote_currency", "KRW"), ("currency", "KRW"), ("source", "Upbit"), ("exchange_name", "업비트"),
        ("candle", "1m"),
        ("freq", "1T"), ("unit", "1"), ("step", "60"), ("minutes", "1"), ("label", "UPBIT:BTCKRW"), ("type", "minute1"),
    ):  # fmt: skip
        text = lines(f"{name},{HEAD}", lambda r, v=value: f"{v},{csv(r)}", FEW)  # type: ignore[misc]
        assert "left out" not in await is_right(store, tmp_path / "a.csv", text), name
    for name, value in (
        ("note", "hello world"), ("color", "green"), ("asset_class", "CRYPTO"), ("market_type", "SPOT"), ("side",
        "BUY"),
        ("memo", "see 5m chart"), ("volume_text", "3M"), ("status", "OK"),
    ):  # fmt: skip
        text = lines(f"{name},{HEAD}", lambda r, v=value: f"{v},{csv(r)}", FEW)  # type: ignore[misc]
        told = await is_right(store, tmp_path / "a.csv", text)
        assert f"were left out: {name!r} ({value!r})" in told
    text = lines(f"{HEAD},rsi,flag,bar_index", lambda r: f"{csv(r)},{r[0] / 7},true,{r[0] - T}", FEW)
    assert "left out" not in await is_right(store, tmp_path / "a.csv", text)


async def test_long_notes_in_frames(store: SqliteStore, tmp_path: Path) -> None:
    """A text of any length in a column that no candle needs stops nothing."""
    frame = pandas.DataFrame([["x" * 5000, said(r[0]), *r[1:]] for r in FEW], columns=["note", *HEAD.split(",")])
    frame.to_parquet(tmp_path / "a.parquet")
    assert got((await take(store, tmp_path / "a.parquet"))[1]) == FEW


NAMES = """
ETHKRW krw-eth ETH-KRW_1m ETH_KRW upbit_KRW_ETH_1m ETH-USDT-1m KRW-BTC_5min KRW-BTC-day minute5_KRW-BTC
bithumb_KRW-BTC_1m binance_BTCKRW_1m 이더리움_1분 비트코인_일봉 비트코인5분봉 ETH ETH_1m ethereum_1m KRW.ETH.1m
KRW–ETH_1m
krw_eth_1m BTCUSDT_1m KRW-BTC_m5 5m 5m_BTC btc_1d coinone-BTC-KRW-1m korbit_btc_krw_1m KRW-BTC_15_minutes
KRW-BTC_hourly eth5m krw-xyz KRW-XYZ KRW-BTC_8h BTC-ETH ETHBTC_1m KRW-BTC_1Mo KRW-BTC_1M upbit-ETH-2024
ethereum-classic KRW-ETH(1) XRP_KRW_backup 빗썸_비트코인 KRW-BTC-minute-15 1h_KRW-BTC tmp_KRW-ETH BTCEUR
""".split()
FITTING = """
data export-2024 my_backup BTC btc_krw BTCKRW_1m krw-btc-1min KRW.BTC upbit_btc_krw minute1_KRW-BTC 비트코인_1분
비트코인 KRW-BTC_2024-01-01_2024-02-01 BTC-KRW-2024 daily_backup candles_krw krw_candles KRW-BTC_30d btc_24h
tmp_KRW-BTC KRW-BTC(1) KRW-BTC_minute 1m flow link one test1 2024-01-05 prices my-upbit-data KRW-BTC_minutes_1
btc1m all_krw_markets
""".split()


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".feather"])
async def test_names_that_say_another(store: SqliteStore, tmp_path: Path, ending: str) -> None:
    """A file whose name says another market, timeframe or exchange is not opened, whatever it has."""
    for name in NAMES:
        told = await says(store, tmp_path / f"{name}{ending}", lines(HEAD, csv, FEW))
        assert "has, by its name" in told, (name, told)


async def test_names_that_say_none_or_this(store: SqliteStore, tmp_path: Path) -> None:
    """A name that says this one, in any way, or none at all, is no reason to refuse."""
    for name in FITTING:
        await is_right(store, tmp_path / f"{name}.csv", lines(HEAD, csv, FEW))
    assert "by the line 'KRW-ETH 1분봉'" in await _refused(
        tmp_path / "a.csv", "KRW-ETH 1분봉\n" + lines(HEAD, csv, FEW)
    )


def test_series_by_name() -> None:
    """A folder's files are told by the same reading; a name that says two is none."""
    assert series_of_name(Path("eth_krw_5min.csv")) == ("KRW-ETH", "5m")
    assert series_of_name(Path("KRW-BTC-day.csv")) == ("KRW-BTC", "1d")
    assert series_of_name(Path("KRW-BTC_KRW-ETH_1m.csv")) is None
    assert series_of_name(Path("KRW-BTC.csv")) is None


async def test_rows_that_differ(store: SqliteStore, tmp_path: Path) -> None:
    """Times with and without a zone are not mixed, in either order; neither are days and instants."""
    path, rest = tmp_path / "a.csv", values(ROWS[0])
    for first, second, told in (
        ("2024-01-01 00:00", "2024-01-01T09:01:00+09:00", "it has a zone, and the first row's has none"),
        ("2024-01-01T09:00:00+09:00", "2024-01-01 00:01", "it has no zone, and the first row's has one"),
        ("2024-01-01 00:00", str(T + 60), "it has a zone, and the first row's has none"),
        ("2024-01-01", str(T + 60), "it has a zone, and the first row's has none"),
    ):
        assert f"line 3: open_time is {second!r}: {told}" in await says(
            store, path, f"{HEAD}\n{first},{rest}\n{second},{rest}\n"
        )


async def test_weeks_and_months_are_no_days(store: SqliteStore, tmp_path: Path) -> None:
    """Three weeks in a row are refused as days: no day of a market that is traded is missing."""
    weeks = lines(HEAD, lambda r: f"{said(T + 10080 * (r[0] - T))},{values(r)}", ROWS[:3])
    assert "import it as 1w" in await says(store, tmp_path / "a.csv", weeks, "1d")
    months = lines(HEAD, lambda r: f"2024-0{1 + (r[0] - T) // 60}-01,{values(r)}", ROWS[:3])
    assert "import it as 1M" in await says(store, tmp_path / "a.csv", months, "1d")


async def test_ends_of_candles(store: SqliteStore, tmp_path: Path) -> None:
    """A column with the end of each candle is held against its start, in whatever notation."""
    for name, shift, told in (
        ("close_time", 0, "'date' and 'close_time' say the same time, so it may be the end"),
        ("time_close", 300, "its candle is 300 seconds long, and 1m has 60"),
        ("end", 3599, "its candle is 3,599 seconds long"),
    ):
        text = lines(f"{HEAD},{name}", lambda r, s=shift: f"{csv(r)},{said(r[0] + s)}", FEW)  # type: ignore[misc]
        assert told in await says(store, tmp_path / "a.csv", text)
    for name, shift, at in (
        ("close_time", 60, 0),
        ("close_time", 59, 0),
        ("close_time_kst", 60, KST),
        ("종료시각", 60, 0),
    ):
        text = lines(f"{HEAD},{name}", lambda r, s=shift + at: f"{csv(r)},{said(r[0] + s)}", FEW)  # type: ignore[misc]
        await is_right(store, tmp_path / "a.csv", text)
