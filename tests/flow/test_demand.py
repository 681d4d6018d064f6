"""Sources ask for nothing they have no room for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import reactivex
from reactivex import operators as rx

from rxcandles.flow import Flow, from_demand, map_async, run, with_backpressure
from tests.support.virtualloop import run_virtual


async def pause(value: int) -> int:
    await asyncio.sleep(0.01)
    return value


def counting(taken: list[int], stop: int) -> Iterator[int]:
    for number in range(stop):
        taken.append(number)
        yield number


def test_takes_only_what_fits() -> None:
    """Four in flight and a buffer of two: while nobody takes, the source has been asked for six and the one taken."""

    async def scenario() -> None:
        taken: list[int] = []
        async with from_demand(counting(taken, 100)).pipe(
            map_async(pause, ahead=4), with_backpressure(2, in_flight=4)
        ) as stream:
            assert await anext(stream) == 0
            await asyncio.sleep(1)
            assert stream.stats().peak_held == 4
            assert stream.stats().waiting <= 2 + 4
            assert len(taken) <= 1 + 2 + 4

    run_virtual(scenario())


def test_long_and_synchronous() -> None:
    """Fifty thousand items without an asynchronous stage do not recurse, and the loop gets its turns."""

    async def scenario() -> None:
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(tick())
        assert await run(from_demand(range(50_000)).pipe(rx.count())) == 50_000
        other.cancel()
        assert turns >= 50_000 // 128

    run_virtual(scenario())


def test_none_is_an_item() -> None:
    """None is emitted like anything else."""

    async def scenario() -> None:
        assert await run(from_demand([None, None]).pipe(rx.to_list())) == [None, None]

    run_virtual(scenario())


def test_iterables_error() -> None:
    """An exception of the iterable is the stream's error, after what came before it."""

    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    async def scenario() -> None:
        seen = []
        with pytest.raises(OSError, match="gone"):
            async for item in from_demand(broken()).pipe(with_backpressure()):
                seen.append(item)
        assert seen == [1]

    run_virtual(scenario())


def test_drops_do_not_deadlock() -> None:
    """A filter that drops nine of ten, or all, between asynchronous stages stops nothing."""

    async def scenario() -> None:
        def pipeline(keep: int) -> reactivex.Observable[int]:
            return from_demand(range(1000)).pipe(
                map_async(pause, ahead=4), rx.filter(lambda n: n % keep == 0), map_async(pause), rx.count()
            )

        assert await run(pipeline(10)) == 100
        assert await run(pipeline(10**6)) == 1

    run_virtual(scenario())


def test_merged_sources_both_wake() -> None:
    """Two sources merged in one flow both get room, and both end."""

    async def scenario() -> None:
        one = from_demand(range(50)).pipe(map_async(pause))
        other = from_demand(range(100, 150)).pipe(map_async(pause))
        merged = await run(reactivex.merge(one, other).pipe(rx.to_list()), in_flight=2)
        assert sorted(merged) == [*range(50), *range(100, 150)]

    run_virtual(scenario())


def test_stock_operators_run_on_the_loops_clock() -> None:
    """``ops.delay`` and ``ops.timeout`` use the loop's time, a virtual one too, and no thread."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert await run(from_demand([1]).pipe(rx.delay(30.0))) == 1
        assert loop.time() == pytest.approx(30.0)

        async def never(_: int) -> int:
            await asyncio.sleep(1000)
            return 0

        with pytest.raises(Exception, match="[Tt]imeout"):
            await run(from_demand([1]).pipe(map_async(never), rx.timeout(5.0)))
        assert loop.time() == pytest.approx(35.0)

    run_virtual(scenario())


def test_plain_subscribe_is_bounded_too() -> None:
    """Without a way out of ours, the most downstream asynchronous stage makes the flow; the source keeps to it."""

    async def scenario() -> None:
        taken: list[int] = []
        got: list[int] = []
        done = asyncio.Event()
        from_demand(counting(taken, 100)).pipe(map_async(pause, ahead=2)).subscribe(got.append, on_completed=done.set)
        await asyncio.sleep(0.015)
        assert len(taken) <= 12
        await done.wait()
        assert got == list(range(100))

    run_virtual(scenario())


def test_child_budget() -> None:
    """A child has its own room, is not paused with its parent, and is closed with it."""

    async def scenario() -> None:
        parent = Flow(1)
        child = parent.child()
        parent.pause()
        assert not parent.has_room
        assert child.has_room
        child.spawn(asyncio.sleep(1000), lambda: None)
        assert parent.stats().tasks == 1
        await parent.close()
        assert parent.stats().tasks == 0

    run_virtual(scenario())
