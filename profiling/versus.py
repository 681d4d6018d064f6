"""Storage-only of this checkout in turn with that of another one, against one simulator: wall and CPU time."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from profiling.support.harness import machine, simulator, table

PROGRAM = """
import asyncio, json, resource, sys
import rxcandles

async def main(url, count):
    async with rxcandles.connect("candles.db", "simulated", base_url=url, rate_limit=None) as provider:
        return await provider.collect_candles_only("KRW-BTC", "1m", count=count)

summary = asyncio.run(main(sys.argv[1], int(sys.argv[2])))
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([summary.duration_seconds, usage.ru_utime + usage.ru_stime]))
"""


def run(checkout: Path, url: str, count: int) -> tuple[float, float]:
    """Return the seconds and the CPU seconds of one run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, url, str(count)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    wall, cpu = json.loads(done.stdout)
    return wall, cpu


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling versus")
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    here = Path(__file__).parents[1]
    pairs = []
    with simulator("--rate-limit", "none") as url:
        for at in range(options.rounds):
            both = {each: run(each, url, options.count) for each in (here, options.other)[:: 1 - 2 * (at % 2)]}
            pairs.append((both[here], both[options.other]))
    rows = [
        {
            "what": what,
            "this, median s": median(mine[at] for mine, _ in pairs),
            "the other, median s": median(theirs[at] for _, theirs in pairs),
            "this / the other": median(mine[at] / theirs[at] for mine, theirs in pairs),
        }
        for at, what in enumerate(("wall", "CPU"))
    ]
    print(table(f"{options.count:,} candles, {options.rounds} pairs. {machine()}", rows))
    return 0
