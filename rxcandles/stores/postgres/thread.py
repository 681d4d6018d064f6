"""The thread of a store's connection to a server."""

from __future__ import annotations

import asyncio
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from rxcandles.stores.postgres.session import Session
from rxcandles.stores.sql.connection import Parameters
from rxcandles.util.forks import OwnProcess

__all__ = ["ServerThread"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class ServerThread:
    """A session with a thread of its own, in which whole functions run, one after another.

    If a caller is cancelled, the work goes on in the thread.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._process = OwnProcess(session.name)
        self._pool = ThreadPoolExecutor(1, "rxcandles-postgres")
        self._left: Final = weakref.finalize(self, _left_open, session, self._pool, self._process)

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
            await self._run(self._session.forget)
            await self._run(self._session.close)
        finally:
            self._pool.shutdown(wait=False)

    async def _run(self, work: Callable[[], _R]) -> _R:
        self._process.check()
        # Shielded: a cancelled caller must not take a work that waits in line out of it.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, work))


def _left_open(session: Session, pool: ThreadPoolExecutor, process: OwnProcess) -> None:
    if process.forked:
        return
    session.leave()
    pool.submit(session.close)
    pool.shutdown(wait=False)
    warnings.warn(
        f"{session.name} was left open; open it with `async with`, or close its provider or store in the end",
        ResourceWarning,
        stacklevel=2,
    )
