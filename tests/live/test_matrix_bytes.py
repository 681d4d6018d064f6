"""Faults of the bytes of a stream: simulators of Upbit and Binance, their clients, and a feed, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import attrs
import pytest

from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.binance import BinanceExchange
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.live.feed import Feed
from rxcandles.live.stats import FollowStats
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import to_datetime
from rxcandles.model.updates import CandleUpdate, FormingUpdate, ProgressUpdate, RevisedUpdate, Update
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.simulator import BinanceSimulator, Market, Simulator, streamfaults
from rxcandles.simulator.talk import Text
from rxcandles.stores import SqliteStore
from tests.support.world import BASE, MINUTE, run_following

BEGIN: Final = BASE - 300
FAULT: Final = 65.0
ENDS: Final = 200.0
REFUSED: Final = '{"error":{"name":"INVALID_PARAM","message":"no such codes"}}'
Fault = Callable[[Any], Awaitable[object]]


@attrs.frozen
class Told:
    """What a feed has told, and what its stream and its simulator have counted."""

    candles: dict[str, list[tuple[float, ...]]]
    truth: dict[str, list[tuple[float, ...]]]
    late: float
    """The most seconds between the end of a candle, from the fault on, and its delivery."""
    silent: float
    early: int
    """Candles that were given before their end."""
    revised: int
    states: set[str]
    stats: FollowStats
    sim: Any


def follow_through(exchange: str, fault: Fault, *, before: Fault | None = None) -> Told:
    """Follow two markets, one that always trades and one that hardly does, through a fault at 65 seconds."""

    async def main() -> Told:
        clock: Callable[[], float] = lambda: BASE + asyncio.get_running_loop().time()  # noqa: E731
        names = ("KRW-BTC", "KRW-RARE") if exchange == "upbit" else ("BTCUSDT", "RAREUSDT")
        markets = [Market(names[0]), Market(names[1], density=0.2)]
        face, client = (Simulator, UpbitExchange) if exchange == "upbit" else (BinanceSimulator, BinanceExchange)
        async with (
            face(markets, rate=None, clock=clock) as sim,
            client(base_url=sim.base_url) as pages,
            SqliteStore(":memory:", exchange=exchange) as store,
        ):
            if before is not None:
                await before(sim)
            provider = CandleDataProvider(store, pages, SlidingWindowLimiter(10))
            config = FollowConfig(forming=True)
            async with provider.follow(names, "1m", to_datetime(BEGIN), config=config) as feed:
                return await _read(feed, sim, store, fault)

    told: Told = run_following(main)
    return told


async def _read(feed: Feed, sim: Any, store: SqliteStore, fault: Fault) -> Told:
    loop, taken, states = asyncio.get_running_loop(), list[tuple[float, Update]](), set[str]()

    async def happen() -> None:
        await asyncio.sleep(FAULT)
        await fault(sim)

    happening = asyncio.create_task(happen())
    with suppress(TimeoutError):
        async with asyncio.timeout_at(ENDS):
            async for update in feed:
                taken.append((BASE + loop.time(), update))
                if loop.time() > FAULT:
                    states.add(feed.state(feed.symbols[0]))
    await happening
    candles, truth, spoken, silent = {}, {}, dict.fromkeys(feed.symbols, BASE + 0.0), 0.0
    for now, update in taken:
        if not isinstance(update, FormingUpdate):
            silent = max(silent, now - spoken[update.symbol])
            spoken[update.symbol] = now
    given = [(now, update.candle) for now, update in taken if isinstance(update, CandleUpdate)]
    for symbol in feed.symbols:
        proven = max(int(each.proven_until.timestamp()) for _, each in taken if _proves(each, symbol))
        candles[symbol] = [candle.row[:7] for _, candle in given if candle.symbol == symbol]
        truth[symbol] = [row[:7] for row in sim.market(symbol).rows("1m", BEGIN, max(proven, BASE + 120))]
        [covered] = await store.coverage(symbol, MINUTE, BEGIN, BASE + 3600)
        assert covered.start <= BEGIN
        assert proven <= covered.stop <= BASE + ENDS
    late = [now - candle.open_seconds - 60 for now, candle in given if candle.open_seconds + 60 > BASE + FAULT]
    early = sum(candle.open_seconds + 60 > now for now, candle in given)
    revised = sum(isinstance(update, RevisedUpdate) for _, update in taken)
    return Told(candles, truth, max(late), silent, early, revised, states, feed.stats(), sim)


def _proves(update: Update, symbol: str) -> bool:
    return isinstance(update, CandleUpdate | ProgressUpdate) and update.symbol == symbol


def once(work: Callable[[Any], object]) -> Fault:
    """Make something that is done at once a fault."""

    async def fault(sim: Any) -> None:
        work(sim.sockets)

    return fault


def for_a_minute(change: Callable[[], Any]) -> Fault:
    """Let a change befall all frames of a minute."""

    async def fault(sim: Any) -> None:
        sim.sockets.add(change())
        await asyncio.sleep(60)
        sim.sockets.clear()

    return fault


async def all_garbage(sim: Any) -> None:
    """Send one of each kind of garbage, then so many that the connection is given up."""
    kinds = [
        streamfaults.not_json(), streamfaults.huge(), streamfaults.other_market(), streamfaults.price_zero(),
        streamfaults.off_grid(), streamfaults.other_timeframe("candle.3m"),
    ]  # fmt: skip
    for kind in kinds:
        await sim.sockets.send(kind)
        await asyncio.sleep(2)
    for _ in range(10):
        await sim.sockets.send(streamfaults.not_json())
    await asyncio.sleep(5)
    await sim.sockets.pings(100)


async def spelled(sim: Any) -> None:
    """Spell the same numbers otherwise, in texts and in binary messages, packed and not."""
    for style in ("exponent", "long", "short"):
        sim.sockets.clear()
        sim.sockets.add(streamfaults.numbers(style))
        sim.sockets.deflate, sim.sockets.binary = style == "long", style != "long"
        sim.sockets.cut()
        await asyncio.sleep(20)


async def idle(sim: Any) -> None:
    """Close what is silent for 20 seconds: pings of ours, and what they bring, keep that from ever happening."""
    sim.sockets.idle = 20.0


def connects(told: Told) -> int:
    return told.stats.streams["connects"]


def restart(**how: Any) -> Fault:
    async def fault(sim: Any) -> None:
        await sim.sockets.restart(**how)

    return fault


def again_in_a_minute(sim: Any) -> Awaitable[object]:
    async def cuts() -> None:
        for _ in range(3):
            await sim.sockets.restart()
            await asyncio.sleep(15)

    return cuts()


CASES: Final[dict[str, tuple[str, Fault, Callable[[Told], object]]]] = {
    "1 cut inside of a message": ("upbit", once(lambda s: s.cut(inside=True)), lambda t: connects(t) == 2),
    "1 cut between messages": ("binance", once(lambda s: s.cut()), lambda t: connects(t) == 2),
    "1 cut in the upgrade": ("upbit", once(lambda s: (s.cut_upgrades(2), s.cut())), lambda t: connects(t) >= 3),
    "2 reset": ("binance", once(lambda s: s.abort()), lambda t: connects(t) == 2),
    "2 a black hole": ("upbit", once(lambda s: s.black_hole()), lambda t: connects(t) == 2),
    **{
        f"2 closed with {code}": (
            "upbit",
            once(lambda s, code=code: s.close(code)),
            lambda t, code=code: t.stats.streams[f"closed_{code}"] == 1,
        )
        for code in (1001,)
    },
    "4 closed where it is idle": ("upbit", idle, lambda t: connects(t) == 1 and t.states == {"live"}),
    "14 announced": ("binance", restart(lead=10.0), lambda t: connects(t) == 2 and t.states == {"live"}),
    "14 three restarts": ("upbit", again_in_a_minute, lambda t: connects(t) == 4),
    "19 refused for a while": (
        "upbit",
        once(lambda s: (s.refuse(429, seconds=60), s.cut())),
        lambda t: 3 <= connects(t) <= 30 and "polling" in t.states and t.stats.open_streams == 1,
    ),
    "19 blocked for ten minutes": (
        "binance",
        once(lambda s: (s.refuse(403, seconds=600), s.cut())),
        lambda t: connects(t) == 2 and t.stats.states == {"polling": 2},
    ),
    "26 other letters": ("upbit", spelled, lambda t: connects(t) == 4 and not dropped(t)),
    "27 garbage": ("upbit", all_garbage, lambda t: connects(t) <= 4 and dropped(t) >= 10),
    "24 what says that a candle is closed is left out": (
        "binance",
        for_a_minute(streamfaults.unclosed),
        lambda t: t.states == {"live"},
    ),
}


def dropped(told: Told) -> int:
    return sum(number for name, number in told.stats.streams.items() if name.startswith("dropped"))


@pytest.mark.parametrize("name", CASES)
def test_bytes(name: str) -> None:
    """Whatever the bytes are, each candle is given once, in order, as pages have it, soon after its end."""
    exchange, fault, tells = CASES[name]
    told = follow_through(exchange, fault)
    assert told.candles == told.truth
    assert not told.early
    assert not told.revised
    assert told.late <= 8
    assert told.silent <= 30
    assert tells(told), (told.states, told.stats.streams)


def test_a_subscription_that_is_refused() -> None:
    """18: an error and a normal close: the same words are not sent again, pages go on, and the state says why."""

    async def refuse(sim: Any) -> None:
        for each in sim.sockets._open:
            await each.say([Text(REFUSED)])
        sim.sockets.close(1000)

    told = follow_through("upbit", refuse)
    assert told.candles == told.truth
    assert connects(told) == 1
    assert told.stats.states == {"polling": 2}
    assert all("INVALID_PARAM" in each.reason for each in told.stats.markets)
