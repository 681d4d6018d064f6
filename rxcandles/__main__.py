"""``python -m rxcandles`` and the console script."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 a bad request, 130 interrupted."""
    try:
        from rxcandles.cli import run_command_line
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.stderr.write(f"rxcandles: the command line needs {error.name}: pip install 'rxcandles[cli]'\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return run_command_line(arguments)


if __name__ == "__main__":
    sys.exit(main())
