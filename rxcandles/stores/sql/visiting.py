"""Many small reads in one visit of a store's thread: to hand over each by itself costs more than to do it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from threading import Event
from typing import Any, Concatenate, ParamSpec, TypeVar

from rxcandles.errors import StoreError
from rxcandles.stores.sql.connection import Sql

__all__ = ["Visit", "at_once"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Visit:
    """Takes the place of a store's connection while the store is used in that connection's thread."""

    def __init__(self, connection: Sql, left: Event) -> None:
        """Use ``connection`` until ``left`` is set."""
        self._connection = connection
        self._left = left

    async def call(self, work: Callable[Concatenate[Sql, _P], _R], *arguments: _P.args, **named: _P.kwargs) -> _R:
        """Return ``work(connection, ...)``, run at once."""
        if self._left.is_set():
            raise StoreError("nobody waits for this visit any more")
        return work(self._connection, *arguments, **named)

    async def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of one statement."""
        return await self.call(lambda connection: connection.execute(sql, parameters).fetchall())


def at_once(work: Coroutine[Any, Any, _R]) -> _R:
    """Return the result of ``work``, which never waits."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: _R = ended.value
        return result
    work.close()
    raise RuntimeError("a visit of a store may wait for nothing but that store")
