"""``python -m profiling NAME``: programs that measure, each printing one table. A program's name is its file's."""

from __future__ import annotations

import importlib
import sys

PROGRAMS = {
    "figures": "the figures that the README states: the modes at 200,000 and 1,000,000, the strict limit",
    "modes": "each mode in turn with the system that they replace: wall, CPU, peak RSS",
    "memory": "resident memory over candles collected; memray runs (--memray), drawn (--plot)",
    "floor": "storage-only in turn with hand-written code that does nothing else; also `--exchange binance`",
    "versus": "storage-only in turn with that of another checkout, against one simulator",
    "clients": "ten clients of other people, row for row beside what is stored",
    "together": "the same candles asked for by several at once: requests",
    "peers": "ccxt and pyupbit into SQLite in turn with storage-only",
    "limit": "how close to the limit requests run, 15 to 300 ms away, drawn (--plot)",
    "sparse": "requests against full pages needed, by density",
    "operators": "cost per emission of each operator, and of composing by hand",
    "frames": "data frames and files of a million stored candles against the same by sqlite3 and by hand",
    "frames_cache": "the same data frame again, from copies of months, beside a Parquet file; disk used",
    "imports": "files of each kind imported: microseconds a row, few and many",
    "export": "ten million candles into each kind of file: seconds, peak RSS",
    "lake": "ten million candles kept as a lake: the first and the next sync, a query beside SQLite, a seal",
    "chart": "the page of a chart: size, time to open, frames a second while it is dragged",
    "page": "the page that watches markets: frames a second while it is scrolled and updates come",
    "follow": "how soon a closed candle is delivered; 288 markets, beside a back-fill, to a reader asleep for a day",
    "follow_peers": "ccxt.pro, python-binance and pyupbit beside following, through the same ten disconnects",
    "postgres": "a PostgreSQL server beside a file: writers, bytes a candle, Arrow, a copy, twenty kills of the server",
    "costs": "what each cost depends on, doubled and doubled again: straight lines",
    "dask_addresses": "Dask at 1 to 8 addresses; a worker and the scheduler killed, a call cancelled: requests, truth",
    "growth": "time and memory a candle from 10,000 on, drawn (--plot)",
}
"""What measures, in ``profiling/``."""
SOAK = {
    "days": "a virtual month of collecting every minute: nothing grows, drawn (--plot)",
    "absence": "an exchange that is ill for a while: candles lost, wrong, believed absent for good; costs",
    "faulty": "collecting where one answer in seven is faulty: exit status, candles held, requests, seconds",
    "kill": "collecting, killed at random moments: nothing stored is lost or wrong",
    "signals": "commands told to end at random moments: one line, the exit code, nothing half-written",
    "follow_days": "twenty markets followed for a virtual month: nothing grows, and each candle is true",
    "follow_kill": "following, killed at random moments and resumed: nothing lost, nothing doubled",
    "follow_matrix": "each fault of an exchange and its stream, and how long following takes to get over it",
    "follow_model": "following through random schedules of faults, held against a model of the truth",
}
"""What goes on for long and looks whether anything breaks, in ``profiling/soak/``."""


def main() -> int:
    """Run the program named on the command line."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PROGRAMS | SOAK:
        sys.stderr.write("usage: python -m profiling NAME\n")
        for each, what in (PROGRAMS | SOAK).items():
            sys.stderr.write(f"  {each:12} {what}\n")
        return 2
    module = importlib.import_module(f"profiling.{name}" if name in PROGRAMS else f"profiling.soak.{name}")
    return int(module.main(sys.argv[2:]) or 0)


if __name__ == "__main__":
    sys.exit(main())
