"""How close to a strict limit the requests run, from near and from far."""

from __future__ import annotations

import argparse
from itertools import product
from typing import Any

from profiling.support.drawing import draw
from profiling.support.harness import machine, measured, table
from tests.support.counted import counted


async def collect(url: str, market: str, pages: int, foreign: float) -> dict[str, Any]:
    import asyncio
    import random

    import aiohttp

    import rxcandles

    async def another_client() -> None:
        luck = random.Random(1)
        async with aiohttp.ClientSession() as session:
            while foreign:
                await asyncio.sleep(luck.uniform(0.5, 1.5) / foreign)
                async with session.get(f"{url}/v1/candles/minutes/1?market={market}&count=1"):
                    pass

    other = asyncio.create_task(another_client())
    await asyncio.sleep(1 if foreign else 0)
    async with rxcandles.connect("candles.db", "simulated", base_url=url) as provider:
        summary = await provider.collect_candles_only(market, "1m", count=pages * 200)
    other.cancel()
    await asyncio.wait([other])
    assert summary.collected_count == pages * 200
    return {"seconds": summary.duration_seconds, "requests": summary.api_calls_made, "limited": summary.rate_limited}


def _busiest(times: list[float]) -> int:
    """Return the most requests that arrived within any one second."""
    return max(sum(begin <= each < begin + 1 for each in times) for begin in times)


def _rates(times: list[float]) -> tuple[list[float], list[float]]:
    """Return, every tenth of a second, how many requests arrived in the second around it."""
    first = min(times)
    at = [step / 10 for step in range(5, int((max(times) - first) * 10) - 4)]
    return at, [float(sum(x - 0.5 <= each - first < x + 0.5 for each in times)) for x in at]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling limit")
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--ms", type=float, nargs="+", default=[15, 100, 300], help="round trips")
    parser.add_argument("--markets", nargs="+", default=["KRW-ETH", "KRW-BTC"], help="of density 1 and 0.998")
    parser.add_argument("--foreign", type=float, default=0, help="requests a second of another client, same address")
    parser.add_argument("--plot", metavar="FILE", help="draw requests a second over time, as SVG")
    options = parser.parse_args(arguments)
    rows, lines = [], {}
    for market, trip in product(options.markets, options.ms):
        with counted(options.rate, trip / 1000) as server:
            run = measured(collect, server.url, market, options.pages, options.foreign)
            times = server.counts()["times"]
        rows.append(
            {
                "market": market,
                "round trip ms": round(trip),
                "pages": options.pages,
                "requests": run["requests"],
                "429s": run["limited"],
                "seconds": run["seconds"],
                "requests/s": run["requests"] / run["seconds"],
                "most in a second, all clients": _busiest(times),
            }
        )
        if market == options.markets[0]:
            lines[f"{trip:g} ms"] = _rates(times)
    print(table(f"A strict {options.rate:g} requests/s. {machine()}", rows))
    if options.plot:
        draw(options.plot, "seconds", "requests a second", lines)
    return 0
