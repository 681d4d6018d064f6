"""A database file as it is at one moment, read only."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar

from rxcandles.errors import RequestError, StoreError
from rxcandles.stores.sql.conditions import teach_grid
from rxcandles.stores.sqlite.access import access_to, unreadable
from rxcandles.stores.sqlite.errors import DAMAGED, store_error
from rxcandles.stores.sqlite.file_identity import OpenedFile
from rxcandles.stores.sqlite.strangers import refuse_strangers
from rxcandles.util.arguments import check_path
from rxcandles.util.threads import in_thread

__all__ = ["Look", "Snapshot"]

_A = TypeVar("_A")

_OPERATIONS: Final = 10_000
"""How often a call checks whether it is cancelled: steps of SQLite's virtual machine, some hundred microseconds."""


class Look(Protocol):
    """A database as it is at one moment."""

    async def call(self, work: Callable[[Any], _A], /) -> _A:
        """Return ``work(connection)``, run in a thread, one call at a time."""
        ...


class Snapshot:
    """A database file as it is when the block is entered, whatever others write meanwhile; it is never written to.

    SQLite keeps what others write in ``-wal`` while the block lasts. No such file is left behind that was not there
    before.

    Raises:

    * ``RequestError`` if there is no file.
    * ``StoreError`` if the file is no database, or part of it can't be read here.
    * ``SchemaError`` if the file contains code of its own, such as a trigger.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = check_path("path", path)
        self._connection: sqlite3.Connection | None = None
        self._cancelled = False
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Snapshot:
        try:
            await self._finished(self._open)
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> None:
        if not Path(self.path).is_file():
            raise RequestError(f"there is no database {self.path!r}; name one, or collect candles into it first")
        access = access_to(str(Path(self.path).absolute()))
        try:
            # Only a writer removes -wal and -shm at the end; a -wal that others left unfinished must stay as it is.
            self._connection = connection = sqlite3.connect(
                access.uri("ro" if access.unfinished else "rw"),
                uri=True,
                timeout=10.0,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        self._file = OpenedFile(access.file, self.path, frozen=access.frozen)
        connection.execute("PRAGMA query_only = ON")
        try:
            refuse_strangers(connection, self.path)
        except sqlite3.Error as error:
            if access.unreadable_by(error):
                raise unreadable(self.path, error) from error
            # Damage, or a file that is no database, is reported when it is read.
        except UnicodeDecodeError:
            pass  # SQLite's message quotes garbled names, so it can't be decoded either
        connection.text_factory = lambda text: text.decode("utf-8", "replace")  # a damaged text must be shown, too
        connection.set_progress_handler(lambda: self._cancelled, _OPERATIONS)
        teach_grid(connection)
        connection.execute("BEGIN")

    async def call(self, work: Callable[[sqlite3.Connection], _A], /) -> _A:
        """Return ``work(connection)``, run in a thread, one call at a time.

        On cancellation it returns once the work has stopped. Raise ``StoreError`` for an error of SQLite.
        """
        async with self._lock:
            return await self._finished(lambda: self._call(work))

    async def _finished(self, work: Callable[[], _A]) -> _A:
        def stop() -> None:
            self._cancelled = True

        return await in_thread(work, stop)

    def _call(self, work: Callable[[sqlite3.Connection], _A]) -> _A:
        if self._connection is None:
            raise StoreError(f"{self.path} is closed; open it first")
        try:
            result = work(self._connection)
            self._file.check_content()
            return result
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        except UnicodeDecodeError as error:  # SQLite's message quotes garbled names
            raise StoreError(f"{self.path}: names in it are garbled; {DAMAGED}") from error
