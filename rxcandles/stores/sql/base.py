"""What the stores of this room share: the names and numbers of series, and calls in the store's thread."""

from __future__ import annotations

import logging
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from copy import copy
from threading import Event
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

from rxcandles.errors import StoreError
from rxcandles.events import CloseEvent, OpenEvent, log_event
from rxcandles.model.moments import Zone, zone
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Reserved
from rxcandles.stores.sql.columns import ADD_SERIES_SQL, SERIES_ID_SQL
from rxcandles.stores.sql.connection import Sql, Thread
from rxcandles.stores.sql.reader import SqlReader
from rxcandles.stores.sql.reserving import release, reserve
from rxcandles.stores.sql.visiting import Visit, at_once
from rxcandles.util.arguments import check_exchange_name, check_symbol
from rxcandles.util.showing import Titled

__all__ = ["SqlBase"]

_log: Final = logging.getLogger("rxcandles.store")

_A = TypeVar("_A")


class SqlBase(Titled):
    """A database with candles of one exchange, used through one connection in a thread of its own.

    If a caller is cancelled, its statement goes on in the thread.
    """

    def __init__(self, path: str, exchange: str, tz: Zone | None) -> None:
        self.path = path
        """What it is called in errors; it has no password."""
        self.exchange = check_exchange_name("exchange", exchange)
        self.tz = None if tz is None else zone("tz", tz)
        """The zone of times that name none; None means ``RXCANDLES_TZ``, else UTC."""
        self._connection: Thread | None = None
        self._series: dict[tuple[str, str], int] = {}
        self._owner = int.from_bytes(os.urandom(7))
        self._reserves = False

    @property
    def _open(self) -> Thread:
        if self._connection is None:
            raise StoreError(f"{self.path} is closed; use it inside its block, or open it again")
        return self._connection

    async def __aenter__(self) -> Self:
        """Open the store."""
        if self._connection is None:
            began = time.monotonic()
            self._connection = await self._connect()
            event = OpenEvent(event="open", path=self.path, exchange=self.exchange, seconds=time.monotonic() - began)
            log_event(_log, logging.DEBUG, event, "%s: open", self.path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the store after the writes under way; may be called more than once."""
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
        self._clean_up()

    @staticmethod
    def _add_series(connection: Any, names: Sequence[str]) -> None:
        """Give a series its number, in the store's thread."""
        connection.execute(ADD_SERIES_SQL, names)

    @abstractmethod
    async def _connect(self) -> Thread:
        """Return an open connection to a database of the current version."""

    def _clean_up(self) -> None:
        """Remove what was made for the time that the store was open."""

    @abstractmethod
    def check_process(self) -> None:
        """Raise ``StoreError`` in a fork of the process that opened it."""

    @abstractmethod
    async def row_size(self) -> tuple[float, str]:
        """Return the bytes that a candle takes on average, and the source of that number."""

    @abstractmethod
    def reader_of(self, symbol: str, timeframe: Timeframe, *, marked: bool) -> SqlReader:
        """Return a synchronous reader of one series; ``marked``: with imported candles."""

    def _told(self) -> Mapping[str, object]:
        state = "closed" if self._connection is None else "open"
        return {"file": self.path, "exchange": self.exchange, "state": state}

    async def series_id(self, symbol: str, timeframe: Timeframe, *, create: bool = False) -> int:
        """Return the id of a series in this file; -1 if it has none and ``create`` is False."""
        key = (check_symbol(symbol), Timeframe.of(timeframe).name)
        if key not in self._series:
            found = await self._open.rows(SERIES_ID_SQL, (self.exchange, *key))
            if not found and create:
                await self._open.call(self._add_series, (self.exchange, *key))
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

        def visited(connection: Sql) -> _A:
            inside = copy(self)
            inside._connection = cast(Thread, Visit(connection, left))
            return at_once(work(inside))

        try:
            return await self._open.call(visited)
        finally:
            left.set()
