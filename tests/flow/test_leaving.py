"""However a stream is left, nothing of it runs on, and nothing it was given is kept."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest
from reactivex import operators as rx

from rxcandles.errors import RequestError
from rxcandles.flow import Stream, batch, from_demand, latest, map_async, run, with_backpressure
from tests.support.virtualloop import run_virtual


async def work(value: int) -> int:
    await asyncio.sleep(0.01)
    return value


def endless() -> Stream[int]:
    return from_demand(range(10**9)).pipe(map_async(work, ahead=4), map_async(work), with_backpressure(2))


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["break", "exception", "cancel", "timeout"])
def test_no_task_is_left(way: str) -> None:
    """Break, the consumer's exception, cancelling it, a timeout around it: 0 tasks when the block is left."""

    async def consume(stream: Stream[int]) -> None:
        async with stream:
            async for number in stream:
                if number == 5 and way == "break":
                    break
                if number == 5 and way == "exception":
                    raise KeyError("mine")

    async def scenario() -> None:
        stream = endless()
        if way == "break":
            await consume(stream)
        elif way == "exception":
            with pytest.raises(KeyError):
                await consume(stream)
        elif way == "cancel":
            task = asyncio.create_task(consume(stream))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await consume(stream)
        assert stream.stats().tasks == 0
        assert stream.stats().held == 0
        assert others() == set()

    run_virtual(scenario())


def test_break_without_a_block() -> None:
    """A bare ``async for`` that is left is cleaned up as well, without the garbage collector."""

    async def scenario() -> None:
        gc.disable()
        try:
            async for number in endless():
                if number == 5:
                    break
            await asyncio.sleep(0.1)
            assert others() == set()
        finally:
            gc.enable()

    run_virtual(scenario())


def test_nothing_runs_before_the_first_item() -> None:
    """A stream that nobody iterates subscribes to nothing."""

    async def scenario() -> None:
        stream = endless()
        await asyncio.sleep(1)
        assert others() == set()
        assert stream.stats().tasks == 0
        await stream.aclose()

    run_virtual(scenario())


def test_slow_consumer_bounds() -> None:
    """Never more than ``buffer`` items wait, and those that were in flight, however slow the consumer."""

    async def scenario() -> None:
        async with from_demand(range(200)).pipe(map_async(work, ahead=4), with_backpressure(3, in_flight=4)) as stream:
            async for _ in stream:
                await asyncio.sleep(1)
                assert stream.stats().waiting <= 3 + 4
            assert stream.stats().peak_waiting <= 3 + 4

    run_virtual(scenario())


def test_flat_memory() -> None:
    """Two thousand and twenty thousand chunks differ by less than 64 KiB of peak heap."""

    async def peak(count: int) -> int:
        tracemalloc.start()
        try:
            pipeline = from_demand(range(count)).pipe(
                map_async(work, ahead=4), rx.map(lambda n: [n] * 200), batch(1000), rx.count()
            )
            assert await run(pipeline) == count // 5
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = run_virtual(peak(2000))
    large = run_virtual(peak(20_000))
    assert large - small < 64 * 1024


def test_run_without_a_value() -> None:
    """A pipeline that ends without a value is an error that says so."""

    async def scenario() -> None:
        with pytest.raises(LookupError, match="without a value"):
            await run(from_demand([]))

    run_virtual(scenario())


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "2"])
def test_buffer_is_checked(wrong: object) -> None:
    """A buffer that can't be is refused with its value."""
    with pytest.raises(RequestError, match="buffer is"):
        with_backpressure(wrong)  # type: ignore[arg-type]


def test_latest() -> None:
    """``latest`` lets its source run ahead, emits the newest, and never loses the last."""

    async def scenario() -> None:
        done = 0

        async def source_work(value: int) -> int:
            nonlocal done
            await asyncio.sleep(0.01)
            done = value
            return value

        seen = []
        async with from_demand(range(100)).pipe(map_async(source_work), latest(), with_backpressure(1)) as stream:
            async for number in stream:
                seen.append(number)
                await asyncio.sleep(0.5)
        assert done == 99
        assert seen[0] == 0
        assert seen[-1] == 99
        assert seen == sorted(set(seen))
        assert len(seen) < 10

    run_virtual(scenario())


def test_latest_twice() -> None:
    """Streams within streams end with the outermost one."""

    async def scenario() -> None:
        pipeline = from_demand(range(100)).pipe(map_async(work), latest(), map_async(work), latest())
        async with pipeline.pipe(with_backpressure(1)) as stream:
            await anext(stream)
        assert stream.stats().tasks == 0
        assert others() == set()

    run_virtual(scenario())


def test_latest_passes_errors_last() -> None:
    """An error behind ``latest`` comes after the newest item."""

    async def scenario() -> None:
        async def fail(value: int) -> int:
            await asyncio.sleep(0.01)
            if value == 3:
                raise OSError("three")
            return value

        seen = []
        with pytest.raises(OSError, match="three"):
            async for number in from_demand(range(9)).pipe(map_async(fail), latest(), with_backpressure(1)):
                seen.append(number)
                await asyncio.sleep(1)
        assert seen[-1] == 2

    run_virtual(scenario())
