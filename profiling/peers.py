"""ccxt and pyupbit into SQLite in turn with storage-only, on the simulator.

``pip install ccxt pyupbit`` is needed. Each is used as its documents show, pointed at the simulator, its own rate
limiter on where there is a limit. ccxt gathered asks for eight windows of 200 slots at once, which suits a market that
trades in every slot, as the one here does; a page that it raises an error for is lost.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any

from profiling.support.harness import machine, measured, table
from tests.support.counted import counted


async def ccxt(url: str, count: int, limited: bool, at_once: int) -> dict[str, Any]:
    import asyncio
    import importlib
    import sqlite3
    import time

    library: Any = importlib.import_module("ccxt.async_support")
    exchange = library.upbit({"enableRateLimit": limited})
    exchange.urls["api"] = {"public": url, "private": url}
    began = time.perf_counter()
    database = sqlite3.connect("candles.db")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("CREATE TABLE candles (open_time INTEGER PRIMARY KEY, open, high, low, close, volume)")
    lost = 0
    try:
        await exchange.load_markets()
        newest = int(time.time()) // 60 * 60_000
        begins = list(range(newest - count * 60_000, newest, 200 * 60_000))
        for at in range(0, len(begins), at_once):
            asked = (
                exchange.fetch_ohlcv("ETH/KRW", "1m", since=begin, limit=200) for begin in begins[at : at + at_once]
            )
            for page in await asyncio.gather(*asked, return_exceptions=True):
                if isinstance(page, BaseException):
                    lost += 1
                    continue
                database.executemany("INSERT OR REPLACE INTO candles VALUES (?, ?, ?, ?, ?, ?)", page)
                database.commit()
        seconds = time.perf_counter() - began
        rows = database.execute("SELECT count(*) FROM candles").fetchone()[0]
    finally:
        await exchange.close()
        database.close()
    return {"seconds": seconds, "rows": rows, "lost": lost}


async def pyupbit(url: str, count: int, limited: bool) -> dict[str, Any]:
    import importlib
    import sqlite3
    import time

    upbit: Any = importlib.import_module("pyupbit")
    quotation: Any = importlib.import_module("pyupbit.quotation_api")
    original = quotation._call_public_api
    quotation._call_public_api = lambda address, **more: original(address.replace("https://api.upbit.com", url), **more)
    began = time.perf_counter()
    pause = {"period": 0.1 if limited else 0}
    frame = upbit.get_ohlcv("KRW-ETH", interval="minute1", count=count, **pause)
    rows = 0
    if frame is not None:
        database = sqlite3.connect("candles.db")
        rows = frame.to_sql("candles", database)
        database.commit()
        database.close()
    return {"seconds": time.perf_counter() - began, "rows": rows, "lost": 0 if frame is not None else "all"}


async def ours(url: str, count: int, limited: bool) -> dict[str, Any]:
    import time

    import aiohttp  # noqa: F401

    import rxcandles

    began = time.perf_counter()
    rate = 10 if limited else None
    async with rxcandles.connect("candles.db", "simulated", base_url=url, rate_limit=rate) as provider:
        summary = await provider.collect_candles_only("KRW-ETH", "1m", count=count)
    return {"seconds": time.perf_counter() - began, "rows": summary.db_records_count, "lost": 0}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling peers")
    parser.add_argument("--count", type=int, default=20_000, help="candles at a strict 10 requests/s, 30 ms away")
    parser.add_argument("--unlimited", type=int, default=100_000, help="candles without a limit")
    parser.add_argument("--rounds", type=int, default=3, help="turns without a limit")
    options = parser.parse_args(arguments)
    absent = [name for name in ("ccxt", "pyupbit") if find_spec(name) is None]
    if absent:
        raise SystemExit(f"{' and '.join(absent)} not found: pip install {' '.join(absent)}")
    peers: dict[str, Callable[[str, int, bool], dict[str, Any]]] = {
        "ccxt, one by one": lambda url, count, limited: measured(ccxt, url, count, limited, 1),
        "ccxt, gathered by 8": lambda url, count, limited: measured(ccxt, url, count, limited, 8),
        "pyupbit, DataFrame": lambda url, count, limited: measured(pyupbit, url, count, limited),
        "storage-only": lambda url, count, limited: measured(ours, url, count, limited),
    }
    rows = []
    # Not None: pyupbit fails where the header with what is left of the limit is absent.
    plans = (("10/s, 30 ms", 10.0, 0.03, options.count, 1), ("none", 1e6, 0.0, options.unlimited, options.rounds))
    for title, rate, latency, count, rounds in plans:
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
        for _ in range(rounds):
            for name, run in peers.items():
                # A simulator each, so that nobody starts with the requests of the one before on the account.
                with counted(rate, latency) as server:
                    runs[name].append({**run(server.url, count, latency > 0), **server.counts()})
        for name, done in runs.items():
            pairs = zip(done, runs["storage-only"], strict=True)
            rows.append(
                {
                    "limit": title,
                    "who": name,
                    "asked": count,
                    "rows": done[-1]["rows"],
                    "pages lost": done[-1]["lost"],
                    "requests": done[-1]["requests"],
                    "429s": done[-1]["limited"],
                    "seconds": float(median(each["seconds"] for each in done)),
                    "candles/s": round(median(each["rows"] / each["seconds"] for each in done)),
                    "peak RSS MB": round(median(each["rss_mb"] for each in done), 1),
                    "storage-only, times as many candles/s": median(
                        [
                            mine["rows"] / mine["seconds"] * each["seconds"] / each["rows"] if each["rows"] else 0.0
                            for each, mine in pairs
                        ]
                    ),
                }
            )
    print(table(machine(), rows))
    return 0
