"""Pipelines of the candle operators as their tests build them: requests before ``NOW``, no limit, quick retries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rxcandles import operators as ops
from rxcandles.model import Request
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.stores import SqliteStore
from tests.support.fakes import MINUTE, NEWEST, NOW, FakeExchange

TIMEFRAME = Timeframe.of("1m")

FAST = ops.Retry(base=0.001, longest=0.002)


class Unlimited:
    """A limiter that lets everything pass and remembers what it was told."""

    def __init__(self) -> None:
        self.permits = 0
        self.heard: list[object] = []
        self.slowest = 0.0

    async def acquire(self) -> float:
        self.permits += 1
        return 0.0

    def took(self, given: float, seconds: float, delay: float = 0.0) -> None:
        self.slowest = max(self.slowest, seconds)

    def observe(self, remaining: int) -> None:
        self.heard.append(remaining)

    def limited(self, retry_after: float | None = None) -> None:
        self.heard.append(("429", retry_after))

    def banned(self, seconds: float | None = None) -> None:
        self.heard.append(("418", seconds))


def at(slot: int) -> datetime:
    """The instant ``slot`` minutes before the newest candle's open time."""
    return to_datetime(NEWEST - slot * MINUTE)


def asks(**asked: object) -> Request:
    return Request("KRW-BTC", "1m", now=NOW, **asked)  # type: ignore[arg-type]


def collecting(request: Request, store: SqliteStore, exchange: FakeExchange, **plan: object):  # type: ignore[no-untyped-def]
    limiter: Any = Unlimited()  # of before a page had a cost
    return ops.plan_chunks(request, **plan).pipe(  # type: ignore[arg-type]
        ops.skip_stored(store), ops.rate_limit(limiter), ops.fetch(exchange, retry=FAST), ops.persist(store)
    )


async def stored(store: SqliteStore) -> list[int]:
    return [row.open_time for row in await store.rows("KRW-BTC", TIMEFRAME, 0, 10**12, "oldest_first", 10**6)]


def refuse(to: int, count: int) -> None:
    raise AssertionError("nothing may be asked for")
