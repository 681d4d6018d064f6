"""How close to a strict limit the requests run, from near and from far."""

from __future__ import annotations

import argparse
from typing import Any

from profiling.counted import counted
from profiling.drawing import draw
from profiling.harness import machine, measured, table


async def collect(url: str, pages: int) -> dict[str, Any]:
    import rxcandles

    async with rxcandles.connect("candles.db", base_url=url) as provider:
        summary = await provider.collect_candles_only("KRW-BTC", "1m", count=pages * 200)
    assert summary.collected_count == pages * 200
    return {"seconds": summary.duration_seconds}


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
    parser.add_argument("--ms", type=float, nargs="+", default=[15, 30, 100, 300], help="round trips")
    parser.add_argument("--plot", metavar="FILE", help="draw requests a second over time, as SVG")
    options = parser.parse_args(arguments)
    rows, lines = [], {}
    for trip in options.ms:
        with counted(options.rate, trip / 1000) as server:
            run, counts = measured(collect, server.url, options.pages), server.counts()
        rows.append(
            {
                "round trip ms": round(trip),
                "pages": options.pages,
                "requests": counts["requests"],
                "429s": counts["limited"],
                "seconds": run["seconds"],
                "requests/s": counts["requests"] / run["seconds"],
                "most in a second": _busiest(counts["times"]),
            }
        )
        lines[f"{trip:g} ms"] = _rates(counts["times"])
    print(table(f"A strict {options.rate:g} requests/s. {machine()}", rows))
    if options.plot:
        draw(options.plot, "seconds", "requests a second", lines)
    return 0
