"""Files as people have them: each comes in right, at its own times, or is refused with what to do."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow
import pytest

from rxcandles import ImportReport, MarkedRow, RequestError, SqliteStore, import_candles

T = 1_704_067_200  # 2024-01-01 00:00 UTC, 09:00 in Korea
NOW = T + 10**8
KST = 9 * 3600
ROWS = [(T + 60 * n, 1000.0 + n, 1010.5 + n, 990.25 + n, 1005.0 + n, 1.5 + n) for n in range(40)]
"""Minutes of KRW-BTC: open time, open, high, low, close, volume."""
DAYS = [(T + 86_400 * n, *row[1:]) for n, row in enumerate(ROWS)]


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        yield opened


def said(seconds: float, pattern: str = "%Y-%m-%d %H:%M:%S", *, shift: int = 0) -> str:
    return f"{datetime.fromtimestamp(seconds + shift, UTC):{pattern}}"


def lines(head: str, line: Callable[[tuple[Any, ...]], str], rows: Sequence[tuple[Any, ...]] = ROWS) -> str:
    return "\n".join(([head] if head else []) + [line(row) for row in rows]) + "\n"


def values(row: Sequence[Any], sep: str = ",") -> str:
    return sep.join(map(repr, row[1:6]))


def got(found: list[MarkedRow]) -> list[tuple[Any, ...]]:
    return [tuple(row)[:6] for row in found]


async def take(
    store: SqliteStore, source: Any, frame: str = "1m", symbol: str = "KRW-BTC", **options: Any
) -> tuple[ImportReport, list[MarkedRow]]:
    report = await import_candles(store, symbol, frame, source, now=NOW, **options)
    return report, await store.imported(symbol, frame, 0, NOW, "oldest_first", 10**6)


HEAD = "date,open,high,low,close,volume"
ISO = "%Y-%m-%dT%H:%M:%S"


def upbit_object(row: tuple[Any, ...]) -> dict[str, Any]:
    """A candle as Upbit's API answers it."""
    return {
        "market": "KRW-BTC", "candle_date_time_utc": said(row[0], ISO), "candle_date_time_kst": said(row[0], ISO, shift=KST),
        "opening_price": row[1], "high_price": row[2], "low_price": row[3], "trade_price": row[4],
        "timestamp": row[0] * 1000 + 59_123, "candle_acc_trade_price": 12345.5, "candle_acc_trade_volume": row[5], "unit": 1,
    }  # fmt: skip


def binance(row: tuple[Any, ...], unit: int) -> str:
    opened = row[0] * unit
    return f"{opened},{values(row)},{opened + 60 * unit - 1},9.5,7,1.0,2.0,0"


def comma(value: float) -> str:
    """A number as Germany writes it."""
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def csv(row: tuple[Any, ...]) -> str:
    return f"{said(row[0])},{values(row)}"


OWN = "market,candle_date_time_utc,opening_price,high_price,low_price,trade_price,candle_acc_trade_volume"

