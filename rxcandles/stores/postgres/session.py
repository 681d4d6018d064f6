"""A connection to a server, in one thread: it speaks the shared SQL, and comes back after the server was away."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeVar

from rxcandles.errors import StoreError
from rxcandles.events import ReconnectEvent, log_event
from rxcandles.stores.postgres.address import connection_words, secrets_of, shown_address
from rxcandles.stores.postgres.block import WRITING, Block, lock_of
from rxcandles.stores.postgres.dialect import translate
from rxcandles.stores.postgres.errors import is_again, is_lost, server_error
from rxcandles.stores.postgres.parts import Parts
from rxcandles.stores.postgres.schema import SCHEMA
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sql.connection import Found
from rxcandles.util.extras import need

__all__ = ["Session"]

_log: Final = logging.getLogger("rxcandles.store")

_P = ParamSpec("_P")
_R = TypeVar("_R")

_PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each attempt to connect again; the last one is repeated."""
_READING: Final = " ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""The kind of a transaction whose statements all see the moment of the first."""
_NOW: Final = "SELECT 1"
"""Fixes the moment that a transaction sees."""
_STAGED: Final = (
    "CREATE TEMP TABLE staged (open_time int8 PRIMARY KEY, "
    + ", ".join(f"{name} {'int8' if name == 'timestamp' else 'float8'}" for name in COLUMNS[1:])
    + ", place int8, other text) ON COMMIT DROP"
)
_OPEN_ANSWERS: Final = 16
"""Answers that are read by parts at the same time."""
_SOON: Final = 0.5
"""Seconds after which a server that is away is worth a warning."""
_EVERY: Final = 20.0
"""Seconds until the next one."""
_DURABLE: Final = {"remote_apply", "remote_write", "local"}
"""What else a server may be set to wait for: https://www.postgresql.org/docs/current/runtime-config-wal.html."""
_ATTEMPTS: Final = 10
"""How often a work is repeated because it met another transaction."""


class _LostError(Exception):
    """The connection was lost, and nothing of the work is done."""


