"""The page that watches markets: frames a second while its list is scrolled and updates come."""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from contextlib import suppress
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from profiling.support.harness import machine, table
from rxcandles import Row, SqliteStore, Timeframe
from rxcandles.serve import serve_page
from tests.support.browser import Page, chromium, find_chromium, opened
from tests.support.fakefeed import FakeFeed

HISTORY = 1000
SCROLL = """
new Promise((done) => {
  const list = document.getElementById("cards"), times = [], seconds = %f;
  let step = 12;
  const move = (now) => {
    times.push(now);
    if (now - times[0] > seconds * 1000) return done(times);
    const before = list.scrollTop;
    list.scrollTop += step;
    if (list.scrollTop === before) step = -step;
    requestAnimationFrame(move);
  };
  requestAnimationFrame(move);
})
"""
"""Scrolls by twelve pixels a frame, to and fro; the frames' times in milliseconds."""


def walk(dice: random.Random, start: int, stop: int) -> list[Row]:
    """Candles of the minutes between two open times, oldest first."""
    rows, price = [], dice.uniform(100, 1000)
    for at in range(start, stop, 60):
        first, price = price, price * (1 + dice.gauss(0, 0.002))
        high, low = max(first, price) * 1.001, min(first, price) * 0.999
        first, high, low, last = (round(each, 2) for each in (first, high, low, price))
        rows.append(Row(at, first, high, low, last, dice.expovariate(0.1), 1.0, 0))
    return rows


async def live(feed: FakeFeed, last: dict[str, Row], begin: int, forming: float) -> None:
    """Let each forming candle change ``forming`` times a second, and one market close a candle each second."""
    dice, open_time = random.Random(0), dict.fromkeys(feed.symbols, begin)
    for beat in count():
        for symbol in feed.symbols:
            if dice.random() < forming / 10:
                old = last[symbol]
                close = round(old.close * (1 + dice.gauss(0, 0.001)), 2)
                last[symbol] = Row(open_time[symbol], close, close * 1.002, close * 0.998, close, 1.0, 1.0, 0)
                feed.form(symbol, last[symbol])
        if beat % 10 == 0:
            symbol = feed.symbols[beat // 10 % len(feed.symbols)]
            at = open_time[symbol]
            await feed.prove(symbol, at, at + 60, last[symbol]._replace(open_time=at))
            open_time[symbol] += 60
        await asyncio.sleep(0.1)


async def scrolled(page: Page, seconds: float, what: str) -> dict[str, Any]:
    """Scroll for that long, and return how the frames went."""
    await page.call("Performance.enable", timeDomain="threadTicks")

    async def busy() -> float:
        metrics = (await page.call("Performance.getMetrics"))["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    before = await busy()
    times = await page.evaluate(SCROLL % seconds)
    spent = await busy() - before
    frames = sorted(stop - start for start, stop in pairwise(times))
    return {
        "seen": what,
        # That of the page's own thread does not depend on what else this machine does.
        "work a frame ms": 1000 * spent / len(frames),
        "frames a second": 1000 * len(frames) / (times[-1] - times[0]),
        "median frame ms": frames[len(frames) // 2],
        "99 % ms": frames[len(frames) * 99 // 100],
        "longest ms": frames[-1],
    }


async def watched(devtools: str, markets: int, forming: float, seconds: float, pictures: Path | None) -> list[Any]:
    """Open the page of so many markets and scroll it: all markets, then beside the chart of one."""
    dice, begin = random.Random(markets), int(time.time()) // 60 * 60
    symbols = [f"KRW-M{number:03}" for number in range(markets)]
    rows, last = [], {}
    async with SqliteStore(":memory:") as store:
        for symbol in symbols:
            candles = walk(dice, begin - 60 * HISTORY, begin)
            last[symbol] = candles[-1]
            await store.write(symbol, Timeframe.of("1m"), candles[::-1], (candles[0].open_time, begin))
        feed = FakeFeed(store, symbols)
        async with serve_page(feed, store, port=0) as server, opened(devtools) as page:
            began = time.perf_counter()
            ready = f"rxcandles.drawn() && rxcandles.market('{symbols[-1]}')"
            await page.open(server.url, width=1400, height=800, ready=ready)
            shown = time.perf_counter() - began
            updates = asyncio.create_task(live(feed, last, begin, forming))
            try:
                rows.append(await scrolled(page, seconds, f"{markets} markets"))
                if pictures is not None:
                    (pictures / f"page-{markets}.png").write_bytes(await page.picture())
                await page.evaluate(f"location.hash = '{symbols[2]}'")
                await page.until("rxcandles.range")
                rows.append(await scrolled(page, seconds, f"{markets} markets, one large"))
                heap = (await page.call("Runtime.getHeapUsage"))["usedSize"] / 1e6
            finally:
                updates.cancel()
                with suppress(asyncio.CancelledError):
                    await updates
            if pictures is not None:
                (pictures / f"page-{markets}-one.png").write_bytes(await page.picture())
    return [{**row, "on the screen in s": shown, "page's heap MB": heap} for row in rows]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling page")
    parser.add_argument("--markets", type=int, nargs="+", default=[20, 288])
    parser.add_argument("--forming", type=float, default=5, help="how often a second each forming candle changes")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--pictures", type=Path, help="a folder for pictures of the page")
    options = parser.parse_args(arguments)
    executable = find_chromium()
    if executable is None:
        raise SystemExit("there is no Chromium here: apt-get install chromium")
    rows = []
    with chromium(executable) as devtools:
        for markets in options.markets:
            rows += asyncio.run(watched(devtools, markets, options.forming, options.seconds, options.pictures))
    head = f"Scrolled for {options.seconds:g} s by 12 pixels a frame, {options.forming:g} updates a second and market"
    print(table(f"{head}; 60 frames a second is the most. Drawn by software, without a GPU. {machine()}", rows))
    return 0
