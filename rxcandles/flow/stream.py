"""The ways out of Rx: ``run`` for one value, ``with_backpressure`` for ``async for``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Final, Generic, TypeVar

import attrs
from reactivex import Observable

from rxcandles.errors import MemoryLimitError
from rxcandles.flow.flow import IN_FLIGHT, Flow, FlowStats
from rxcandles.flow.inbox import Inbox
from rxcandles.flow.reading import Reading
from rxcandles.flow.route import End
from rxcandles.util.arguments import check_count, check_kind
from rxcandles.util.showing import Titled

__all__ = ["Stream", "run", "with_backpressure"]

_A = TypeVar("_A")

MOST_WAITING: Final = 1_000_000
"""Most items that may wait for a reader at once if they come without being asked for."""

_BY_THE_CLOCK: Final = (
    "what reactivex.interval, rx.buffer_with_time and the like emit comes whether there is room or not: read faster, "
    "or put ops.latest() behind them"
)


async def run(source: Observable[_A], *, in_flight: int = IN_FLIGHT) -> _A:
    """Subscribe to ``source``, wait for its end and return its last value.

    When this returns or raises, or was cancelled, every task of the pipeline has stopped.

    * ``in_flight``: the most items that asynchronous stages hold at once.

    Raises the error of ``source``, and ``LookupError`` if it ends without a value.

    >>> await run(ops.from_demand([1, 2, 3]))
    3
    """
    async with with_backpressure(buffer=1, in_flight=in_flight)(source) as values:
        found = False
        async for value in values:
            found, last = True, value
    if not found:
        raise LookupError("the pipeline ended without a value")
    return last


def with_backpressure(buffer: int = 2, *, in_flight: int = IN_FLIGHT) -> Callable[[Observable[_A]], Stream[_A]]:
    """Leave Rx for ``async for``; stop asking upstream while ``buffer`` items wait.

    The pipeline holds at most ``buffer`` items that wait, ``in_flight`` items in asynchronous stages, and what a
    ``batch`` has begun. Items that were in flight when the buffer filled still come out, unless the last asynchronous
    stage waits for room itself (``concat_map_async``, and so ``recall``).

    >>> async with ops.from_demand(range(5)).pipe(with_backpressure(buffer=2)) as stream:
    ...     print([each async for each in stream])
    [0, 1, 2, 3, 4]
    """
    check_count("buffer", buffer)
    check_count("in_flight", in_flight)
    return lambda source: Stream(source, buffer, in_flight)


class Stream(Titled, AsyncIterator[_A], Generic[_A]):
    """A running pipeline as an asynchronous iterator; nothing runs before the first item is asked for.

    After ``async with`` every task has stopped, whatever happened. A bare ``async for`` is cleaned up too, a turn of
    the loop after it is left, if nothing else refers to the stream. Raises the pipeline's error after all items before
    it.

    One task reads a stream. A second task that reads meanwhile gets a :class:`RequestError`, and the first one goes on.
    If the block is left while another task reads, that task gets a ``RequestError`` too, since what it has read is not
    everything; the block's own exception is raised.

    ``with_backpressure`` makes one.

    >>> async with ops.from_demand([1, 2]).pipe(with_backpressure(buffer=2)) as stream:
    ...     async for item in stream:
    ...         print(item)
    1
    2
    """

    def __init__(self, source: Observable[_A], buffer: int, in_flight: int = IN_FLIGHT, reader: object = None) -> None:
        check_kind("source", source, Observable)
        self._bridge: _Bridge[_A] = _Bridge(buffer, reader)
        self._items = Reading(_iterate(source, self._bridge, in_flight), self._bridge.stop)

    def __aiter__(self) -> Stream[_A]:
        return self

    async def __anext__(self) -> _A:
        return await self._items.next()

    async def more(self) -> bool:
        """Return True once another item waits (or an error), False once the stream has ended; takes nothing.

        Call it while iterating: before the first item nothing runs, so nothing would come.
        """
        await self._bridge.settled()
        return bool(self._bridge.ready) or self._bridge.error is not None

    def stop(self, error: Exception) -> None:
        """Make a read under way raise ``error``, and let nothing more come."""
        self._bridge.stop(error)

    async def aclose(self) -> None:
        """Stop, and return when every task of the pipeline has ended."""
        await self._items.close()

    async def __aenter__(self) -> Stream[_A]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _told(self) -> Mapping[str, object]:
        stats = self.stats()
        return {"in flight": f"{stats.held} in flight", "waiting": f"{stats.waiting} waiting"}

    def stats(self) -> FlowStats:
        """Return a snapshot of the pipeline; at any moment, also before its start and after its end."""
        flow = self._bridge.flow
        if flow is None:
            return FlowStats(0, 0, 0, False)
        return attrs.evolve(flow.stats(), waiting=len(self._bridge.ready), peak_waiting=self._bridge.peak)


class _Bridge(End, Generic[_A]):
    """Where the pipeline's items wait for their consumer."""

    def __init__(self, buffer: int, reader: object) -> None:
        self.buffer = buffer
        self.reader = reader
        self.ready: deque[_A] = deque()
        self.peak = 0
        self.ended = False
        self.error: Exception | None = None
        self._inbox: Inbox | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def open(self, in_flight: int) -> Flow:
        """Return the flow in which items arrive from now on."""
        self.flow = Flow(in_flight)
        self.flow.reader = self.reader
        self._inbox = Inbox(self.flow)
        return self.flow

    def on_next(self, item: _A) -> None:
        assert self._inbox is not None
        self._inbox(self._accept, item)

    def on_error(self, error: Exception) -> None:
        assert self._inbox is not None
        self._inbox(self._end, error)

    def on_completed(self) -> None:
        assert self._inbox is not None
        self._inbox(self._end, None)

    def _accept(self, item: _A) -> None:
        if self.ended:
            return
        if len(self.ready) >= MOST_WAITING:
            self._end(MemoryLimitError(f"{MOST_WAITING:,} items wait for their reader; {_BY_THE_CLOCK}"))
            return
        self.ready.append(item)
        self.peak = max(self.peak, len(self.ready))
        if self.flow is not None and len(self.ready) >= self.buffer:
            self.flow.pause()
        self._tell()

    def _end(self, error: Exception | None) -> None:
        if not self.ended:
            self.error, self.ended = error, True
            self._tell()

    def stop(self, error: Exception) -> None:
        """Drop what waits and end with ``error``."""
        self.ready.clear()
        self.ended = False
        self._end(error)

    def take(self) -> _A:
        item = self.ready.popleft()
        if self.flow is not None and len(self.ready) < self.buffer:
            self.flow.resume()
        return item

    async def settled(self) -> None:
        """Wait until an item is ready, or the end is."""
        while not self.ready and not self.ended:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _tell(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


async def _iterate(source: Observable[_A], bridge: _Bridge[_A], in_flight: int) -> AsyncGenerator[_A, None]:
    # A function of its own, so that it does not refer to the Stream: dropping the Stream is then enough to end it.
    flow = bridge.open(in_flight)
    subscription = source.subscribe(bridge.on_next, bridge.on_error, bridge.on_completed, scheduler=flow)
    try:
        while True:
            await bridge.settled()
            if not bridge.ready:
                break
            yield bridge.take()
        if bridge.error is not None:
            raise bridge.error
    finally:
        subscription.dispose()
        await flow.close()
