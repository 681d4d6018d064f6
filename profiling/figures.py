"""The figures of the README: each mode in a process of its own, against a simulator in another."""

from __future__ import annotations

import argparse
from typing import Any

from profiling.support.harness import machine, measured, simulator, table


async def collection(url: str, count: int) -> dict[str, Any]:
    import time

    import rxcandles

    config = rxcandles.CollectionConfig(enable_memory_warning=False)
    async with rxcandles.connect("candles.db", "simulated", base_url=url, rate_limit=None) as provider:
        began = time.perf_counter()
        candles = await provider.get_candles("KRW-BTC", "1m", count=count, config=config)
        seconds = time.perf_counter() - began
        assert len(candles) == count
        assert sum(1 for _ in candles) == sum(1 for _ in reversed(candles)) == count
        assert candles[0] == candles[: count // 2][0] == candles[::-1][-1]
        assert candles[-1].open_time < candles[0].open_time
    return {"candles": len(candles), "seconds": seconds}


async def storage(url: str, count: int) -> dict[str, Any]:
    import rxcandles

    async with rxcandles.connect("candles.db", "simulated", base_url=url, rate_limit=None) as provider:
        first = await provider.collect_candles_only("KRW-BTC", "1m", count=count)
        again = await provider.collect_candles_only("KRW-BTC", "1m", count=count, to=first.time_range[1])
    assert (again.api_calls_made, again.collected_count, again.db_records_count) == (0, count, count)
    return {"candles": first.collected_count, "seconds": first.duration_seconds, "again_s": again.duration_seconds}


async def streaming(url: str, count: int, ahead: bool) -> dict[str, Any]:
    import asyncio
    import time

    import rxcandles

    total, peak, chunks = 0, 0, 0
    config = rxcandles.StreamingConfig(enable_backpressure=not ahead)
    async with rxcandles.connect("candles.db", "simulated", base_url=url, rate_limit=None) as provider:
        began = time.perf_counter()
        async with provider.stream_candles("KRW-BTC", "1m", count=count, config=config) as stream:
            async for candles, _ in stream:
                total += len(candles)
                chunks += 1
                await asyncio.sleep(0.005)
                peak = max(peak, stream.stats().peak_waiting)
                assert stream.stats().in_flight <= 8
        seconds = time.perf_counter() - began
    assert total == count
    return {"candles": total, "seconds": seconds, "peak_waiting": peak}


async def strict(url: str, pages: int) -> dict[str, Any]:
    import rxcandles

    async with rxcandles.connect("candles.db", "simulated", base_url=url) as provider:
        summary = await provider.collect_candles_only("KRW-BTC", "1m", count=pages * 200)
    assert summary.collected_count == pages * 200
    return {"candles": summary.collected_count, "seconds": summary.duration_seconds, "429s": summary.rate_limited}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling figures")
    parser.add_argument("--million", type=int, default=1_000_000, help="candles of the large runs")
    million = parser.parse_args(arguments).million
    rows = []

    def add(name: str, result: dict[str, Any]) -> None:
        rows.append(
            {
                "run": name,
                "candles": result["candles"],
                "seconds": result["seconds"],
                "candles/s": round(result["candles"] / result["seconds"]),
                "peak RSS MB": round(result["rss_mb"], 1),
                "notes": ", ".join(
                    f"{key} {value:.2f}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in result.items()
                    if key in ("again_s", "peak_waiting", "429s")
                ),
            }
        )
        print(rows[-1], flush=True)

    with simulator("--rate-limit", "none") as url:
        add("get_candles, a list", measured(collection, url, 50_000))
        add("get_candles, lazily, read both ways", measured(collection, url, 200_000))
        add("storage-only", measured(storage, url, 200_000))
        add("storage-only", measured(storage, url, million))
        add("streaming, consumer sleeps 5 ms a chunk", measured(streaming, url, million, False))
        add("streaming, running ahead", measured(streaming, url, million, True))
    with simulator("--latency", "0.03") as url:
        add("strict 10/s, 30 ms away, 100 pages", measured(strict, url, 100))
    print()
    print(table(f"{machine()}", rows))
    return 0
