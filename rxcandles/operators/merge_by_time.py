"""Merge the candles of many series in order of time."""

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
    """Emit the candles of all ``sources`` as one stream in order of time.

    Candles with equal times come in the order of the sources. A candle is emitted when no earlier one can come any
    more, so the slowest source sets the pace; a source that has ended is not waited for. Each source runs in a flow of
    its own with room for one list, and that list waits while another is in use; its own asynchronous stages hold items
    besides. The lists that are emitted contain what is in hand at that moment.

    Disposing stops all sources, and closing the flow waits until they have stopped.

    * ``order``: the order of every source and of the result. By default it is the order of their runs, or newest first
      if the lists do not know it.

    Raises:

    * the error of a source, right after that source's last candle; the other sources are stopped then.
    * :class:`InvalidCandleError` in the same way if a candle is out of order in its source.

    >>> def hours(symbol):
    ...     stream = provider.stream_candles(symbol, "60m", since="2024-01-01", until="2024-01-01 02:00")
    ...     return ops.from_stream(stream)
    >>> merged = ops.merge_by_time(hours("KRW-BTC"), hours("KRW-ETH"))
    >>> [each.symbol for each in await ops.run(merged.pipe(ops.to_list(10)))]
    ['KRW-BTC', 'KRW-ETH', 'KRW-BTC', 'KRW-ETH']
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
        # Start all of them together, so that many series take no longer to begin than the slowest one.
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
        """The order of its run; None if its lists do not know it."""
        self._sign = -1
        self._track = Track("newest_first", several=True)
        self._list: Iterator[CandleData] = iter(())

    def go(self, order: Order) -> None:
        """Check the order of its candles from the first one on."""
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
        """Whether a candle or an error is still to come."""
        return self.candle is not None or self.error is not None

    def next_in_hand(self) -> bool:
        """Step to the next candle of the current list; return False if the list has no more.

        An error that takes the place of a candle counts as one.
        """
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
