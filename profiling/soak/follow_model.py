"""Random schedules of faults against a model of the truth, in virtual time (``tests/live/test_follow_model.py``)."""

from __future__ import annotations

import argparse
import logging
import sys
import time

import attrs

from profiling.support.harness import machine, table
from tests.live.test_follow_model import run_schedule


@attrs.define
class _Run:
    """What all schedules together came to."""

    steps: int = 0
    schedules: int = 0
    lost: int = 0
    doubled: int = 0
    forming: int = 0
    beyond: int = 0
    silent: float = 0.0
    unclean: list[str] = attrs.field(factory=list)


def _run(seed: int, steps: int, minutes: int) -> _Run:
    """Run the schedules of ``seed`` and the numbers behind it until there were so many steps."""
    found, taken = _Run(), list[int]()
    while len(taken) < steps:
        verdict = run_schedule(seed, minutes, steps=taken)
        found.schedules += 1
        found.steps = len(taken)
        found.lost += verdict.lost
        found.doubled += verdict.doubled
        found.forming += verdict.forming
        found.beyond += verdict.beyond
        found.silent = max(found.silent, verdict.silent)
        if not verdict.clean:
            found.unclean.append(f"seed {seed}: {verdict}")
            sys.stderr.write(f"{found.unclean[-1]}\n")
        seed += 1
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling follow_model")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--minutes", type=int, default=200, help="virtual ones of each schedule")
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args(arguments)
    logging.getLogger("rxcandles").setLevel(logging.CRITICAL)
    began = time.perf_counter()
    found = _run(options.seed, options.steps, options.minutes)
    line = {
        "schedules": found.schedules,
        "virtual minutes": found.schedules * options.minutes,
        "steps": found.steps,
        "lost": found.lost,
        "doubled": found.doubled,
        "forming taken for closed": found.forming,
        "coverage beyond the truth": found.beyond,
        "schedules with any other fault": len(found.unclean),
        "longest silence s": round(found.silent, 1),
        "seconds": round(time.perf_counter() - began),
    }
    sys.stdout.write(table(f"Random schedules, three markets, from seed {options.seed}. {machine()}", [line]) + "\n")
    return 1 if found.unclean else 0
