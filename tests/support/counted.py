"""A simulator in a process of its own that also tells what it was asked.

``python -m tests.support.counted RATE LATENCY`` prints its address; then for every line on its standard input the
counts since the line before, as JSON. Beside the usual markets it serves KRW-DEEP, old enough for ten million minutes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Counted", "counted"]


class Counted:
    """A running simulator: its address, and its counts."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = self._line()

    def counts(self) -> dict[str, Any]:
        """Return ``requests``, ``limited`` (429s), and ``times`` (arrivals in UTC seconds) since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def counted(rate: float | None, latency: float = 0.0) -> Iterator[Counted]:
    """Run a counting simulator in a process of its own."""
    command = [sys.executable, "-m", "tests.support.counted", str(rate or "none"), str(latency)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Counted(process)
        finally:
            process.terminate()


async def _serve(rate: float | None, latency: float) -> None:
    from rxcandles.simulator import DEFAULT_MARKETS, Market, Simulator

    markets = (*DEFAULT_MARKETS, Market("KRW-DEEP", 0.998, listed=0, base_price=1_000_000))
    async with Simulator(markets, rate=rate, latency=latency) as simulator:
        print(simulator.base_url, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            log = [each for each in simulator.log if each.market is not None]
            counts = {
                "requests": simulator.stats.requests,
                "limited": simulator.stats.by_status[429],
                "times": [each.time for each in log],
            }
            simulator.reset_stats()
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(None if sys.argv[1] == "none" else float(sys.argv[1]), float(sys.argv[2])))