class Session:
    """One connection to a server, which implements ``Sql`` and ``Transacting``; used by one thread at a time.

    * ``url``: its address.
    * ``durable``: whether a commit waits until the server's disk has it.
    * ``lock_timeout``: seconds that a write waits for others that write to the same series.
    * ``patience``: seconds that a work waits for a server that is away.
    * ``by_parts``: whether answers in a transaction, which then only reads, are kept a part at a time.
    """

    def __init__(
        self,
        url: str,
        *,
        durable: bool = True,
        lock_timeout: float = 10.0,
        patience: float = 60.0,
        by_parts: bool = False,
    ) -> None:
        self.name = shown_address(url)
        self.url = url
        self.durable = durable
        self.lock_timeout = max(1, int(lock_timeout * 1000))
        """In milliseconds, as the server counts."""
        self._words = connection_words(url)
        self.secrets = [*secrets_of(url), *filter(None, [self._words.get("password")])]
        self._patience = patience
        self._psycopg = need("psycopg", "postgres")
        self.number = int.from_bytes(os.urandom(7))
        """Under it the session leaves the marks of its transactions."""
        self._connection: Any = None
        self.pooled = False
        self.durable_commit = "on"
        """What ``synchronous_commit`` is where a commit must last."""
        self._inside = False
        self._by_parts = by_parts
        self._numbers = count()
        self._answers: deque[Parts] = deque(maxlen=_OPEN_ANSWERS)
        self._left = threading.Event()

    # Life

    def connect(self) -> None:
        """Connect; raise ``StoreError`` if that fails."""
        try:
            self._connect()
        except self._psycopg.Error as error:
            self._fail(error)

    def _connect(self) -> None:
        connection = self._psycopg.connect(autocommit=True, **self._words)
        try:
            numeric = self._psycopg.types.numeric
            # One type for all whole numbers: else each size of a number makes another statement.
            connection.adapters.register_dumper(int, numeric.Int8Dumper)
            connection.adapters.register_dumper(int, numeric.Int8BinaryDumper)
            asked = "SELECT pg_backend_pid(), current_setting('synchronous_commit')"
            [(backend, commit)] = connection.execute(asked).fetchall()
            # A server may ask for more than its own disk, such as remote_apply; that is kept.
            self.durable_commit = commit if commit in _DURABLE else "on"
            # A pooler has a number of its own: settings and prepared statements would be left to somebody else.
            self.pooled = backend != connection.info.backend_pid
            if self.pooled:
                connection.prepare_threshold = None
            else:
                connection.execute(self._settings(local=False))
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _settings(self, *, local: bool) -> str:
        word = "SET LOCAL" if local else "SET"
        return (
            f"{word} search_path = {SCHEMA};"
            # Without statistics, as of a new series, the planner would sort all of it for each page.
            f"{word} enable_bitmapscan = off;"
            f"{word} synchronous_commit = {self.durable_commit if self.durable else 'off'};"
            f"{word} lock_timeout = {self.lock_timeout}"
        )

    def close(self) -> None:
        """Close the connection, in its thread."""
        connection, self._connection = self._connection, None
        self._inside = False
        if connection is not None:
            with suppress(self._psycopg.Error):
                connection.close()
        while self._answers:  # after the connection, so that the server is not asked to close each
            self._answers.pop().close()

    def forget(self) -> None:
        """Remove the session's own mark, and those of sessions that ended a week ago; for its end."""
        with suppress(self._psycopg.Error):
            if self._connection is not None and not self._connection.closed:
                self.native("DELETE FROM sessions WHERE id = %s OR at < now() - interval '7 days'", (self.number,))

    def leave(self) -> None:
        """Wait for the server no longer, if it is away; from any thread."""
        self._left.set()

    def cancel(self) -> None:
        """Let the statement that runs end with an error; from any thread."""
        self._left.set()
        connection = self._connection
        if connection is not None:
            with suppress(self._psycopg.Error):
                connection.cancel_safe(timeout=5.0)

    # Work

    def call(self, work: Callable[Concatenate[Session, _P], _R], *arguments: _P.args, **named: _P.kwargs) -> _R:
        """Return ``work(self, …)``; do it again if the connection was lost and nothing of it is done.

        ``work`` has at most one transaction that writes, as its last. Raise ``StoreError`` for an error of the server,
        or if it stays away for longer than ``patience``.
        """
        for attempt in range(_ATTEMPTS):
            if self._connection is None or self._connection.closed:
                self._reconnect()
            try:
                return work(self, *arguments, **named)
            except _LostError:
                self.close()
            except self._psycopg.Error as error:
                if is_lost(error, self._connection):
                    self.close()
                elif not is_again(error) or attempt == _ATTEMPTS - 1:
                    self._fail(error)
        raise StoreError(f"{self.name}: the connection was lost {_ATTEMPTS} times in a row; see the server's log")

    def _fail(self, error: Any) -> None:
        raise server_error(self.name, error, self.secrets) from None

    def _reconnect(self) -> None:
        began, attempt, warned = time.monotonic(), 0, 0.0
        while True:
            try:
                self._connect()
            except self._psycopg.Error as error:
                away = time.monotonic() - began
                told = server_error(self.name, error, self.secrets)
                if away >= self._patience or self._left.is_set() or not _may_come_back(error):
                    raise StoreError(f"{told} (tried for {away:.0f} s; what was stored is whole: ask again)") from None
                loud = away >= (warned + _EVERY if warned else _SOON)
                self._tell("waiting", away, str(told), logging.WARNING if loud else logging.INFO)
                warned = away if loud else warned
                pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
                attempt += 1
                self._left.wait(min(pause, self._patience - away))
            else:
                self._tell("back", time.monotonic() - began, "", logging.WARNING if warned else logging.INFO)
                return

    def _tell(self, state: Literal["waiting", "back"], away: float, reason: str, level: int) -> None:
        event = ReconnectEvent(event="reconnect", path=self.name, state=state, seconds=away, reason=reason)
        words = "%s: connected again after %.1f s" if state == "back" else "%s: waiting for the server (%.1f s)"
        log_event(_log, level, event, words, self.name, away)

    # Sql

    def execute(self, sql: str, parameters: Any = (), /) -> Found:
        """Run one statement."""
        if not self._by_parts or not self._inside:
            return self.native(translate(sql), parameters)
        if len(self._answers) == _OPEN_ANSWERS:
            self._answers[0].close()
            self._answers.popleft()
        self._answers.append(Parts(self._connection.cursor(f"rxcandles_{next(self._numbers)}")))
        self._answers[-1].begin(translate(sql), parameters)
        return self._answers[-1]

    def native(self, sql: str, parameters: Any = None, *, binary: bool = True) -> Found:
        """Run one statement in PostgreSQL's own words, with psycopg's marks for parameters."""
        if not self.pooled or self._inside:
            found: Found = self._connection.cursor().execute(sql, parameters, binary=binary)
            return found
        with self.block(""):
            return self.native(sql, parameters, binary=binary)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Found:
        """Run one statement for each of ``parameters``."""
        cursor: Found
        many = list(parameters)
        if self.pooled and not self._inside:
            with self.block(""):
                return self.executemany(sql, many)
        cursor = self._connection.cursor()
        if many:
            cursor.executemany(translate(sql), many)  # type: ignore[attr-defined]
        return cursor

    # Transacting

    def writing(self, series: int | None) -> AbstractContextManager[Block]:
        """Commit what the block writes, or nothing; others that write to ``series`` (None: to any) wait."""
        # The lock is the first statement: what follows sees all that was committed while it waited.
        lock = lock_of(series)
        return self.block(lock, kind=WRITING, lock=lock)

    def reading(self) -> AbstractContextManager[object]:
        """Let all statements of the block see one moment."""
        return self.block("", kind=_READING)

    def hold(self) -> None:
        """Let all that is read from now on be of one moment, until the session is closed."""
        # The moment is that of the first statement, not of BEGIN.
        self._begin(_READING, _NOW)
        self._inside = True

    def check_held(self) -> None:
        """Raise ``StoreError`` if the connection was lost since ``hold``: another one would see another moment."""
        if not self._inside:
            raise StoreError(
                f"{self.name}: the connection was lost while the database was read as of one moment; run it again"
            )

    def _begin(self, kind: str, first: str) -> None:
        """Begin a transaction with the statement ``first``; behind a pooler it brings its settings along."""
        settings = self._settings(local=True) + ";" if self.pooled else ""
        self._connection.execute(f"BEGIN{kind};{settings}{first}")

    def stage(self, rows: Iterable[Sequence[Any]]) -> None:
        """Make the temporary table ``staged`` with ``rows``, within the caller's transaction."""
        self.native(_STAGED)
        with self._connection.cursor().copy("COPY staged FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        self.native("ANALYZE staged")

    @contextmanager
    def block(self, first: str, kind: str = "", lock: str = "") -> Iterator[Block]:
        """Begin a transaction with the statement ``first``; commit what the block writes, or nothing.

        * ``lock``: the statement that waits for whoever writes the same. With it the transaction leaves a mark, by
          which it is known whether it was committed, if the connection is lost just then. Without it, it is done again.
        """
        block = Block(self, lock)
        if self._inside:  # a part of a transaction that is under way
            yield block
            return
        self._inside = True
        try:
            self._begin(kind, first)
            yield block
            block.commit()
        except BaseException:
            if self._connection is not None:  # else it was lost, and the server has stayed away
                with suppress(self._psycopg.Error):
                    self._connection.execute("ROLLBACK")
            raise
        finally:
            self._inside = False

    def commit(self, lock: str, mark: int) -> None:
        """Commit; if the connection is lost meanwhile, find out whether the transaction with this mark was."""
        try:
            self._connection.execute("COMMIT")
        except self._psycopg.Error as error:
            if not lock or not is_lost(error, self._connection):
                raise
            self.close()
            if not self._is_committed(lock, mark):
                raise _LostError from None

    def _is_committed(self, lock: str, mark: int) -> bool:
        while True:
            self._reconnect()
            try:
                # Behind the lock: what has lost its client may still be about to end. The number of a transaction would
                # not tell, since a server that was killed gives some of them a second time.
                self._begin(WRITING, lock)
                found = self._connection.execute("SELECT mark FROM sessions WHERE id = %s", (self.number,)).fetchone()
                self._connection.execute("COMMIT")
            except self._psycopg.Error as error:
                if not is_lost(error, self._connection):
                    raise
                self.close()
            else:
                return found is not None and found[0] == mark


def _may_come_back(error: Any) -> bool:
    """Return whether a failed attempt to connect is worth another: not if the server has refused us."""
    words = str(error)
    return not any(
        text in words for text in ("authentication failed", "no password", "no pg_hba.conf", "does not exist")
    )
