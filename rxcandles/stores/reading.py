"""Reading stored candles, also without an event loop."""

from __future__ import annotations

import sqlite3
import weakref
from threading import Lock
from typing import Any, Final

from rxcandles.model import Order, Row
from rxcandles.stores.connection import store_error
from rxcandles.stores.schema import COLUMNS
from rxcandles.timeframe import Timeframe

__all__ = ["COUNT_SQL", "SqliteReader", "rows_sql"]

COUNT_SQL: Final = "SELECT count(*) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"


def rows_sql(order: Order) -> str:
    """Return the statement that reads rows, given series, start, stop, limit and offset."""
    # Made of the names of columns and two words, both from this package.
    return (
        f"SELECT {', '.join(COLUMNS)} FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"  # nosec B608
        f" ORDER BY open_time {'DESC' if order == 'newest_first' else 'ASC'} LIMIT ? OFFSET ?"
    )


class SqliteReader:
    """A ``RowReader`` on a connection of its own, read only; may be used from any thread, one at a time."""

    def __init__(self, database: str, exchange: str, symbol: str, timeframe: Timeframe) -> None:
        self._database = database
        try:
            self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise store_error(database, error) from error
        self._lock = Lock()
        weakref.finalize(self, self._connection.close)
        found = self._all(
            "SELECT id FROM series WHERE exchange = ? AND symbol = ? AND timeframe = ?",
            exchange,
            symbol,
            timeframe.name,
        )
        self._series = found[0][0] if found else -1

    def rows(self, start: int, stop: int, order: Order, limit: int, offset: int = 0) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``, after skipping ``offset``."""
        return [Row._make(row) for row in self._all(rows_sql(order), self._series, start, stop, limit, offset)]

    def count(self, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``."""
        return int(self._all(COUNT_SQL, self._series, start, stop)[0][0])

    def _all(self, sql: str, *parameters: int | str) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise store_error(self._database, error) from error
