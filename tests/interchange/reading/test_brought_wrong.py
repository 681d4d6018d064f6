"""What a file says of itself is never passed over: what is of something else, or unclear, is refused in a sentence."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rxcandles import RequestError, SqliteStore
from tests.support.broughtfiles import HEAD, KST, ROWS, T, binance, csv, lines, said, take, upbit_object, values


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        yield opened


WRONG: list[tuple[str, str | bytes, dict[str, Any], str]] = [
    *[
        (
            f"{column}.csv",
            lines(f"{column},{HEAD}", lambda r, market=market: f"{market},{csv(r)}"),
            {},
            f"it is of '{market}', not of 'KRW-BTC'",
        )
        for column, market in [
            ("symbol", "KRW-ETH"),
            ("ticker", "ETH/KRW"),
            ("Code", "CRIX.UPBIT.KRW-ETH"),
            ("pair", "ETH_KRW"),
            ("market", "BTCUSDT"),
            ("종목코드", "KRW-XRP"),
            ("instId", "ETH-KRW"),
            ("coin", "ETH"),
            ("symbol", "BTC/USDT"),
            ("market", "BINANCE:BTCUSDT"),
            ("symbol", "BTC/KRW:KRW"),
        ]
    ],
    (
        "clock.csv",
        lines("date,time,open,high,low,close,volume", lambda r: f"20240101,{100 * (r[0] - T) // 60},{values(r)}"),
        {},
        "the time of day beside it is '0'; write it as 13:00 or 130000",
    ),
    (
        "bare.csv",
        lines("", lambda r: f"KRW-ETH,{csv(r)}"),
        {"columns": {"open_time": "2", "open": "3", "high": "4", "low": "5", "close": "6", "volume": "7"}},
        "line 1: it is of 'KRW-ETH', not of 'KRW-BTC'",
    ),
    ("unit.json", json.dumps([upbit_object(ROWS[0]) | {"unit": 5}]), {}, "it is of 5 .5m., not of 1m"),
    ("number.csv", lines(f"period,{HEAD}", lambda r: f"60,{csv(r)}"), {}, "it is of '60' .60m., not of 1m"),
    (
        "several.csv",
        lines(f"symbol,{HEAD}", lambda r: f"{'KRW-BTC' if r[0] < T + 1800 else 'KRW-ETH'},{csv(r)}"),
        {},
        "line 32: it is of 'KRW-ETH'",
    ),
    ("frame.csv", lines(f"interval,{HEAD}", lambda r: f"5m,{csv(r)}"), {}, "it is of '5m' .5m., not of 1m"),
    (
        "unit.json",
        json.dumps([{"interval": "minute60", **upbit_object(row)} for row in ROWS]),
        {},
        "it is of 'minute60' .60m., not of 1m",
    ),
    (
        "exchange.csv",
        lines(f"exchange,{HEAD}", lambda r: f"binance,{csv(r)}"),
        {},
        "it is of the exchange 'binance', not of 'upbit'",
    ),
    *[
        (name, lines(HEAD, csv), {}, "has, by its name")
        for name in [
            "BTC_KRW-1Mo.feather",
            "BTC_KRW-1h.csv",
            "ETH_KRW-1m.csv",
            "BTC_USDT_USDT-1m-futures.csv",
            "BTC_KRW-1m-mark.json",
            "BTC_KRW-trades.csv",
            "BTC_KRW-1h (1).csv",
            "KRW-ETH_candle-1m_20240101.csv",
            "KRW-BTC_candle-day_20240101.csv",
            "KRW-BTC_trade_20240101.csv",
            "ETHUSDT-1m-2024-01.csv",
            "BTCUSDT-5m-2024-01.csv",
            "KRW-ETH.csv",
            "KRW-BTC_60m.csv",
            "KRW-BTC_day.csv",
            "UPBIT_ETHKRW, 1.csv",
            "UPBIT_BTCKRW, 60.csv",
            "Upbit_BTCKRW_1h.csv",
            "BTCUSDT-trades-2024-01.csv",
        ]
    ],
    (
        "five.csv",
        lines(HEAD, lambda r: f"{T + 300 * (r[0] - T) // 60},{values(r)}"),
        {},
        "5m candle.*|candle of 5m opens",
    ),
    (
        "odd.csv",
        lines(HEAD, lambda r: f"{T + (86400 * (r[0] - T) // 60 if r[0] != T + 60 else 60)},{values(r)}"),
        {},
        "all but 1 of .* a candle of 1d opens",
    ),
    (
        "days.csv",
        lines(HEAD, lambda r: f"{said(T + 1440 * (r[0] - T), '%Y-%m-%d')},{values(r)}"),
        {},
        "candle of 1d opens",
    ),
    (
        "length.csv",
        lines("", lambda r: binance((T + 5 * (r[0] - T), *r[1:]), 1000)),
        {"format": "csv"},
        "candle of 5m opens",
    ),
    (
        "hours.json",
        json.dumps(
            [[row[0] * 1000, *map(str, row[1:]), row[0] * 1000 + 3_599_999, "1", 1, "1", "1", "0"] for row in ROWS]
        ),
        {},
        "its candle is 3,600 seconds long, and 1m has 60",
    ),
    (
        "last.csv",
        lines(
            "timestamp,opening_price,high_price,low_price,trade_price,candle_acc_trade_volume",
            lambda r: f"{r[0] * 1000},{values(r)}",
        ),
        {},
        "time of the last trade",
    ),
    (
        "far.csv",
        lines(
            "datetime,timestamp,open,high,low,close,volume",
            lambda r: f"{said(r[0])},{(r[0] - 5 * 3600) * 1000},{values(r)}",
        ),
        {},
        "'timestamp' another time",
    ),
    (
        "far2.csv",
        lines("datetime,timestamp,open,high,low,close,volume", lambda r: f"{said(r[0])},{r[0] * 1000},{values(r)}"),
        {"tz": "KST"},
        "off|take times|far from the candle",
    ),
    (
        "korean.csv",
        lines("일시,시가,고가,저가,종가,거래량", lambda r: f"{said(r[0], shift=KST)},{values(r)}"),
        {},
        "may be Korean: its headings are Korean; say which with tz",
    ),
    (
        "value.csv",
        lines("date,open,high,low,close,volume,value", lambda r: f"{csv(r)},1"),
        {},
        "may be Korean: it has a column 'value'",
    ),
    ("nameless.csv", lines(",open,high,low,close,volume", csv), {}, "may be Korean: its index has no name"),
    (
        "says.csv",
        lines("candle_date_time_kst,open,high,low,close,volume", csv),
        {"tz": "UTC"},
        "is in KST by its name, and tz says UTC",
    ),
    ("headless.csv", lines("", csv), {}, "has no header: .*--columns.*open_time=1,open=2"),
    ("names.csv", lines("", csv), {"columns": {"open_time": "Date"}}, "there is no column 'Date'"),
    (
        "spelt.csv",
        lines(HEAD.replace("open", "open,Open"), lambda r: f"{said(r[0])},1,{values(r)}"),
        {},
        "'open' and 'Open' may both be open; say which",
    ),
    (
        "underscore.csv",
        lines(HEAD, lambda r: f"{said(r[0])},1_000,1_000,1_000,1_000,5"),
        {},
        "open is '1_000'; take a number",
    ),
    ("wide.csv", lines(HEAD, lambda r: f"{said(r[0])},１０,１０,１０,１０,5"), {}, "open is '１０'; take a number"),
    ("widetime.csv", lines(HEAD, lambda r: f"２０２４-01-01,{values(r)}"), {}, "write ISO 8601"),
    (
        "long.csv",
        lines(HEAD, lambda r: f"{said(r[0])},{'9' * 50_000},1,1,1,1", ROWS[:1]),
        {},
        "take a number of plain digits, at most 60",
    ),
    (
        "unclear.csv",
        lines(HEAD.replace(",", ";"), lambda r: f"{said(r[0])};1,000;1,000;1,000;1,000;5"),
        {},
        "comma may stand before decimals or between thousands",
    ),
    (
        "mixed.csv",
        lines(HEAD.replace(",", ";"), lambda r: f"{said(r[0])};1000,5;1000.5;1000,5;1000,5;5"),
        {},
        "it has a point where the others have a comma",
    ),
    ("money.csv", lines(HEAD, lambda r: f"{said(r[0])},₩1000,1,1,1,5"), {}, "open is '₩1000'; take a number"),
    ("short.csv", lines(HEAD, lambda r: f"{said(r[0])},1,1,1,1,1.5K"), {}, "volume is '1.5K'; take a number"),
    ("cut.csv", lines(HEAD, lambda r: f"1.70407E+12,{values(r)}"), {}, "open_time is '1.70407E.12': write ISO"),
    (
        "old.json",
        json.dumps([[24 * 10**7, 1, 1, 1, 1, 1]]),
        {},
        "open_time is 240000000: numbers of 10 digits are seconds",
    ),
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
    (
        "encoding.json",
        json.dumps([[T * 1000, 1, 1, 1, 1, 1]]),
        {"encoding": "cp949"},
        "encoding is 'cp949'; leave it out",
    ),
    ("codec.csv", lines(HEAD, csv), {"encoding": "zlib_codec"}, "encoding is 'zlib_codec'; name one such as"),
    (
        "yahoo.csv",
        lines(
            "Price,Close,High,Low,Open,Volume\nTicker,ETH-KRW,ETH-KRW,ETH-KRW,ETH-KRW,ETH-KRW\nDatetime,,,,,",
            lambda r: f"{said(r[0])},{r[4]},{r[2]},{r[3]},{r[1]},{r[5]}",
        ),
        {},
        "has, by its columns, the candles of ETH-KRW",
    ),
]


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
