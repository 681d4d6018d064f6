"""``python -m rxcandles`` and the console script."""

from __future__ import annotations

import os
import sys

try:
    from rxcandles.util.stopping import STOPPING
except KeyboardInterrupt:  # signals are handled by STOPPING only after this import
    os.write(2, b"rxcandles: stopped\n")
    raise SystemExit(130) from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 an invalid request, 130 interrupted.

    Without ``arguments`` it reads ``sys.argv`` and owns the process: it handles signals, and outputs that are closed or
    full.
    """
    if arguments is not None:
        return _run(arguments)
    STOPPING.listen()
    _keep_outputs_apart()
    code = _run(None)
    STOPPING.deafen()
    try:
        from rxcandles.cli.runner import threads_left
    except ModuleNotFoundError:  # _run has printed what is missing
        return code

    if STOPPING.number is not None or threads_left():
        os._exit(code)  # don't wait for threads whose result is not needed, such as one that resolves a host name
    return code


def _run(arguments: Sequence[str] | None) -> int:
    from importlib.util import find_spec

    try:
        from rxcandles.cli import run_command_line
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        return _lacking("click")
    # rich is only imported when something is drawn, so check for it here.
    return run_command_line(arguments) if find_spec("rich") is not None else _lacking("rich")


def _lacking(package: str) -> int:
    sys.stderr.write(f"rxcandles: the command line needs {package}: pip install 'rxcandles[cli]'\n")
    return 1


def _keep_outputs_apart() -> None:
    """Open the null device in place of a closed stdin, stdout or stderr.

    Otherwise the next file that is opened would get its number, and be written to in its place.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


if __name__ == "__main__":
    sys.exit(main())