RIGHT: list[tuple[str, str | bytes, dict[str, Any]]] = [
    # Names of columns that say the zone.
    ("kst.csv", lines("candle_date_time_kst,open,high,low,close,volume", lambda r: f"{said(r[0], ISO, shift=KST)},{values(r)}"), {}),
    ("kst2.csv", lines("time(KST),open,high,low,close,volume", lambda r: f"{said(r[0], shift=KST)},{values(r)}"), {}),
    ("kst3.csv", lines("일시(KST),시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], shift=KST)},{values(r)}"), {}),
    ("kst4.csv", lines("datetime_kst,open,high,low,close,volume", lambda r: f"{said(r[0], shift=KST)},{values(r)}"), {}),
    ("kst5.csv", lines("한국시간,시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], shift=KST)},{values(r)}"), {}),
    ("both.csv", lines("candle_date_time_kst,candle_date_time_utc,open,high,low,close,volume",
                       lambda r: f"{said(r[0], shift=KST)},{said(r[0])},{values(r)}"), {}),
    ("gmt.csv", lines("Gmt time,Open,High,Low,Close,Volume", lambda r: f"{said(r[0], '%d.%m.%Y %H:%M:%S.000')},{values(r)}"), {}),
    ("local.csv", lines("Local time,Open,High,Low,Close,Volume",
                        lambda r: f"{said(r[0], '%d.%m.%Y %H:%M:%S.000', shift=KST)} GMT+0900,{values(r)}"),
     {"columns": {"open_time": "Local time"}}),
    # pyupbit and pyubcc.
    ("pyupbit.csv", lines(",open,high,low,close,volume,value", lambda r: f"{said(r[0], shift=KST)},{values(r)},5"), {}),
    ("reset.csv", lines("index,open,high,low,close,volume,value", lambda r: f"{said(r[0], shift=KST)},{values(r)},5"), {}),
    ("numbered.csv", lines(",index,open,high,low,close,volume,value", lambda r: f"0,{said(r[0], shift=KST)},{values(r)},5"),
     {"columns": {"open_time": "index"}, "tz": "KST"}),
    ("KRW-BTC_minute1_20250217_1200.csv",
     lines("timestamp,open,high,low,close,volume", lambda r: f"{said(r[0], shift=KST)},{values(r)}"), {}),
    # Date and time in two columns.
    ("two.csv", lines("date,time,open,high,low,close,volume", lambda r: f"{said(r[0], '%Y-%m-%d,%H:%M')},{values(r)}"), {}),
    ("two2.csv", lines("일자,시간,시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], '%Y%m%d,%H%M%S', shift=KST)},{values(r)}"),
     {"tz": "KST"}),
    ("meta.csv", lines("<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
                       lambda r: f"{said(r[0], '%Y.%m.%d')}\t{said(r[0], '%H:%M:%S')}\t" + "\t".join(map(repr, r[1:5])) + f"\t3\t{r[5]!r}\t0"), {}),
    ("reversed.csv", lines("time,date,open,high,low,close,volume", lambda r: f"{said(r[0], '%H:%M:%S,%Y-%m-%d')},{values(r)}"), {}),
    # Instants in many notations.
    ("slash.csv", lines(HEAD, lambda r: f"{said(r[0], '%Y/%m/%d %H:%M')},{values(r)}"), {}),
    ("korean.csv", lines(HEAD, lambda r: f"{said(r[0], '%Y년 %m월 %d일 %H시 %M분', shift=KST)},{values(r)}"), {"tz": "Asia/Seoul"}),
    ("ampm.csv", lines(HEAD, lambda r: f"{said(r[0], '%Y-%m-%d')} 오전 {int(said(r[0], '%H')) or 12}:{said(r[0], '%M:%S')},{values(r)}"), {}),
    ("digits12.csv", lines(HEAD, lambda r: f"{said(r[0], '%Y%m%d%H%M')},{values(r)}"), {}),
    ("digits14.csv", lines(HEAD, lambda r: f"{said(r[0], '%Y%m%d%H%M%S')},{values(r)}"), {}),
    ("seconds.csv", lines(HEAD, lambda r: f"{r[0]},{values(r)}"), {}),
    ("ms.csv", lines("timestamp,open,high,low,close,volume", lambda r: f"{r[0] * 1000},{values(r)}"), {}),
    ("us.csv", lines(HEAD, lambda r: f"{r[0] * 10**6},{values(r)}"), {}),
    ("ns.csv", lines(HEAD, lambda r: f"{r[0] * 10**9},{values(r)}"), {}),
    ("zoned.csv", lines(HEAD, lambda r: f"{said(r[0], shift=KST)}+09:00,{values(r)}"), {}),
    ("word.csv", lines(HEAD, lambda r: f"{said(r[0], shift=KST)} KST,{values(r)}"), {}),
    # A timestamp beside another time.
    ("beside.csv", lines("timestamp,datetime,open,high,low,close,volume", lambda r: f"{r[0]},{said(r[0])},{values(r)}"), {}),
    ("beside2.csv", lines("datetime,timestamp,open,high,low,close,volume",
                          lambda r: f"{said(r[0], shift=KST)},{r[0] * 1000 + 31_000},{values(r)}"), {}),
    ("beside3.csv", lines("unix,date,open,high,low,close,volume", lambda r: f"{r[0]},{said(r[0], shift=KST)},{values(r)}"), {}),
    # Without a header, columns by number.
    ("bare.csv", lines("", csv), {"columns": dict(open_time="1", open="2", high="3", low="4", close="5", volume="6")}),
    ("bare0.csv", lines("", csv), {"columns": dict(open_time="0", open="1", high="2", low="3", close="4", volume="5")}),
    ("named.csv", lines(HEAD, csv), {"columns": dict(open_time="1", volume="6")}),
    ("BTCUSDT-1m-2024-01.csv", lines("", lambda r: binance(r, 1000)), {}),
    ("BTCUSDT-1m-2025-01-01.csv", lines("", lambda r: binance(r, 10**6)), {}),
    ("klines.json", json.dumps([binance(r, 1000).split(",")[:1] and [r[0] * 1000, *map(str, r[1:6]), r[0] * 1000 + 59_999, "9", 7, "1", "2", "0"] for r in ROWS]), {}),
    # Lines above the header, blank ones, trailing commas.
    ("Upbit_BTCKRW_minute.csv",
     lines("https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume KRW",
           lambda r: f"{r[0]},{said(r[0])},BTC/KRW,{values(r)},5.0", ROWS[::-1]), {}),
    ("title.csv", lines("KRW-BTC 1분봉\n\n" + HEAD, csv), {}),
    ("sep.csv", "sep=;\n" + lines(HEAD.replace(",", ";"), lambda r: csv(r).replace(",", ";")), {}),
    ("commas.csv", lines(HEAD, lambda r: csv(r) + "\n,,,,,"), {}),
    ("trailing.csv", lines(HEAD, lambda r: csv(r) + ",,"), {}),
    ("cr.csv", lines(HEAD, csv).replace("\n", "\r\n"), {}),
    # Numbers.
    ("thousands.csv", lines(HEAD, lambda r: said(r[0]) + "".join(f',"{value:,.2f}"' for value in r[1:6])), {}),
    ("germany.csv", lines(HEAD.replace(",", ";"), lambda r: said(r[0]) + "".join(f";{comma(value)}" for value in r[1:6])), {}),
    ("spaced.csv", lines("date , open, high, low, close, volume", lambda r: csv(r).replace(",", " , ")), {}),
    # Encodings and packing.
    ("cp949.csv", lines("일시,시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], shift=KST)},{values(r)}").encode("cp949"), {"tz": "KST"}),
    ("utf16.csv", lines(HEAD, csv).encode("utf-16"), {}),
    ("utf16le.csv", lines(HEAD, csv).encode("utf-16-le"), {}),
    ("bom.csv", b"\xef\xbb\xbf" + lines(HEAD, csv).encode(), {}),
    ("said.csv", lines(HEAD.replace("volume", "Größe"), csv).encode("cp1252"), {"encoding": "cp1252", "columns": {"volume": "Größe"}}),
    ("packed.csv.gz", gzip.compress(lines(HEAD, csv).encode()), {}),
    ("really.csv", gzip.compress(lines(HEAD, csv).encode()), {}),
    # Upbit's own, in Upbit's names and ours.
    ("KRW-BTC_candle-1m_20240101.csv",
     lines("date_time_utc,open,high,low,close,acc_trade_price,acc_trade_volume",
           lambda r: f"{said(r[0], ISO)},{','.join(map(repr, r[1:5]))},77.5,{r[5]!r}", ROWS[::-1]), {}),
    ("guide.csv", lines("candle_date_time_utc,opening_price,high_price,low_price,trade_price,candle_acc_trade_price,candle_acc_trade_volume",
                        lambda r: f"{said(r[0], ISO)},{','.join(map(repr, r[1:5]))},77.5,{r[5]!r}\n{said(r[0] + 6000 * 60, ISO)},,,,,,"), {}),
    ("answer.json", json.dumps([upbit_object(row) for row in ROWS]), {}),
    ("indented.json", json.dumps([upbit_object(row) for row in ROWS], indent=2, ensure_ascii=False), {}),
    ("own.jsonl", "\n".join(json.dumps(upbit_object(row)) for row in ROWS), {}),
    ("own.csv", lines(OWN, lambda r: f"KRW-BTC,{said(r[0], ISO)},{values(r)}"), {}),
    ("crix.json", json.dumps([{"code": "CRIX.UPBIT.KRW-BTC", "candleDateTime": said(r[0], ISO) + "+00:00", "candleDateTimeKst": said(r[0], ISO, shift=KST) + "+09:00",
                               "openingPrice": r[1], "highPrice": r[2], "lowPrice": r[3], "tradePrice": r[4], "candleAccTradeVolume": r[5],
                               "timestamp": r[0] * 1000} for r in ROWS]), {}),
    # TradingView and Yahoo.
    ("UPBIT_BTCKRW, 1.csv", lines("time,open,high,low,close,MA,MA,Volume,MA", lambda r: f"{r[0]},{','.join(map(repr, r[1:5]))},1,2,{r[5]!r},3"), {}),
    ("yahoo.csv", lines("Price,Close,High,Low,Open,Volume\nTicker,BTC-KRW,BTC-KRW,BTC-KRW,BTC-KRW,BTC-KRW\nDatetime,,,,,",
                        lambda r: f"{said(r[0])}+00:00,{r[4]!r},{r[2]!r},{r[3]!r},{r[1]!r},{r[5]!r}"), {}),
    ("market.csv", lines("ticker,date,open,high,low,close,volume", lambda r: f"btc_krw,{csv(r)}"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "options"), RIGHT, ids=[name for name, *_ in RIGHT])
async def test_right(
    store: SqliteStore, tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any]
) -> None:
    """Every row of it comes in, at its time, with its values."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    report, found = await take(store, path, **options)
    assert got(found) == ROWS, report
    assert all(isinstance(note, str) for note in report.notes)


WRONG: list[tuple[str, str | bytes, dict[str, Any], str]] = [
    *[(f"{column}.csv", lines(f"{column},{HEAD}", lambda r: f"{market},{csv(r)}"), {}, f"it is of '{market}', not of 'KRW-BTC'")
      for column, market in [("symbol", "KRW-ETH"), ("ticker", "ETH/KRW"), ("Code", "CRIX.UPBIT.KRW-ETH"), ("pair", "ETH_KRW"),
                             ("market", "BTCUSDT"), ("종목코드", "KRW-XRP"), ("instId", "ETH-KRW"), ("coin", "ETH"), ("symbol", "BTC/USDT"),
                             ("market", "BINANCE:BTCUSDT"), ("symbol", "BTC/KRW:KRW")]],
    ("several.csv", lines(f"symbol,{HEAD}", lambda r: f"{'KRW-BTC' if r[0] < T + 1800 else 'KRW-ETH'},{csv(r)}"), {},
     "line 32: it is of 'KRW-ETH'"),
    ("frame.csv", lines(f"interval,{HEAD}", lambda r: f"5m,{csv(r)}"), {}, "it is of '5m' .5m., not of 1m"),
    ("unit.json", json.dumps([{"interval": "minute60", **upbit_object(row)} for row in ROWS]), {}, "it is of 'minute60' .60m., not of 1m"),
    ("exchange.csv", lines(f"exchange,{HEAD}", lambda r: f"binance,{csv(r)}"), {}, "it is of the exchange 'binance', not of 'upbit'"),
    *[(name, lines(HEAD, csv), {}, "has, by its name") for name in [
        "BTC_KRW-1Mo.feather", "BTC_KRW-1h.csv", "ETH_KRW-1m.csv", "BTC_USDT_USDT-1m-futures.csv", "BTC_KRW-1m-mark.json", "BTC_KRW-trades.csv",
        "BTC_KRW-1h (1).csv", "KRW-ETH_candle-1m_20240101.csv", "KRW-BTC_candle-day_20240101.csv", "KRW-BTC_trade_20240101.csv",
        "ETHUSDT-1m-2024-01.csv", "BTCUSDT-5m-2024-01.csv", "KRW-ETH.csv", "KRW-BTC_60m.csv", "KRW-BTC_day.csv", "UPBIT_ETHKRW, 1.csv",
        "UPBIT_BTCKRW, 60.csv", "Upbit_BTCKRW_1h.csv", "BTCUSDT-trades-2024-01.csv"]],
    ("five.csv", lines(HEAD, lambda r: f"{T + 300 * (r[0] - T) // 60},{values(r)}"), {}, "5m candle.*|candle of 5m opens"),
    ("odd.csv", lines(HEAD, lambda r: f"{T + (86400 * (r[0] - T) // 60 if r[0] != T + 60 else 60)},{values(r)}"), {}, "all but 1 of .* a candle of 1d opens"),
    ("days.csv", lines(HEAD, lambda r: f"{said(T + 1440 * (r[0] - T), '%Y-%m-%d')},{values(r)}"), {}, "candle of 1d opens"),
    ("length.csv", lines("", lambda r: binance((T + 5 * (r[0] - T), *r[1:]), 1000).replace(str(r[0] * 0), "0", 0)), {"format": "csv"}, "candle of 5m opens"),
    ("hours.json", json.dumps([[row[0] * 1000, *map(str, row[1:]), row[0] * 1000 + 3_599_999, "1", 1, "1", "1", "0"] for row in ROWS]), {},
     "its candle is 3,600 seconds long, and 1m has 60"),
    ("last.csv", lines("timestamp,opening_price,high_price,low_price,trade_price,candle_acc_trade_volume", lambda r: f"{r[0] * 1000},{values(r)}"), {},
     "time of the last trade"),
    ("far.csv", lines("datetime,timestamp,open,high,low,close,volume", lambda r: f"{said(r[0])},{(r[0] - 5 * 3600) * 1000},{values(r)}"), {}, "'timestamp' another time"),
    ("far2.csv", lines("datetime,timestamp,open,high,low,close,volume", lambda r: f"{said(r[0])},{r[0] * 1000},{values(r)}"), {"tz": "KST"},
     "off|take times|far from the candle"),
    ("korean.csv", lines("일시,시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], shift=KST)},{values(r)}"), {}, "may be Korean: its headings are Korean; say which with tz"),
    ("value.csv", lines("date,open,high,low,close,volume,value", lambda r: f"{csv(r)},1"), {}, "may be Korean: it has a column 'value'"),
    ("nameless.csv", lines(",open,high,low,close,volume", csv), {}, "may be Korean: its index has no name"),
    ("says.csv", lines("candle_date_time_kst,open,high,low,close,volume", csv), {"tz": "UTC"}, "is in KST by its name, and tz says UTC"),
    ("headless.csv", lines("", csv), {}, "has no header: .*--columns.*open_time=1,open=2"),
    ("names.csv", lines("", csv), {"columns": {"open_time": "Date"}}, "there is no column 'Date'"),
    ("spelt.csv", lines(HEAD.replace("open", "open,Open"), lambda r: f"{said(r[0])},1,{values(r)}"), {}, "'open' and 'Open' may both be open; say which"),
    ("underscore.csv", lines(HEAD, lambda r: f"{said(r[0])},1_000,1_000,1_000,1_000,5"), {}, "open is '1_000'; take a number"),
    ("wide.csv", lines(HEAD, lambda r: f"{said(r[0])},１０,１０,１０,１０,5"), {}, "open is '１０'; take a number"),
    ("widetime.csv", lines(HEAD, lambda r: f"２０２４-01-01,{values(r)}"), {}, "write ISO 8601"),
    ("long.csv", lines(HEAD, lambda r: f"{said(r[0])},{'9' * 50_000},1,1,1,1", ROWS[:1]), {}, "take a number of plain digits, at most 60"),
    ("unclear.csv", lines(HEAD.replace(",", ";"), lambda r: f"{said(r[0])};1,000;1,000;1,000;1,000;5"), {}, "comma may stand before decimals or between thousands"),
    ("mixed.csv", lines(HEAD.replace(",", ";"), lambda r: f"{said(r[0])};1000,5;1000.5;1000,5;1000,5;5"), {}, "it has a point where the others have a comma"),
    ("money.csv", lines(HEAD, lambda r: f"{said(r[0])},₩1000,1,1,1,5"), {}, "open is '₩1000'; take a number"),
    ("short.csv", lines(HEAD, lambda r: f"{said(r[0])},1,1,1,1,1.5K"), {}, "volume is '1.5K'; take a number"),
    ("cut.csv", lines(HEAD, lambda r: f"1.70407E+12,{values(r)}"), {}, "open_time is '1.70407E.12': write ISO"),
    ("old.json", json.dumps([[24 * 10**7, 1, 1, 1, 1, 1]]), {}, "open_time is 240000000: numbers of 10 digits are seconds"),
    ("half.csv", lines(HEAD, lambda r: f"{said(r[0])},,,,1005.0,3"), {}, "open is ''; take a number"),
    ("none.csv", b"\xff\xfe\x00\xd8" + b"\x81" * 99, {}, "is no CSV in UTF-16|neither"),
    ("bytes.csv", b"date,open\n\xff\x81\xff\xff", {}, "neither UTF-8 nor cp949"),
    ("page.csv", b"<!DOCTYPE html><html></html>", {}, "is a web page"),
    ("book.csv", b"\xd0\xcf\x11\xe0" + bytes(99), {}, "is an Excel workbook; save it as CSV"),
    ("base.csv", b"SQLite format 3\0" + bytes(99), {}, "is a SQLite database"),
    ("empty.csv.gz", gzip.compress(b""), {}, "has no header"),
    ("torn.csv.gz", gzip.compress(lines(HEAD, csv).encode())[:-20], {}, "can't be unpacked"),
    ("frame.json", json.dumps({"open": {"0": 1}}), {}, "no JSON list of lists"),
    ("deep.json", b"[" * 200_000, {}, "is no |ends in the middle"),
    ("deep.jsonl", b'{"a":' * 200_000, {}, "no JSON|does not end"),
    ("encoding.json", json.dumps([[T * 1000, 1, 1, 1, 1, 1]]), {"encoding": "cp949"}, "encoding is 'cp949'; leave it out"),
    ("codec.csv", lines(HEAD, csv), {"encoding": "zlib_codec"}, "encoding is 'zlib_codec'; name one such as"),
    ("yahoo.csv", lines("Price,Close,High,Low,Open,Volume\nTicker,ETH-KRW,ETH-KRW,ETH-KRW,ETH-KRW,ETH-KRW\nDatetime,,,,,",
                        lambda r: f"{said(r[0])},{r[4]},{r[2]},{r[3]},{r[1]},{r[5]}"), {}, "has, by its columns, the candles of ETH-KRW"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "options", "says"), WRONG, ids=[f"{name}-{at}" for at, (name, *_) in enumerate(WRONG)]
)
async def test_wrong(
    store: SqliteStore, tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any], says: str
) -> None:
    """It is refused in a sentence that names what was found, and nothing of it is stored."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RequestError, match=says) as caught:
        await take(store, path, **options)
    assert len(str(caught.value)) < 700
    assert await store.imported_series() == []


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
    ("midnight and time", lambda: frame().assign(time=lambda f: f.date.dt.strftime("%H:%M"), date=lambda f: f.date.dt.normalize()), {}),
    ("time since midnight", lambda: frame().assign(time=lambda f: f.date - f.date.dt.normalize(), date=lambda f: f.date.dt.date), {}),
    ("polars", lambda: polars.from_pandas(frame()), {}),
    ("polars of Korea", lambda: polars.from_pandas(frame(shift=KST).rename(columns={"date": "time_kst"})), {}),
    ("categories", lambda: pyarrow.Table.from_pandas(frame().assign(symbol=pandas.Categorical(["KRW-BTC"] * 40))), {}),
    ("text", lambda: frame().astype(str), {}),
    ("yahoo", lambda: two_levels(tickers=["BTC-KRW"], first=False), {}),
    ("yahoo by ticker", lambda: two_levels(tickers=["BTC-KRW"], first=True), {}),
    ("yahoo of two", lambda: two_levels(tickers=["ETH-KRW", "BTC-KRW"], first=False), {}),
    ("levels of rows", lambda: frame().assign(symbol="KRW-BTC").set_index(["symbol", "date"]), {}),
    ("missing amounts", lambda: frame().assign(turnover=pandas.NA, timestamp=None), {}),
    ("numbered columns", lambda: frame().set_axis(range(6), axis=1), {"columns": dict(zip(("open_time", "open", "high", "low", "close", "volume"), "012345", strict=True))}),
    ("objects", lambda: [upbit_object(row) for row in ROWS], {}),
    ("numpy", lambda: [list(row) for row in frame(zone="UTC").assign(date=[row[0] * 1000 for row in ROWS]).to_numpy()], {}),
    ("seconds", lambda: [list(row) for row in ROWS], {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "options"), OBJECTS, ids=[name for name, *_ in OBJECTS])
