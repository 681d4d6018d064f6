"""Collecting, killed with SIGKILL at random moments, again and again (``tests.support.siege``)."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from profiling.support.harness import machine, table
from tests.support.children import MODES
from tests.support.counted import counted
from tests.support.siege import Siege


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling kill")
    parser.add_argument("--kills", type=int, default=1000, help="of these a fifth where two processes write")
    parser.add_argument("--count", type=int, default=4000, help="candles of each process, in pages of 50")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--durability", choices=["normal", "full"], default="normal")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, counted(None) as server:
        siege = Siege(server.url, Path(folder), options.seed, options.count, options.durability)
        siege.until(options.kills - options.kills // 5)
        siege.until(options.kills // 5, processes=2)
    rows: list[dict[str, Any]] = [
        {"mode": mode, "one process": siege.kills[1, mode], "two processes": siege.kills[2, mode]} for mode in MODES
    ]
    rows.append({"mode": "together"} | {name: sum(row[name] for row in rows) for name in list(rows[0])[1:]})
    lost = {"lost": 0, "wrong": 0, "twice": 0, "false coverage": 0}  # one of any ends the run
    sys.stdout.write(
        table(f"{siege.kills.total():,} kills survived, {siege.runs[2]:,} of the runs of two processes on one file; "
              f"{siege.databases:,} databases, {siege.audits:,} audits, {siege.partial:,} of them in the midst. "
              f"Durability {options.durability}. {machine()}",
              [row | {"kills": row["one process"] + row["two processes"]} | lost for row in rows]) + "\n"
    )  # fmt: skip
    return 0
