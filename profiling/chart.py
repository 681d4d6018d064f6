"""The page of a chart: its size, how long it takes to make and to open, and frames a second while it is dragged."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import rxcandles
from profiling.support.harness import machine, table
from rxcandles import charts
from tests.support.browser import Page, chromium, find_chromium, opened

DRAG = """
new Promise((done) => {
  const root = document.getElementById("chart"), times = [], seconds = %f;
  const event = (kind, x) => new PointerEvent(kind, { clientX: x, clientY: 200, pointerId: 1, bubbles: true });
  let x = 600, step = 7;
  root.dispatchEvent(event("pointerdown", x));
  const move = (now) => {
    times.push(now);
    if (now - times[0] > seconds * 1000) { root.dispatchEvent(event("pointerup", x)); return done(times); }
    // Back from either end.
    if (Math.abs(rxcandles.view.from + rxcandles.view.to - rxcandles.slots) > 0.9 * rxcandles.slots) step = -step;
    root.dispatchEvent(event("pointermove", x += step));
    requestAnimationFrame(move);
  };
  requestAnimationFrame(move);
})
"""
"""A drag that moves by seven pixels a frame; its frames' times in milliseconds."""


async def collected(path: Path, count: int) -> charts.ChartData:
    """Collect so many candles of a market of which some slots have none, and read them for a chart."""
    async with rxcandles.connect(path, exchange="simulated", rate_limit=None) as provider:
        await provider.collect_candles_only("KRW-XRP", "1m", count=count)
        return await charts.read_chart(provider.repository, "KRW-XRP", "1m")


async def busy(page: Page) -> float:
    """Seconds that the page's thread has worked."""
    await page.call("Performance.enable", timeDomain="threadTicks")
    metrics = (await page.call("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


async def dragged(page: Page, slots: float, seconds: float) -> dict[str, Any]:
    """Drag for that long with ``slots`` in sight, from the middle on."""
    middle = await page.evaluate("rxcandles.slots") / 2
    await page.evaluate(f"rxcandles.show({middle - slots / 2}, {middle + slots / 2})")
    await page.drawn()
    state = await page.evaluate("rxcandles")
    before = await busy(page)
    times = await page.evaluate(DRAG % seconds)
    spent = await busy(page) - before
    frames = sorted(stop - start for start, stop in pairwise(times))
    return {
        "slots in sight": round(slots),
        "a bar": state["level"],
        "bars": state["visible"],
        # That of the page's own thread does not depend on what else this machine does.
        "work a frame ms": 1000 * spent / len(frames),
        "frames a second": 1000 * len(frames) / (times[-1] - times[0]),
        "median frame ms": frames[len(frames) // 2],
        "99 % ms": frames[len(frames) * 99 // 100],
        "longest ms": frames[-1],
    }


async def used(devtools: str, file: Path, slots: int, seconds: float) -> tuple[float, list[dict[str, Any]]]:
    """Open the page and drag it with more and fewer slots in sight; return seconds to open, and a row for each."""
    async with opened(devtools) as page:
        began = time.perf_counter()
        await page.open(file.as_uri(), width=1400, height=800)
        shown = time.perf_counter() - began
        return shown, [await dragged(page, in_sight, seconds) for in_sight in (slots, slots / 10, 5000, 400)]


async def pictured(devtools: str, file: Path) -> list[bytes]:
    """Return the page in light and in dark, with the crosshair on it."""
    found = []
    for dark in (False, True):
        async with opened(devtools) as page:
            await page.open(file.as_uri(), dark=dark)
            await page.mouse("Moved", 700, 300)
            await page.drawn()
            found.append(await page.picture())
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling chart")
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of each theme")
    options = parser.parse_args(arguments)
    executable = find_chromium()
    if executable is None:
        raise SystemExit("there is no Chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, chromium(executable) as devtools:
        data = asyncio.run(collected(Path(folder, "candles.db"), options.count))
        file = Path(folder, "chart.html")
        began = time.perf_counter()
        file.write_text(charts.html(data), encoding="utf-8")
        size = {"candles": len(data), "page MB": file.stat().st_size / 1e6, "made in s": time.perf_counter() - began}
        size["on the screen in s"], rows = asyncio.run(used(devtools, file, data.slots, options.seconds))
        print(table(f"Drawn by software, without a GPU. {machine()}", [size]), "\n")
        print(table(f"Dragged for {options.seconds:g} s, 7 pixels a frame; 60 frames a second is the most.", rows))
        if options.pictures is not None:
            for name, picture in zip(("light", "dark"), asyncio.run(pictured(devtools, file)), strict=True):
                (options.pictures / f"{name}.png").write_bytes(picture)
    return 0
