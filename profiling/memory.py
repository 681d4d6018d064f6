"""Resident memory over candles collected, for each mode: flat lines.

``--memray FOLDER`` also runs each mode under memray and leaves a flamegraph and statistics of its heap there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from profiling.support.drawing import draw
from profiling.support.harness import machine, measured, run_program, simulator, table

MODES = ("storage-only", "streaming", "collection")


async def sampled(url: str, count: int, name: str) -> dict[str, Any]:
    import rxcandles
    from rxcandles.util.monitor import resident_memory

    samples: list[tuple[int, int]] = []

    def sample(progress: rxcandles.CollectionProgress) -> None:
        # A thousand samples are enough, and the list of them is no part of what is measured.
        if not samples or progress.collected_count - samples[-1][0] >= count / 1000:
            samples.append((progress.collected_count, resident_memory()))

    config = rxcandles.CollectionConfig(enable_memory_warning=False)
    async with rxcandles.connect("candles.db", "simulated", base_url=url, rate_limit=None) as provider:
        if name == "storage-only":
            await provider.collect_candles_only("KRW-BTC", "1m", count=count, progress_callback=sample)
        elif name == "streaming":
            async with provider.stream_candles("KRW-BTC", "1m", count=count, progress_callback=sample) as stream:
                assert sum([len(chunk) async for chunk, _ in stream]) == count
        else:
            candles = await provider.get_candles("KRW-BTC", "1m", count=count, config=config, progress_callback=sample)
            assert sum(1 for _ in candles) == count
    return {"samples": samples}


def _memray(folder: Path, url: str, count: int) -> None:
    if find_spec("memray") is None:
        raise SystemExit("--memray needs memray: pip install 'rxcandles[profiling]'")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    memray = [sys.executable, "-m", "memray"]
    for name in MODES:
        heap = str(folder / f"{name}.bin")
        run_program([*memray, "run", "--quiet", "--force", "-o", heap, "-c"], sampled, url, count, name)
        page = str(folder / f"{name}.html")
        subprocess.run([*memray, "flamegraph", "--force", "-o", page, heap], check=True, stdout=subprocess.DEVNULL)
        with open(folder / f"{name}.txt", "w") as statistics:
            subprocess.run([*memray, "stats", heap], check=True, stdout=statistics)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling memory")
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--full", action="store_true", help="1,000,000 candles")
    parser.add_argument("--plot", metavar="FILE", help="draw the lines, as SVG")
    parser.add_argument("--memray", metavar="FOLDER", type=Path, help="keep flamegraphs and statistics here")
    options = parser.parse_args(arguments)
    count = 1_000_000 if options.full else options.count
    rows: list[dict[str, Any]] = [{"candles": f"{tenth * 10} to {tenth * 10 + 10} %"} for tenth in range(10)]
    rows.append({"candles": "peak, whole run"})
    lines = {}
    with simulator("--rate-limit", "none") as url:
        for name in MODES:
            run = measured(sampled, url, count, name)
            samples = [(held, size / 1e6) for held, size in run["samples"]]
            for tenth in range(10):
                within = [size for held, size in samples if tenth <= (held - 1) * 10 // count <= tenth]
                text = f"{min(within):.1f} / {median(within):.1f} / {max(within):.1f}" if within else "no sample"
                rows[tenth][f"{name}, MB"] = text
            rows[-1][f"{name}, MB"] = f"{run['rss_mb']:.1f}"
            lines[name] = ([float(held) for held, _ in samples], [size for _, size in samples])
        if options.memray:
            _memray(options.memray, url, count)
    print(table(f"{count:,} candles; resident memory, min / median / max of each tenth. {machine()}", rows))
    if options.plot:
        draw(options.plot, "candles collected", "resident MB", lines)
    return 0
