"""``python -m rxcandles`` and the console script."""

from __future__ import annotations

import os
import sys

try:
    from rxcandles.util.stopping import STOPPING
except KeyboardInterrupt:  # the last moment before signals are listened to
    os.write(2, b"rxcandles: stopped\n")
    raise SystemExit(130) from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 a bad request, 130 interrupted.

    Without ``arguments`` it is this process's own: signals end it in order, and its outputs may be closed or full.
    """
    if arguments is not None:
        return _run(arguments)
    STOPPING.listen()
    _keep_outputs_apart()
    code = _run(None)
    STOPPING.deafen()
    try:
        from rxcandles.cli.runner import threads_left
    except ModuleNotFoundError:  # which has been said
        return code

    if STOPPING.number is not None or threads_left():
        os._exit(code)  # nobody waits for a thread that nobody needs, such as one that resolves a name
    return code


def _run(arguments: Sequence[str] | None) -> int:
    from importlib.util import find_spec

    try:
        from rxcandles.cli import run_command_line
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        return _lacking("click")
    # It is loaded when something is drawn.
    return run_command_line(arguments) if find_spec("rich") is not None else _lacking("rich")


def _lacking(package: str) -> int:
    sys.stderr.write(f"rxcandles: the command line needs {package}: pip install 'rxcandles[cli]'\n")
    return 1


def _keep_outputs_apart() -> None:
    """Give a closed stdin, stdout or stderr to the null device: the next file opened would else be written to as it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one


if __name__ == "__main__":
    sys.exit(main())
