"""A fault of an exchange or its stream, followed through: what three readers were given, held against the truth.

A scenario sets something wrong at 125 seconds of the world, and puts it right some time later. Three markets are
followed: one that trades every few seconds, one a few times in a minute, one hardly ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random, getstate, seed, setstate
from typing import Final

import attrs

from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.live.feed import Feed
from rxcandles.live.observer import PAGE, Observer
from rxcandles.live.stats import FollowStats
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import to_datetime
from rxcandles.model.updates import CandleUpdate
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores import SqliteStore
from tests.support.followed import Reader, Verdict, check_store
from tests.support.world import BASE, MINUTE, World, run_following

__all__ = ["BEGINS", "SYMBOLS", "Healed", "Scenario", "Undo", "follow_through"]

SYMBOLS: Final = ("A-A", "A-B", "A-C")
BEGINS: Final = 125.0
AUDIT: Final = 900
"""Seconds after which what nothing else has found is found."""
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
    lags: float = 65.0
    """From its beginning on, the most seconds that the busy market may be known behind the present."""
    requests: int = 260
    """Most requests in all of it; without a stream the forming candles are looked at by requests too."""
    after: float = 180.0
    """Seconds to go on following after its end."""
    closed_flag: bool = False
    given: Callable[[World], object] = lambda world: None
    """Changes the world before anything is followed."""
    tells: Callable[[Healed], object] = lambda healed: True
    """Whether numbers and states say what has happened."""

    def broken(self, healed: Healed) -> list[str]:
        """Return what it should have been and was not."""
        bounds = {
            f"silent for {healed.verdict.silent:.0f} s": healed.verdict.silent <= 30,
            f"behind by {healed.lag:.0f} s": healed.lag <= self.lags,
            f"healed in {healed.seconds:.0f} s": healed.seconds <= self.heals,
            f"{healed.requests} requests": healed.requests <= self.requests,
            f"{healed.connects} connections": healed.connects <= 20 + self.seconds / 10,
            f"states {healed.states}, {healed.stats.streams}": self.tells(healed),
        }
        found = [] if healed.verdict.clean else [str(healed.verdict)]
        return found + [what for what, holds in bounds.items() if not holds]

    @property
    def ends(self) -> float:
        """When to look, in seconds of the world."""
        return BEGINS + self.seconds + self.after


@attrs.frozen
class Healed:
    """How a scenario went."""

    seconds: float
    """From the end of the fault until the busy market was known up to the newest settled candle."""
    lag: float
    """From its beginning on, the most seconds that the busy market was known behind the present; one candle is 60."""
    live: float | None
    """From its end until the busy market was live again; None if it never was."""
    verdict: Verdict
    requests: int
    states: list[tuple[str, str, str]]
    """From the fault on: which market went how, and why."""
    connects: int
    stats: FollowStats
    world: World
    revisions: int

    @property
    def busy(self) -> str:
        """The states of the busy market, in one line."""
        return " ".join(state for symbol, state, _ in self.states if symbol == "A-A")


def follow_through(scenario: Scenario) -> Healed:
    """Follow through one scenario, with a fast, a slow and a late reader; return how it went."""

    async def main() -> Healed:
        world = World(*SYMBOLS, closed_flag=scenario.closed_flag)
        scenario.given(world)
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

    state = getstate()
    seed(scenario.case)  # also the jitter of waits
    try:
        healed: Healed = run_following(main)
    finally:
        setstate(state)
    return healed


async def _watch(scenario: Scenario, world: World, feed: Feed, store: SqliteStore, begin: int) -> Healed:
    fast, slow, late = Reader(world), Reader(world), Reader(world)
    asleep = feed.observe()
    reading = asyncio.create_task(_read(feed, fast, scenario.ends, feed, store))
    await asyncio.sleep(BEGINS)
    undo = scenario.fault(world)
    lagging = asyncio.create_task(_lag(world, fast, scenario.ends))
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
        # A market that hardly trades is looked at once an audit, where its stream is silent.
        known = BASE + 60 * int((scenario.ends - (AUDIT + 70 if symbol == "A-C" else 70)) // 60)
        for reader, start in ((fast, begin), (slow, begin), (late, BASE + 300)):
            reader.compare(symbol, start, max(known, reader.proven.get(symbol, start)))
        spans = await store.coverage(symbol, MINUTE, begin, max(begin + 1, fast.proven.get(symbol, 0)))
        if len(spans) != 1 or spans[0].start > begin or spans[0].stop < fast.proven.get(symbol, 0):
            verdict.notes.append(f"{symbol}: coverage has a hole: {spans}")
    await check_store(world, store, SYMBOLS, begin, verdict)
    verdict.notes += slow.verdict.notes + late.verdict.notes
    verdict.lost += slow.verdict.lost + late.verdict.lost
    verdict.doubled += slow.verdict.doubled + late.verdict.doubled
    during = [each[1:] for each in fast.told if each[0] >= BASE + BEGINS]
    busy = [each for each in fast.told if each[1] == "A-A"]
    live = max(0.0, busy[-1][0] - over) if busy[-1][2] == "live" else None
    requests, stats = sum(world.requests.values()), feed.stats()
    return Healed(
        seconds, await lagging, live, verdict, requests, during, len(world.streams), stats, world, fast.revisions
    )


async def _lag(world: World, reader: Reader, until: float) -> float:
    """Return the most seconds that the busy market is known behind the present."""
    worst = 0.0
    while world.now < BASE + until:
        worst = max(worst, world.now - reader.proven["A-A"])
        await asyncio.sleep(1.0)
    return worst


async def _read(
    source: Feed | Observer, reader: Reader, until: float, feed: Feed | None = None, store: SqliteStore | None = None
) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            async for update in source:
                reader.take(update)
                if feed is not None:
                    _check_bounds(feed, reader.verdict)
                if store is not None and isinstance(update, CandleUpdate):
                    await _check_committed(store, update, reader.verdict)


def _check_bounds(feed: Feed, verdict: Verdict) -> None:
    """Hold that nothing grows, however long something is wrong and whoever sleeps."""
    source = feed._source
    assert source is not None
    observers = [each for each in source._listeners if isinstance(each, Observer)]
    held = max(len(each.frames) for each in source.markets.values())
    waiting = max(len(each._ready) for each in observers)
    if held > feed.config.ring or waiting > PAGE + 20 or any(len(each._dirty) > len(SYMBOLS) for each in observers):
        verdict.notes.append(f"something grows: {held} frames of a market, {waiting} updates")


async def _check_committed(store: SqliteStore, update: CandleUpdate, verdict: Verdict) -> None:
    """Hold that a candle is stored, and everything before it, when it is given."""
    opened = update.candle.open_seconds
    covered = await store.coverage(update.symbol, MINUTE, opened, opened + 60)
    if not covered or not await store.count(update.symbol, MINUTE, opened, opened + 60):
        verdict.notes.append(f"{update.symbol}: {opened} was given before it was stored")
