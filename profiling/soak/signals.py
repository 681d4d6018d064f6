"""Commands, told to end at random moments by Ctrl-C, SIGTERM and SIGHUP: one line, the exit code, nothing half-written.

Each command is run once undisturbed, which says how long it takes; then again and again on copies of what it works on,
with a signal at a random moment from its start on. What its interpreter does before the first line of this library is
not ours: where a signal came as early as that, it is counted apart.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from profiling.support.harness import machine, table
from tests.support.ownprocess import CODES

__all__ = ["Blow", "Siege", "unfinished"]

SIMULATED: Final = ("--exchange", "simulated", "--rate-limit", "none")
SPAN: Final = ("--since", "2024-01-01", "--to", "2024-02-01")
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "collect": ("collect", "KRW-ETH", "1m", *SPAN, *SIMULATED),
    "get": ("get", "KRW-ETH", "1m", *SPAN, "--format", "csv", *SIMULATED),
    "stream": ("stream", "KRW-ETH", "1m", *SPAN, "--format", "jsonl", *SIMULATED),
    "export": ("export", "KRW-BTC", "1m", "-o", "out.csv", "--force"),
    "import": ("import", "in.csv", "--symbol", "KRW-BTC", "--timeframe", "1m", "--db", "new.db"),
    "verify": ("verify",),
    "run": ("run", "jobs.toml"),
}
STARTED: Final = 0.3
"""Seconds in which Python itself has started for sure, also on a busy machine."""
JOBS: Final = """[defaults]
exchange = "simulated"
rate_limit = "none"
[[jobs]]
symbols = ["KRW-ETH", "KRW-XRP"]
timeframes = ["1m"]
since = 2024-01-01
to = 2024-01-15
"""


@attrs.frozen
class Blow:
    """What came of one signal."""

    command: str
    number: int
    moment: float
    """Seconds after the start of the process."""
    took: float
    """Seconds from the signal to the end."""
    code: int
    told: str
    left: tuple[str, ...]
    """Files that should not be there."""

    @property
    def outcome(self) -> str:
        """In a word: ``right``, ``late`` (it was done), ``early`` (Python itself had only begun), or what is wrong."""
        if self.left:
            return "part files"
        if "Traceback" in self.told or "Exception ignored" in self.told:
            return "tracebacks" if "rxcandles/" in self.told or self.moment > STARTED else "early"
        if self.code == -self.number and not self.told:
            return "wrong" if self.moment > STARTED else "early"
        if self.code == 0:
            return "late"
        lines = self.told.splitlines()
        said = sum(line.startswith("rxcandles: ") for line in lines) == 1 and lines[-1].startswith("rxcandles: ")
        return "right" if self.code == CODES[signal.Signals(self.number)] and said else "wrong"


def unfinished(folder: Path) -> tuple[str, ...]:
    """Return the names of files that nobody finished, below a folder."""
    return tuple(str(each.relative_to(folder)) for each in folder.rglob("*") if each.suffix == ".part")


class Siege:
    """The commands, and the folder that each begins with a copy of."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._luck = random.Random(seed)
        self._begin = folder / "begin"
        self._begin.mkdir()
        self._long: dict[str, float] = {}
        """Seconds that each command takes."""
        self._run(("collect", "KRW-BTC", "1m", *SPAN, *SIMULATED, "--quiet"), self._begin)
        self._run(("export", "KRW-BTC", "1m", "-o", "in.csv"), self._begin)
        (self._begin / "jobs.toml").write_text(JOBS)

    def measure(self) -> None:
        """Run each command undisturbed."""
        for name, words in COMMANDS.items():
            with self._copy(f"{name}-whole") as folder:
                began = time.monotonic()
                self._run(words, folder)
                self._long[name] = time.monotonic() - began

    def blows(self, count: int, number: int) -> list[Blow]:
        """Strike so many times, the commands in turn, two at a time."""
        names = [list(COMMANDS)[turn % len(COMMANDS)] for turn in range(count)]
        plan = [(turn, name, self._luck.uniform(0.0, self._long[name])) for turn, name in enumerate(names)]
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda each: self._blow(number, *each), plan))

    def _blow(self, number: int, turn: int, name: str, moment: float) -> Blow:
        with self._copy(f"{name}-{number}-{turn}") as folder:
            temporary = folder / "tmp"
            temporary.mkdir()
            process = subprocess.Popen(
                [sys.executable, "-m", "rxcandles", *COMMANDS[name]], cwd=folder, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)},
            )  # fmt: skip
            try:
                time.sleep(moment)
                process.send_signal(number)
                struck = time.monotonic()
                _, told = process.communicate(timeout=60)
            finally:
                process.kill()
                process.wait()
            took = time.monotonic() - struck
            left = (*unfinished(folder), *(each.name for each in temporary.iterdir()))
            return Blow(name, number, moment, took, process.returncode, told, left)

    @contextmanager
    def _copy(self, name: str) -> Iterator[Path]:
        folder = self._folder / name
        shutil.copytree(self._begin, folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    @staticmethod
    def _run(words: tuple[str, ...], folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "rxcandles", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Strike; print what came of it, and each blow that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m profiling signals")
    parser.add_argument("--count", type=int, default=200, help="signals of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    for number in CODES:
        if signal.getsignal(number) is signal.SIG_IGN:  # as by nohup; a child would ignore it as well
            signal.signal(number, signal.SIG_DFL)
    rows: list[dict[str, Any]] = []
    wrong: list[Blow] = []
    with tempfile.TemporaryDirectory() as folder:
        siege = Siege(Path(folder), options.seed)
        siege.measure()
        for number in CODES:
            blows = siege.blows(options.count, number)
            counts = Counter(each.outcome for each in blows)
            struck = [each for each in blows if each.outcome == "right"]
            early = [each.moment for each in blows if each.outcome == "early"]
            kinds = ("right", "late", "early", "tracebacks", "part files", "wrong")
            rows.append(
                {"signal": number.name, "sent": len(blows), "within 0.3 s": sum(each.moment < 0.3 for each in blows)}
                | {kind: counts[kind] for kind in kinds}
                | {"early, told by Python": sum(each.outcome == "early" and bool(each.told) for each in blows)}
                | {"latest early (s)": f"{max(early, default=0):.2f}"}
                | {"longest end (s)": f"{max((each.took for each in struck), default=0):.2f}"}
            )
            sys.stderr.write(f"{number.name}: {dict(counts)}\n")
            wrong += [each for each in blows if each.outcome in kinds[3:]]
    sys.stdout.write(table(f"{len(COMMANDS)} commands told to end at random moments. {machine()}", rows) + "\n")
    for each in wrong:
        sys.stdout.write(f"{each}\n")
    return 1 if wrong else 0
