"""The modes in turn with a small rendering of the system that they replace ("v6").

v6 asks for one page after the other, turns each answer into dictionaries, looks for an overlap, stores them by
``executemany`` and commits; when all is stored it reads the whole window back into a list of objects. As in the
original the window is counted in slots, so that it returns fewer candles than were asked for where nobody traded.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from typing import Any

from profiling.harness import machine, measured, simulator, table


async def v6(url: str, count: int) -> dict[str, Any]:
    import time
    from datetime import UTC, datetime, timedelta

    import aiohttp
    import aiosqlite
    import attrs
    import yarl

    names = (
        "candle_date_time_utc", "market", "candle_date_time_kst", "opening_price", "high_price", "low_price",
        "trade_price", "timestamp", "candle_acc_trade_price", "candle_acc_trade_volume",
    )  # fmt: skip
    made: Callable[..., Any] = attrs.make_class("Candle", list(names), slots=True)
    began = time.perf_counter()
    async with aiosqlite.connect("candles.db") as database, aiohttp.ClientSession() as session:
        await database.execute("PRAGMA journal_mode = WAL")
        await database.execute("PRAGMA synchronous = NORMAL")
        await database.execute(f"CREATE TABLE candles ({names[0]} TEXT PRIMARY KEY, {', '.join(names[1:])})")
        insert = f"INSERT OR REPLACE INTO candles VALUES ({', '.join(':' + name for name in names)})"
        newest = datetime.now(UTC).replace(second=0, microsecond=0, tzinfo=None)
        to, left = newest, count
        while left:
            asked = f"market=KRW-BTC&to={to:%Y-%m-%dT%H%%3A%M%%3A%SZ}&count={min(200, left)}"
            older = f"{to - timedelta(minutes=min(200, left)):%Y-%m-%dT%H:%M:%S}"
            overlap = "SELECT 1 FROM candles WHERE candle_date_time_utc >= ? AND candle_date_time_utc < ? LIMIT 1"
            assert not list(await database.execute_fetchall(overlap, (older, f"{to:%Y-%m-%dT%H:%M:%S}")))
            async with session.get(yarl.URL(f"{url}/v1/candles/minutes/1?{asked}", encoded=True)) as response:
                page = [{name: each[name] for name in names} for each in await response.json()]
            await database.executemany(insert, page)
            await database.commit()
            to = datetime.fromisoformat(page[-1]["candle_date_time_utc"])
            left -= len(page)
        window = (f"{newest - timedelta(minutes=count):%Y-%m-%dT%H:%M:%S}", f"{newest:%Y-%m-%dT%H:%M:%S}")
        select = f"SELECT * FROM candles WHERE {names[0]} >= ? AND {names[0]} < ? ORDER BY {names[0]} DESC"
        candles = [made(*row) for row in await database.execute_fetchall(select, window)]
    assert sum(1 for each in candles if each.trade_price > 0) == len(candles)
    return {"seconds": time.perf_counter() - began, "candles": len(candles)}


async def mode(url: str, count: int, name: str) -> dict[str, Any]:
    import time

    import aiohttp  # noqa: F401

    import rxcandles

    config = rxcandles.CollectionConfig(enable_memory_warning=False)
    began = time.perf_counter()
    async with rxcandles.connect("candles.db", base_url=url, rate_limit=None) as provider:
        if name == "storage-only":
            total = (await provider.collect_candles_only("KRW-BTC", "1m", count=count)).collected_count
        elif name == "streaming":
            async with provider.stream_candles("KRW-BTC", "1m", count=count) as stream:
                total = 0
                async for chunk, _ in stream:
                    total += sum(1 for each in chunk if each.close > 0)
        else:
            total = sum(
                1 for each in await provider.get_candles("KRW-BTC", "1m", count=count, config=config) if each.close > 0
            )
    assert total == count
    return {"seconds": time.perf_counter() - began, "candles": total}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling modes")
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 200_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="also 1,000,000 candles, once, without v6")
    options = parser.parse_args(arguments)
    names = ("v6", "storage-only", "streaming", "collection")
    rows = []
    with simulator("--rate-limit", "none") as url:

        def once(name: str, count: int) -> dict[str, Any]:
            return measured(v6, url, count) if name == "v6" else measured(mode, url, count, name)

        once("storage-only", max(options.counts))  # nobody's first run is measured
        plans: list[tuple[int, tuple[str, ...], int]] = [(count, names, options.rounds) for count in options.counts]
        if options.full:
            plans.append((1_000_000, names[1:], 1))
        for count, turn, rounds in plans:
            runs: dict[str, list[dict[str, Any]]] = {name: [] for name in turn}
            for _ in range(rounds):
                for name in turn:
                    runs[name].append(once(name, count))
            for name in turn:
                row = {"mode": name, "asked": count, "returned": runs[name][-1]["candles"]}
                for title, key in (("wall s", "seconds"), ("CPU s", "cpu"), ("peak RSS MB", "rss_mb")):
                    row[title] = float(median(run[key] for run in runs[name]))
                for title, key in (("wall / v6", "seconds"), ("CPU / v6", "cpu"), ("RSS / v6", "rss_mb")):
                    if "v6" in runs:
                        pairs = zip(runs[name], runs["v6"], strict=True)
                        row[title] = median(mine[key] / theirs[key] for mine, theirs in pairs)
                rows.append(row)
    print(table(machine(), rows))
    return 0
