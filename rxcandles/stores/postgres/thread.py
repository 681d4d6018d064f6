"""The thread of a store's connection to a server."""

from __future__ import annotations

import asyncio
import threading
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

from rxcandles.stores.postgres.session import Session
from rxcandles.stores.sql.connection import Parameters
from rxcandles.util.forks import OwnProcess

__all__ = ["ServerThread"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_Queue: TypeAlias = "SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any] | None] | None]"

_LEAVING: Final = 5.0
"""Seconds that the exit of the interpreter waits for a connection that was left open."""


class ServerThread:
    """A session with a thread of its own, in which whole functions run, one after another.

    If a caller is cancelled, the work goes on in the thread.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._process = OwnProcess(session.name)
        self._queue: _Queue = SimpleQueue()
        # A daemon: otherwise an interpreter that leaves it open would never exit.
        thread = threading.Thread(target=_serve, args=(self._queue,), name="rxcandles-postgres", daemon=True)
        self._left: Final = weakref.finalize(self, _left_open, session, self._queue, thread, self._process)
        thread.start()

    async def open(self, prepare: Callable[[Session], None]) -> None:
        """Connect, and ``prepare`` the database."""
        try:
            await self._run(self._session.connect)
            await self.call(prepare)
        except BaseException:
            await self.close()
            raise

    async def call(self, work: Callable[Concatenate[Any, _P], _R], *arguments: _P.args, **named: _P.kwargs) -> _R:
        """Return ``work(session, …)``, run in the thread after all earlier calls; errors are ``StoreError``."""
        return await self._run(partial(self._session.call, work, *arguments, **named))

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of one statement."""
        return await self.call(lambda connection: connection.execute(sql, parameters).fetchall())

    def check_process(self) -> None:
        """Raise ``StoreError`` in a fork of the process that opened it."""
        self._process.check()

    async def close(self) -> None:
        """Close the connection after all earlier calls; in a forked process, leave it to the parent."""
        self._left.detach()
        if self._process.forked:
            return
        self._session.leave()
        try:
            await self._run(partial(_end, self._session))
        finally:
            self._queue.put(None)

    async def _run(self, work: Callable[[], _R]) -> _R:
        self._process.check()
        future: asyncio.Future[_R] = asyncio.get_running_loop().create_future()
        self._queue.put((work, future))
        # Shielded: a cancelled caller must not take a work that waits in line out of it.
        return await asyncio.shield(future)


def _serve(queue: _Queue) -> None:
    """Do what comes, until None does."""
    while (item := queue.get()) is not None:
        work, future = item
        del item
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        del work
        if future is not None:
            with suppress(RuntimeError):  # its loop is closed: nobody waits
                future.get_loop().call_soon_threadsafe(_tell, future, result, error)
        del future, result, error


def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _end(session: Session) -> None:
    session.forget()
    session.close()


def _left_open(session: Session, queue: _Queue, thread: threading.Thread, process: OwnProcess) -> None:
    if process.forked:
        return
    session.leave()
    queue.put((partial(_end, session), None))
    queue.put(None)
    if not threading.main_thread().is_alive():  # the interpreter is about to exit
        thread.join(_LEAVING)
    warnings.warn(
        f"{session.name} was left open; open it with `async with`, or close its provider or store in the end",
        ResourceWarning,
        stacklevel=2,
    )
