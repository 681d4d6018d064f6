"""What an emission costs in each operator, and what composing by hand costs; no network, no file.

The generic operators are measured over numbers, the candle operators over pages of 200 candles from an exchange and a
store that only look things up; each line of the second kind adds an operator to the line above.
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import Any

from profiling.support.harness import machine, measured, table


async def generic(count: int) -> dict[str, Any]:
    import asyncio
    import time
    from collections import deque
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from reactivex import operators as rx

    from rxcandles import operators as ops

    async def same(item: int) -> int:
        return item

    async def once(item: int) -> AsyncGenerator[int, None]:
        yield item

    async def awaited() -> None:
        for item in range(count):
            await same(item)

    async def tasks(ahead: int) -> None:
        running: deque[asyncio.Task[int]] = deque()
        for item in range(count):
            running.append(asyncio.create_task(same(item)))
            if len(running) == ahead:
                await running.popleft()
        while running:
            await running.popleft()

    async def queued() -> None:
        queue: asyncio.Queue[int | None] = asyncio.Queue(2)

        async def produce() -> None:
            for item in range(count):
                await queue.put(item)
            await queue.put(None)

        producer = asyncio.create_task(produce())
        while await queue.get() is not None:
            pass
        await producer

    source = ops.from_demand(range(count))
    pages = ops.from_demand([[*range(200)]] * count)
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "from_demand to run": lambda: ops.run(source),
        "+ rx.map": lambda: ops.run(source.pipe(rx.map(lambda item: item))),
        "+ map_async": lambda: ops.run(source.pipe(ops.map_async(same))),
        "+ map_async(ahead=8)": lambda: ops.run(source.pipe(ops.map_async(same, ahead=8))),
        "+ concat_map_async": lambda: ops.run(source.pipe(ops.concat_map_async(once))),
        "+ latest": lambda: ops.run(source.pipe(ops.latest())),
        "lists of 200: from_demand to run": lambda: ops.run(pages),
        "+ batch(1000)": lambda: ops.run(pages.pipe(ops.batch(1000))),
        "by hand: await in a loop": awaited,
        "by hand: a task each, 8 ahead": lambda: tasks(8),
        "by hand: through a Queue(2)": queued,
    }
    costs = {}
    for name, go in work.items():
        await go()  # once unmeasured: caches and the interpreter's specialised instructions
        began = time.perf_counter()
        await go()
        costs[name] = (time.perf_counter() - began) / count * 1e6
    return {"costs": costs}


async def candles(pages: int) -> dict[str, Any]:
    import time
    from collections.abc import Awaitable, Callable
    from typing import cast

    from reactivex import Observable

    import rxcandles
    from rxcandles import operators as ops
    from rxcandles.engine.checks import check_page
    from rxcandles.limiters import SlidingWindowLimiter
    from rxcandles.model import Row
    from rxcandles.model.timeframe import Timeframe
    from rxcandles.ports import CandleStore, Exchange, Page, Written

    count, minute = pages * 200, Timeframe.of("1m")
    request = rxcandles.Request("KRW-BTC", "1m", count=count)
    stop = request.stop
    rows = [
        Row(time, 1.0, 2.0, 0.5, 1.5, 1.0, 1.5, time * 1000 + 59_000)
        for time in range(stop - 60, stop - 60 * count - 1, -60)
    ]

    class Memory:
        """An exchange and a store that look things up and keep nothing."""

        page_limit, rate_limit, name = 200, None, "memory"

        def check(self, symbol: str, timeframe: Timeframe) -> None:
            """Refuse longer candles: of those, there would have to be one for its minutes too."""
            if timeframe != minute:
                raise rxcandles.RequestError(f"timeframe is {timeframe}; take 1m")

        async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
            at = (stop - to) // 60
            return Page.before(rows[at : at + count], to, count)

        async def write(self, *_: object, **_more: object) -> Written:
            return Written(200)

        async def coverage(self, *_: object, limit: int | None = None) -> list[object]:
            return []

        async def claims(self, *_: object) -> list[object]:
            return []

        async def rows(
            self, symbol: str, timeframe: Timeframe, start: int, to: int, order: str, limit: int
        ) -> list[Row]:
            at = (stop - to) // 60
            return rows[at : min(at + limit, (stop - start) // 60)]

        async def count(self, *_: object) -> int:
            return count

        async def nth_newest(self, *_: object) -> int:
            return stop - 60 * count

    memory = Memory()
    store, exchange = cast(CandleStore, memory), cast(Exchange, memory)

    async def by_hand() -> None:
        to = stop
        for _ in range(pages):
            page = await memory.page("KRW-BTC", minute, to, 200)
            checked = check_page(page, symbol="KRW-BTC", timeframe=minute, to=to, count=200)
            await memory.write("KRW-BTC", minute, checked.rows, (checked.rows[-1].open_time, to))
            to = checked.rows[-1].open_time

    plan = ops.plan_chunks(request)
    limited = ops.rate_limit(SlidingWindowLimiter(None))
    stored: Observable[Any] = plan.pipe(ops.skip_stored(store), limited, ops.fetch(exchange), ops.persist(store))
    recalled = stored.pipe(ops.recall(store))
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "plan_chunks + fetch, the check of a page too": lambda: ops.run(plan.pipe(ops.fetch(exchange))),
        "+ skip_stored": lambda: ops.run(plan.pipe(ops.skip_stored(store), ops.fetch(exchange))),
        "+ rate_limit": lambda: ops.run(plan.pipe(ops.skip_stored(store), limited, ops.fetch(exchange))),
        "+ persist": lambda: ops.run(stored),
        "+ report": lambda: ops.run(stored.pipe(ops.report(lambda progress: None))),
        "+ summarize (storage-only)": lambda: ops.run(stored.pipe(ops.report(lambda progress: None), ops.summarize())),
        "persist + recall": lambda: ops.run(recalled),
        "+ batch(1000) (streaming)": lambda: ops.run(recalled.pipe(ops.batch(1000))),
        "by hand: page, check, write in a loop": by_hand,
    }
    costs = {}
    for name, go in work.items():
        await go()  # once unmeasured: caches and the interpreter's specialised instructions
        began = time.perf_counter()
        await go()
        costs[name] = (time.perf_counter() - began) / pages * 1e6
    return {"costs": costs}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling operators")
    parser.add_argument("--count", type=int, default=20_000, help="emissions of the generic operators")
    parser.add_argument("--pages", type=int, default=1_000, help="pages of the candle operators")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for function, number in ((generic, options.count), (candles, options.pages)):
        rounds = [measured(function, number)["costs"] for _ in range(options.rounds)]
        base = before = ""
        for name in rounds[0]:
            # What an operator costs is the difference within a round: to the source alone, or to the line above.
            against = ""
            if name.startswith("+"):
                against = base if function is generic else before
            difference = [each[name] - each[against] for each in rounds] if against else []
            rows.append(
                {
                    "pipeline": name,
                    "emissions": number,
                    "µs an emission": float(median(each[name] for each in rounds)),
                    "more than": against,
                    "by µs": float(median(difference)) if difference else "",
                }
            )
            before = name
            base = base if name.startswith("+") else name
    print(table(machine(), rows))
    return 0
