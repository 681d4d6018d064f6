"""``python -m profiling NAME``: programs that measure, each printing one table."""

from __future__ import annotations

import importlib
import sys

PROGRAMS = {
    "figures": "the figures that the README states: the modes at 200,000 and 1,000,000 candles, the strict limit"
}


def main() -> int:
    """Run the program named on the command line."""
    if len(sys.argv) < 2 or sys.argv[1] not in PROGRAMS:
        sys.stderr.write("usage: python -m profiling NAME\n")
        for name, what in PROGRAMS.items():
            sys.stderr.write(f"  {name:10} {what}\n")
        return 2
    module = importlib.import_module(f"profiling.{sys.argv[1]}")
    return int(module.main(sys.argv[2:]) or 0)


if __name__ == "__main__":
    sys.exit(main())
