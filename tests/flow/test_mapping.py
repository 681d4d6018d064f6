"""Asynchronous stages keep order, bounds and errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator

import pytest
from reactivex import operators as rx

from rxcandles.errors import StageCancelledError
from rxcandles.flow import Flow, concat_map_async, from_demand, map_async, run, with_backpressure
from tests.support.virtualloop import run_virtual


class Gauge:
    """Counts calls that run at the same time."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    async def work(self, value: int) -> int:
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            await asyncio.sleep(random.Random(value).uniform(0.01, 0.1))
        finally:
            self.now -= 1
        return value


def test_order_and_bound() -> None:
    """Results come in the items' order, whatever each takes, and never more than ``ahead`` run."""

    async def scenario() -> None:
        gauge = Gauge()
        assert await run(from_demand(range(100)).pipe(map_async(gauge.work, ahead=3), rx.to_list())) == list(range(100))
        assert gauge.peak == 3

    run_virtual(scenario())


def test_holds_return_to_zero() -> None:
    """After completion, an error, leaving early and a retry, nothing is held."""

    async def scenario() -> None:
        async def fails(value: int) -> int:
            await asyncio.sleep(0.01)
            if value == 7:
                raise OSError("seven")
            return value

        async def held(pipeline_error: bool) -> int:
            flow = Flow(4)
            done = asyncio.Event()
            source = from_demand(range(20)).pipe(
                map_async(fails if pipeline_error else Gauge().work, ahead=3), map_async(Gauge().work)
            )
            source.subscribe(lambda _: None, lambda _: done.set(), done.set, scheduler=flow)
            await done.wait()
            await flow.close()
            return flow.held

        assert await held(pipeline_error=False) == 0
        assert await held(pipeline_error=True) == 0

    run_virtual(scenario())


def test_retry_resumes() -> None:
    """``ops.retry`` over a pipeline runs it again to the end: no hold of the failed run is left behind."""

    async def scenario() -> None:
        failures = iter([True, True, True, False])
        attempts = 0

        async def flaky(value: int) -> int:
            nonlocal attempts
            attempts += 1
            await asyncio.sleep(0.01)
            if value == 5 and next(failures):
                raise OSError("flaky")
            return value

        total = from_demand(range(10)).pipe(map_async(flaky, ahead=3), rx.retry(5), rx.count())
        assert await run(total, in_flight=3) == 3 * 5 + 10
        assert attempts > 25

    run_virtual(scenario())


def test_error_after_what_came_before() -> None:
    """An error is passed on after the results of all items before it; nothing runs afterwards."""

    async def scenario() -> None:
        async def slow_then_fail(value: int) -> int:
            await asyncio.sleep(1.0 if value == 3 else 0.1)
            if value == 4:
                raise OSError("four")
            return value

        seen = []
        stream = from_demand(range(100)).pipe(map_async(slow_then_fail, ahead=4), with_backpressure(10))
        with pytest.raises(OSError, match="four"):
            async for item in stream:
                seen.append(item)
        assert seen == [0, 1, 2, 3]
        assert stream.stats().tasks == 0

    run_virtual(scenario())


def test_upstream_error_waits_for_items_inside() -> None:
    """An error of the source keeps its place behind the items that are still being worked on."""

    async def scenario() -> None:
        def source():  # type: ignore[no-untyped-def]
            yield 1
            yield 2
            raise OSError("source")

        seen = []
        with pytest.raises(OSError, match="source"):
            async for item in from_demand(source()).pipe(map_async(Gauge().work), with_backpressure()):
                seen.append(item)
        assert seen == [1, 2]

    run_virtual(scenario())


def test_subscriber_that_raises() -> None:
    """A subscriber that raises behind an asynchronous stage hears of it in its own ``on_error``."""

    async def scenario() -> None:
        heard: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

        def explode(_: int) -> None:
            raise ValueError("mine")

        from_demand([1]).pipe(map_async(Gauge().work)).subscribe(explode, heard.set_result)
        assert str(await asyncio.wait_for(heard, 10)) == "mine"

    run_virtual(scenario())


