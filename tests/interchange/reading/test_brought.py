"""Files as people have them come in right, at their own times."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rxcandles import SqliteStore
from tests.support.broughtfiles import (
    HEAD,
    ISO,
    KST,
    OWN,
    ROWS,
    binance,
    comma,
    csv,
    got,
    lines,
    said,
    take,
    upbit_object,
    values,
)


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        yield opened


def numbered(start: int) -> dict[str, str]:
    """Columns by their number."""
    names = ("open_time", "open", "high", "low", "close", "volume")
    return {name: str(at) for at, name in enumerate(names, start)}


RIGHT: list[tuple[str, str | bytes, dict[str, Any]]] = [
    # Names of columns that say the zone.
    (
        "kst.csv",
        lines("candle_date_time_kst,open,high,low,close,volume", lambda r: f"{said(r[0], ISO, shift=KST)},{values(r)}"),
        {},
    ),
    ("kst2.csv", lines("time(KST),open,high,low,close,volume", lambda r: f"{said(r[0], shift=KST)},{values(r)}"), {}),
    ("kst3.csv", lines("일시(KST),시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], shift=KST)},{values(r)}"), {}),
    (
        "kst4.csv",
        lines("datetime_kst,open,high,low,close,volume", lambda r: f"{said(r[0], shift=KST)},{values(r)}"),
        {},
    ),
    ("kst5.csv", lines("한국시간,시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], shift=KST)},{values(r)}"), {}),
    (
        "both.csv",
        lines(
            "candle_date_time_kst,candle_date_time_utc,open,high,low,close,volume",
            lambda r: f"{said(r[0], shift=KST)},{said(r[0])},{values(r)}",
        ),
        {},
    ),
    (
        "gmt.csv",
        lines("Gmt time,Open,High,Low,Close,Volume", lambda r: f"{said(r[0], '%d.%m.%Y %H:%M:%S.000')},{values(r)}"),
        {},
    ),
    (
        "local.csv",
        lines(
            "Local time,Open,High,Low,Close,Volume",
            lambda r: f"{said(r[0], '%d.%m.%Y %H:%M:%S.000', shift=KST)} GMT+0900,{values(r)}",
        ),
        {"columns": {"open_time": "Local time"}},
    ),
    # pyupbit and pyubcc.
    ("pyupbit.csv", lines(",open,high,low,close,volume,value", lambda r: f"{said(r[0], shift=KST)},{values(r)},5"), {}),
    (
        "reset.csv",
        lines("index,open,high,low,close,volume,value", lambda r: f"{said(r[0], shift=KST)},{values(r)},5"),
        {},
    ),
    (
        "numbered.csv",
        lines(",index,open,high,low,close,volume,value", lambda r: f"0,{said(r[0], shift=KST)},{values(r)},5"),
        {"columns": {"open_time": "index"}, "tz": "KST"},
    ),
    (
        "KRW-BTC_minute1_20250217_1200.csv",
        lines("timestamp,open,high,low,close,volume", lambda r: f"{said(r[0], shift=KST)},{values(r)}"),
        {},
    ),
    # Date and time in two columns.
    (
        "two.csv",
        lines("date,time,open,high,low,close,volume", lambda r: f"{said(r[0], '%Y-%m-%d,%H:%M')},{values(r)}"),
        {},
    ),
    (
        "two2.csv",
        lines(
            "일자,시간,시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], '%Y%m%d,%H%M%S', shift=KST)},{values(r)}"
        ),
        {"tz": "KST"},
    ),
    (
        "meta.csv",
        lines(
            "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
            lambda r: (
                f"{said(r[0], '%Y.%m.%d')}\t{said(r[0], '%H:%M:%S')}\t"
                + "\t".join(map(repr, r[1:5]))
                + f"\t3\t{r[5]!r}\t0"
            ),
        ),
        {},
    ),
    (
        "reversed.csv",
        lines("time,date,open,high,low,close,volume", lambda r: f"{said(r[0], '%H:%M:%S,%Y-%m-%d')},{values(r)}"),
        {},
    ),
    # Instants in many notations.
    ("slash.csv", lines(HEAD, lambda r: f"{said(r[0], '%Y/%m/%d %H:%M')},{values(r)}"), {}),
    (
        "korean.csv",
        lines(HEAD, lambda r: f"{said(r[0], '%Y년 %m월 %d일 %H시 %M분', shift=KST)},{values(r)}"),
        {"tz": "Asia/Seoul"},
    ),
    (
        "ampm.csv",
        lines(
            HEAD,
            lambda r: f"{said(r[0], '%Y-%m-%d')} 오전 {int(said(r[0], '%H')) or 12}:{said(r[0], '%M:%S')},{values(r)}",
        ),
        {},
    ),
    ("digits12.csv", lines(HEAD, lambda r: f"{said(r[0], '%Y%m%d%H%M')},{values(r)}"), {}),
    ("digits14.csv", lines(HEAD, lambda r: f"{said(r[0], '%Y%m%d%H%M%S')},{values(r)}"), {}),
    ("seconds.csv", lines(HEAD, lambda r: f"{r[0]},{values(r)}"), {}),
    ("ms.csv", lines("timestamp,open,high,low,close,volume", lambda r: f"{r[0] * 1000},{values(r)}"), {}),
    ("us.csv", lines(HEAD, lambda r: f"{r[0] * 10**6},{values(r)}"), {}),
    ("ns.csv", lines(HEAD, lambda r: f"{r[0] * 10**9},{values(r)}"), {}),
    ("zoned.csv", lines(HEAD, lambda r: f"{said(r[0], shift=KST)}+09:00,{values(r)}"), {}),
    ("word.csv", lines(HEAD, lambda r: f"{said(r[0], shift=KST)} KST,{values(r)}"), {}),
    # A timestamp beside another time.
    (
        "beside.csv",
        lines("timestamp,datetime,open,high,low,close,volume", lambda r: f"{r[0]},{said(r[0])},{values(r)}"),
        {},
    ),
    (
        "beside2.csv",
        lines(
            "datetime,timestamp,open,high,low,close,volume",
            lambda r: f"{said(r[0], shift=KST)},{r[0] * 1000 + 31_000},{values(r)}",
        ),
        {},
    ),
    (
        "beside3.csv",
        lines("unix,date,open,high,low,close,volume", lambda r: f"{r[0]},{said(r[0], shift=KST)},{values(r)}"),
        {},
    ),
    # Without a header, columns by number.
    ("bare.csv", lines("", csv), {"columns": numbered(1)}),
    ("bare0.csv", lines("", csv), {"columns": numbered(0)}),
    ("named.csv", lines(HEAD, csv), {"columns": {"open_time": "1", "volume": "6"}}),
    ("BTCUSDT-1m-2024-01.csv", lines("", lambda r: binance(r, 1000)), {}),
    ("BTCUSDT-1m-2025-01-01.csv", lines("", lambda r: binance(r, 10**6)), {}),
    (
        "klines.json",
        json.dumps(
            [
                binance(r, 1000).split(",")[:1]
                and [r[0] * 1000, *map(str, r[1:6]), r[0] * 1000 + 59_999, "9", 7, "1", "2", "0"]
                for r in ROWS
            ]
        ),
        {},
    ),
    # Lines above the header, blank ones, trailing commas.
    (
        "Upbit_BTCKRW_minute.csv",
        lines(
            "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume KRW",
            lambda r: f"{r[0]},{said(r[0])},BTC/KRW,{values(r)},5.0",
            ROWS[::-1],
        ),
        {},
    ),
    ("title.csv", lines("KRW-BTC 1분봉\n\n" + HEAD, csv), {}),
    ("sep.csv", "sep=;\n" + lines(HEAD.replace(",", ";"), lambda r: csv(r).replace(",", ";")), {}),
    ("commas.csv", lines(HEAD, lambda r: csv(r) + "\n,,,,,"), {}),
    ("trailing.csv", lines(HEAD, lambda r: csv(r) + ",,"), {}),
    ("cr.csv", lines(HEAD, csv).replace("\n", "\r\n"), {}),
    # Numbers.
    ("thousands.csv", lines(HEAD, lambda r: said(r[0]) + "".join(f',"{value:,.2f}"' for value in r[1:6])), {}),
    (
        "germany.csv",
        lines(HEAD.replace(",", ";"), lambda r: said(r[0]) + "".join(f";{comma(value)}" for value in r[1:6])),
        {},
    ),
    ("spaced.csv", lines("date , open, high, low, close, volume", lambda r: csv(r).replace(",", " , ")), {}),
    # Encodings and packing.
    (
        "cp949.csv",
        lines("일시,시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], shift=KST)},{values(r)}").encode("cp949"),
        {"tz": "KST"},
    ),
    ("utf16.csv", lines(HEAD, csv).encode("utf-16"), {}),
    ("utf16le.csv", lines(HEAD, csv).encode("utf-16-le"), {}),
    ("bom.csv", b"\xef\xbb\xbf" + lines(HEAD, csv).encode(), {}),
    (
        "said.csv",
        lines(HEAD.replace("volume", "Größe"), csv).encode("cp1252"),
        {"encoding": "cp1252", "columns": {"volume": "Größe"}},
    ),
    ("packed.csv.gz", gzip.compress(lines(HEAD, csv).encode()), {}),
    ("really.csv", gzip.compress(lines(HEAD, csv).encode()), {}),
    # Upbit's own, in Upbit's names and ours.
    (
        "KRW-BTC_candle-1m_20240101.csv",
        lines(
            "date_time_utc,open,high,low,close,acc_trade_price,acc_trade_volume",
            lambda r: f"{said(r[0], ISO)},{','.join(map(repr, r[1:5]))},77.5,{r[5]!r}",
            ROWS[::-1],
        ),
        {},
    ),
    (
        "guide.csv",
        lines(
            "candle_date_time_utc,opening_price,high_price,low_price,trade_price,candle_acc_trade_price,candle_acc_trade_volume",
            lambda r: (
                f"{said(r[0], ISO)},{','.join(map(repr, r[1:5]))},77.5,{r[5]!r}\n{said(r[0] + 6000 * 60, ISO)},,,,,,"
            ),
        ),
        {},
    ),
    ("answer.json", json.dumps([upbit_object(row) for row in ROWS]), {}),
    ("indented.json", json.dumps([upbit_object(row) for row in ROWS], indent=2, ensure_ascii=False), {}),
    ("own.jsonl", "\n".join(json.dumps(upbit_object(row)) for row in ROWS), {}),
    ("own.csv", lines(OWN, lambda r: f"KRW-BTC,{said(r[0], ISO)},{values(r)}"), {}),
    (
        "crix.json",
        json.dumps(
            [
                {
                    "code": "CRIX.UPBIT.KRW-BTC",
                    "candleDateTime": said(r[0], ISO) + "+00:00",
                    "candleDateTimeKst": said(r[0], ISO, shift=KST) + "+09:00",
                    "openingPrice": r[1],
                    "highPrice": r[2],
                    "lowPrice": r[3],
                    "tradePrice": r[4],
                    "candleAccTradeVolume": r[5],
                    "timestamp": r[0] * 1000,
                }
                for r in ROWS
            ]
        ),
        {},
    ),
    # TradingView and Yahoo.
    (
        "UPBIT_BTCKRW, 1.csv",
        lines(
            "time,open,high,low,close,MA,MA,Volume,MA", lambda r: f"{r[0]},{','.join(map(repr, r[1:5]))},1,2,{r[5]!r},3"
        ),
        {},
    ),
    (
        "yahoo.csv",
        lines(
            "Price,Close,High,Low,Open,Volume\nTicker,BTC-KRW,BTC-KRW,BTC-KRW,BTC-KRW,BTC-KRW\nDatetime,,,,,",
            lambda r: f"{said(r[0])}+00:00,{r[4]!r},{r[2]!r},{r[3]!r},{r[1]!r},{r[5]!r}",
        ),
        {},
    ),
    ("market.csv", lines("ticker,date,open,high,low,close,volume", lambda r: f"btc_krw,{csv(r)}"), {}),
]


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
