"""The faults of an exchange and its stream, one by one, and how following gets over each.

A scenario sets something wrong at 125 seconds of the world, and puts it right some time later. Three markets are
followed for half an hour: one that trades every few seconds, one a few times in a minute, one hardly ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

import attrs

from rxcandles.errors import BannedError, RateLimitedError, StreamClosedError, StreamRefusedError
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.live.feed import Feed
from rxcandles.live.observer import Observer
from rxcandles.model import Row
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import to_datetime
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.ports.stream import Frame
from rxcandles.stores import SqliteStore
from tests.support.followed import Reader, Verdict, check_store
from tests.support.world import BASE, World, passing, run_following

__all__ = ["SCENARIOS", "Healed", "Scenario", "follow_through"]

SYMBOLS: Final = ("A-A", "A-B", "A-C")
BEGINS: Final = 125.0
Undo = Callable[[], object] | None


@attrs.frozen
class Scenario:
    """One fault: its number in the matrix, what it is, for how long, and in what time it has to heal."""

    case: int
    name: str
    fault: Callable[[World], Undo]
    seconds: float = 0.0
    heals: float = 70.0
    """Seconds after its end in which the busy market is known again as far as it should be; one candle is 60."""
    requests: int = 260
    """Most requests in all of it; without a stream the forming candles are looked at by requests too."""
    closed_flag: bool = False

    @property
    def ends(self) -> float:
        """When to look, in seconds of the world: behind an audit, which finds what nothing else does."""
        return max(2000.0 if self.case == 9 else 1250.0, BEGINS + self.seconds + 700)


@attrs.frozen
class Healed:
    """How a scenario went."""

    seconds: float
    """From the end of the fault until the busy market was known up to the newest settled candle."""
    verdict: Verdict
    requests: int
    states: set[str]
    """The states of the busy market while it lasted."""
    connects: int
    stats: object = None


def follow_through(scenario: Scenario) -> Healed:
    """Follow through one scenario, with a fast, a slow and a late reader; return how it went."""

    async def main() -> Healed:
        world = World(*SYMBOLS, closed_flag=scenario.closed_flag)
        random = Random(scenario.case)
        for symbol, gap in zip(SYMBOLS, (5.0, 20.0, 900.0), strict=True):
            at = BASE - 3600.0
            world.trade(symbol, at, 100.0)
            while (at := at + random.expovariate(1 / gap)) < BASE + scenario.ends:
                world.trade(symbol, at, round(100 + random.random(), 2), round(random.uniform(0.1, 2), 4))
        async with SqliteStore(":memory:", exchange="world") as store:
            provider = CandleDataProvider(store, world, SlidingWindowLimiter(10))
            begin = BASE - 600
            config = FollowConfig(forming=True, provisional=True)
            async with provider.follow(SYMBOLS, "1m", since=to_datetime(begin), config=config) as feed:
                return await _watch(scenario, world, feed, store, begin)

    healed: Healed = run_following(main)
    return healed


async def _watch(scenario: Scenario, world: World, feed: Feed, store: SqliteStore, begin: int) -> Healed:
    fast, slow, late = Reader(world), Reader(world), Reader(world)
    asleep = feed.observe()
    reading = asyncio.create_task(_read(feed, fast, scenario.ends))
    await asyncio.sleep(BEGINS)
    undo = scenario.fault(world)
    await asyncio.sleep(scenario.seconds)
    if undo is not None:
        undo()
    over = world.now
    while fast.proven.get("A-A", 0) < 60 * int((over - 4) // 60) and world.now < BASE + scenario.ends - 10:
        await asyncio.sleep(0.5)
    seconds = world.now - over
    comes = feed.observe(to_datetime(BASE + 300))
    late.begun = BASE + 300
    await reading
    await _read(asleep, slow, scenario.ends + 1)
    await _read(comes, late, scenario.ends + 2)
    verdict = fast.verdict
    for symbol in SYMBOLS:
        for reader, start in ((fast, begin), (slow, begin), (late, BASE + 300)):
            reader.compare(symbol, start, reader.proven.get(symbol, start))
    await check_store(world, store, SYMBOLS, begin, verdict)
    verdict.notes += slow.verdict.notes + late.verdict.notes
    verdict.doubled += slow.verdict.doubled + late.verdict.doubled
    during = {state for at, symbol, state in fast.states if symbol == "A-A" and at >= BASE + BEGINS}
    return Healed(seconds, verdict, sum(world.requests.values()), during, len(world.streams), feed.stats())


async def _read(source: Feed | Observer, reader: Reader, until: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            async for update in source:
                reader.take(update)


# What goes wrong; each returns what puts it right.


def _cut(code: int) -> Callable[[World], Undo]:
    return lambda world: world.cut(code)


def _black(world: World) -> Undo:
    for each in world.open_streams:
        each.black = True
    return None


def _set(name: str, wrong: object, right: object) -> Callable[[World], Undo]:
    def fault(world: World) -> Undo:
        setattr(world, name, wrong)
        return lambda: setattr(world, name, right)

    return fault


def _shown(change: Callable[[Frame], list[Frame]]) -> Callable[[World], Undo]:
    return _set("shown", change, lambda frame: [frame])


def _dates(said: Callable[[float], float | None]) -> Callable[[World], Undo]:
    return _set("date", said, lambda now: float(int(now)))


def _one_in_three_unflagged(frame: Frame) -> list[Frame]:
    return [] if frame.closed and frame.row.open_time % 180 == 0 else [frame]


def _raises(make: Callable[[], Exception]) -> Callable[[World], Undo]:
    return _set("fault", lambda symbol: make(), lambda symbol: None)


def _older(frame: Frame) -> list[Frame]:
    row = frame.row
    before = row._replace(open_time=row.open_time - 60)
    return [
        frame,
        attrs.evolve(frame, row=row._replace(volume=row.volume / 2)),
        attrs.evolve(frame, row=before, snapshot=True),
    ]


def _last_second_lost(frame: Frame) -> list[Frame]:
    return [] if frame.stamp % 60 < 2 and frame.row.open_time < frame.stamp - 58 else [frame]


def _late_trade(seconds: float) -> Callable[[World], Undo]:
    def fault(world: World) -> Undo:
        world.trade("A-A", BASE + 60 + 30, 150.0, 3.0, recorded=BASE + 120 + seconds)
        return None

    return fault


def _invent(world: World) -> Undo:
    row = Row(BASE + 240, 7.0, 7.0, 7.0, 7.0, 5.0, 35.0, (BASE + 250) * 1000)
    world.invented.append(Frame("A-C", row, BASE + 250.0))
    return None


def _mute(*symbols: str) -> Callable[[World], Undo]:
    def fault(world: World) -> Undo:
        world.muted |= {*symbols}
        return world.muted.clear

    return fault


def _refused_stream(world: World) -> Undo:
    world.refusal = lambda: StreamRefusedError("INVALID_PARAM: no such codes")
    world.cut(1000)
    return None


def _upgrade(make: Callable[[], Exception]) -> Callable[[World], Undo]:
    def fault(world: World) -> Undo:
        world.refusal = make
        world.cut(1001)
        return lambda: setattr(world, "refusal", lambda: None)

    return fault


def _both_down(world: World) -> Undo:
    world.fault, world.refusal = lambda symbol: passing("down"), lambda: StreamClosedError("down")
    world.cut(1006)

    def undo() -> None:
        world.fault, world.refusal = lambda symbol: None, lambda: None

    return undo


def _restarts(world: World) -> Undo:
    for seconds in (0, 15, 30):
        asyncio.get_running_loop().call_later(seconds, world.cut, 1012)
    return None


def _leave(world: World) -> Undo:
    for each in world.open_streams:
        each.leaving = True
    return None


def _outage(world: World) -> Undo:
    """Nobody trades anywhere for 20 minutes."""
    for symbol in SYMBOLS:
        for opened in [each for each in world._opens[symbol] if BASE + 180 <= each < BASE + 1380]:
            world._opens[symbol].remove(opened)
            del world._trades[symbol][opened]
    return None


def _garbled(frame: Frame) -> list[Frame]:
    row = frame.row
    return [
        attrs.evolve(frame, symbol="A-X"),
        attrs.evolve(frame, row=row._replace(open_time=row.open_time - 86_400)),
        frame,
    ]


SCENARIOS: Final = (
    Scenario(1, "a connection is cut", _cut(1006)),
    *(Scenario(2, f"a connection ends with {code}", _cut(code)) for code in (1000, 1001, 1011)),
    Scenario(2, "a black hole: open, and nothing comes", _black),
    Scenario(3, "a stall: beats and no frames, for 5 minutes", _set("stalled", True, False), 300),
    Scenario(5, "each frame comes twice", _shown(lambda frame: [frame, frame]), 300),
    Scenario(5, "each frame comes as a snapshot again", _shown(lambda f: [f, attrs.evolve(f, snapshot=True)]), 300),
    Scenario(6, "snapshots of the candle before, and older frames", _shown(_older), 300),
    Scenario(7, "frames out of order", _shown(lambda frame: [frame] if int(frame.stamp) % 3 else []), 300),
    Scenario(8, "the last second of each candle is missing", _shown(_last_second_lost), 300),
    *(Scenario(9, f"a trade that is recorded {late:g} s late", _late_trade(late)) for late in (2, 130, 900)),
    *(Scenario(10, f"pages lag by {lag:g} s", _set("lag", lag, 0.0), 300, heals=75) for lag in (1.0, 5.0, 30.0)),
    Scenario(11, "frames lag by far: none comes for minutes", _shown(lambda frame: []), 200),
    Scenario(12, "the stream shows a candle that pages never have", _invent),
    Scenario(
        13, "the server's clock is 5 s behind", _set("date", lambda now: now - 5, lambda now: float(int(now))), 300
    ),
    Scenario(13, "answers say no time", _set("date", lambda now: None, lambda now: float(int(now))), 300, heals=130),
    Scenario(14, "the server says that it leaves", _leave),
    Scenario(14, "three restarts within a minute", _restarts, 60),
    Scenario(16, "one market falls silent", _mute("A-A"), 300, heals=70),
    Scenario(16, "all markets fall silent", _mute(*SYMBOLS), 300),
    Scenario(18, "the subscription is refused", _refused_stream, requests=1800),
    Scenario(19, "429 to each connection", _upgrade(lambda: RateLimitedError("429", retry_after=30.0)), 120),
    Scenario(19, "connections are blocked for ten minutes", _upgrade(lambda: BannedError("403")), 60, requests=1000),
    *(
        Scenario(20, f"pages fail for 5 minutes: {name}", _raises(make), 300, heals=100)
        for name, make in {
            "5xx": lambda: passing("503"),
            "429": lambda: RateLimitedError("429", retry_after=1.0),
            "418": lambda: BannedError("418", seconds=60.0),
        }.items()
    ),
    Scenario(21, "everything is down for a minute", _both_down, 60, heals=100),
    Scenario(21, "everything is down for 30 minutes", _both_down, 1800, heals=100, requests=1000),
    Scenario(22, "nobody trades anywhere for 20 minutes", _outage, 1260, heals=70),
    Scenario(24, "one closing flag in three is missing", _shown(_one_in_three_unflagged), 300, closed_flag=True),
    Scenario(27, "frames of other markets and of another day", _shown(_garbled), 300),
)
