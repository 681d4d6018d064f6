"""The ways out of Rx: ``run`` for one value, ``with_backpressure`` for ``async for``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import Generic, TypeVar

import attrs
from reactivex import Observable

from rxcandles.arguments import check_count, check_kind
from rxcandles.flow.budget import IN_FLIGHT, Flow, FlowStats

__all__ = ["Stream", "run", "with_backpressure"]

_A = TypeVar("_A")


async def run(source: Observable[_A], *, in_flight: int = IN_FLIGHT) -> _A:
    """Subscribe to ``source``, wait for its end and return its last value.

    Raises its error, and ``LookupError`` where it ends without a value. Whether it ends, fails or is cancelled: when
    this returns, every task of the pipeline has stopped.
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

    Inside the pipeline are at most ``buffer`` items that wait, ``in_flight`` that asynchronous stages hold, and what
    a ``batch`` has begun. What was in flight when the buffer filled comes out all the same, unless the last
    asynchronous stage is one that waits for room (``concat_map_async``, and so ``recall``).
    """
    check_count("buffer", buffer)
    check_count("in_flight", in_flight)
    return lambda source: Stream(source, buffer, in_flight)


class Stream(AsyncIterator[_A], Generic[_A]):
    """A running pipeline as an asynchronous iterator; nothing runs before the first item is asked for.

    Leave it by ``async with`` and every task has stopped afterwards, whatever happened. A bare ``async for`` is
    cleaned up as well when it is left, a turn of the loop later, provided nobody else refers to the stream.
    Raises the pipeline's error after all that came before it.
    """

    def __init__(self, source: Observable[_A], buffer: int, in_flight: int) -> None:
        check_kind("source", source, Observable)
        self._bridge: _Bridge[_A] = _Bridge(buffer)
        self._items = _iterate(source, self._bridge, in_flight)

    def __aiter__(self) -> Stream[_A]:
        return self

    async def __anext__(self) -> _A:
        return await anext(self._items)

    async def more(self) -> bool:
        """Return True once another item waits (or an error), False once the stream has ended; takes nothing.

        To be asked while iterating: before the first item nothing runs, so nothing would come.
        """
        await self._bridge.settled()
        return bool(self._bridge.ready) or self._bridge.error is not None

    async def aclose(self) -> None:
        """Stop: return when every task of the pipeline has ended."""
        await self._items.aclose()

    async def __aenter__(self) -> Stream[_A]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def stats(self) -> FlowStats:
        """Return a snapshot of the pipeline; at any moment, before its start and after its end too."""
        flow = self._bridge.flow
        if flow is None:
            return FlowStats(0, 0, 0, False)
        return attrs.evolve(flow.stats(), waiting=len(self._bridge.ready), peak_waiting=self._bridge.peak)


class _Bridge(Generic[_A]):
    """Where the pipeline's items wait for their consumer."""

    def __init__(self, buffer: int) -> None:
        self.buffer = buffer
        self.ready: deque[_A] = deque()
        self.peak = 0
        self.ended = False
        self.error: Exception | None = None
        self.flow: Flow | None = None
        self._waiter: asyncio.Future[None] | None = None

    def on_next(self, item: _A) -> None:
        self.ready.append(item)
        self.peak = max(self.peak, len(self.ready))
        if self.flow is not None and len(self.ready) >= self.buffer:
            self.flow.pause()
        self._tell()

    def on_error(self, error: Exception) -> None:
        self.error = error
        self.on_completed()

    def on_completed(self) -> None:
        self.ended = True
        self._tell()

    def take(self) -> _A:
        item = self.ready.popleft()
        if self.flow is not None and len(self.ready) < self.buffer:
            self.flow.resume()
        return item

    async def settled(self) -> None:
        """Wait until an item is ready, or the end is."""
        while not self.ready and not self.ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def _iterate(source: Observable[_A], bridge: _Bridge[_A], in_flight: int) -> AsyncGenerator[_A, None]:
    # A function of its own, so that nothing in here refers to the Stream: dropping it is then enough to end this.
    flow = bridge.flow = Flow(in_flight)
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
