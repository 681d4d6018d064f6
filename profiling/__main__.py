"""``python -m profiling NAME``: programs that measure, each printing one table."""

from __future__ import annotations

import importlib
import sys

PROGRAMS = {
    "figures": ("figures", "the figures that the README states: the modes at 200,000 and 1,000,000, the strict limit"),
    "modes": ("v6", "each mode in turn with the system that they replace: wall, CPU, peak RSS"),
    "memory": ("memory", "resident memory over candles collected; memray runs (--memray), drawn (--plot)"),
    "floor": ("floor", "storage-only in turn with hand-written code that does nothing else"),
    "clients": ("clients", "ten clients of other people, row for row beside what is stored"),
    "together": ("together", "the same candles asked for by several at once: requests"),
    "peers": ("peers", "ccxt and pyupbit into SQLite in turn with storage-only"),
    "limit": ("limit", "how close to the limit requests run, 15 to 300 ms away, drawn (--plot)"),
    "sparse": ("sparse", "requests against full pages needed, by density"),
    "operators": ("operators", "cost per emission of each operator, and of composing by hand"),
    "absence": ("absence", "an exchange that is ill for a while: candles lost, wrong, believed absent for good; costs"),
    "days": ("days", "a virtual month of collecting every minute: nothing grows, drawn (--plot)"),
    "frames": ("frames", "data frames and files of a million stored candles against the same by sqlite3 and by hand"),
    "import": ("importing", "files of each kind imported: microseconds a row, few and many"),
    "export": ("exporting", "ten million candles into each kind of file: seconds, peak RSS"),
    "faulty": (
        "faulty",
        "collecting where one answer in seven is faulty: exit status, candles held, requests, seconds",
    ),
    "kill": ("kill", "collecting, killed at random moments: nothing stored is lost or wrong"),
    "signals": ("signals", "commands told to end at random moments: one line, the exit code, nothing half-written"),
    "chart": ("chart", "the page of a chart: size, time to open, frames a second while it is dragged"),
    "costs": ("costs", "what each cost depends on, doubled and doubled again: straight lines"),
    "growth": ("growth", "time and memory a candle from 10,000 on, drawn (--plot)"),
}


def main() -> int:
    """Run the program named on the command line."""
    if len(sys.argv) < 2 or sys.argv[1] not in PROGRAMS:
        sys.stderr.write("usage: python -m profiling NAME\n")
        for name, (_, what) in PROGRAMS.items():
            sys.stderr.write(f"  {name:10} {what}\n")
        return 2
    module = importlib.import_module(f"profiling.{PROGRAMS[sys.argv[1]][0]}")
    return int(module.main(sys.argv[2:]) or 0)


if __name__ == "__main__":
    sys.exit(main())
