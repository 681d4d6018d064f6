"""Readers with a read-only connection of their own to a file."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import CachePlace
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.reader import Marked, SqlReader
from rxcandles.stores.sqlite.access import access_to
from rxcandles.stores.sqlite.errors import store_error
from rxcandles.stores.sqlite.file_identity import OpenedFile
from rxcandles.stores.sqlite.older import lay_beside

__all__ = ["MarkedReader", "SqliteReader", "row_size"]

_A = TypeVar("_A")


class SqliteReader(SqlReader):
    """A ``RowReader`` of one series of a file.

    A file that is deleted or moved meanwhile is still read as it was, if the system allows that for an open file. If it
    is replaced, reading raises ``StoreError``. ``name`` is the file's name in errors. ``cache`` is the most bytes that
    copies of months may take beside the file; 0 for none. A file that may not be written to has none.
    """

    def __init__(
        self, database: str, name: str, exchange: str, symbol: str, timeframe: Timeframe, cache: int = 0
    ) -> None:
        super().__init__(name, exchange, symbol, timeframe)
        try:
            access = access_to(database)
            # Do not make the file if it is missing.
            self._connection = sqlite3.connect(
                access.uri("rw"), isolation_level=None, check_same_thread=False, uri=True
            )
            if not access.writable:
                lay_beside(self._connection)
        except sqlite3.Error as error:
            raise store_error(name, error) from error
        if cache and access.writable and not self.marked:
            # Where links lead, as SQLite itself does with its -wal.
            self.cache = CachePlace(os.path.realpath(database), cache, self._called)
        self._lock = Lock()
        self._file = OpenedFile(database, name, frozen=access.frozen)
        weakref.finalize(self, self._connection.close)
        self._begin()
        self._file.know_sidecars()

    def _visit(self, work: Callable[[Sql], _A]) -> _A:
        self._file.check_process()  # check before the lock, which another thread may have held during the fork
        try:
            with self._lock:
                found = work(self._connection)
                self._file.check(absent_ok=True)
        except sqlite3.Error as error:
            raise store_error(self._name, error) from error
        return found


class MarkedReader(Marked, SqliteReader):
    """A reader of the exchange's rows and imported rows together."""


def row_size(connection: sqlite3.Connection) -> tuple[float, str]:
    """Return the bytes of a candle (0 if there is none) and the source of that number: see ``SqliteStore.row_size``."""
    rows = connection.execute("SELECT total(rows) FROM coverage").fetchone()[0]
    if connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'").fetchone():
        source, sql = "dbstat", "SELECT pgsize FROM dbstat WHERE name = 'candles' AND aggregate = 1"
    else:
        source, sql = "average", (
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )  # fmt: skip
    size = connection.execute(sql).fetchone()[0]
    return (size / rows if rows else 0.0), source
