"""Several observers of one run, a sink that acknowledges, and many series merged by time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import Observable
from reactivex import operators as rx
from reactivex.testing import ReactiveTest, TestScheduler

from rxcandles import operators as ops
from rxcandles.errors import InvalidCandleError, RequestError
from rxcandles.model import ORDERS, CandleData, Order
from tests.support.candlelists import cut, market, ordered
from tests.support.virtualloop import run_virtual

on_next, on_completed, on_error, subscribe = (
    ReactiveTest.on_next,
    ReactiveTest.on_completed,
    ReactiveTest.on_error,
    ReactiveTest.subscribe,
)


def test_tee_shows_all() -> None:
    """Functions and observers of Rx see every item in their order before it passes, and hear of the end."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, 1), on_next(220, 2), on_completed(230))
    seen: list[tuple[str, int]] = []
    other = scheduler.create_observer()
    shown = source.pipe(ops.tee(lambda n: seen.append(("a", n)), other, lambda n: seen.append(("b", n))))
    result = scheduler.start(lambda: shown)
    assert result.messages == other.messages == source.messages
    assert seen == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert source.subscriptions == [subscribe(200, 230)]


def test_tee_isolates_nobody() -> None:
    """What an observer raises ends the run as its error: observers of Rx hear it, later ones don't see the item."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, 1), on_next(220, 2), on_next(230, 3))
    lost = OSError("full")

    def fail(number: int) -> None:
        if number == 2:
            raise lost

    before, after = scheduler.create_observer(), scheduler.create_observer()
    result = scheduler.start(lambda: source.pipe(ops.tee(before, fail, after)))
    assert result.messages == after.messages == [on_next(210, 1), on_error(220, lost)]
    assert before.messages == [on_next(210, 1), on_next(220, 2), on_error(220, lost)]
    assert source.subscriptions == [subscribe(200, 220)]


def test_tee_keeps_the_first_error() -> None:
    """An observer that raises when it hears of an error does not hide it; the others still hear."""
    scheduler = TestScheduler()
    lost = OSError("lost")
    source = scheduler.create_hot_observable(on_error(210, lost))
    deaf = reactivex.Observer[int]()

    def raises(error: Exception) -> None:
        raise ValueError("and more")

    other = scheduler.create_observer()
    result = scheduler.start(lambda: source.pipe(ops.tee(deaf, reactivex.Observer(on_error=raises), other)))
    assert result.messages == other.messages == [on_error(210, lost)]
    assert lost.__notes__ == ["an observer failed when it heard of this: ValueError('and more')"]


class Slow:
    """An asynchronous observer that is an object."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def __call__(self, number: int) -> None:
        await asyncio.sleep(1)
        self.seen.append(number)


def test_tee_awaits() -> None:
    """Asynchronous observers are awaited one after another, so the run takes their time, and the source waits."""

    async def scenario() -> None:
        slow, taken, seen = Slow(), [], []  # type: ignore[var-annotated]

        def numbers() -> Iterator[int]:
            for number in range(30):
                taken.append(number)
                yield number

        async with ops.from_demand(numbers()).pipe(
            ops.tee(seen.append, slow, functools.partial(slow)), ops.with_backpressure(1, in_flight=2)
        ) as stream:
            assert await anext(stream) == 0
            assert asyncio.get_running_loop().time() == 2
            assert len(taken) <= 4
            assert [number async for number in stream] == list(range(1, 30))
        assert slow.seen == [number for number in range(30) for _ in "ab"]
        assert seen == list(range(30))

    run_virtual(scenario())


def test_tee_refuses_what_would_never_run() -> None:
    """A plain function that returns a coroutine is an error that says so; beside asynchronous ones it is awaited."""
    slow = Slow()

    async def scenario() -> None:
        with pytest.raises(RequestError, match="make it an `async def`"):
            await ops.run(ops.from_demand([1]).pipe(ops.tee(lambda number: slow(number))))
        assert await ops.run(ops.from_demand([2]).pipe(ops.tee(slow, lambda number: slow(number)))) == 2
        assert slow.seen == [2, 2]

    run_virtual(scenario())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(), max_size=4), max_size=20), st.integers(1, 4))
def test_sink_acknowledges(lists: list[list[int]], ahead: int) -> None:
    """Each list is written once, in order, one at a time; what comes out is how many were taken."""

    async def scenario() -> None:
        written: list[list[int]] = []
        running = 0

        async def write(items: list[int]) -> None:
            nonlocal running
            running += 1
            assert running == 1
            await asyncio.sleep(0.1)
            written.append(items)
            running -= 1

        async def pass_on(items: list[int]) -> list[int]:
            await asyncio.sleep(0.01)
            return items

        source = ops.from_demand(lists).pipe(ops.map_async(pass_on, ahead=ahead), ops.to_sink(write))  # type: ignore[arg-type]
        counts = await ops.run(source.pipe(rx.to_list()))
        assert written == lists
        assert counts == [sum(map(len, lists[: n + 1])) for n in range(len(lists))]

    run_virtual(scenario())


def test_the_next_is_asked_for_after_the_acknowledgement() -> None:
    """While a list is written the source has been asked for no other."""

    async def scenario() -> None:
        taken: list[int] = []
        written = 0

        def lists() -> Iterator[list[int]]:
            for number in range(20):
                assert written == number
                taken.append(number)
                yield [number]

        async def write(items: Any) -> None:
            nonlocal written
            await asyncio.sleep(1)
            assert len(taken) == written + 1
            written += 1

        assert await ops.run(ops.from_demand(lists()).pipe(ops.to_sink(write))) == 20

    run_virtual(scenario())


