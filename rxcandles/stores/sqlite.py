"""Candles and their coverage in one SQLite file."""

from __future__ import annotations

import logging
import sqlite3
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from types import TracebackType
from typing import Any, Final

import aiosqlite

from rxcandles.errors import RequestError, SchemaError, StoreError
from rxcandles.model import CandleData, Order, Row, check_count, check_order, check_symbol, span_between
from rxcandles.ports import Covered, Series
from rxcandles.spans import Span
from rxcandles.stores.schema import APPLICATION_ID, COLUMNS, MIGRATIONS, VERSION
from rxcandles.timeframe import Timeframe

__all__ = ["SqliteReader", "SqliteStore"]

_log: Final = logging.getLogger("rxcandles.store")

_NAMES: Final = ", ".join(COLUMNS)
_PLAIN: Final = COLUMNS.index("timestamp") + 1
"""Columns that candles of all timeframes have."""
_NO_CHANGE: Final = (None, None, None)
MOST_ROWS: Final = 2000
"""Rows of one statement: up to eleven values each, of the 32,766 that SQLite takes."""


@lru_cache(16)
def _page_sql(series: int, rows: int, width: int) -> str:
    """The statement that stores a page: a mark, the rows, a mark (see ``schema``)."""
    prices = "NULL, " * 6
    change = "NULL, " * (width - _PLAIN)
    row = f"({series}, " + "?, " * width + "0)"
    marks = [f"({series}, ?, {prices}?, {change}{last})" for last in (0, 1)]
    names = ", ".join(COLUMNS[:width])
    return f"INSERT INTO page (series, {names}, last) VALUES " + ", ".join([marks[0], *[row] * rows, marks[1]])


def _rows_sql(order: Order) -> str:
    return (
        f"SELECT {_NAMES} FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
        f" ORDER BY open_time {'DESC' if order == 'newest_first' else 'ASC'} LIMIT ? OFFSET ?"
    )


