"""What the functions of this room need from a connection: SQL that SQLite and PostgreSQL both understand.

Parameters are ``?`` or ``:name``. A connection of the module ``sqlite3`` is one as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeAlias, TypeVar

__all__ = ["Durability", "Found", "Parameters", "Sql", "Thread", "drop_table", "has_table", "make_table"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

Durability: TypeAlias = Literal["normal", "full"]
"""What a power cut may cost: the last transactions (``"normal"``), or nothing (``"full"``)."""

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]


class Found(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """The number of rows that it has changed."""
        ...

    def fetchone(self) -> Any:
        """Return the next row; None if there is no more."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Sql(Protocol):
    """A connection, in the thread that owns it."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Found:
        """Run one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Found:
        """Run one statement for each of ``parameters``."""
        ...


class Thread(Protocol):
    """A connection with a thread of its own, as the event loop uses it."""

    def call(self, work: Callable[Concatenate[Any, _P], _R], *arguments: _P.args, **named: _P.kwargs) -> Awaitable[_R]:
        """Return ``work(connection, ...)``, run in the thread after all earlier calls."""
        ...

    def rows(self, sql: str, parameters: Parameters = ...) -> Awaitable[list[Any]]:
        """Return all rows of one statement."""
        ...

    def close(self) -> Awaitable[None]:
        """Close the connection after all earlier calls."""
        ...


def has_table(connection: Sql, name: str) -> bool:
    """Return whether a table is there: SQLite's files have some only from the first use on."""
    if isinstance(connection, sqlite3.Connection):
        return bool(connection.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0])
    return True


def make_table(connection: Sql, name: str, sql: str) -> None:
    """Make a table of SQLite's that is there only from the first use on, if it is not there."""
    if not has_table(connection, name):
        connection.execute(sql)


def drop_table(connection: Sql, sql: str) -> None:
    """Drop a table that is empty, where it is made anew when it is needed."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute(sql)
