"""The SQLite file of an open store."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self, cast, get_args

from rxcandles.errors import RequestError
from rxcandles.model.moments import Zone
from rxcandles.model.timeframe import Timeframe
from rxcandles.stores.sql.base import SqlBase
from rxcandles.stores.sql.connection import Durability
from rxcandles.stores.sqlite.connection import Connection, open_connection
from rxcandles.stores.sqlite.file_identity import OpenedFile
from rxcandles.stores.sqlite.reader import MarkedReader, SqliteReader, row_size
from rxcandles.util.arguments import check_choice, check_count, check_number, check_path, refusal
from rxcandles.util.files import temporary_folder

__all__ = ["CACHE", "SqliteFile", "cache_size"]

CACHE: Final = 2_000_000_000
"""Most bytes of the cache of a database, unless another number is given."""


class SqliteFile(SqlBase):
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
        cache: bool | int = True,
    ) -> None:
        super().__init__(check_path("path", path), exchange, tz)
        self._busy_timeout = check_number("busy_timeout", busy_timeout, 0, 3600)
        check_choice("durability", durability, get_args(Durability))
        self._durability: Durability = durability
        self._database = str(Path(path).absolute())
        size = cache_size(cache)
        self._cache = 0 if self.path == ":memory:" else size
        self._folder = ExitStack()

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        exchange: str = "upbit",
        busy_timeout: float = 10.0,
        durability: Durability = "normal",
        tz: Zone | None = None,
        cache: bool | int = True,
    ) -> Self:
        """Return an open store; the file is made or brought up to date if needed.

        Raises:

        * :class:`SchemaError` if the file is of a newer version or of another program; it is left as it is.
        * :class:`StoreError` if the file can't be opened.

        >>> store = await SqliteStore.open(":memory:")
        >>> await store.close()
        """
        store = cls(path, exchange=exchange, busy_timeout=busy_timeout, durability=durability, tz=tz, cache=cache)
        await store.__aenter__()
        return store

    async def _connect(self) -> Connection:
        if self.path == ":memory:":
            # Use a file nevertheless: SQLite's shared memory has no busy timeout, so readers would make writers
            # fail.
            self._database = str(self._folder.enter_context(temporary_folder()) / "candles.db")
        try:
            return await open_connection(self._database, self.path, self._busy_timeout, self._durability)
        except BaseException:
            self._folder.close()
            raise

    def _clean_up(self) -> None:
        self._folder.close()

    def check_process(self) -> None:
        """Raise ``StoreError`` in a fork of the process that opened it."""
        if self._connection is not None:
            self._opened.check_process()

    async def row_size(self) -> tuple[float, str]:
        """Return the bytes that a candle of any series takes on average, and the source of that number.

        * ``"dbstat"``: the pages of the candles' table, which are all read, divided by the candles.
        * ``"average"``: the used pages of the file, which hold a little more than candles; for builds of SQLite without
          dbstat.
        """
        return await self._open.call(row_size)

    def reader_of(self, symbol: str, timeframe: Timeframe, *, marked: bool) -> SqliteReader:
        """Return a synchronous reader of one series; ``marked``: with imported candles.

        Raise ``StoreError`` if the path no longer leads to the file that the store has open.
        """
        file = self._opened
        kind = MarkedReader if marked else SqliteReader
        reader = kind(self._database, self.path, self.exchange, symbol, timeframe, self._cache)
        file.check()  # then the reader has opened the same file
        return reader

    @property
    def _opened(self) -> OpenedFile:
        return cast(Connection, self._open).file


def cache_size(cache: bool | int) -> int:
    """Return the most bytes of the cache; 0 for none."""
    if isinstance(cache, bool):
        return CACHE * cache
    try:
        return check_count("cache", cache)
    except RequestError:
        raise refusal("cache", cache, "take True, False, or the most bytes that it may have") from None
