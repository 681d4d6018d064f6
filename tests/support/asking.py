"""Plain SQL to a database of either kind, past our own code: for audits, and for harm."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from rxcandles.stores.postgres.address import is_postgres
from rxcandles.stores.postgres.dialect import translate

__all__ = ["Ask", "asking"]

Ask: TypeAlias = Callable[..., list[Any]]
"""Takes a statement and its parameters; returns its rows."""


@contextmanager
def asking(database: Path | str) -> Iterator[Ask]:
    """Let the block ask a file or a server; what it writes is committed with each statement."""
    if is_postgres(database):
        with psycopg.connect(str(database), autocommit=True, options="-c search_path=rxcandles") as server:

            def ask(sql: str, *parameters: Any) -> list[Any]:
                found = server.execute(translate(sql), parameters)
                return found.fetchall() if found.description else []

            yield ask
        return
    with closing(sqlite3.connect(database, isolation_level=None)) as file:
        yield lambda sql, *parameters: file.execute(sql, parameters).fetchall()
