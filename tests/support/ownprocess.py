"""The command line as a process of its own, which a test may strike at a chosen point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

__all__ = ["CODES", "SIMULATED", "command", "left_behind", "prepared", "striking"]

CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
"""What a command exits with that a signal has ended."""
SIMULATED: Final = ("--exchange", "simulated", "--rate-limit", "none")

_RUN: Final = """
import importlib, os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
{before}
sys.argv[0] = "rxcandles"
from rxcandles.__main__ import main
sys.exit(main())
"""

_AT_IMPORT: Final = """
class Strike:
    def find_spec(self, name, path=None, target=None):
        if name == {where!r}:
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Strike())
"""

_AT_CALL: Final = """
holder, name = importlib.import_module({where[0]!r}), {where[1]!r}
while "." in name:
    inner, _, name = name.partition(".")
    holder = getattr(holder, inner)
real = getattr(holder, name)
def strike(*arguments, **named):
    os.kill(os.getpid(), {number})
    return real(*arguments, **named)
setattr(holder, name, strike)
"""


def striking(number: int, where: str | tuple[str, str]) -> str:
    """Return a program that sends itself a signal: when a module is imported, or a function of one called."""
    return (_AT_IMPORT if isinstance(where, str) else _AT_CALL).format(where=where, number=int(number))


def command(*words: str, before: str = "", **more: Any) -> subprocess.Popen[str]:
    """Start ``rxcandles`` with these words, after a program's lines ``before``; ``tmp`` is its temporary folder."""
    folder = Path(more.get("cwd", "."))
    (folder / "tmp").mkdir(exist_ok=True)
    environment = os.environ | {"TMPDIR": str(folder.absolute() / "tmp")} | more.pop("env", {})
    outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.Popen(
        [sys.executable, "-c", _RUN.format(before=before), *words], text=True, env=environment, **outputs
    )


def prepared(folder: Path) -> None:
    """Collect a day into ``candles.db``, and write it to ``in.csv``."""
    for words in (
        ("collect", "KRW-ETH", "1m", "--since", "2024-01-01", "--to", "2024-01-02", "--quiet", *SIMULATED),
        ("export", "KRW-ETH", "1m", "-o", "in.csv"),
    ):
        with command(*words, cwd=folder) as process:
            _, told = process.communicate(timeout=60)
            assert process.returncode == 0, told


def left_behind(folder: Path) -> list[str]:
    """Return what should not be there: unfinished files, and anything in the temporary folder."""
    return [*map(str, folder.rglob("*.part")), *map(str, (folder / "tmp").iterdir())]
