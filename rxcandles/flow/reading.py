"""One reader for each stream, and a way to end a stream while it is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Generic, TypeVar

from rxcandles.errors import RequestError

__all__ = ["Reading"]

_A = TypeVar("_A")


class Reading(Generic[_A]):
    """An asynchronous generator that one task at a time may read, and that any task may end at any moment.

    Python's own generators raise a bare ``RuntimeError`` in both cases. ``close`` calls ``stop`` first, which must make
    a read under way return. A task that reads on after another task has ended the generator, or after a read was
    cancelled, gets a :class:`RequestError`: it has not read everything. The task that ended it sees a normal end, as
    with any generator.

    >>> async def numbers():
    ...     yield 1
    ...     yield 2
    >>> items = Reading(numbers(), stop=print)
    >>> await items.next()
    1
    """

    def __init__(self, items: AsyncGenerator[_A, None], stop: Callable[[Exception], None]) -> None:
        self._items = items
        self._stop = stop
        self._ended = False
        """Whether the generator has come to its end, by itself or with an error."""
        self._cut_off = False
        """Whether a read was cancelled, and the generator with it."""
        self._reader: asyncio.Task[Any] | None = None
        """The task that has read last."""
        self._abandoned: asyncio.Task[Any] | None = None
        """The task that was reading when another one ended the generator."""
        self._read: asyncio.Future[None] | None = None
        """Done when the read under way has returned; None if none is under way."""

    async def next(self) -> _A:
        """Return the next item."""
        return await self._alone(lambda: self._items.__anext__())

    async def throw(self, error: BaseException) -> _A:
        """Raise ``error`` where the generator stands."""
        return await self._alone(lambda: self._items.athrow(error))

    async def _alone(self, step: Callable[[], Awaitable[_A]]) -> _A:
        if self._read is not None:
            raise RequestError(
                "this stream is being read already; one reader a stream: open another one, or let one task read and "
                "hand the items on through an asyncio.Queue"
            )
        self._reader = asyncio.current_task()
        if self._cut_off or (self._abandoned is not None and self._abandoned is self._reader):
            raise left_early()
        self._read = asyncio.get_running_loop().create_future()
        try:
            return await step()
        except StopAsyncIteration:
            self._ended = True
            raise
        except BaseException as error:
            # A generator that has raised is over; its next read would look like a normal end.
            self._ended = isinstance(error, Exception)
            self._cut_off = not self._ended
            raise
        finally:
            read, self._read = self._read, None
            if not read.done():
                read.set_result(None)

    async def close(self) -> None:
        """End the generator and return when it has ended; a read under way raises :class:`RequestError`."""
        if not self._ended:
            if self._reader is not asyncio.current_task():
                self._abandoned = self._reader
            self._stop(left_early())
        while self._read is not None:
            await asyncio.wait([self._read])
        await self._items.aclose()


def left_early() -> RequestError:
    """Return the error for reading on after the stream was left."""
    return RequestError(
        "this stream was left before its end, so what was read of it is not all; read it inside the block, and let the "
        "block end after the reader has"
    )
