"""Whatever happens for 200 minutes, in whatever order: nothing lost, nothing doubled, nothing believed too early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random, getstate, setstate
from random import seed as reseed

import pytest

from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.live.feed import Feed
from rxcandles.live.observer import Observer
from rxcandles.model.settings import FollowConfig
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.ports.stream import Frame
from rxcandles.stores.opening import store_at
from tests.support.followed import Reader, Verdict, check_store
from tests.support.world import BASE, World, passing, run_following

SYMBOLS = ("A-A", "A-B", "A-C")
CALM = 45 * 60
"""Seconds of calm at the end, in which everything has to heal: an audit, and all that it finds."""


def run_schedule(
    seed: int, minutes: int = 200, *, steps: list[int] | None = None, database: str = ":memory:"
) -> Verdict:
    """Follow three markets through a random schedule, and return what went wrong; ``steps`` gets their number."""

    async def main() -> Verdict:
        random = Random(seed)
        world = World(*SYMBOLS, streams=random.random() < 0.85, closed_flag=random.random() < 0.3)
        stop = BASE + minutes * 60
        for symbol, gap in zip(SYMBOLS, (4.0, 45.0, 700.0), strict=True):
            _trade(world, random, symbol, gap, BASE - 40 * 60, stop + CALM)
        async with store_at(database, exchange="world") as store:
            provider = CandleDataProvider(store, world, SlidingWindowLimiter(10))
            schedule = asyncio.create_task(_happen(world, random, stop, steps))
            try:
                return await _follow(world, provider, random, stop)
            finally:
                schedule.cancel()
                with suppress(asyncio.CancelledError):
                    await schedule

    state = getstate()
    reseed(seed)  # also the jitter of waits is the schedule's
    try:
        verdict: Verdict = run_following(main)
    finally:
        setstate(state)
    return verdict


def _trade(world: World, random: Random, symbol: str, gap: float, at: float, stop: float) -> None:
    price = 100.0
    while (at := at + random.expovariate(1 / gap)) < stop:
        price = round(max(1.0, price + random.gauss(0, 0.5)), 2)
        late = random.choice((2.0, 130.0, 700.0)) if random.random() < 0.01 and at < stop - CALM else 0.0
        world.trade(symbol, at, price, round(random.uniform(0.1, 5), 4), recorded=at + late)


async def _happen(world: World, random: Random, stop: float, steps: list[int] | None) -> None:
    """Let something happen every few seconds until ``stop``; then all is well again."""

    def drop(frame: Frame) -> list[Frame]:
        return random.choice(([], [frame], [frame, frame], [frame]))

    def after(seconds: float, undo: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(seconds, undo)

    def fault() -> None:
        kind = random.choice(["500", "limited", "banned"])
        world.fault = lambda symbol: passing(f"{kind}: ill") if random.random() < 0.9 else None
        after(random.choice((5, 60, 300)), lambda: setattr(world, "fault", lambda symbol: None))

    def lag() -> None:
        world.lag = random.choice((1.0, 5.0, 30.0, 90.0))
        after(random.choice((10, 60, 200)), lambda: setattr(world, "lag", 0.0))

    def stall() -> None:
        world.stalled = True
        after(random.choice((5, 60, 300)), lambda: setattr(world, "stalled", False))

    def mute() -> None:
        symbol = random.choice(SYMBOLS)
        world.muted.add(symbol)
        after(random.choice((60, 600)), lambda: world.muted.discard(symbol))

    def frames() -> None:
        world.shown = drop
        after(random.choice((10, 120)), lambda: setattr(world, "shown", lambda frame: [frame]))

    def skew() -> None:
        off = random.choice((-5.0, -1.0, 0.9))
        world.date = lambda now: now + off if off < 0 else None
        after(60, lambda: setattr(world, "date", lambda now: float(int(now))))

    def black() -> None:
        for each in world.open_streams:
            each.black = True

    def leave() -> None:
        for each in world.open_streams:
            each.leaving = True

    happenings = (
        fault,
        lag,
        stall,
        mute,
        frames,
        skew,
        black,
        leave,
        lambda: world.cut(random.choice((1000, 1001, 1006))),
    )
    while world.now < stop:
        await asyncio.sleep(random.expovariate(1 / 40))
        random.choice(happenings)()
        if steps is not None:
            steps.append(1)
    world.fault, world.lag, world.stalled, world.shown = lambda symbol: None, 0.0, False, lambda frame: [frame]
    world.muted.clear()
    world.date = lambda now: float(int(now))


async def _follow(world: World, provider: CandleDataProvider, random: Random, stop: float) -> Verdict:
    """Read with a fast reader, a slow one and one that begins again, and hold them against the truth."""
    begin, config = BASE - 20 * 60, FollowConfig(forming=random.random() < 0.5)
    fast, slow = Reader(world), Reader(world)
    end = stop + CALM
    since = begin
    restarts = [*sorted(random.uniform(BASE, stop) for _ in range(3)), end]
    for until in restarts:
        # Each market goes on where it stood; the earliest of them is where the feed begins again.
        fast.begun = slow.begun = int(since)
        for reader in (fast, slow):
            await reader.look_up(provider.repository, int(since))
        async with provider.follow(SYMBOLS, "1m", since=_time(since), config=config) as feed:
            pulling = asyncio.create_task(_pull(feed.observe(), slow, random, until, slow.proven))
            await _read(feed, fast, until, dict(fast.proven))
            await pulling
        fast.heard = dict.fromkeys(fast.heard, world.now)  # a restart is no silence
        since = min(fast.proven.get(each, begin) for each in SYMBOLS)
        since = min([since, *(slow.proven.get(each, begin) for each in SYMBOLS)])
    verdict = fast.verdict
    for symbol in SYMBOLS:
        for reader in (fast, slow):
            reader.compare(symbol, begin, reader.proven.get(symbol, begin))
        if fast.proven.get(symbol, 0) < end - 7300:
            verdict.notes.append(
                f"{symbol} is proven only until {end - fast.proven.get(symbol, 0):.0f} s before the end"
            )
    await check_store(world, provider.repository, SYMBOLS, begin, verdict)
    for name in ("lost", "doubled", "forming", "beyond"):
        setattr(verdict, name, getattr(verdict, name) + getattr(slow.verdict, name))
    verdict.notes += [f"slow: {each}" for each in slow.verdict.notes]
    if verdict.silent > 30.5:
        verdict.notes.append(f"no word for {verdict.silent:.0f} s")
    return verdict


def _time(seconds: float) -> object:
    from rxcandles.model.timeframe import to_datetime

    return to_datetime(seconds)


async def _read(feed: Feed | Observer, reader: Reader, until: float, known: dict[str, int]) -> None:
    """Read until a time; what was known before a restart is passed over, as a reader that resumes does."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until - BASE):
            async for update in feed:
                if _is_new(update, known):
                    reader.take(update)
                else:
                    reader.again(update)


