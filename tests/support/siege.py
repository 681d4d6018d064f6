"""Databases whose writers are killed with SIGKILL at random moments: nothing that was stored may be lost or wrong.

Each child goes on with the database that the one before left behind. After each kill a copy of the file is audited
(so that it is the next child that recovers the file); when a database is complete the next is begun.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rxcandles.model.timeframe import to_datetime
from rxcandles.simulator import DEFAULT_MARKETS
from rxcandles.stores.sql.connection import Durability
from tests.support.asking import asking
from tests.support.audit import Truth, audit
from tests.support.children import MODES, Child, Job
from tests.support.postgres import Server

__all__ = ["Siege"]

SYMBOLS = ("KRW-ETH", "KRW-XRP", "KRW-DOGE")
TO = 1_770_000_000


class Siege:
    """Databases of ``count`` candles a process, begun one after the other, whose writers are killed again and again."""

    def __init__(
        self,
        url: str,
        folder: Path,
        seed: int,
        count: int,
        durability: Durability = "normal",
        server: Server | None = None,
    ) -> None:
        """``server``: the databases are its, in place of files in ``folder``."""
        self._url = url
        self._server = server
        self._folder = folder
        self._luck = random.Random(seed)
        self._count = count
        self._durability: Durability = durability
        markets = {market.symbol: market for market in DEFAULT_MARKETS}
        self._truth = Truth(markets.__getitem__, since=TO - 5 * 60 * count - 86_400)
        self.kills: Counter[tuple[int, str]] = Counter()
        """Children killed, by how many wrote into the file and by mode."""
        self.runs: Counter[int] = Counter()
        """Runs in which a child was killed, by how many wrote into the file."""
        self.databases = self.audits = self.partial = 0
        """Databases filled; audits passed, and how many of them after a kill in the midst of the candles."""

    def until(self, kills: int, processes: int = 1) -> None:
        """Go on until so many more children are killed, of ``processes`` at once; all databases are filled in the end.

        Raises ``AssertionError`` where anything that was stored is lost or wrong.
        """
        wanted = self.kills.total() + kills
        while self.kills.total() < wanted:
            self._fill(processes, wanted)

    def _fill(self, processes: int, wanted: int) -> None:
        self.databases += 1
        path, symbol = self._database(), SYMBOLS[self.databases % len(SYMBOLS)]
        held: set[int] = set()
        complete = False
        while not complete:
            ends = [TO - 60 * (self._count // 2) * number for number in range(processes)]
            asked = [
                {"symbol": symbol, "timeframe": "1m", "count": self._count, "to": to_datetime(end)} for end in ends
            ]
            jobs = [Job(self._url, path, self._luck.choice(MODES), each, self._durability) for each in asked]
            strike = self.kills.total() < wanted
            told = self._run(jobs, strike)
            complete = not any(killed for killed, _ in told)
            before, held = held, self._held(path)
            assert before <= held, f"{len(before - held)} stored candles are lost, {path}"
            for end, (_, stored) in zip(ends, told, strict=True):
                # What a child has said, and in the end everything. A page may bring more than was still wanted.
                least = self._count if complete else stored
                found = sum(time < end for time in held)
                assert found >= least, f"{found} of {least} candles before {end}, {path}"
            self.partial += len(held) > 0 and not complete

    def _run(self, jobs: Sequence[Job], strike: bool) -> list[tuple[bool, int]]:
        """Do the jobs at once; return which were killed, and how many candles each had said were stored.

        One is killed a few milliseconds after it has said that a random number of pages are stored, none among them.
        """
        children = [Child(job) for job in jobs]
        if strike:
            for child in self._luck.sample(children, self._luck.randint(1, len(children))):
                child.wait(50 * self._luck.randint(0, self._count // 100))
                time.sleep(self._luck.uniform(0.0, 0.01))
                child.kill()
        told = [child.ended() for child in children]
        killed = [job.mode for job, (killed, _) in zip(jobs, told, strict=True) if killed]
        self.kills.update((len(jobs), mode) for mode in killed)
        self.runs[len(jobs)] += bool(killed)
        return told

    def _database(self) -> str:
        if self._server is not None:
            return self._server.url(self._server.fresh())
        return str(self._folder / f"{self.databases}.db")

    def _held(self, path: str) -> set[int]:
        """The open times that are stored, audited; in a copy, so that it is the next child that recovers a file."""
        if self._server is not None:
            return self._audited(path)
        copy = self._folder / "copy.db"
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
            if Path(f"{path}{suffix}").exists():
                shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
        return self._audited(str(copy))

    def _audited(self, path: str) -> set[int]:
        with asking(path) as ask:
            there = (
                "to_regclass('candles') IS NOT NULL" if self._server else "1 FROM sqlite_master WHERE name = 'candles'"
            )
            if not any(found for (found,) in ask(f"SELECT {there}")):
                return set()
            held = {opened for (opened,) in ask("SELECT open_time FROM candles")}
        assert audit(path, self._truth, TO + 60) == len(held)
        self.audits += 1
        return held