async def test_objects(store: SqliteStore, name: str, make: Callable[[], Any], options: dict[str, Any]) -> None:
    """So does what is in memory."""
    assert got((await take(store, make(), **options))[1]) == ROWS


DAILY: list[tuple[str, Any, dict[str, Any], str | None]] = [
    ("at nine", frame(DAYS, shift=KST), {}, "KST"),
    ("at nine, Korean names", frame(DAYS, shift=KST).set_axis(["일자", "시가", "고가", "저가", "종가", "거래량"], axis=1), {}, "KST"),
    ("at midnight", frame(DAYS), {}, "UTC"),
    ("dates", frame(DAYS).assign(date=lambda f: f.date.dt.date), {}, None),
    ("dates and Korea", frame(DAYS).assign(date=lambda f: f.date.dt.date), {"tz": "KST"}, None),
    ("digits", frame(DAYS).assign(date=lambda f: f.date.dt.strftime("%Y%m%d").astype(int)), {}, None),
    ("Korean dates", frame(DAYS).set_axis(["일자", "시가", "고가", "저가", "종가", "거래량"], axis=1).assign(일자=lambda f: f["일자"].dt.strftime("%Y. %m. %d.")), {}, None),
]  # fmt: skip


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


async def test_again_in_another_zone(store: SqliteStore, tmp_path: Path) -> None:
    """The same candles nine hours away are refused, from whatever file; with ``replace`` they take the others' place."""
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
