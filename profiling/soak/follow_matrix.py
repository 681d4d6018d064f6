"""Each fault of an exchange and of its stream, and how long following takes to get over it, in virtual time."""

from __future__ import annotations

import argparse
import logging
import sys

from profiling.support.harness import machine, table
from tests.support.matrix import MATRIX
from tests.support.scenarios import follow_through


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling follow_matrix")
    parser.add_argument("--case", type=int, help="only the faults of this number")
    options = parser.parse_args(arguments)
    logging.getLogger("rxcandles").setLevel(logging.CRITICAL)
    lines = []
    for scenario in MATRIX:
        if options.case not in (None, scenario.case):
            continue
        healed = follow_through(scenario)
        verdict = healed.verdict
        broken = scenario.broken(healed)
        sys.stderr.writelines(f"{scenario.case} {scenario.name}: {each}\n" for each in broken)
        lines.append(
            {
                "case": scenario.case,
                "fault": scenario.name,
                "lasts s": scenario.seconds,
                "behind s": round(healed.lag),
                "heals in s": round(healed.seconds, 1),
                "live in s": "never" if healed.live is None else round(healed.live, 1),
                "lost": verdict.lost,
                "doubled": verdict.doubled,
                "forming": verdict.forming,
                "beyond": verdict.beyond,
                "other": len(broken),
                "requests": healed.requests,
                "connections": healed.connects,
            }
        )
    sys.stdout.write(f"{table(f'faults of an exchange and its stream, {machine()}', lines)}\n")
    return int(any(line["other"] for line in lines))
