"""A month of keeping five markets' minutes current, in virtual time: nothing grows, and all is there.

The simulator lives in this process too, so that both read one clock. What it keeps is filled before the first day, and
its log is emptied every day. After the month come some days under ``tracemalloc``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import tracemalloc
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import attrs

from profiling.support.drawing import draw
from profiling.support.harness import machine, table
from tests.support.keeping import Day, Keeping
from tests.support.vitals import Vitals, traced_heap, vitals

WARM = 2
"""Virtual days after which the heap is traced."""


@attrs.frozen
class _Lived:
    """A virtual day, and what was held at its end."""

    day: Day
    held: Vitals
    traced: int
    """Bytes; 0 where tracemalloc does not run."""


async def _live(days: int, ill: bool) -> tuple[list[_Lived], int]:
    """Keep a database for some days; return them and how many candles it has in the end, all of them true."""
    lived = []
    with tempfile.TemporaryDirectory() as folder:
        async with Keeping(Path(folder, "candles.db"), days, ill=ill) as keeping:
            for number in range(days):
                today = await keeping.live()
                lived.append(_Lived(today, vitals(), traced_heap() if tracemalloc.is_tracing() else 0))
                sys.stderr.write(f"day {number + 1} of {days}: {today.seconds:.1f} s of CPU\n")
            tracemalloc.stop()  # the truth takes more memory than all that is measured
            return lived, await keeping.audit()


def _row(first: int, lived: list[_Lived]) -> dict[str, Any]:
    days, held = [each.day for each in lived], lived[-1].held
    collections = sum(day.collections for day in days)
    return {
        "days": f"{first + 1} to {first + len(lived)}",
        "collections": collections,
        "requests each": f"{sum(day.pages for day in days) / collections:.4f}",
        "asked again": sum(day.again for day in days),
        "requests for that": sum(day.again_requests for day in days),
        "retries": sum(day.retries for day in days),
        "failed": sum(day.failed for day in days),
        "ill answers": sum(day.ill for day in days),
        "CPU ms each": sum(day.seconds for day in days) * 1000 / collections,
        "RSS MB": held.rss / 1e6,
        "objects": held.objects,
        "files": held.files,
        "threads": held.threads,
        "tasks": held.tasks,
        "WAL MB, at most": max(day.wal for day in days) / 1e6,
        "database MB": days[-1].file / 1e6,
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling days")
    parser.add_argument("--days", type=int, default=30, help=f"virtual ones, more than {WARM + 1}")
    parser.add_argument("--traced", type=int, default=4, help=f"days under tracemalloc, more than {WARM}; 0 for none")
    parser.add_argument("--every", type=int, default=3, help="virtual days in a row of the table")
    parser.add_argument("--ill", action="store_true", help="the exchange lags, loses an hour and is in maintenance")
    parser.add_argument("--plot", metavar="FILE", help="draw the memory over the days, as SVG")
    options = parser.parse_args(arguments)
    if options.days < WARM + 2 or 0 < options.traced <= WARM or options.every < 1:
        parser.error(f"{WARM} days are for warming up; measure some more")
    lived, candles = asyncio.run(_live(options.days, options.ill))
    rows = [_row(at, lived[at : at + options.every]) for at in range(0, len(lived), options.every)]
    print(table(f"Five markets' minutes kept current for {options.days} days. {machine()}", rows))
    third = options.days // 3
    rss = [each.held.rss for each in lived[third:]]
    # By Theil and Sen: a deploy's new thread may get an arena of its own from malloc, which is a step and no slope.
    slope = median((after - before) / (j - i) for (i, before), (j, after) in combinations(enumerate(rss), 2))
    a_day = sum(each.day.collections + each.day.failed for each in lived) / len(lived)
    print(
        f"\nRSS after day {third}: {min(rss) / 1e6:.1f} to {max(rss) / 1e6:.1f} MB, slope (Theil-Sen) "
        f"{slope / 1024:+.1f} KiB a day, {slope / a_day:+.2f} bytes a collection."
    )
    if options.traced:
        tracemalloc.start()
        traced, _ = asyncio.run(_live(options.traced, options.ill))
        grown = traced[-1].traced - traced[WARM - 1].traced
        since = sum(each.day.collections for each in traced[WARM:])
        print(f"Traced heap, after day {WARM} of {options.traced}: {grown / 1024:+.1f} KiB in {since:,} collections.")
    print(f"{candles:,} candles: 0 lost, 0 wrong, 0 twice, 0 in false coverage; hangs 0.")  # one of any ends the run
    if options.plot:
        across = [number + 1.0 for number in range(len(lived))]
        draw(options.plot, "virtual days", "resident MB", {"five markets": (across, [e.held.rss / 1e6 for e in lived])})
    return 0
