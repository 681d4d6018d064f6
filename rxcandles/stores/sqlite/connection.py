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
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeAlias, TypeVar

import aiosqlite

from rxcandles.errors import StoreError
from rxcandles.events import MigrateEvent, log_event
from rxcandles.stores.sqlite.access import Access, access_to, unreadable
from rxcandles.stores.sqlite.doubtful import find_doubtful
from rxcandles.stores.sqlite.errors import DAMAGED, is_busy, store_error
from rxcandles.stores.sqlite.file_identity import OpenedFile
from rxcandles.stores.sqlite.header import read_header
from rxcandles.stores.sqlite.older import lay_beside
from rxcandles.stores.sqlite.schema import APPLICATION_ID, CLAIMS_SINCE, MIGRATIONS, VERSION
from rxcandles.stores.sqlite.strangers import refuse_strangers

__all__ = ["Connection", "Durability", "open_connection"]

_log: Final = logging.getLogger("rxcandles.store")

Durability: TypeAlias = Literal["normal", "full"]
"""What a power cut may cost: the last transactions, or none."""

_LEAVING: Final = 5.0
"""Seconds that the end of the interpreter waits for a file that was left open."""

_STOP: Final = getattr(aiosqlite.core, "_STOP_RUNNING_SENTINEL", None)
"""What a function returns in a connection's thread to end it."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Connection(aiosqlite.Connection):
    """A connection in a thread of its own, which also runs whole functions there, as long as its file is in place."""

    file: OpenedFile
    """What it has open, from its opening on."""
    access: Access
    """What may be done with it."""

    def __init__(self, database: str, path: str, busy_timeout: float) -> None:
        def connect() -> sqlite3.Connection:
            self.access = access = access_to(database)
            target = database if access.writable else access.uri("rw")
            connection = sqlite3.connect(target, timeout=busy_timeout, isolation_level=None, uri=not access.writable)
            self.file = OpenedFile(database, path, frozen=access.frozen)
            return connection

        super().__init__(connect, iter_chunk_size=64)
        self._thread.daemon = True  # else an interpreter that has left it open would never end
        self._path = path
        self._ending: asyncio.Future[Any] | None = None
        self._left: weakref.finalize[..., Connection] | None = None

    def __del__(self) -> None:
        """Nothing: ``watch`` does what is to be done, also at the end of the interpreter."""

    def watch(self) -> None:
        """From now on, close the file and warn where nobody has closed it."""
        connection = self._conn

        def close() -> object:
            connection.close()
            return _STOP

        self._left = weakref.finalize(
            self, _left_open, self._path, self.file, self._thread, partial(self._tx.put_nowait, (None, close))
        )

    def stop(self) -> asyncio.Future[Any] | None:
        """Let the thread end; what it returns, if anything, is done when it has."""
        self._ending = super().stop()
        return self._ending

    async def ended(self) -> None:
        """Wait for a thread that was told to end: it would else find its loop closed."""
        if self._ending is not None:
            await self._ending

    async def close(self) -> None:
        """Close the file when what was asked of it before is done; in a forked process, leave it to its own."""
        if self._left is not None:
            self._left.detach()
        if self.file.forked:
            return
        try:
            await self.call(lambda connection: None)
        except StoreError as error:
            _log.info("closing: %s", error)  # whoever wrote last was told that it was stored, and so it was
        finally:
            await super().close()

    async def call(
        self, work: Callable[Concatenate[sqlite3.Connection, _P], _R], *arguments: _P.args, **named: _P.kwargs
    ) -> _R:
        """Return ``work(connection, ...)``, run in the connection's thread after what was asked of it before.

        A cancelled caller leaves it to end there. Raises ``StoreError`` for what SQLite says, and where the path no
        longer leads to the file that was opened: before the work, which is then not done, or right after it.
        """

        file = self.file
        file.check_process()  # whose thread is not there

        # It knows nothing of this object: the thread holds on to the last that it has run.
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
        # What was committed is then in the file itself, wherever that is, whatever becomes of its -wal; and the -wal is
        # empty, so that it changes nothing of what may be at the path now.
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        raise


def _left_open(path: str, file: OpenedFile, thread: threading.Thread, close: Callable[[], object]) -> None:
    if file.forked:
        return
    close()
    if not threading.main_thread().is_alive():  # the interpreter is about to end
        thread.join(_LEAVING)
    warnings.warn(
        f"{path} was left open; open it with `async with`, or close its provider or store in the end",
        ResourceWarning,
        stacklevel=2,
    )


async def open_connection(database: str, path: str, busy_timeout: float, durability: Durability) -> Connection:
    """Return a connection to a file that is of this version now; ``path`` is what errors call it.

    Where the file may not be written to, it is for reading only, whatever its version. Raises ``SchemaError`` for a
    file of a newer version or of another program, or that would run something of its own, which it leaves as it is, and
    ``StoreError`` where the file can't be opened.
    """
    connection = Connection(database, path, busy_timeout)
    try:
        await connection
    except BaseException as error:
        # aiosqlite itself does not wait for it; who is cancelled does too, as long as SQLite takes to open a file.
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
    # Read again, also because the -wal is there from the first reading on.
    if connection.execute("PRAGMA user_version").fetchone()[0] < VERSION:
        _migrate(connection, path)


def _switch_to_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Do so where another process may be doing it too; SQLite does not wait for it then."""
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
        # Read again: another process may have been faster.
        for number in range(connection.execute("PRAGMA user_version").fetchone()[0], VERSION):
            event = MigrateEvent(event="migrate", path=path, before=number, after=number + 1)
            level = logging.INFO if number else logging.DEBUG  # nobody needs to be told of a new file
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
