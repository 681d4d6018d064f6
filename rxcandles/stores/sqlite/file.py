"""One SQLite file that a store has open: its connection, its thread, and the numbers of its series."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack, suppress
from copy import copy
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast, get_args

from rxcandles.errors import StoreError
from rxcandles.events import CloseEvent, OpenEvent, log_event
from rxcandles.model.moments import Zone, zone
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Reserved
from rxcandles.stores.sqlite.connection import Connection, Durability, open_connection
from rxcandles.stores.sqlite.reading import SqliteReader, row_size
from rxcandles.stores.sqlite.reserving import release, reserve
from rxcandles.stores.sqlite.visiting import Visit, at_once
from rxcandles.util.arguments import check_choice, check_exchange_name, check_number, check_path, check_symbol
from rxcandles.util.files import temporary_folder
from rxcandles.util.showing import Titled

__all__ = ["SqliteFile"]

_log: Final = logging.getLogger("rxcandles.store")

_A = TypeVar("_A")
_R = TypeVar("_R", bound=SqliteReader)


class SqliteFile(Titled):
    """A file of candles of one exchange, open from ``async with`` on until ``close``.

    One connection, in a thread of its own: whoever is cancelled leaves the statement to end there.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        exchange: str = "upbit",
        busy_timeout: float = 10.0,
        durability: Durability = "normal",
        tz: Zone | None = None,
    ) -> None:
        self.path = check_path("path", path)
        self.tz = None if tz is None else zone("tz", tz)
        """The zone of times that name none; None is that of ``RXCANDLES_TZ``, else UTC."""
        self.exchange = check_exchange_name("exchange", exchange)
        self._busy_timeout = check_number("busy_timeout", busy_timeout, 0, 3600)
        check_choice("durability", durability, get_args(Durability))
        self._durability: Durability = durability
        self._database = str(Path(path).absolute())
        self._folder = ExitStack()
        self._connection: Connection | None = None
        self._series: dict[tuple[str, str], int] = {}
        self._owner = int.from_bytes(os.urandom(7))
        self._reserves = False

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        exchange: str = "upbit",
        busy_timeout: float = 10.0,
        durability: Durability = "normal",
        tz: Zone | None = None,
    ) -> Self:
        """Return a store whose file is open, made or brought up to date where needed.

        Raises :class:`SchemaError` for a file of a newer version or of another program, which it leaves as it is, and
        :class:`StoreError` where the file can't be opened.
        """
        store = cls(path, exchange=exchange, busy_timeout=busy_timeout, durability=durability, tz=tz)
        await store.__aenter__()
        return store

    async def __aenter__(self) -> Self:
        """Open the file."""
        if self._connection is None:
            began = time.monotonic()
            if self.path == ":memory:":
                # A file all the same: SQLite's shared memory has no busy timeout, so readers would fail writers.
                self._database = str(self._folder.enter_context(temporary_folder()) / "candles.db")
            try:
                self._connection = await open_connection(
                    self._database, self.path, self._busy_timeout, self._durability
                )
            except BaseException:
                self._folder.close()
                raise
            event = OpenEvent(event="open", path=self.path, exchange=self.exchange, seconds=time.monotonic() - began)
            log_event(_log, logging.DEBUG, event, "%s: open", self.path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the file; idempotent. Writes under way are finished first."""
        connection, self._connection = self._connection, None
        if connection is not None:
            began = time.monotonic()
            try:
                if self._reserves:
                    with suppress(StoreError):  # it ends by itself
                        await connection.call(release, self._owner, time.time())
            finally:
                await connection.close()
            self._series.clear()
            event = CloseEvent(event="close", path=self.path, exchange=self.exchange, seconds=time.monotonic() - began)
            log_event(_log, logging.DEBUG, event, "%s: closed", self.path)
        self._folder.close()

    def check_process(self) -> None:
        """Raise ``StoreError`` in a fork of the process that has opened it."""
        if self._connection is not None:
            self._connection.file.check_process()

    def _told(self) -> Mapping[str, object]:
        state = "closed" if self._connection is None else "open"
        return {"file": self.path, "exchange": self.exchange, "state": state}

    async def series_id(self, symbol: str, timeframe: Timeframe, *, create: bool = False) -> int:
        """Return the number of a series in this file, which is -1 where it has none and none is to be made."""
        key = (check_symbol(symbol), Timeframe.of(timeframe).name)
        if key not in self._series:
            found = await self._open.rows(
                "SELECT id FROM series WHERE exchange = ? AND symbol = ? AND timeframe = ?", (self.exchange, *key)
            )
            if not found and create:
                await self._open.rows(
                    "INSERT OR IGNORE INTO series (exchange, symbol, timeframe) VALUES (?, ?, ?)", (self.exchange, *key)
                )
                return await self.series_id(symbol, timeframe)
            if not found:
                return -1
            self._series[key] = found[0][0]
        return self._series[key]

    async def call(self, work: Callable[..., _A], *arguments: Any, **options: Any) -> _A:
        """Return ``work(connection, …)``, done in the store's thread; it makes its own transaction where it writes.

        A cancelled caller leaves it to end there. Raises ``StoreError``.
        """
        return await self._open.call(work, *arguments, **options)

    async def reserve(self, symbol: str, timeframe: Timeframe, wanted: Span, ahead: Span, seconds: float) -> Reserved:
        """Reserve ``ahead`` for ``seconds``, at most 3, unless another store has reserved some of ``wanted``, a part.

        What is reserved is given up when the store is closed.
        """
        self._reserves = True
        series, now = await self.series_id(symbol, timeframe, create=True), time.time()
        return await self._open.call(reserve, series, self._owner, wanted, ahead, now, seconds)

    async def visit(self, work: Callable[[Self], Coroutine[Any, Any, _A]]) -> _A:
        """Return ``await work(store)``, all of it done in one visit of the store's thread; for many small readings.

        ``store`` is this one as it is there. ``work`` awaits nothing but its methods. Others that use the store wait
        until it ends; a cancelled caller ends it at its next reading.
        """
        left = Event()

        def visited(connection: sqlite3.Connection) -> _A:
            inside = copy(self)
            inside._connection = cast(Connection, Visit(connection, left))
            return at_once(work(inside))

        try:
            return await self._open.call(visited)
        finally:
            left.set()

    async def row_size(self) -> tuple[float, str]:
        """Return the bytes that a candle of any series takes on average, and where that is from.

        ``"dbstat"``: the pages of their table, all of which are read, by their number. ``"average"``: where this SQLite
        can't tell, the file's used pages, which hold a little more than candles.
        """
        return await self._open.call(row_size)

    def _reader(self, kind: type[_R], symbol: str, timeframe: Timeframe) -> _R:
        check_symbol(symbol)
        file = self._open.file
        reader = kind(self._database, self.path, self.exchange, symbol, Timeframe.of(timeframe))
        file.check()  # the reader's is the same then
        return reader

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise StoreError(f"{self.path} is closed; open the store first")
        return self._connection
