"""How soon a candle is delivered after its close, and what it costs: on a real clock, and on a virtual one.

* On a real clock, the simulator as Upbit and as Binance, in a process of its own, with its stream and without.
* On a virtual clock, an exchange in memory 50 ms away that allows ten requests a second: 288 markets; some markets
  beside a back-fill of a million candles through the same limiter; a reader that sleeps for a day.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

import attrs

import rxcandles
from profiling.support.endless import DAY, Endless
from profiling.support.harness import machine, simulator, table
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.live.feed import Feed
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.model.updates import Update
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores import SqliteStore
from tests.support.vitals import vitals
from tests.support.world import BASE, run_following

RATE: Final = 10
MANY: Final = 288
"""As many markets are paid in won at Upbit."""
REAL: Final = {
    "upbit": (("KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-DOGE"), "1m"),
    "binance": (("BTCUSDT", "ETHUSDT"), "1m"),
}


@attrs.define
class _Delays:
    """Seconds from the closes of candles to their delivery."""

    clock: Callable[[], float]
    stored: list[float] = attrs.field(factory=list)
    told: list[float] = attrs.field(factory=list)
    """The same for word of the stream that a candle has closed."""

    def take(self, update: Update, since: float) -> None:
        """Note an update of a candle that has closed after ``since``."""
        if update.kind not in ("candle", "closed"):
            return
        closes = Timeframe.of(update.timeframe).shift(update.candle.open_seconds, 1)
        if closes > since:
            (self.stored if update.kind == "candle" else self.told).append(self.clock() - closes)

    def cells(self) -> dict[str, Any]:
        """Return what a line of the table says of them."""
        found: dict[str, Any] = {"candles": len(self.stored)}
        for name, delays in (("delivered", self.stored), ("said to be closed", self.told)):
            found[f"{name} after s, median"] = round(median(delays), 2) if delays else ""
            found[f"{name}, worst"] = round(max(delays), 2) if delays else ""
        return found


# On a real clock


async def _followed(url: str, exchange: str, stream: Literal["auto", "off"], seconds: float, path: Path) -> _Delays:
    symbols, timeframe = REAL[exchange]
    delays, began = _Delays(time.time), time.time()
    config = FollowConfig(stream=stream, provisional=stream == "auto")
    async with (
        rxcandles.connect(path, exchange, base_url=url) as provider,
        provider.follow(symbols, timeframe, config=config) as feed,
        asyncio.timeout(seconds + 60),
    ):
        async for update in feed:
            delays.take(update, began)
            if time.time() > began + seconds:
                break
    return delays


async def _on_a_real_clock(seconds: float, folder: Path) -> list[dict[str, Any]]:
    """All four at once: they wait nearly all the time."""
    lines = []
    with simulator() as upbit, simulator("--as", "binance") as binance:
        runs = [
            (exchange, stream, _followed(url, exchange, stream, seconds, folder / f"{exchange}-{stream}.db"))
            for exchange, url in (("upbit", upbit), ("binance", binance))
            for stream in ("auto", "off")
        ]
        for (exchange, stream, _), delays in zip(runs, await asyncio.gather(*(run for *_, run in runs)), strict=True):
            what = "with a stream" if stream == "auto" else "polling"
            lines.append({"exchange": exchange, "how": what, "markets": len(REAL[exchange][0]), **delays.cells()})
    return lines


# On a virtual clock


@attrs.define
class _Watched:
    """The worst that lags were, looked at every second."""

    proven: float = 0.0
    heard: float = 0.0

    async def watch(self, feed: Feed, after: float, now: Callable[[], float]) -> None:
        """Look every second, from a time on."""
        await asyncio.sleep(after - now())
        while True:
            markets = feed.stats().markets
            self.proven = max([self.proven, *(each.proven_lag or 0.0 for each in markets)])
            self.heard = max([self.heard, *(each.heard_lag or 0.0 for each in markets)])
            await asyncio.sleep(1.0)


async def _many(minutes: int, config: FollowConfig, shares: Callable[[int], float]) -> dict[str, Any]:
    """Follow as many markets as Upbit has, and measure from the third minute on."""
    world = Endless({f"KRW-M{number:03}": shares(number) for number in range(MANY)}, before=3 * DAY)
    delays, watched, since = _Delays(lambda: world.now), _Watched(), BASE + 180.0
    async with SqliteStore(":memory:", exchange="world") as store:
        provider = CandleDataProvider(store, world, SlidingWindowLimiter(RATE))
        async with provider.follow(world.symbols, "1m", config=config) as feed:
            watch = asyncio.create_task(watched.watch(feed, since, lambda: world.now))
            async for update in feed:
                delays.take(update, since)
                if world.now > since + minutes * 60:
                    break
            watch.cancel()
    full = [count for minute, count in sorted(world.minutes.items()) if minute >= since // 60][:minutes]
    return {
        "requests a minute": round(sum(full) / minutes, 1),
        "most in one": max(full),
        "proven lag s, worst": round(watched.proven, 1),
        "heard lag s, worst": round(watched.heard, 1),
        **delays.cells(),
    }


def _all_of_them(minutes: int) -> Iterator[dict[str, Any]]:
    """All markets trade in every minute, or as a night has them: one in eight of them does."""
    kinds: dict[str, Callable[[int], float]] = {
        "all trade each minute": lambda number: 1.0,
        "1 in 8 does, others in 1 of 50": lambda number: 1.0 if number % 8 == 0 else 0.02,
    }
    hows = {
        "with a stream": FollowConfig(),
        "polling": FollowConfig(stream="off"),
        "with a stream, confirm=300": FollowConfig(confirm=300),
    }
    for kind, shares in kinds.items():
        for how, config in hows.items():
            yield {"markets": f"{MANY}, {kind}", "how": how} | run_following(partial(_many, minutes, config, shares))
            sys.stderr.write(f"{MANY}, {kind}, {how}: done\n")


async def _beside(count: int, stream: Literal["auto", "off"]) -> dict[str, Any]:
    """Follow twenty markets while another one's history is collected through the same limiter."""
    symbols = [f"KRW-M{number:02}" for number in range(20)]
    world = Endless(dict.fromkeys([*symbols, "KRW-DEEP"], 1.0), before=(count + 1440) * 60)
    delays, watched = _Delays(lambda: world.now), _Watched()
    async with SqliteStore(":memory:", exchange="world") as store:
        provider = CandleDataProvider(store, world, SlidingWindowLimiter(RATE))

        async def follow(feed: Feed) -> None:
            async for update in feed:
                delays.take(update, BASE + 120)

        async with provider.follow(symbols, "1m", config=FollowConfig(stream=stream)) as feed:
            tasks = [
                asyncio.create_task(each) for each in (follow(feed), watched.watch(feed, BASE + 120, lambda: world.now))
            ]
            await asyncio.sleep(120)
            began = world.now
            summary = await provider.collect_candles_only("KRW-DEEP", "1m", count=count)
            took = world.now - began
            for each in tasks:
                each.cancel()
    return {
        "back-fill": summary.collected_count,
        "virtual s": round(took),
        "its requests a second": round(summary.api_calls_made / took, 2),
        "how": "with a stream" if stream == "auto" else "polling",
        "markets": len(symbols),
        **delays.cells(),
        "proven lag s, worst": round(watched.proven, 1),
    }


