"""A transaction in the thread of a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Protocol, runtime_checkable

from rxcandles.stores.sql.connection import Sql

__all__ = ["Transacting", "snapshot", "transaction"]


@runtime_checkable
class Transacting(Protocol):
    """A connection that has its own way to begin and end a transaction."""

    def writing(self, series: int | None) -> AbstractContextManager[object]:
        """Commit what the block writes, or nothing; other writers of ``series`` (None: of anything) wait."""
        ...

    def stage(self, rows: Iterable[Sequence[Any]]) -> None:
        """Make the temporary table ``staged`` with ``rows``, within the caller's transaction."""
        ...

    def reading(self) -> AbstractContextManager[object]:
        """Let all statements of the block see one moment."""
        ...


def transaction(connection: Sql, series: int | None = None) -> AbstractContextManager[object]:
    """Commit what the block writes, or nothing; waits for other writers first.

    * ``series``: the only series that the block writes; None if it writes others, too. SQLite has one writer at a time
      in any case.
    """
    return connection.writing(series) if isinstance(connection, Transacting) else _sqlite(connection, "IMMEDIATE")


def snapshot(connection: Sql) -> AbstractContextManager[object]:
    """Let all statements of the block, which only reads, see one moment."""
    return connection.reading() if isinstance(connection, Transacting) else _sqlite(connection, "DEFERRED")


@contextmanager
def _sqlite(connection: Sql, kind: str) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite has rolled back by itself if the disk is full
            connection.execute("ROLLBACK")
        raise
