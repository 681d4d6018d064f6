"""Whatever of Rx between: each operator works with bounded memory, or is an error at once that names it; none hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx
from reactivex.scheduler import EventLoopScheduler, NewThreadScheduler, ThreadPoolScheduler, TimeoutScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.subject import Subject

from rxcandles.errors import MemoryLimitError, RequestError
from rxcandles.flow import Stream, from_demand, latest, map_async, run, with_backpressure
from rxcandles.flow import stream as leaving
from tests.support.virtualloop import run_virtual

N = 400
ALL = list(range(N))
AHEAD = 40
"""Items that may be on their way at once: in flight, in a queue of Rx, and waiting; N where there is no bound."""

Op = Callable[[Observable[Any]], Observable[Any]]


async def step(value: Any) -> Any:
    await asyncio.sleep(0.001)
    return value


class Source:
    """Numbers that are taken while there is room, through an asynchronous stage."""

    def __init__(self, count: int = N) -> None:
        self.count = count
        self.taken = 0

    def numbers(self) -> Iterator[int]:
        for number in range(self.count):
            self.taken += 1
            yield number

    @property
    def observable(self) -> Observable[int]:
        return reactivex.defer(lambda _: from_demand(self.numbers()).pipe(map_async(step, ahead=4)))


def other(count: int = 5) -> Observable[int]:
    return Source(count).observable


def piped(*operators: Any) -> Op:
    return lambda source: source.pipe(*operators)


def evens(value: int) -> bool:
    return value % 2 == 0


KEEPS_ALL: dict[str, Op] = {
    "map": rx.map(lambda value: value),
    "scan": rx.scan(lambda _, value: value),
    "do_action": rx.do_action(lambda value: None),
    "start_with": piped(rx.start_with(-1), rx.skip(1)),
    "pairwise": piped(rx.start_with(-1), rx.pairwise(), rx.map(lambda pair: pair[1])),
    "distinct_until_changed": rx.distinct_until_changed(),
    "timestamp": piped(rx.timestamp(), rx.map(lambda stamped: stamped.value)),
    "materialize": piped(rx.materialize(), rx.dematerialize()),
    "concat": lambda source: reactivex.concat(source, reactivex.empty()),
    "merge": lambda source: reactivex.merge(source, other()).pipe(rx.distinct()),
    "merge_one": piped(rx.map(lambda value: from_demand([value])), rx.merge(max_concurrent=1)),
    "with_latest_from": piped(rx.with_latest_from(reactivex.of(0)), rx.map(lambda both: both[0])),
    "combine_latest": lambda source: reactivex.combine_latest(source, reactivex.of(0)).pipe(
        rx.map(lambda both: both[0])
    ),
    "zip_with_iterable": piped(rx.zip_with_iterable(iter(int, 1)), rx.map(lambda both: both[0])),
    "amb": rx.amb(reactivex.never()),
    "buffer_with_count": piped(rx.buffer_with_count(3), rx.flat_map(reactivex.from_iterable)),
    "buffer_with_time": piped(rx.buffer_with_time(0.003), rx.filter(bool), rx.concat_map(reactivex.from_iterable)),
    "buffer_with_time_or_count": piped(rx.buffer_with_time_or_count(9.0, 3), rx.concat_map(reactivex.from_iterable)),
    "buffer": piped(rx.buffer(reactivex.interval(0.003)), rx.filter(bool), rx.concat_map(reactivex.from_iterable)),
    "window_with_count": piped(rx.window_with_count(3), rx.merge_all()),
    "window": piped(rx.window(reactivex.interval(0.01)), rx.merge_all()),
    "window_when": piped(rx.window_when(lambda: reactivex.timer(0.01)), rx.merge_all()),
    "window_with_time": piped(rx.window_with_time(0.01), rx.merge_all()),
    "group_by": piped(rx.group_by(evens), rx.flat_map(lambda group: group.pipe(map_async(step)))),
    "partition": lambda source: reactivex.merge(*source.pipe(rx.partition(evens))),
    "delay": rx.delay(0.01),
    "delay_with_mapper": rx.delay_with_mapper(lambda value: reactivex.timer(0.01)),
    "delay_subscription": rx.delay_subscription(0.01),
    "observe_on_the_loop": lambda source: reactivex.defer(
        lambda _: source.pipe(rx.observe_on(AsyncIOScheduler(asyncio.get_running_loop())))
    ),
    "timeout": rx.timeout(1000.0),
    "skip_until": rx.skip_until(reactivex.of(0)),
    "take_until": rx.take_until(reactivex.never()),
    "retry": rx.retry(2),
    "catch": rx.catch(lambda error, source: reactivex.empty()),
    "on_error_resume_next": rx.on_error_resume_next(reactivex.empty()),
    "finally_action": rx.finally_action(lambda: None),
    "switch_latest": lambda source: reactivex.of(source).pipe(rx.switch_latest()),
    "flat_map_later": rx.flat_map(lambda value: reactivex.timer(0.01).pipe(rx.map(lambda _: value))),
    "flat_map_future": rx.flat_map(lambda value: asyncio.ensure_future(step(value))),
    "flat_map_ours": rx.flat_map(lambda value: from_demand([value]).pipe(map_async(step))),
    "concat_map": rx.concat_map(lambda value: reactivex.timer(0.01).pipe(rx.map(lambda _: value))),
    "concat_map_ours": rx.concat_map(lambda value: from_demand([value]).pipe(map_async(step))),
    "share": rx.share(),
    "share_behind_flat_map": piped(rx.flat_map(lambda value: from_demand([value]).pipe(map_async(step))), rx.share()),
    "publish_ref_count": piped(rx.publish(), rx.ref_count()),
    "publish_mapper": rx.publish(
        lambda shared: reactivex.merge(
            shared.pipe(rx.filter(evens)), shared.pipe(rx.filter(lambda value: not evens(value)), map_async(step))
        )
    ),
    "multicast": lambda source: source.pipe(rx.multicast(Subject()), rx.ref_count()),
    "replay_some": piped(rx.replay(buffer_size=3), rx.ref_count()),
    "auto_connect": lambda source: source.pipe(rx.publish()).auto_connect(1),
}
"""Operators, or small uses of one, that give back all items."""


@pytest.mark.parametrize("name", KEEPS_ALL)
def test_all_comes_and_little_waits(name: str) -> None:
    """All items come, and while the consumer takes none only a few have been taken from the source."""

    async def scenario() -> None:
        source, got = Source(), []
        async with source.observable.pipe(KEEPS_ALL[name], with_backpressure(2)) as stream:
            async for value in stream:
                got.append(value)
                if len(got) in (1, 20):
                    await asyncio.sleep(2)
                    assert source.taken - len(got) <= AHEAD
        assert sorted(got) == ALL
        assert stream.stats().tasks == 0

    run_virtual(scenario())


SOME: dict[str, tuple[Op, Callable[[list[Any]], bool]]] = {
    "filter": (rx.filter(evens), lambda got: got == ALL[::2]),
    "take": (rx.take(9), lambda got: got == ALL[:9]),
    "take_last": (rx.take_last(2), lambda got: got == ALL[-2:]),
    "take_while": (rx.take_while(lambda value: value < 9), lambda got: got == ALL[:9]),
    "take_until": (rx.take_until(reactivex.timer(0.05)), lambda got: 0 < len(got) < N),
    "debounce": (rx.debounce(1.0), lambda got: got == [N - 1]),
    "throttle_first": (rx.throttle_first(0.02), lambda got: got[0] == 0 and 1 < len(got) < N),
    "sample": (rx.sample(0.02), lambda got: 1 < len(got) < N),
    "combine_latest": (lambda source: reactivex.combine_latest(source, other()), lambda got: len(got) >= N - 20),
    "zip_latest": (rx.zip_latest(other()), lambda got: 3 <= len(got) <= 40),
    "fork_join": (lambda source: reactivex.fork_join(source, other()), lambda got: got == [(N - 1, 4)]),
    "repeat": (rx.repeat(2), lambda got: got == ALL * 2),
    "reduce": (rx.reduce(lambda one, another: one + another), lambda got: got == [sum(ALL)]),
    "to_list": (rx.to_list(), lambda got: got == [ALL]),
    "join": (
        rx.join(other(), lambda _: reactivex.timer(0.01), lambda _: reactivex.timer(0.01)),
        lambda got: len(got) >= 5,
    ),
    "latest": (latest(), lambda got: got[-1] == N - 1),
    "flat_map_for_ever": (
        piped(rx.take(12), rx.flat_map(lambda value: reactivex.concat(reactivex.of(value), reactivex.timer(60.0)))),
        lambda got: [value for value in got if value][:11] == ALL[1:12],
    ),
}


@pytest.mark.parametrize("name", SOME)
def test_what_is_to_come_comes(name: str) -> None:
    """Operators that choose, fold or time end with what they are to give; more than fits at once is only slower."""
    operator, right = SOME[name]

    async def scenario() -> None:
        async with Source().observable.pipe(operator, with_backpressure(2)) as stream:
            got = [value async for value in stream]
        assert right(got), got[:20]

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("name", "operator", "instead"),
    [
        ("rx.zip", lambda source: reactivex.zip(source, other()), "ops.merge_by_time"),
        ("rx.zip", rx.zip(reactivex.interval(0.1)), "rx.zip_with_iterable"),
        ("rx.sequence_equal", rx.sequence_equal(other()), "item by item"),
        ("rx.replay", piped(rx.replay(), rx.ref_count()), "buffer_size"),
    ],
)
def test_what_cannot_be_bounded(name: str, operator: Op, instead: str) -> None:
    """Refused before anything is taken, by name and with what to use instead."""

    async def scenario() -> None:
        source = Source()
        with pytest.raises(RequestError, match=f"{name} can't be bounded.*{instead}"):
            await run(source.observable.pipe(operator))
        assert source.taken == 0

    run_virtual(scenario())


def test_run_on_the_loop() -> None:
    """``Observable.run`` blocks its thread: on the loop that would be for ever, so it is refused."""

    async def scenario() -> None:
        with pytest.raises(RequestError, match=r"write `await ops\.run\(source\)`"):
            other().run()

    run_virtual(scenario())


POOL = ThreadPoolScheduler(2)


def busy(value: int) -> int:
    return sum(range(1000)) and value


THREADS: dict[str, Op] = {
    "observe_on": piped(rx.observe_on(POOL), rx.map(busy)),
    "observe_on_new": rx.observe_on(NewThreadScheduler()),
    "observe_on_one": rx.observe_on(EventLoopScheduler(exit_if_empty=True)),
    "subscribe_on": rx.subscribe_on(POOL),
    "flat_map": rx.flat_map(lambda value: reactivex.just(value).pipe(rx.subscribe_on(POOL), rx.map(busy))),
    "start": rx.flat_map(lambda value: reactivex.start(lambda: busy(value), POOL)),
    "to_async": rx.flat_map(lambda value: reactivex.to_async(busy, POOL)(value)),
    "concat_map": rx.concat_map(lambda value: reactivex.start(lambda: busy(value), POOL)),
    "delay_in_threads": rx.delay(0.001, scheduler=TimeoutScheduler()),
    "there_and_back": piped(
        rx.observe_on(POOL), map_async(step, ahead=4), rx.observe_on(POOL), map_async(step, ahead=4)
    ),
    "shared_there": piped(rx.share(), rx.observe_on(POOL)),
    "there_shared": piped(rx.observe_on(POOL), rx.share()),
    "subscribed_there_shared": piped(rx.subscribe_on(POOL), rx.share()),
    "subscribed_there_latest": piped(map_async(step), rx.subscribe_on(POOL), rx.share(), map_async(step)),
}


@pytest.mark.parametrize("name", THREADS)
def test_threads(name: str) -> None:
    """Work on threads in the middle gives all items, and only a few are on their way at any moment."""

    async def scenario() -> None:
        source, got = Source(150), []
        async with asyncio.timeout(10), source.observable.pipe(THREADS[name], with_backpressure(2)) as stream:
            async for value in stream:
                got.append(value)
                assert source.taken - len(got) <= AHEAD
        assert sorted(got) == ALL[:150]
        assert stream.stats().tasks == 0

    asyncio.run(scenario())


def test_threads_fail_and_are_left() -> None:
    """An error on a thread is the stream's; a stream that is left early stops what a thread has subscribed to."""

    async def scenario() -> None:
        failing = other(50).pipe(rx.observe_on(POOL), rx.map(lambda value: 1 // (9 - value)))
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(run(failing), 10)
        source = Source()
        async with source.observable.pipe(rx.subscribe_on(POOL), with_backpressure(2)) as stream:
            assert await anext(stream) == 0
        assert stream.stats().tasks == 0
        assert source.taken <= AHEAD

    asyncio.run(scenario())


def test_no_loop_anywhere() -> None:
    """Subscribed to on a thread, with nothing behind that has a loop, it is an error that says so."""

    async def scenario() -> None:
        told: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        other().pipe(rx.subscribe_on(POOL)).subscribe(
            on_error=lambda error: told.get_loop().call_soon_threadsafe(told.set_result, error)
        )
        with pytest.raises(RequestError, match="a thread without an event loop"):
            raise await asyncio.wait_for(told, 10)

    asyncio.run(scenario())


async def eat(stream: Stream[Any], wait: float = 0, few: int = N) -> list[Any]:
    got: list[Any] = []
    async with stream:
        async for value in stream:
            got.append(value)
            await asyncio.sleep(wait)
            if len(got) == few:
                break
    assert stream.stats().peak_waiting <= 2 + 8
    return got


def streams(source: Observable[Any], count: int) -> list[Stream[Any]]:
    return [source.pipe(with_backpressure(2)) for _ in range(count)]


def test_sharing() -> None:
    """Of three that share, two leave early: the third gets all, the slowest sets the pace, little waits."""

    async def scenario() -> None:
        source = Source()
        shared = source.observable.pipe(rx.share())
        few, more, all_of_it = streams(shared, 3)
        got = await asyncio.gather(eat(few, 0, 5), eat(more, 0.1, 30), eat(all_of_it, 0.01))
        assert got == [ALL[:5], ALL[:30], ALL]
        assert len(asyncio.all_tasks()) == 1

    run_virtual(scenario())


def test_one_shared_flow() -> None:
    """Thousands of inner pipelines in front of a share run in one flow, not in one each that is kept."""

    async def scenario() -> None:
        inner = rx.flat_map(lambda value: from_demand([value]).pipe(map_async(step)))
        (stream,) = streams(Source().observable.pipe(inner, rx.share()), 1)
        async with stream:
            got = [await anext(stream) for _ in range(N)]
            flow = stream._bridge.flow
            assert flow is not None
            assert len(flow.shared) == 1
        assert sorted(got) == ALL

    run_virtual(scenario())


def test_the_last_that_leaves_ends_it() -> None:
    """When the last one has left, nothing of the shared source runs, and nothing more was taken."""

    async def scenario() -> None:
        source = Source()
        shared = source.observable.pipe(rx.share(), map_async(step), rx.share())
        await asyncio.gather(
            *(eat(stream, 0, number) for stream, number in zip(streams(shared, 2), (3, 9), strict=True))
        )
        assert len(asyncio.all_tasks()) == 1
        assert source.taken <= 9 + AHEAD

    run_virtual(scenario())


def test_sharing_ends_with_errors_and_cancelling() -> None:
    """An error comes to all that share; one that is cancelled takes nothing with it."""

    async def scenario() -> None:
        async def fail(value: int) -> int:
            if value == 50:
                raise OSError("lost")
            return value

        broken = streams(other(N).pipe(map_async(fail), rx.share()), 2)
        for error in await asyncio.gather(*map(eat, broken), return_exceptions=True):
            assert isinstance(error, OSError)
        one, another = (asyncio.create_task(eat(stream)) for stream in streams(other(N).pipe(rx.share()), 2))
        await asyncio.sleep(0.02)
        one.cancel()
        assert await another == ALL

    run_virtual(scenario())


def test_connecting_by_hand() -> None:
    """After ``publish().connect()`` the slowest sets the pace; with nobody there items pass, as Rx has it."""

    async def scenario() -> None:
        source = Source()
        published = source.observable.pipe(rx.publish())
        tasks = [
            asyncio.create_task(eat(stream, wait)) for stream, wait in zip(streams(published, 2), (0, 0.1), strict=True)
        ]
        await asyncio.sleep(1)
        assert source.taken == 0
        published.connect()
        assert await asyncio.gather(*tasks) == [ALL, ALL]
        alone = Source()
        alone.observable.pipe(rx.publish()).connect()
        await asyncio.sleep(10)
        assert alone.taken == N

    run_virtual(scenario())


async def by_group(source: Observable[int]) -> list[list[int]]:
    async with asyncio.TaskGroup() as tasks, source.pipe(rx.group_by(evens), with_backpressure(2)) as groups:
        each = [tasks.create_task(eat(group.pipe(with_backpressure(2)), 0.1)) async for group in groups]
    return [task.result() for task in each]


async def by_window(source: Observable[int]) -> list[list[int]]:
    async with source.pipe(rx.window_with_count(41), with_backpressure(2)) as windows:
        return [await eat(window.pipe(with_backpressure(2)), 0.1) async for window in windows]


async def beside(source: Observable[int]) -> list[list[int]]:
    side: Subject[int] = Subject()
    (watching,) = streams(side, 1)
    watcher = asyncio.create_task(eat(watching, 0.1))
    await asyncio.sleep(0)
    await eat(*streams(source.pipe(rx.do_action(side.on_next, side.on_error, side.on_completed)), 1))
    return [await watcher]


@pytest.mark.parametrize("way", [by_group, by_window, beside])
def test_listeners_of_parts(way: Callable[[Observable[int]], Awaitable[list[list[int]]]]) -> None:
    """Streams of groups, of windows and of a subject beside: little waits for the slowest of them either."""

    async def scenario() -> None:
        first, *_ = await way(Source().observable)
        assert len(first) >= 40  # what nobody listens to yet is lost, as Rx has it

    run_virtual(scenario())


def test_what_comes_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes whether there is room or not ends as an error that says what to do, not in memory without an end."""
    monkeypatch.setattr(leaving, "MOST_WAITING", 100)

    async def scenario() -> None:
        async with reactivex.interval(0.1).pipe(with_backpressure(2)) as stream:
            with pytest.raises(MemoryLimitError, match=r"100 items wait.*ops\.latest\(\)"):
                async for _ in stream:
                    await asyncio.sleep(1)
        async with reactivex.interval(0.1).pipe(latest(), with_backpressure(2)) as stream:
            await anext(stream)
            await asyncio.sleep(10)
            assert stream.stats().waiting <= 2

    run_virtual(scenario())
