"""Storage-only in turn with hand-written code that pages, decodes and inserts, and does nothing else.

The floor has no coverage, checks, retries, headers, limit, progress or schema to speak of. It is written twice: with
one cursor, and with two at once over halves of the span, which is what storage-only uses where there is no limit.
``--exchange binance`` is the same at Binance's face, by pages of 1,000.
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import Any

from profiling.support.harness import machine, measured, simulator, table


async def floor(url: str, count: int, cursors: int) -> dict[str, Any]:
    import asyncio
    import sqlite3
    import time
    from datetime import UTC, datetime

    import aiohttp
    import msgspec
    import yarl

    class Candle(msgspec.Struct, gc=False):
        candle_date_time_utc: str
        opening_price: float
        high_price: float
        low_price: float
        trade_price: float
        timestamp: int
        candle_acc_trade_price: float
        candle_acc_trade_volume: float

    decode = msgspec.json.Decoder(list[Candle]).decode
    seconds_of = datetime.fromisoformat

    def insert(rows: int) -> str:
        return "INSERT OR REPLACE INTO candles VALUES " + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * rows)

    whole = insert(200)

    async def walk(session: aiohttp.ClientSession, database: sqlite3.Connection, stop: int, left: int) -> None:
        while left:
            to = f"{datetime.fromtimestamp(stop, UTC):%Y-%m-%dT%H%%3A%M%%3A%SZ}"
            asked = f"{url}/v1/candles/minutes/1?market=KRW-ETH&to={to}&count={min(200, left)}"
            async with session.get(yarl.URL(asked, encoded=True)) as response:
                candles = decode(await response.read())
            values: list[float] = []
            for each in candles:
                stop = int(seconds_of(each.candle_date_time_utc + "+00:00").timestamp())
                values += (
                    stop, each.opening_price, each.high_price, each.low_price, each.trade_price,
                    each.candle_acc_trade_volume, each.candle_acc_trade_price, each.timestamp,
                )  # fmt: skip
            database.execute(whole if len(candles) == 200 else insert(len(candles)), values)
            left -= len(candles)

    began = time.perf_counter()
    database = sqlite3.connect("candles.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(
        "CREATE TABLE candles (open_time INTEGER PRIMARY KEY, open REAL, high REAL, low REAL, close REAL,"
        " volume REAL, turnover REAL, timestamp INTEGER)"
    )
    now = int(time.time()) // 60 * 60
    part = count // cursors
    async with aiohttp.ClientSession() as session:
        # Every slot of KRW-ETH has a candle, so that a part of the span is a part of the candles.
        await asyncio.gather(*(walk(session, database, now - 60 * part * at, part) for at in range(cursors)))
    database.close()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "candles": part * cursors}


async def binance_floor(url: str, count: int, cursors: int) -> dict[str, Any]:
    import asyncio
    import sqlite3
    import time

    import aiohttp
    import msgspec

    class Kline(msgspec.Struct, array_like=True, gc=False):
        opened: int
        open: float
        high: float
        low: float
        close: float
        volume: float
        closes: int
        turnover: float
        trades: int
        taker_volume: float
        taker_turnover: float

    decode = msgspec.json.Decoder(list[Kline], strict=False).decode

    def insert(rows: int) -> str:
        return "INSERT OR REPLACE INTO candles VALUES " + ", ".join([f"({', '.join('?' * 11)})"] * rows)

    whole = insert(1000)

    async def walk(session: aiohttp.ClientSession, database: sqlite3.Connection, stop: int, left: int) -> None:
        while left:
            asked = f"{url}/api/v3/klines?symbol=BTCUSDT&interval=1m&endTime={stop * 1000 - 1}&limit={min(1000, left)}"
            async with session.get(asked) as response:
                klines = decode(await response.read())
            values: list[float] = []
            for each in klines:
                values += (
                    each.opened // 1000, each.open, each.high, each.low, each.close, each.volume, each.turnover,
                    each.closes, each.trades, each.taker_volume, each.taker_turnover,
                )  # fmt: skip
            database.execute(whole if len(klines) == 1000 else insert(len(klines)), values)
            stop, left = klines[0].opened // 1000, left - len(klines)

    began = time.perf_counter()
    database = sqlite3.connect("candles.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(
        "CREATE TABLE candles (open_time INTEGER PRIMARY KEY, open REAL, high REAL, low REAL, close REAL, volume REAL,"
        " turnover REAL, closes INTEGER, trades INTEGER, taker_volume REAL, taker_turnover REAL)"
    )
    now, part = int(time.time()) // 60 * 60, count // cursors
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(walk(session, database, now - 60 * part * at, part) for at in range(cursors)))
    database.close()
    return {"seconds": time.perf_counter() - began, "candles": part * cursors}


async def binance(url: str, count: int) -> dict[str, Any]:
    import time

    import aiohttp  # noqa: F401

    import rxcandles

    began = time.perf_counter()
    async with rxcandles.connect("candles.db", "binance", base_url=url, rate_limit=None) as provider:
        summary = await provider.collect_candles_only("BTCUSDT", "1m", count=count)
    assert summary.collected_count == summary.db_records_count == count
    return {"seconds": time.perf_counter() - began, "candles": count}


async def ours(url: str, count: int) -> dict[str, Any]:
    import time

    import aiohttp  # noqa: F401

    import rxcandles

    began = time.perf_counter()
    async with rxcandles.connect("candles.db", "simulated", base_url=url, rate_limit=None) as provider:
        summary = await provider.collect_candles_only("KRW-ETH", "1m", count=count)
    assert summary.collected_count == summary.db_records_count == count
    return {"seconds": time.perf_counter() - began, "candles": count}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling floor")
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--exchange", choices=("upbit", "binance"), default="upbit")
    options = parser.parse_args(arguments)
    by_hand, whole = (binance_floor, binance) if options.exchange == "binance" else (floor, ours)
    names = ("floor, one cursor", "floor, two cursors", "storage-only")
    speeds: dict[str, list[float]] = {name: [] for name in names}
    runs: dict[str, dict[str, Any]] = {}
    with simulator("--as", options.exchange, "--rate-limit", "none") as url:
        measured(whole, url, options.count)  # nobody's first run is measured
        for _ in range(options.rounds):
            for at, name in enumerate(names):
                run = measured(whole, url, options.count) if at == 2 else measured(by_hand, url, options.count, at + 1)
                speeds[name].append(run["candles"] / run["seconds"])
                runs[name] = run
    rows = [
        {
            "run": name,
            "candles": runs[name]["candles"],
            "candles/s, median": round(median(speeds[name])),
            "slowest": round(min(speeds[name])),
            "fastest": round(max(speeds[name])),
            "CPU s": runs[name]["cpu"],
            "peak RSS MB": round(runs[name]["rss_mb"], 1),
            "storage-only / this": median(
                [mine / theirs for mine, theirs in zip(speeds[names[2]], speeds[name], strict=True)]
            ),
        }
        for name in names
    ]
    print(table(machine(), rows))
    return 0
