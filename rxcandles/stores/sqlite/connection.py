"""The connection of a store: its thread, its file, and the file's version."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import aiosqlite

from rxcandles.errors import StoreError
from rxcandles.events import MigrateEvent, log_event
from rxcandles.stores.sql.connection import Durability
from rxcandles.stores.sqlite.access import Access, access_to, unreadable
from rxcandles.stores.sqlite.doubtful import find_doubtful
from rxcandles.stores.sqlite.errors import DAMAGED, is_busy, store_error
from rxcandles.stores.sqlite.file_identity import OpenedFile
from rxcandles.stores.sqlite.header import read_header
from rxcandles.stores.sqlite.older import lay_beside
from rxcandles.stores.sqlite.schema import APPLICATION_ID, CLAIMS_SINCE, MIGRATIONS, VERSION
from rxcandles.stores.sqlite.strangers import refuse_strangers

__all__ = ["Connection", "open_connection"]

_log: Final = logging.getLogger("rxcandles.store")

_LEAVING: Final = 5.0
"""Seconds that the exit of the interpreter waits for a file that was left open."""

_STOP: Final = getattr(aiosqlite.core, "_STOP_RUNNING_SENTINEL", None)
"""The value that a function returns to end a connection's thread."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Connection(aiosqlite.Connection):
    """A connection with a thread of its own that also runs whole functions, as long as its file is in place."""

    file: OpenedFile
    """The file that it has open."""
    access: Access
    """How that file may be used."""

    def __init__(self, database: str, path: str, busy_timeout: float) -> None:
        def connect() -> sqlite3.Connection:
            self.access = access = access_to(database)
            target = database if access.writable else access.uri("rw")
            connection = sqlite3.connect(target, timeout=busy_timeout, isolation_level=None, uri=not access.writable)
            self.file = OpenedFile(database, path, frozen=access.frozen)
            return connection

        super().__init__(connect, iter_chunk_size=64)
        self._thread.daemon = True  # otherwise an interpreter that leaves it open would never exit
        self._path = path
        self._ending: asyncio.Future[Any] | None = None
        self._left: weakref.finalize[..., Connection] | None = None

    def __del__(self) -> None:
        """Do nothing: ``watch`` cleans up, even when the interpreter exits."""

    def watch(self) -> None:
        """From now on, close the file and warn if nobody else has closed it."""
        connection = self._conn

        def close() -> object:
            connection.close()
            return _STOP

        self._left = weakref.finalize(
            self, _left_open, self._path, self.file, self._thread, partial(self._tx.put_nowait, (None, close))
        )

    def stop(self) -> asyncio.Future[Any] | None:
        """Let the thread end; return a future that is done when it has ended."""
        self._ending = super().stop()
        return self._ending

    async def ended(self) -> None:
        """Wait for a thread that is ending: otherwise it would find its loop closed."""
        if self._ending is not None:
            await self._ending

    async def close(self) -> None:
        """Close the file after all earlier calls; in a forked process, leave it to the parent."""
        if self._left is not None:
            self._left.detach()
        if self.file.forked:
            return
        try:
            await self.call(lambda connection: None)
        except StoreError as error:
            _log.info("closing: %s", error)  # the last write was reported as stored, and it is
        finally:
            await super().close()

    async def call(
        self, work: Callable[Concatenate[sqlite3.Connection, _P], _R], *arguments: _P.args, **named: _P.kwargs
    ) -> _R:
        """Return ``work(connection, ...)``, run in the connection's thread after all earlier calls.

        If the caller is cancelled, the work goes on in the thread. Raise ``StoreError`` for an error of SQLite. Raise
        it, too, if the path no longer leads to the file that was opened: before the work, which is then not done, or
        right after it.
        """

        file = self.file
        file.check_process()  # a fork has no such thread

        # This function must not refer to self: the thread keeps the last function that it ran alive.
        def checked(connection: sqlite3.Connection) -> _R:
            _check(file, connection)
            result = work(connection, *arguments, **named)
            _check(file, connection)
            return result

        try:
            # aiosqlite has no public way to run a function in its thread; all of its own methods go through this one.
            result: _R = await self._execute(checked, self._conn)  # type: ignore[no-untyped-call]
        except sqlite3.Error as error:
            raise store_error(self._path, error) from error
        return result

    async def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Return all rows of one statement."""
        return await self.call(lambda connection: connection.execute(sql, parameters).fetchall())


def _check(file: OpenedFile, connection: sqlite3.Connection) -> None:
    try:
        file.check()
    except StoreError:
        # Everything committed is then in the file itself, wherever it was moved, even if its -wal is lost. The -wal is
        # empty and can't change a file that is at the path now.
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        raise


def _left_open(path: str, file: OpenedFile, thread: threading.Thread, close: Callable[[], object]) -> None:
    if file.forked:
        return
    close()
    if not threading.main_thread().is_alive():  # the interpreter is about to exit
        thread.join(_LEAVING)
    warnings.warn(
        f"{path} was left open; open it with `async with`, or close its provider or store in the end",
        ResourceWarning,
        stacklevel=2,
    )


async def open_connection(database: str, path: str, busy_timeout: float, durability: Durability) -> Connection:
    """Return a connection to a file, which is brought up to the current version; ``path`` is its name in errors.

    A file that may not be written to is opened for reading only, whatever its version.

    Raises:

    * ``SchemaError`` if the file is of a newer version, belongs to another program, or contains code of its own; it is
      left as it is.
    * ``StoreError`` if the file can't be opened.
    """
    connection = Connection(database, path, busy_timeout)
    try:
        await connection
    except BaseException as error:
        # aiosqlite itself does not wait for this. A cancelled caller waits, too, as long as SQLite takes to open a
        # file.
        await asyncio.shield(connection.ended())
        if isinstance(error, sqlite3.Error):
            raise store_error(path, error) from error
        raise
    try:
        await connection.call(_prepare, connection.access, path, busy_timeout, durability)
        connection.file.know_sidecars()
        connection.watch()
    except BaseException:
        await connection.close()
        raise
    return connection


def _prepare(
    connection: sqlite3.Connection, access: Access, path: str, busy_timeout: float, durability: Durability
) -> None:
    try:
        header = read_header(connection, path, "name a file of its own for candles")
    except sqlite3.OperationalError as error:
        if access.unreadable_by(error):
            raise unreadable(path, error) from error
        raise
    if header.is_cut_short(access.file):
        raise StoreError(f"{path}: it has been cut short; {DAMAGED}")
    try:
        refuse_strangers(connection, path)
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: names in it are garbled; {DAMAGED}") from error
    if not access.writable:
        lay_beside(connection)
        return
    _switch_to_wal(connection, busy_timeout)
    connection.execute(f"PRAGMA synchronous = {durability.upper()}")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")  # 16 MB: a fourth of the default's checkpoints
    # Read again: among other reasons, the -wal exists only after the first read.
    if connection.execute("PRAGMA user_version").fetchone()[0] < VERSION:
        _migrate(connection, path)


def _switch_to_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Switch to WAL even if another process is doing so; SQLite does not wait in that case."""
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again, since another process may have migrated it meanwhile.
        for number in range(connection.execute("PRAGMA user_version").fetchone()[0], VERSION):
            event = MigrateEvent(event="migrate", path=path, before=number, after=number + 1)
            level = logging.INFO if number else logging.DEBUG  # a new file is not worth a message
            log_event(_log, level, event, "%s: schema version %d to %d", path, number, number + 1)
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            if number + 1 == CLAIMS_SINCE:
                find_doubtful(connection)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
