"""Requests sent against the full pages needed, where many slots have no candle, at a strict rate and some way off."""

from __future__ import annotations

import argparse
from typing import Any

from profiling.support.harness import machine, measured, table
from tests.support.counted import counted

DENSITIES = {"KRW-ETH": 1.0, "KRW-XRP": 0.95, "KRW-DOGE": 0.3, "KRW-RARE": 0.02}


async def collect(url: str, market: str, count: int) -> dict[str, Any]:
    import rxcandles

    async with rxcandles.connect("candles.db", "simulated", base_url=url) as provider:
        summary = await provider.collect_candles_only(market, "1m", count=count)
    assert summary.collected_count == count
    return {"seconds": summary.duration_seconds}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling sparse")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds a round trip")
    options = parser.parse_args(arguments)
    needed = -(-options.count // 200)
    rows: list[dict[str, Any]] = []
    for market, density in DENSITIES.items():
        # A server each, so that nobody starts with the requests of the one before on the account.
        with counted(options.rate, options.latency) as server:
            run, counts = measured(collect, server.url, market, options.count), server.counts()
            rows.append(
                {
                    "market": market,
                    "density": density,
                    "candles": options.count,
                    "pages needed": needed,
                    "requests": counts["requests"],
                    "requests / needed": counts["requests"] / needed,
                    "429s": counts["limited"],
                    "seconds": run["seconds"],
                    "seconds / dense": run["seconds"] / (rows[0]["seconds"] if rows else run["seconds"]),
                }
            )
    print(table(f"{options.rate:g} requests/s, {options.latency * 1000:g} ms away. {machine()}", rows))
    return 0