@pytest.mark.parametrize("where", ["map", "stage", "subscriber"])
def test_stop_iteration_is_an_error(where: str) -> None:
    """``StopIteration`` out of a user's function is an error, never an end."""

    async def scenario() -> None:
        def stop(_: int) -> int:
            raise StopIteration

        async def stop_async(value: int) -> int:
            return stop(value) if where == "stage" else value

        pipeline = from_demand([1, 2]).pipe(map_async(stop_async))
        heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if where == "map":
            pipeline = pipeline.pipe(rx.map(stop))
        pipeline.subscribe(
            stop if where == "subscriber" else lambda _: None,
            lambda error: heard.set_result(f"error {type(error).__name__}"),
            lambda: heard.set_result("completed"),
        )
        assert (await asyncio.wait_for(heard, 10)).startswith("error")

    run_virtual(scenario())


def test_cancelled_from_inside() -> None:
    """A stage whose own task is cancelled is told apart from its consumer being cancelled."""

    async def scenario() -> None:
        async def suicidal(_: int) -> int:
            raise asyncio.CancelledError

        with pytest.raises(StageCancelledError):
            await run(from_demand([1]).pipe(map_async(suicidal)))

    run_virtual(scenario())


def test_finish() -> None:
    """With ``finish`` everything that was accepted is worked on to its end when the stream is left."""

    async def scenario() -> None:
        finished = []

        async def write(value: int) -> int:
            await asyncio.sleep(5)
            finished.append(value)
            return value

        stream = from_demand(range(10)).pipe(map_async(write, finish=True), with_backpressure(in_flight=3))
        async with stream:
            await anext(stream)
            await asyncio.sleep(1)
            accepted = 1 + stream.stats().held
        assert accepted == 4
        assert finished == list(range(accepted))
        assert stream.stats().tasks == 0

    run_virtual(scenario())


def test_an_error_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error of what is to be finished is raised, and logged only where nobody was left to raise it to."""

    async def scenario() -> None:
        async def fail(value: int) -> int:
            await asyncio.sleep(1)
            raise ValueError(value)

        with pytest.raises(ValueError, match="0"):
            await run(from_demand([0]).pipe(map_async(fail, finish=True)))
        assert caplog.messages == []
        async with from_demand([1]).pipe(map_async(fail, finish=True), with_backpressure(1)) as stream:
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.5)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert caplog.messages == ["what was to be finished has failed: 1"]

    run_virtual(scenario())


def test_generator_waits_for_room() -> None:
    """One item that stands for a thousand results yields them only while the consumer has room."""

    async def scenario() -> None:
        yielded = 0

        async def many(_: int) -> AsyncGenerator[int, None]:
            nonlocal yielded
            for number in range(1000):
                yielded += 1
                yield number

        async with from_demand([1]).pipe(concat_map_async(many), with_backpressure(3)) as stream:
            assert await anext(stream) == 0
            await asyncio.sleep(1)
            assert yielded <= 5
            rest = [number async for number in stream]
        assert rest == list(range(1, 1000))

    run_virtual(scenario())


def test_generator_is_closed() -> None:
    """A generator that is left early runs its ``finally``."""

    async def scenario() -> None:
        closed = []

        async def many(value: int) -> AsyncGenerator[int, None]:
            try:
                while True:
                    yield value
                    await asyncio.sleep(0.01)
            finally:
                closed.append(value)

        async with from_demand([1, 2]).pipe(concat_map_async(many), with_backpressure(1)) as stream:
            await anext(stream)
        assert closed == [1]

    run_virtual(scenario())


@pytest.mark.parametrize("stages", [1, 3])
def test_one_item_for_many_waits_for_the_stages_behind(stages: int) -> None:
    """Generators in front of a slow stage, and of each other, are never far ahead of it, and all ends."""

    async def quick(number: int) -> int:
        await asyncio.sleep(0.001)
        return number

    async def slow(number: int) -> int:
        await asyncio.sleep(0.01)
        return number

    async def many(number: int) -> AsyncGenerator[int, None]:
        for each in range(20):
            yield number * 20 + each

    async def scenario() -> None:
        expected = list(range(6))
        numbers = from_demand(expected).pipe(map_async(quick, ahead=2))
        for _ in range(stages):
            expected = [each for number in expected for each in range(number * 20, number * 20 + 20, 5)]
            numbers = numbers.pipe(concat_map_async(many), rx.filter(lambda number: number % 5 == 0))
        async with numbers.pipe(map_async(slow), with_backpressure(2, in_flight=4)) as stream:
            assert [number async for number in stream] == expected
            # One more where an item is handed over: both stages hold it then.
            assert stream.stats().peak_held <= (4 + 1) * (1 + stages)

    run_virtual(scenario())
