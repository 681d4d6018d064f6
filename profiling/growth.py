"""Time and peak memory a candle as the number of candles grows: straight lines."""

from __future__ import annotations

import argparse
from typing import Any

from profiling.support.drawing import draw
from profiling.support.harness import machine, measured, table
from tests.support.counted import counted


async def collect(url: str, count: int, name: str) -> dict[str, Any]:
    import time

    import aiohttp  # noqa: F401

    import rxcandles

    began = time.perf_counter()
    async with rxcandles.connect("candles.db", "simulated", base_url=url, rate_limit=None) as provider:
        if name == "storage-only":
            total = (await provider.collect_candles_only("KRW-DEEP", "1m", count=count)).collected_count
        else:
            total = 0
            async with provider.stream_candles("KRW-DEEP", "1m", count=count) as stream:
                async for chunk, _ in stream:
                    total += len(chunk)
    assert total == count
    return {"seconds": time.perf_counter() - began}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling growth")
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--full", action="store_true", help="also 10,000,000 candles")
    parser.add_argument("--plot", metavar="FILE", help="draw the seconds over the candles, as SVG")
    options = parser.parse_args(arguments)
    counts = [*options.counts, *([10_000_000] if options.full else [])]
    rows: list[dict[str, Any]] = []
    lines: dict[str, tuple[list[float], list[float]]] = {}
    names = ("storage-only", "streaming")
    with counted(None) as server:
        measured(collect, server.url, min(counts), names[0])  # nobody's first run is measured
        runs = {(name, count): measured(collect, server.url, count, name) for count in counts for name in names}
    for name in names:
        first: dict[str, Any] = {}
        for count in counts:
            run = runs[name, count]
            each = run["seconds"] / count * 1e6
            if count == 100_000 or not first:
                first = {"each": each, "rss": run["rss_mb"], "count": count}
            rows.append(
                {
                    "mode": name,
                    "candles": count,
                    "seconds": run["seconds"],
                    "µs a candle": each,
                    "CPU µs a candle": run["cpu"] / count * 1e6,
                    "time / at 100,000": each / first["each"] if first["count"] == 100_000 else "",
                    "peak RSS MB": round(run["rss_mb"], 1),
                    "RSS bytes a candle": run["rss_mb"] * 1e6 / count,
                }
            )
            across, up = lines.setdefault(name, ([], []))
            across.append(count)
            up.append(run["seconds"])
    print(table(machine(), rows))
    if options.plot:
        draw(options.plot, "candles", "seconds", lines)
    return 0
