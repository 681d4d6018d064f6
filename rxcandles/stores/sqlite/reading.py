"""Read stored candles, also without an event loop."""

from __future__ import annotations

import sqlite3
import weakref
from threading import Lock
from typing import Any, Final

from rxcandles.model import ORDERS, TRADE_FIELDS, Order, Row, row_fields
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Series
from rxcandles.stores.sqlite.access import access_to
from rxcandles.stores.sqlite.errors import store_error
from rxcandles.stores.sqlite.file_identity import OpenedFile
from rxcandles.stores.sqlite.odd import check_rows
from rxcandles.stores.sqlite.older import lay_beside
from rxcandles.stores.sqlite.schema import COLUMNS, SERIES_ID_SQL
from rxcandles.stores.sqlite.with_trades import has_trades, rows_of
from rxcandles.util.arguments import check_choice, check_count

__all__ = ["COUNT_SQL", "SqliteReader", "check_reading", "read_rows", "row_size", "rows_sql"]

COUNT_SQL: Final = "SELECT count(*) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"


def rows_sql(order: Order, width: int = len(COLUMNS), counted: bool = False) -> str:
    """Return the statement that reads rows, given series, start, stop, limit and offset.

    It reads the first ``width`` columns, and those of trades if ``counted``.
    """
    columns = [*COLUMNS[:width], *(TRADE_FIELDS if counted else ())]
    # Made only of column names and keywords of this package.
    return (
        f"SELECT {', '.join(columns)} FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
        f" ORDER BY open_time {'DESC' if order == 'newest_first' else 'ASC'} LIMIT ? OFFSET ?"
    )


def read_rows(
    connection: sqlite3.Connection, series: int, start: int, stop: int, order: Order, limit: int, offset: int = 0
) -> tuple[list[tuple[Any, ...]], bool]:
    """Return rows as they are stored, and whether they have the columns of trades."""
    counted = has_trades(connection, series)
    sql = rows_sql(order, counted=counted)
    return connection.execute(sql, (series, start, stop, limit, offset)).fetchall(), counted


def check_reading(start: int, stop: int, order: Order = "newest_first", limit: int = 0) -> None:
    """Raise :class:`RequestError` if the arguments of a read are invalid; an empty span and a limit of 0 are valid."""
    check_count("start", start, 0)
    check_count("stop", stop, 0)
    check_choice("order", order, ORDERS)
    check_count("limit", limit, 0)


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


class SqliteReader:
    """A ``RowReader`` with a read-only connection of its own; any thread may use it, one at a time.

    A file that is deleted or moved meanwhile is still read as it was, if the system allows that for an open file. If it
    is replaced, reading raises ``StoreError``. ``name`` is the file's name in errors.
    """

    marked = False
    """Whether its rows are ``MarkedRow``, and its last column is ``proven``."""

    def __init__(self, database: str, name: str, exchange: str, symbol: str, timeframe: Timeframe) -> None:
        self._name = name
        self._called = Series(exchange, symbol, timeframe.name)
        self.fields = row_fields(timeframe.name)
        """The names of the columns of :meth:`columns`, except ``proven``."""
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
        self._lock = Lock()
        self._file = OpenedFile(database, name, frozen=access.frozen)
        weakref.finalize(self, self._connection.close)
        found = self._all(
            SERIES_ID_SQL,
            exchange,
            symbol,
            timeframe.name,
        )
        self._file.know_sidecars()
        self._series = found[0][0] if found else -1
        self._counted()

    def rows(self, start: int, stop: int, order: Order, limit: int, offset: int = 0) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``, after skipping ``offset``."""
        check_reading(start, stop, order, limit)
        check_count("offset", offset, 0)
        counted = self._counted()
        found = self._all(rows_sql(order, counted=counted), self._series, start, stop, limit, offset)
        check_rows(found, self._name, self._called)
        return rows_of(found, counted)

    def columns(self, start: int, stop: int, limit: int) -> list[tuple[Any, ...]]:
        """Return the oldest ``limit`` rows of ``[start, stop)``, oldest first, as one tuple for each of ``fields``.

        Return an empty list if there is no row.
        """
        check_reading(start, stop, limit=limit)
        counted = self._counted()
        width = len(self.fields) - len(TRADE_FIELDS) * counted
        found = self._all(rows_sql("oldest_first", width, counted), self._series, start, stop, limit, 0)
        check_rows(found, self._name, self._called)
        return list(zip(*found, strict=True))

    def count(self, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``."""
        check_reading(start, stop)
        return int(self._all(COUNT_SQL, self._series, start, stop)[0][0])

    def _counted(self) -> bool:
        """Return whether rows have the columns of trades; looked up again until they do."""
        if self.marked or self.fields[-1] == TRADE_FIELDS[-1]:
            return not self.marked
        try:
            with self._lock:
                found = has_trades(self._connection, self._series)
        except sqlite3.Error as error:
            raise store_error(self._name, error) from error
        if found:
            self.fields = row_fields(self._called.timeframe, with_trades=True)
        return found

    def _all(self, sql: str, *parameters: int | str) -> list[Any]:
        self._file.check_process()  # check before the lock, which another thread may have held during the fork
        try:
            with self._lock:
                found = self._connection.execute(sql, parameters).fetchall()
                self._file.check(absent_ok=True)
        except sqlite3.Error as error:
            raise store_error(self._name, error) from error
        return found
