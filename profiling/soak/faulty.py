"""Collecting where one answer in seven is faulty: seven kinds of fault, each as often as the others.

``python -m profiling faulty`` runs ``rxcandles collect`` several times, each with other luck, and holds the file
against the truth. Once nothing is faulty, for comparison.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from profiling.support.harness import machine, table
from rxcandles.model.timeframe import time_text
from rxcandles.simulator import Market, Simulator
from tests.support.audit import Truth, audit
from tests.support.unlucky import KINDS, Unlucky

__all__ = ["main"]

MARKET = Market("KRW-BTC", 0.998)
TO = 1_770_000_000 // 60 * 60


async def collect(pages: int, share: float, seed: int, rate: float) -> dict[str, Any]:
    """Run the command against a faulty exchange; raise where it fails, or where the file is not whole and true."""
    count, unlucky = pages * 200, Unlucky(share, seed)
    truth = Truth({MARKET.symbol: MARKET}.__getitem__, since=TO - 2 * count * 60)
    with TemporaryDirectory() as folder:
        path = Path(folder, "candles.db")
        async with Simulator([MARKET], rate=None, latency=0.03, clock=lambda: TO + 30) as simulator:
            simulator.faults.add(unlucky)
            words = [
                "collect",
                MARKET.symbol,
                "1m",
                "--count",
                str(count),
                "--to",
                time_text(TO),
                "--db",
                str(path),
                "--json",
            ]
            words += ["--exchange", "simulated", "--base-url", simulator.base_url, "--rate-limit", f"{rate:g}"]
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "rxcandles", *words,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            told, errors = await process.communicate()
            seconds = time.perf_counter() - began
            requests = simulator.stats.requests
        assert process.returncode == 0, (seed, process.returncode, errors.decode())
        summary = json.loads(told)
        held = audit(path, truth, TO + 30)
        assert held >= summary["collected_count"] == count, (held, summary)
    return {
        "faulty": f"{share * len(KINDS):.0%}",
        "seed": seed,
        "exit": process.returncode,
        "candles held": held,
        "requests": requests,
        "faults": sum(unlucky.struck.values()),
        "429s": unlucky.struck["429"],
        "retries": summary["retries"],
        "seconds": seconds,
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling faulty")
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--share", type=float, default=0.02, help="of the answers, for each of the seven kinds")
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args(arguments)
    rows = [asyncio.run(collect(options.pages, 0.0, 0, options.rate))]
    rows += [asyncio.run(collect(options.pages, options.share, seed, options.rate)) for seed in range(options.runs)]
    print(table(f"{options.pages} pages, {options.rate:g} requests/s, faults: {', '.join(KINDS)}. {machine()}", rows))
    return 0
