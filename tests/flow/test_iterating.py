"""Any asynchronous iterable begins a pipeline, and is asked for no more than there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from reactivex import operators as rx

import rxcandles
from rxcandles import operators as ops
from rxcandles.flow import from_async_iterable, map_async, run, with_backpressure
from rxcandles.model.timeframe import to_datetime
from tests.support.virtualloop import run_virtual


class Counter:
    """An asynchronous generator that counts what it was asked for, and knows whether it was closed."""

    def __init__(self, stop: int, *, fails: bool = False) -> None:
        self.asked = 0
        self.closed = False
        self.numbers = self._numbers(stop, fails)

    async def _numbers(self, stop: int, fails: bool) -> AsyncIterator[int]:
        try:
            for number in range(stop):
                self.asked += 1
                await asyncio.sleep(0.01)
                yield number
            if fails:
                raise OSError("gone")
        finally:
            await asyncio.sleep(0.01)
            self.closed = True


def test_all_in_order() -> None:
    """All items come, in order, and the iterable is closed."""

    async def scenario() -> None:
        counter = Counter(100)
        assert await run(from_async_iterable(counter.numbers).pipe(rx.to_list())) == list(range(100))
        assert counter.closed

    run_virtual(scenario())


def test_asked_for_what_there_is_room_for() -> None:
    """While nobody takes, or a stage behind is slow, only a few items have been asked for; leaving closes it."""

    async def slow(number: int) -> int:
        await asyncio.sleep(1)
        return number

    async def scenario() -> None:
        counter = Counter(1000)
        async with from_async_iterable(counter.numbers).pipe(with_backpressure(2)) as stream:
            assert await anext(stream) == 0
            await asyncio.sleep(100)
            assert counter.asked <= 4
        assert counter.closed
        counter = Counter(1000)
        async with from_async_iterable(counter.numbers).pipe(
            map_async(slow), with_backpressure(2, in_flight=3)
        ) as stream:
            assert await anext(stream) == 0
            assert counter.asked <= 2 + 3 + 1
        assert counter.closed
        assert stream.stats().tasks == 0

    run_virtual(scenario())


def test_its_error_comes_last() -> None:
    """An exception of the iterable comes after all items before it."""

    async def scenario() -> None:
        counter = Counter(3, fails=True)
        seen = []
        with pytest.raises(OSError, match="gone"):
            async for number in from_async_iterable(counter.numbers).pipe(with_backpressure()):
                seen.append(number)
        assert seen == [0, 1, 2]
        assert counter.closed

    run_virtual(scenario())


class Plain:
    """An asynchronous iterable that has no ``aclose``, and can be run through again."""

    def __aiter__(self) -> Plain:
        self.left = 3
        return self

    async def __anext__(self) -> int:
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return self.left


def test_runs_as_often_as_the_iterable_does() -> None:
    """What can be iterated over again is, for each subscription."""

    async def scenario() -> None:
        source = from_async_iterable(Plain()).pipe(rx.to_list())
        assert await run(source) == await run(source) == [2, 1, 0]

    run_virtual(scenario())


async def test_a_providers_stream(tmp_path: Path) -> None:
    """The provider's stream, and its store, piped on through the operators give the same; all stops when left."""
    async with rxcandles.connect(tmp_path / "c.db", exchange="simulated", rate_limit=None) as provider:
        request = rxcandles.Request("KRW-DOGE", "1m", count=3000)
        to = to_datetime(request.stop)
        stream = provider.stream_candles("KRW-DOGE", "1m", count=3000, to=to)
        fives = await run(ops.from_stream(stream).pipe(ops.validate(), ops.resample("5m"), ops.to_list(3000)))
        recalled = await run(
            provider.collector.chunks(request).pipe(
                ops.recall(provider.repository), ops.resample("5m"), ops.fill_gaps("null"), ops.to_list(100_000)
            )
        )
        assert [each for each in recalled if each.traded] == fives
        minutes = await provider.get_candles("KRW-DOGE", "1m", count=3000, to=to)
        whole = [each for each in minutes if fives[-1].open_time <= each.open_time < fives[0].close_time]
        assert len(whole) > 2900
        assert sum(five.volume for five in fives) == pytest.approx(sum(each.volume for each in whole))
        async with ops.from_stream(provider.stream_candles("KRW-BTC", "1m", count=50_000)).pipe(
            with_backpressure()
        ) as left:
            await anext(left)
        assert left.stats().tasks == 0