async def _asleep(hours: int) -> list[dict[str, Any]]:
    """Two read four markets; one of them sleeps. What is held when it falls asleep, wakes, and has read all."""
    world = Endless({f"KRW-M{number}": 1.0 for number in range(4)})
    lines = list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteStore(Path(folder, "candles.db"), exchange="world") as store:
            provider = CandleDataProvider(store, world, SlidingWindowLimiter(RATE))
            async with provider.follow(world.symbols, "1m", since=to_datetime(BASE)) as feed:
                sleeper, read = feed.observe(), 0

                async def drain() -> None:
                    async for _ in feed:
                        pass

                draining = asyncio.create_task(drain())
                tracemalloc.start()
                await asyncio.sleep(3600)

                async def catch_up() -> int:
                    """Read until the newest candle of each market is there; return how many were read."""
                    known = {symbol: feed.cursor(symbol) for symbol in world.symbols}
                    count = 0
                    async for update in sleeper:
                        count += update.kind == "candle"
                        if all((sleeper.cursor(each) or to_datetime(0)) >= known[each] for each in known):  # type: ignore[operator]
                            break
                    return count

                def note(when: str) -> None:
                    line: dict[str, Any]
                    held = vitals()
                    traced = tracemalloc.get_traced_memory()
                    line = {"when": when, "candles read": read, "traced MB": round(traced[0] / 1e6, 2)}
                    line |= {"peak since before": round(traced[1] / 1e6, 2), "RSS MB": round(held.rss / 1e6, 1)}
                    line |= {"objects": held.objects, "files": held.files}
                    lines.append(line | {"behind s": feed.stats().slowest_observer})
                    tracemalloc.reset_peak()

                read += await catch_up()
                note("falls asleep")
                for _ in range(2):
                    await asyncio.sleep(hours * 1800)
                    note(f"asleep for {(world.now - BASE) / 3600 - 1:.0f} h")
                read += await catch_up()
                note("has read all")
                draining.cancel()
                tracemalloc.stop()
    return lines


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling follow")
    parser.add_argument("--seconds", type=float, default=300, help="on a real clock; 0 for none")
    parser.add_argument("--minutes", type=int, default=10, help="virtual ones of many markets")
    parser.add_argument("--count", type=int, default=1_000_000, help="candles of the back-fill")
    parser.add_argument("--hours", type=int, default=DAY // 3600, help="virtual ones that a reader sleeps")
    parser.add_argument("--only", choices=["real", "many", "beside", "asleep"], action="append", help="only this table")
    options = parser.parse_args(arguments)
    only = options.only or ["real", "many", "beside", "asleep"]
    logging.getLogger("rxcandles").setLevel(logging.CRITICAL)
    if "real" in only and options.seconds:
        with tempfile.TemporaryDirectory() as folder:
            lines = asyncio.run(_on_a_real_clock(options.seconds, Path(folder)))
        print(table(f"From a candle's close to its delivery, on a real clock, 1m. {machine()}", lines) + "\n")
    if "many" in only:
        print(
            table(f"{MANY} markets, {RATE} requests a second, virtual time", list(_all_of_them(options.minutes))) + "\n"
        )
    if "beside" in only:
        hows: tuple[Literal["auto", "off"], ...] = ("auto", "off")
        lines = [run_following(partial(_beside, options.count, each)) for each in hows]
        print(table("Beside a back-fill through the same limiter, virtual time", lines) + "\n")
    if "asleep" in only:
        print(table("A reader asleep, virtual time", run_following(lambda: _asleep(options.hours))) + "\n")
    return 0
