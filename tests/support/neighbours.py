"""Processes beside the test's own: one that holds a lock, one that may not write, one that reads all the time."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import attrs

from rxcandles.errors import RxCandlesError
from tests.support.children import FORKED, Job

NOBODY = 65534


def as_nobody(job: Job) -> str:
    """Do a job as a user who owns nothing (where we are root; else as ourselves); return what went wrong."""
    asyncio.run(attrs.evolve(job, path=":memory:").done())  # what is imported late may not be readable afterwards
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        return f"collected {asyncio.run(job.done())}"
    except RxCandlesError as error:
        return f"{type(error).__name__}: {error}"


@contextmanager
def writing(path: Path) -> Iterator[Callable[[], None]]:
    """Let another process hold a write to a database until the function is called that this yields, or for ever."""
    ours, theirs = FORKED.Pipe()
    process = FORKED.Process(target=_write, args=(path, theirs))
    process.start()
    theirs.close()
    ours.recv()

    def over() -> None:
        ours.send("end")
        ours.recv()

    try:
        yield over
    finally:
        ours.close()
        process.join()
        process.close()


def _write(path: Path, pipe: Connection) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database, pipe:
        database.execute("BEGIN IMMEDIATE")
        pipe.send("begun")
        try:
            pipe.recv()
        except EOFError:
            return
        database.execute("COMMIT")
        pipe.send("over")


def watch(path: str, seen: int) -> int:
    """Read some times, each in one transaction; return how many candles there were in the end.

    Raises ``AssertionError`` where there are fewer than were ``seen`` before, or not those that the ledger says.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for _ in range(5):
            database.execute("BEGIN")
            covered = database.execute("SELECT sum(rows) FROM coverage").fetchone()[0]
            found = database.execute("SELECT count(*) FROM candles").fetchone()[0]
            database.execute("COMMIT")
            assert seen <= found == covered
            seen = found
    return seen
