"""Servers that count as exchanges do, each as plainly as it can be said, on the clock of the loop."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable

from rxcandles.limiters import SlidingWindowLimiter

__all__ = ["Answer", "BucketServer", "FixedServer", "Server", "WindowServer", "collect"]


class Answer:
    """What came of a request: its count, or the seconds that a refusal asks for."""

    def __init__(self, date: float, *, used: float | None = None, wait: float | None = None) -> None:
        self.date, self.used, self.wait = float(math.floor(date)), used, wait


class Server:
    """Allows ``capacity``; its clock is ``ahead`` of the loop's."""

    def __init__(self, capacity: float, ahead: float = 0.0) -> None:
        self.capacity, self.ahead = capacity, ahead
        self.refused = 0
        self.taken = 0.0

    @property
    def now(self) -> float:
        """Its own time."""
        return asyncio.get_running_loop().time() + self.ahead

    def ask(self, cost: float = 1.0) -> Answer:
        """Count a request, or refuse it."""
        used = self.count(cost)
        if used is None:
            self.refused += 1
            return Answer(self.now, wait=self.left())
        self.taken += cost
        return Answer(self.now, used=used)

    def count(self, cost: float) -> float | None:
        """Return what is used with this request, or None where that is too much."""
        raise NotImplementedError

    def left(self) -> float:
        """Seconds that a refusal asks for."""
        return 1.0


class FixedServer(Server):
    """Binance: so much weight in each minute of its clock."""

    def __init__(self, capacity: float = 6000, window: float = 60, ahead: float = 1_700_000_123.4) -> None:
        super().__init__(capacity, ahead)
        self.window = window
        self.used: dict[int, float] = {}

    def count(self, cost: float) -> float | None:
        minute = math.floor(self.now / self.window)
        used = self.used.get(minute, 0.0) + cost
        if used > self.capacity:
            return None
        self.used[minute] = used
        return used

    def left(self) -> float:
        return math.ceil(self.window - self.now % self.window)


class BucketServer(Server):
    """Bithumb: a bucket that is filled evenly, whole in ``window`` seconds."""

    def __init__(self, capacity: float = 150, window: float = 1.0) -> None:
        super().__init__(capacity)
        self.window = window
        self.level, self.at = capacity, 0.0

    def count(self, cost: float) -> float | None:
        self.level = min(self.capacity, self.level + (self.now - self.at) * self.capacity / self.window)
        self.at = self.now
        if self.level < cost - 1e-9:
            return None
        self.level -= cost
        return self.capacity - math.floor(self.level)


class WindowServer(Server):
    """Bybit: so many in any ``window``."""

    def __init__(self, capacity: float = 600, window: float = 5) -> None:
        super().__init__(capacity)
        self.window = window
        self.times: list[float] = []

    def count(self, cost: float) -> float | None:
        self.times = [time for time in self.times if time > self.now - self.window]
        if len(self.times) >= self.capacity:
            return None
        self.times.append(self.now)
        return len(self.times)


async def collect(
    limiter: SlidingWindowLimiter,
    server: Server,
    pages: int,
    *,
    cost: float = 1.0,
    workers: int = 8,
    latency: float = 0.02,
    jitter: float = 0.0,
    tell: Callable[[Answer], None] | None = None,
) -> float:
    """Ask for ``pages`` pages with ``workers`` at a time, as the engine does; return the seconds it took."""
    loop, luck, left = asyncio.get_running_loop(), random.Random(7), pages
    begun = loop.time()

    async def work() -> None:
        nonlocal left
        while left:
            left -= 1
            while True:
                given = await limiter.acquire(cost)
                await asyncio.sleep(latency / 2 + luck.random() * jitter)
                answer = server.ask(cost)
                await asyncio.sleep(latency / 2)
                limiter.took(given, loop.time() - given)
                if answer.used is None:
                    limiter.limited(answer.wait)
                    continue
                limiter.learned(given, answer.date)
                limiter.observe(used=answer.used) if tell is None else tell(answer)
                limiter.answered(given)
                break

    await asyncio.gather(*(work() for _ in range(workers)))
    return loop.time() - begun
