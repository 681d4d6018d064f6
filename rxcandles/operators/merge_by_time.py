"""Many series as one, in order of time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack
from heapq import heapify, heappop, heapreplace
from math import inf

import reactivex
from reactivex import Observable

from rxcandles.flow import Stream, from_async_iterable
from rxcandles.model import CandleData, Order
from rxcandles.model.stretch import Origin, Stretch
from rxcandles.operators.pieces import check_lists
from rxcandles.operators.stepping import AnyOrder, Track, check_order
from rxcandles.util.arguments import check_kind

__all__ = ["merge_by_time"]


def merge_by_time(
    *sources: Observable[Sequence[CandleData]], order: AnyOrder = "of_the_run"
) -> Observable[Sequence[CandleData]]:
    """Emit the candles of all ``sources``, each in ``order``, as one stream in that order.

    That is the order of their runs, else newest first. At equal times candles come in the order of the sources. Every
    source runs in a flow of its own that has room for one list, which
    waits while another is in hand; beside these is what its own asynchronous stages hold. Candles are emitted when
    nothing can come before them any more, in lists of up to what is in hand, so the slowest source sets the pace. A
    source that has ended is no longer waited for.

    An error of a source, and a candle out of its order (:class:`InvalidCandleError`), ends the stream right behind that
    source's last candle; the other sources are stopped then, as they are by disposing. Who closes the flow waits until
    all have stopped.
    """
    for number, source in enumerate(sources):
        check_kind(f"sources[{number}]", source, Observable)
    known = check_order(order)
    return reactivex.defer(lambda _: from_async_iterable(_merged(sources, known)))


async def _merged(
    sources: Sequence[Observable[Sequence[CandleData]]], order: Order | None
) -> AsyncGenerator[Sequence[CandleData], None]:
    async with AsyncExitStack() as stack:
        reader = object()
        heads = [_Head(number, source, reader) for number, source in enumerate(sources)]
        for head in heads:
            await stack.enter_async_context(head.stream)
        # Together, so that many series take no longer to begin than the slowest.
        async with asyncio.TaskGroup() as group:
            for head in heads:
                group.create_task(head.advance())
        alive = [head for head in heads if head.alive]
        known: list[Order] = [head.order for head in alive if head.order is not None]
        found: Order = order or (known[0] if known else "newest_first")
        for head in alive:
            head.go(found)
        origin = Origin(found)
        heapify(alive)
        ready: list[CandleData] = Stretch((), origin)
        while alive:
            head = alive[0]
            if head.error is not None:
                if ready:
                    yield ready
                raise head.error
            assert head.candle is not None
            ready.append(head.candle)
            if head.next_in_hand():
                heapreplace(alive, head)
                continue
            yield ready
            ready = Stretch((), origin)
            await head.advance()
            if head.alive:
                heapreplace(alive, head)
            else:
                heappop(alive)


class _Head:
    """One source and its next candle."""

    def __init__(self, number: int, source: Observable[Sequence[CandleData]], reader: object) -> None:
        self.stream: Stream[Sequence[CandleData]] = Stream(source, 1, reader=reader)
        self.candle: CandleData | None = None
        self.error: Exception | None = None
        self._number = number
        self.order: Order | None = None
        """The order of its run, where its lists know that."""
        self._sign = -1
        self._track = Track("newest_first", several=True)
        self._list: Iterator[CandleData] = iter(())

    def go(self, order: Order) -> None:
        """Keep to this order from the first candle on."""
        self._sign = 1 if order == "oldest_first" else -1
        self._track = Track(order, several=True)
        if self.candle is not None:
            self._check()

    def __lt__(self, other: _Head) -> bool:
        return self._turn() < other._turn()

    def _turn(self) -> tuple[float, int]:
        if self.error is not None or self.candle is None:
            return -inf, self._number
        return self._sign * self.candle.open_seconds, self._number

    @property
    def alive(self) -> bool:
        """Whether a candle, or an error, is to come."""
        return self.candle is not None or self.error is not None

    def next_in_hand(self) -> bool:
        """Step to the next candle of the list in hand; say whether there was one, or an error in its place."""
        last, self.candle = self.candle, next(self._list, None)
        if self.candle is None:
            self.candle = last
            return False
        self._check()
        return True

    async def advance(self) -> None:
        """Step to the first candle of the next list, to the end, or to an error."""
        self.candle = None
        try:
            async for items in self.stream:
                check_lists("merge_by_time", items)
                if isinstance(items, Stretch):
                    self.order = items.origin.order
                self._list = iter(items)
                self.candle = next(self._list, None)
                if self.candle is not None:
                    self._check()
                    return
        except Exception as error:
            self.error = error

    def _check(self) -> None:
        assert self.candle is not None
        try:
            self._track.check(self.candle)
        except Exception as error:
            self.error = error
