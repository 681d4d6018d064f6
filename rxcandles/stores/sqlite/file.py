"""The SQLite file of an open store: its connection, its thread, and the ids of its series."""

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
from rxcandles.stores.sqlite.schema import SERIES_ID_SQL
from rxcandles.stores.sqlite.visiting import Visit, at_once
from rxcandles.util.arguments import check_choice, check_exchange_name, check_number, check_path, check_symbol
from rxcandles.util.files import temporary_folder
from rxcandles.util.showing import Titled

__all__ = ["SqliteFile"]

_log: Final = logging.getLogger("rxcandles.store")

_A = TypeVar("_A")
_R = TypeVar("_R", bound=SqliteReader)


class SqliteFile(Titled):
    """A file with candles of one exchange, open from ``async with`` until ``close``.

    It has one connection, in a thread of its own. If a caller is cancelled, its statement goes on in the thread.
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
        """The zone of times that name none; None means ``RXCANDLES_TZ``, else UTC."""
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
        """Return an open store; the file is made or brought up to date if needed.

        Raises:

        * :class:`SchemaError` if the file is of a newer version or of another program; it is left as it is.
        * :class:`StoreError` if the file can't be opened.

        >>> store = await SqliteStore.open(":memory:")
        >>> await store.close()
        """
        store = cls(path, exchange=exchange, busy_timeout=busy_timeout, durability=durability, tz=tz)
        await store.__aenter__()
        return store

    async def __aenter__(self) -> Self:
        """Open the file."""
        if self._connection is None:
            began = time.monotonic()
            if self.path == ":memory:":
                # Use a file nevertheless: SQLite's shared memory has no busy timeout, so readers would make writers
                # fail.
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
        """Close the file after the writes under way; may be called more than once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            began = time.monotonic()
            try:
                if self._reserves:
                    with suppress(StoreError):  # the reservation ends by itself
                        await connection.call(release, self._owner, time.time())
            finally:
                await connection.close()
            self._series.clear()
            event = CloseEvent(event="close", path=self.path, exchange=self.exchange, seconds=time.monotonic() - began)
            log_event(_log, logging.DEBUG, event, "%s: closed", self.path)
        self._folder.close()

    def check_process(self) -> None:
        """Raise ``StoreError`` in a fork of the process that opened it."""
        if self._connection is not None:
            self._connection.file.check_process()

    def _told(self) -> Mapping[str, object]:
        state = "closed" if self._connection is None else "open"
        return {"file": self.path, "exchange": self.exchange, "state": state}

    async def series_id(self, symbol: str, timeframe: Timeframe, *, create: bool = False) -> int:
        """Return the id of a series in this file; -1 if it has none and ``create`` is False."""
        key = (check_symbol(symbol), Timeframe.of(timeframe).name)
        if key not in self._series:
            found = await self._open.rows(SERIES_ID_SQL, (self.exchange, *key))
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
        """Return ``work(connection, …)``, run in the store's thread; to write, it begins its own transaction.

        If the caller is cancelled, the work goes on in the thread. Raise ``StoreError`` for an error of SQLite.
        """
        return await self._open.call(work, *arguments, **options)

    async def reserve(self, symbol: str, timeframe: Timeframe, wanted: Span, ahead: Span, seconds: float) -> Reserved:
        """Reserve ``ahead`` for ``seconds``, at most 3, unless another store has reserved part of ``wanted``.

        Closing the store gives up its reservations.
        """
        self._reserves = True
        series, now = await self.series_id(symbol, timeframe, create=True), time.time()
        return await self._open.call(reserve, series, self._owner, wanted, ahead, now, seconds)

    async def visit(self, work: Callable[[Self], Coroutine[Any, Any, _A]]) -> _A:
        """Return ``await work(store)``, run as a whole in the store's thread; for many small reads.

        ``store`` is this store as seen in that thread. ``work`` may await only its methods. Other users of the store
        wait until it ends. On cancellation it ends at its next read.
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
        """Return the bytes that a candle of any series takes on average, and the source of that number.

        * ``"dbstat"``: the pages of the candles' table, which are all read, divided by the candles.
        * ``"average"``: the used pages of the file, which hold a little more than candles; for builds of SQLite without
          dbstat.
        """
        return await self._open.call(row_size)

    def _reader(self, kind: type[_R], symbol: str, timeframe: Timeframe) -> _R:
        check_symbol(symbol)
        file = self._open.file
        reader = kind(self._database, self.path, self.exchange, symbol, Timeframe.of(timeframe))
        file.check()  # then the reader has opened the same file
        return reader

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise StoreError(f"{self.path} is closed; use it inside its block, or open it again")
        return self._connection