class SqliteStore:
    """A ``CandleStore`` in one SQLite file (WAL), for the candles of one exchange.

    Made by ``await SqliteStore.open(path)`` or ``async with SqliteStore(path)``. Several stores, also of other
    processes, may use the file at once: a write waits up to ``busy_timeout`` seconds for another's. One write is one
    transaction, on disk as ``PRAGMA synchronous=NORMAL`` says: a killed process loses nothing that was written, a
    power cut at most the last transactions, never the order of them. One connection, in a thread of its own; a
    cancelled caller leaves the statement to end there.
    """

    def __init__(self, path: str | Path, *, exchange: str = "upbit", busy_timeout: float = 10.0) -> None:
        if not isinstance(path, str | Path) or not str(path) or "\0" in str(path):
            raise RequestError(f"path is {path!r}; name a file, or ':memory:'")
        check_symbol(exchange)
        self.path = str(path)
        self.exchange = exchange
        self._busy_timeout = busy_timeout
        self._database = str(Path(path).absolute())
        self._folder: TemporaryDirectory[str] | None = None
        self._connection: aiosqlite.Connection | None = None
        self._series: dict[tuple[str, str], int] = {}

    @classmethod
    async def open(cls, path: str | Path, *, exchange: str = "upbit", busy_timeout: float = 10.0) -> SqliteStore:
        """Return a store whose file is open, made or brought up to date where needed.

        Raises :class:`SchemaError` for a file of a newer version or of another program, which it leaves as it is, and
        :class:`StoreError` where the file can't be opened.
        """
        store = cls(path, exchange=exchange, busy_timeout=busy_timeout)
        await store.__aenter__()
        return store

    async def __aenter__(self) -> SqliteStore:
        """Open the file."""
        if self._connection is None:
            if self.path == ":memory:":
                # A file all the same: SQLite's shared memory has no busy timeout, so readers would fail writers.
                self._folder = TemporaryDirectory(prefix="rxcandles-", ignore_cleanup_errors=True)
                self._database = str(Path(self._folder.name, "candles.db"))
            connection = await self._guard(
                aiosqlite.connect(self._database, timeout=self._busy_timeout, isolation_level=None)
            )
            try:
                await self._guard(self._prepare(connection))
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the file; idempotent. Writes under way are finished first."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
            self._series.clear()
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()

    # Writing

    async def write(self, symbol: str, timeframe: Timeframe, rows: Sequence[Row], proven: Span) -> None:
        """Store ``rows`` and mark ``proven`` as covered, both or neither; a row stored before is replaced.

        Newest first. More than 2,000 rows are several writes, each with the part of the span that it proves.
        """
        start, stop = proven
        if start >= stop:
            raise RequestError(f"proven is {proven!r}; a span ends after it starts")
        series = await self._series_id(symbol, timeframe, create=True)
        for at in range(MOST_ROWS, len(rows), MOST_ROWS):
            # More than a statement takes: each part proves its own stretch, so that any prefix of them is whole.
            edge = rows[at - 1].open_time
            await self._insert(series, rows[at - MOST_ROWS : at], (edge, stop))
            stop = edge
        await self._insert(series, rows[(len(rows) - 1) // MOST_ROWS * MOST_ROWS :] if rows else rows, (start, stop))

    async def _insert(self, series: int, rows: Sequence[Row], proven: Span) -> None:
        # Only day candles have the last three columns; what need not be bound costs nothing.
        width = _PLAIN if all(row[_PLAIN:] == _NO_CHANGE for row in rows) else len(COLUMNS)
        values = chain.from_iterable(row[:width] for row in rows)
        await self._execute(_page_sql(series, len(rows), width), [*proven, *values, *proven])

    async def _series_id(self, symbol: str, timeframe: Timeframe, *, create: bool = False) -> int:
        key = (symbol, timeframe.name)
        if key not in self._series:
            found = await self._fetch(
                "SELECT id FROM series WHERE exchange = ? AND symbol = ? AND timeframe = ?", (self.exchange, *key)
            )
            if not found and create:
                await self._execute(
                    "INSERT OR IGNORE INTO series (exchange, symbol, timeframe) VALUES (?, ?, ?)", (self.exchange, *key)
                )
                return await self._series_id(symbol, timeframe)
            if not found:
                return -1
            self._series[key] = found[0][0]
        return self._series[key]

    # Reading

    async def coverage(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, limit: int | None = None
    ) -> list[Covered]:
        """Return the covered spans that touch ``[start, stop)``, whole, newest first, at most ``limit``."""
        found = await self._fetch(
            "SELECT start, stop, rows FROM coverage WHERE series = ? AND start < ? AND stop > ?"
            " ORDER BY start DESC LIMIT ?",
            (await self._series_id(symbol, timeframe), stop, start, -1 if limit is None else limit),
        )
        return [Covered(*row) for row in found]

    async def count(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> int:
        """Count the rows in ``[start, stop)`` themselves."""
        found = await self._fetch(
            "SELECT count(*) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?",
            (await self._series_id(symbol, timeframe), start, stop),
        )
        return int(found[0][0])

    async def nth_newest(self, symbol: str, timeframe: Timeframe, start: int, stop: int, nth: int) -> int | None:
        """Return the open time of the ``nth`` newest row (from 1) in ``[start, stop)``, or None."""
        found = await self._fetch(
            "SELECT open_time FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
            " ORDER BY open_time DESC LIMIT 1 OFFSET ?",
            (await self._series_id(symbol, timeframe), start, stop, nth - 1),
        )
        return found[0][0] if found else None

    async def rows(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, order: Order, limit: int
    ) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``."""
        series = await self._series_id(symbol, timeframe)
        return [Row._make(row) for row in await self._fetch(_rows_sql(order), (series, start, stop, limit, 0))]

    async def pages(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: datetime,
        other_end: datetime,
        order: Order = "newest_first",
        size: int = 1000,
    ) -> AsyncIterator[list[CandleData]]:
        """Iterate over the stored candles between two instants, in lists of ``size``, one in memory at a time."""
        check_symbol(symbol)
        check_order(order)
        check_count("size", size)
        frame = Timeframe.of(timeframe)
        start, stop = span_between(frame, one_end, other_end)
        while start < stop:
            rows = await self.rows(symbol, frame, start, stop, order, size)
            if rows:
                yield [CandleData(symbol, frame.name, *row) for row in rows]
            if len(rows) < size:
                return
            if order == "newest_first":
                stop = rows[-1].open_time
            else:
                start = rows[-1].open_time + 1

    async def get_candles_by_range(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: datetime,
        other_end: datetime,
        order: Order = "newest_first",
    ) -> list[CandleData]:
        """Return the stored candles between two instants: the older is included, the newer excluded.

        All of them at once, about 300 bytes each; ``pages`` has them in constant memory.
        """
        return [candle async for page in self.pages(symbol, timeframe, one_end, other_end, order) for candle in page]

    async def series(self) -> list[Series]:
        """Return every series that has coverage, of all exchanges in the file, by name."""
        found = await self._fetch(
            "SELECT exchange, symbol, timeframe FROM series WHERE id IN (SELECT series FROM coverage)"
            " ORDER BY exchange, symbol, timeframe"
        )
        return [Series(*row) for row in found]

    def reader(self, symbol: str, timeframe: Timeframe) -> SqliteReader:
        """Return a synchronous reader of one series; it stays usable after the store is closed."""
        if self._connection is None:
            raise StoreError(f"{self.path} is closed; open the store first")
        return SqliteReader(self._database, self.exchange, symbol, timeframe)

    # The connection

    async def _prepare(self, connection: aiosqlite.Connection) -> None:
        # One statement, one moment: another process may be making the file just now.
        ((found, owner, objects),) = await connection.execute_fetchall(
            "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master)"
            " FROM pragma_user_version, pragma_application_id"
        )
        if owner != APPLICATION_ID and (objects or found):
            raise SchemaError(f"{self.path} is another program's database; name a file of its own for candles")
        if found > VERSION:
            raise SchemaError(
                f"{self.path} has schema version {found}, this rxcandles knows {VERSION}; upgrade rxcandles"
            )
        await connection.execute_fetchall("PRAGMA journal_mode = WAL")
        await connection.execute_fetchall("PRAGMA synchronous = NORMAL")
        if found < VERSION:
            await self._migrate(connection)

    async def _migrate(self, connection: aiosqlite.Connection) -> None:
        await connection.execute("BEGIN IMMEDIATE")
        try:
            # Read again: another process may have been faster.
            for number in range(await _number(connection, "PRAGMA user_version"), VERSION):
                _log.info("%s: schema version %d to %d", self.path, number, number + 1)
                for statement in MIGRATIONS[number]:
                    await connection.execute(statement)
                await connection.execute(f"PRAGMA user_version = {number + 1}")
            await connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            await connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                await connection.execute("ROLLBACK")
            raise

    async def _execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        await self._guard(self._open.execute_fetchall(sql, parameters))

    async def _fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return list(await self._guard(self._open.execute_fetchall(sql, parameters)))

    @property
    def _open(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise StoreError(f"{self.path} is closed; open the store first")
        return self._connection

    async def _guard(self, statement: Any) -> Any:
        """Await ``statement``; what SQLite says becomes a ``StoreError`` that says what to do."""
        try:
            return await statement
        except sqlite3.Error as error:
            raise _named(self.path, error) from error


async def _number(connection: aiosqlite.Connection, sql: str) -> int:
    for row in await connection.execute_fetchall(sql):
        return int(row[0])
    raise StoreError(f"{sql} gave no answer")


def _named(path: str, error: sqlite3.Error) -> StoreError:
    text = str(error)
    if "locked" in text or "busy" in text:
        hint = "another process is writing to it; wait until it is done, or raise busy_timeout"
    elif "not a database" in text or "malformed" in text:
        hint = "it is no SQLite database, or a damaged one; name another file, or restore a copy"
    elif "unable to open" in text:
        hint = "check that its folder exists and may be written to"
    elif "readonly" in text:
        hint = "the file or its folder may not be written to; check the permissions"
    elif "full" in text:
        hint = "the disk is full; what was stored before is whole: make room and ask again"
    else:
        hint = "see the error above it for what SQLite did"
    return StoreError(f"{path}: {text}; {hint}")


class SqliteReader:
    """A ``RowReader`` on a connection of its own, read only; may be used from any thread, one at a time."""

    def __init__(self, database: str, exchange: str, symbol: str, timeframe: Timeframe) -> None:
        self._database = database
        try:
            self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _named(database, error) from error
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
        return [Row._make(row) for row in self._all(_rows_sql(order), self._series, start, stop, limit, offset)]

    def count(self, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``."""
        sql = "SELECT count(*) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
        return int(self._all(sql, self._series, start, stop)[0][0])

    def _all(self, sql: str, *parameters: int | str) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _named(self._database, error) from error
