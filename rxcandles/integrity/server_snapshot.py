"""A database of a server as it is at one moment, read only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from rxcandles.errors import RequestError
from rxcandles.integrity.snapshot import Look, Snapshot
from rxcandles.stores.opening import check_database
from rxcandles.stores.postgres.address import Address
from rxcandles.util.threads import in_thread

if TYPE_CHECKING:
    from rxcandles.stores.postgres.session import Session

__all__ = ["snapshot_at"]

_A = TypeVar("_A")


class _ServerSnapshot(AbstractAsyncContextManager["_ServerSnapshot"]):
    """One transaction that only reads; on cancellation its statement is ended on the server."""

    def __init__(self, address: Address) -> None:
        from rxcandles.stores.postgres.session import Session

        self.path: str = address
        self._session = Session(address.url, patience=0.0, by_parts=True)
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> _ServerSnapshot:
        try:
            await in_thread(self._open, self._session.cancel)
        except BaseException:
            self._session.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def _open(self) -> None:
        from rxcandles.stores.postgres.preparing import version_of
        from rxcandles.stores.postgres.session import Session

        self._session.connect()
        if not self._session.call(version_of):
            raise RequestError(f"{self.path} has no candles yet; name another database, or collect into it first")
        self._session.call(Session.hold)

    async def call(self, work: Callable[[Any], _A], /) -> _A:
        def held(session: Session) -> _A:
            session.check_held()
            return work(session)

        async with self._lock:
            return await in_thread(lambda: self._session.call(held), self._session.cancel)


def snapshot_at(path: str | Path) -> AbstractAsyncContextManager[Look]:
    """Return the database of a path or an address, as it is when the block is entered; it is never written to.

    See :class:`Snapshot` for the errors.
    """
    database = check_database("path", path)
    return _ServerSnapshot(database) if isinstance(database, Address) else Snapshot(database)