def _is_new(update: object, known: dict[str, int]) -> bool:
    symbol, kind = getattr(update, "symbol", ""), getattr(update, "kind", "")
    if kind == "candle":
        return update.candle.open_seconds >= known.get(symbol, 0)  # type: ignore[no-any-return]
    if kind == "progress":
        return update.proven_until.timestamp() >= known.get(symbol, 0)  # type: ignore[no-any-return]
    return True


async def _pull(observer: Observer, reader: Reader, random: Random, until: float, known: dict[str, int]) -> None:
    """Read in bursts, asleep in between."""
    known = dict(known)
    world = reader.world
    while world.now < until - 400:
        await asyncio.sleep(random.expovariate(1 / 120))
        for _ in range(random.randrange(30)):
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    update = await anext(observer)
                    if _is_new(update, known):
                        reader.take(update)
                    else:
                        reader.again(update)
    await _read(observer, reader, until, known)
    reader.verdict.silent = 0.0


@pytest.mark.parametrize("seed", range(3))
def test_a_random_schedule(seed: int) -> None:
    """Three markets, faults of pages and streams, restarts, a slow reader: what was given is the truth."""
    verdict = run_schedule(seed, minutes=40)
    assert verdict.clean, verdict


def test_a_random_schedule_on_a_server(postgres_url: str) -> None:
    """The same where a server has the candles."""
    verdict = run_schedule(3, minutes=12, database=postgres_url)
    assert verdict.clean, verdict
