"""The modes in turn with a small rendering of the system that they replace ("v6").

v6 asks for one page after the other, turns each answer into dictionaries, looks for an overlap, stores them by
``executemany`` and commits; when all is stored it reads the whole window back into a list of objects. As in the
original the window is counted in slots, so that it returns fewer candles than were asked for where nobody traded.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from profiling.support.harness import heap_mb, machine, measured, table
from tests.support.counted import counted

NAMES = ("v6", "storage-only", "streaming", "collection")


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
            asked = f"market=KRW-DEEP&to={to:%Y-%m-%dT%H%%3A%M%%3A%SZ}&count={min(200, left)}"
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
    async with rxcandles.connect("candles.db", "simulated", base_url=url, rate_limit=None) as provider:
        if name == "storage-only":
            total = (await provider.collect_candles_only("KRW-DEEP", "1m", count=count)).collected_count
        elif name == "streaming":
            async with provider.stream_candles("KRW-DEEP", "1m", count=count) as stream:
                total = 0
                async for chunk, _ in stream:
                    total += sum(1 for each in chunk if each.close > 0)
        else:
            total = sum(
                1 for each in await provider.get_candles("KRW-DEEP", "1m", count=count, config=config) if each.close > 0
            )
    assert total == count
    return {"seconds": time.perf_counter() - began, "candles": total}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling modes")
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 200_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3, help="turns up to 200,000 candles; one for more")
    parser.add_argument("--full", action="store_true", help="also 10,000,000 candles, without v6, which holds them all")
    options = parser.parse_args(arguments)
    rows = []
    with counted(None) as server:
        _once(server.url, NAMES[1], max(options.counts[:2]))  # nobody's first run is measured
        for count in options.counts:
            rows += _turns(server.url, NAMES, count, options.rounds if count <= 200_000 else 1)
        if options.full:
            rows += _turns(server.url, NAMES[1:], 10_000_000, 1)
    print(table(machine(), rows))
    return 0


def _once(url: str, name: str, count: int) -> dict[str, Any]:
    return measured(v6, url, count) if name == "v6" else measured(mode, url, count, name)


def _turns(url: str, names: Sequence[str], count: int, rounds: int) -> list[dict[str, Any]]:
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(_once(url, name, count))
    rows = []
    for name in names:
        row = {"mode": name, "asked": count, "returned": runs[name][-1]["candles"]}
        for title, key in (("wall s", "seconds"), ("CPU s", "cpu"), ("peak RSS MB", "rss_mb")):
            row[title] = float(median(run[key] for run in runs[name]))
        if count <= 1_000_000:
            heap = heap_mb(v6, url, count) if name == "v6" else heap_mb(mode, url, count, name)
            row["peak heap MB"] = "no memray" if heap is None else heap
        for title, key in (("wall / v6", "seconds"), ("CPU / v6", "cpu"), ("RSS / v6", "rss_mb")):
            if "v6" in runs:
                pairs = zip(runs[name], runs["v6"], strict=True)
                row[title] = median(mine[key] / theirs[key] for mine, theirs in pairs)
        rows.append(row)
    return rows
