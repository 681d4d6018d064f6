"""The same candles asked for by several at once, on a simulated exchange: requests, and what each costs alone."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import rxcandles
from profiling.support.harness import table
from rxcandles.model.timeframe import to_datetime
from rxcandles.simulator import Market, Simulator

__all__ = ["main"]

TO: Final = 1_768_435_200
"""2026-01-15T00:00:00Z"""
SYMBOL: Final = "KRW-X"

CHILD: Final = f"""
import asyncio, sys, rxcandles
from rxcandles.model.timeframe import to_datetime
async def main(path, url, count, rate):
    async with rxcandles.connect(path, base_url=url, rate_limit=rate) as provider:
        print("ready", flush=True)
        sys.stdin.readline()
        await provider.collect_candles_only({SYMBOL!r}, "1m", count=count, to=to_datetime({TO}))
asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]) or None))
"""


async def calls(sim: Simulator, folder: str, several: int, count: int, rate: float | None) -> None:
    """Several calls of one provider."""
    async with rxcandles.connect(Path(folder, "a.db"), base_url=sim.base_url, rate_limit=rate) as provider:
        asked = {"count": count, "to": to_datetime(TO)}
        await asyncio.gather(*(provider.collect_candles_only(SYMBOL, "1m", **asked) for _ in range(several)))  # type: ignore[arg-type]


async def _begun(path: Path, sim: Simulator, count: int, rate: float | None) -> asyncio.subprocess.Process:
    arguments = [str(path), sim.base_url, str(count), str(rate or 0)]
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, *arguments, stdin=-1, stdout=-1)
    assert child.stdout is not None
    await child.stdout.readline()
    return child


async def processes(sim: Simulator, folder: str, several: int, count: int, rate: float | None) -> None:
    """Several processes on one file, which begin at the same moment."""
    children = [await _begun(Path(folder, "a.db"), sim, count, rate) for _ in range(several)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
    codes = [await child.wait() for child in children]
    assert not any(codes), codes


async def killed(sim: Simulator, folder: str, count: int) -> float:
    """Seconds that a process needs after another, which has begun, was killed; less those that it needs alone."""
    path = Path(folder, "a.db")
    first, second = [await _begun(path, sim, count, None) for _ in range(2)]
    for child in (first, second):
        assert child.stdin is not None
        child.stdin.write(b"\n")
        await asyncio.sleep(0.15)
    first.send_signal(signal.SIGKILL)
    began = time.monotonic()
    await first.wait()
    await second.wait()
    return time.monotonic() - began


async def _measured(counts: list[int]) -> None:
    for rate, latency in ((None, 0.0), (None, 0.02), (None, 0.1), (50.0, 0.02)):
        lines: list[dict[str, Any]] = []
        async with Simulator([Market(SYMBOL)], rate=None, latency=latency) as sim:
            for count in counts:
                for how, several in ((calls, 1), (calls, 4), (processes, 1), (processes, 2), (processes, 3)):
                    with tempfile.TemporaryDirectory() as folder:
                        sim.reset_stats()
                        began = time.monotonic()
                        await how(sim, folder, several, count, rate)
                        lines.append(
                            {
                                "candles": count,
                                "asked by": f"{several} {how.__name__}",
                                "requests": sim.stats.requests,
                                "seconds": round(time.monotonic() - began, 2),
                            }
                        )
        print(table(f"{latency * 1000:.0f} ms away, limit {rate or 'none'}", lines), end="\n\n", flush=True)
    async with Simulator([Market(SYMBOL)], rate=None, latency=0.2) as sim:
        with tempfile.TemporaryDirectory() as folder:
            took = await killed(sim, folder, 1000)
        print(f"one of two was killed; the other was done {took:.2f} s later (alone it takes about 1.2 s)")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling together")
    parser.add_argument("--counts", type=int, nargs="+", default=[3000, 20_000])
    asyncio.run(_measured(parser.parse_args(arguments).counts))
    return 0