def test_a_sink_that_fails() -> None:
    """The error ends the run and nothing more is written; run again, it writes again, and nothing stays paused."""

    async def scenario() -> None:
        written: list[int] = []
        fails = 1

        async def write(items: Any) -> None:
            nonlocal fails
            if items == [2] and fails:
                fails -= 1
                raise OSError("full")
            written.extend(items)

        sunk = ops.from_demand([[1], [2], [3]]).pipe(ops.to_sink(write))
        with pytest.raises(OSError, match="full"):
            await ops.run(sunk)
        assert written == [1]
        fails = 1
        assert await ops.run(sunk.pipe(rx.retry(2))) == 3
        assert written == [1, 1, 1, 2, 3]

    run_virtual(scenario())


def test_leaving_a_sink_cancels_the_write() -> None:
    """Who leaves cancels the write under way, and no task is left."""

    async def scenario() -> None:
        cancelled: list[Any] = []

        async def write(items: Any) -> None:
            if items == [2]:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    cancelled.append(items)
                    raise

        async with ops.from_demand([[1], [2], [3]]).pipe(ops.to_sink(write), ops.with_backpressure()) as stream:
            assert await anext(stream) == 1
            await asyncio.sleep(1)
        assert cancelled == [[2]]
        assert stream.stats().tasks == 0

    run_virtual(scenario())


def slowly(lists: list[list[CandleData]], seconds: float) -> Observable[Any]:
    async def wait(items: list[CandleData]) -> list[CandleData]:
        await asyncio.sleep(seconds)
        return items

    return ops.from_demand(lists).pipe(ops.map_async(wait))


series = st.tuples(
    st.sets(st.integers(0, 30)), st.lists(st.integers(1, 7), min_size=1, max_size=3), st.sampled_from([0, 0.1, 1])
)


@settings(max_examples=40, deadline=None)
@given(st.lists(series, max_size=5), st.sampled_from(ORDERS))
def test_merged_is_sorted(several: list[tuple[set[int], list[int], float]], order: Order) -> None:
    """Whatever comes in what lists and how slowly: all candles, by time, at equal times in the order of the sources."""
    sources, everything = [], []
    for number, (traded, sizes, seconds) in enumerate(several):
        candles = ordered(market("1m", traded, f"KRW-S{number}"), order)
        sources.append(slowly([*cut(candles, sizes), []], seconds))
        everything += candles
    sign = 1 if order == "oldest_first" else -1
    everything.sort(key=lambda candle: sign * candle.open_seconds)  # stable: equal times stay as the sources are
    merged = ops.merge_by_time(*sources, order=order)

    async def scenario() -> None:
        for _ in range(2):  # a description: it runs again
            lists = await ops.run(merged.pipe(rx.to_list()))
            assert [candle for items in lists for candle in items] == everything
            assert all(lists)
            assert max(map(len, lists), default=0) <= sum(7 for _ in several)

    run_virtual(scenario())


def test_merging_is_bounded_and_ends_well() -> None:
    """While nobody takes, each source has been asked for a few lists only; who leaves stops all of them."""

    async def scenario() -> None:
        taken = [0, 0, 0]

        def lists(number: int) -> Iterator[list[CandleData]]:
            for start in range(0, 10_000, 10):
                taken[number] += 1
                yield market("1m", range(start, start + 10), f"KRW-S{number}")

        async def pass_on(items: list[CandleData]) -> list[CandleData]:
            await asyncio.sleep(0.01)
            return items

        sources = [ops.from_demand(lists(number)).pipe(ops.map_async(pass_on)) for number in range(3)]
        async with ops.merge_by_time(*sources, order="oldest_first").pipe(ops.with_backpressure(1)) as stream:
            assert (await anext(stream))[0].symbol == "KRW-S0"
            await asyncio.sleep(100)
            # In hand, waiting, and what the asynchronous stage has begun: a flow's eight in flight at most.
            assert max(taken) <= 2 + 8
            assert await anext(stream)
        assert stream.stats().tasks == 0
        assert len(asyncio.all_tasks()) == 1

    run_virtual(scenario())


@pytest.mark.parametrize("early", [True, False])
def test_a_source_that_fails(early: bool) -> None:
    """Its error comes right behind its last candle, at once where it had none, and the others are stopped."""

    async def scenario() -> None:
        whole = slowly([market("1m", [n], "KRW-ETH") for n in range(50)], 1)
        mine = [] if early else [market("1m", [3, 7])]
        broken = reactivex.concat(slowly(mine, 1), reactivex.throw(OSError("lost")))
        came: list[CandleData] = []
        with pytest.raises(OSError, match="lost"):
            async for items in ops.merge_by_time(whole, broken, order="oldest_first").pipe(ops.with_backpressure()):
                came += items
        minutes = [] if early else [0, 1, 2, 3, 3, 4, 5, 6, 7, 7]
        assert [candle.open_seconds // 60 % 60 for candle in came] == minutes
        assert len(asyncio.all_tasks()) == 1

    run_virtual(scenario())


def test_a_source_out_of_order() -> None:
    """A candle against the order ends it behind what came before, with what to do."""

    async def scenario() -> None:
        wrong = ops.from_demand([market("1m", [0, 1, 2])])
        came: list[CandleData] = []
        with pytest.raises(InvalidCandleError, match="give order='oldest_first'"):
            async for items in ops.merge_by_time(wrong).pipe(ops.with_backpressure()):
                came += items
        assert came == market("1m", [0])

    run_virtual(scenario())
