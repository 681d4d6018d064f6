"""What is asked again, how often, over which connection, and with which question; on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from rxcandles import operators as ops
from rxcandles.engine.retry import Retry, tried
from rxcandles.errors import (
    BannedError,
    CertificateError,
    ConnectionFailedError,
    ExchangeError,
    InvalidResponseError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
)
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model import Request
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Page
from tests.support.fakes import MINUTE, NEWEST, NOW, FakeExchange, slots
from tests.support.virtualloop import run_virtual


class Shaky(FakeExchange):
    """Remembers which requests went over a connection of their own; the first ones fail."""

    def __init__(self, *errors: ExchangeError) -> None:
        super().__init__(slots(1000))
        self.errors = list(errors)
        self.anew: list[bool] = []

        def fail(to: int, count: int) -> None:
            if self.errors:
                raise self.errors.pop(0)

        self.before = fail

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        self.anew.append(False)
        return await super().page(symbol, timeframe, to, count)

    async def page_anew(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        self.anew.append(True)
        return await super().page(symbol, timeframe, to, count)


def fetched(exchange: FakeExchange, limiter: Any = None, count: int = 100) -> Any:
    """Fetch the newest candles; return the summary."""

    async def scenario() -> Any:
        request = Request("KRW-BTC", "1m", count=count, now=NOW)
        chunks = ops.plan_chunks(request).pipe(
            *([ops.rate_limit(limiter)] if limiter is not None else []), ops.fetch(exchange), ops.summarize()
        )
        return await ops.run(chunks)

    return run_virtual(scenario())


def test_another_connection_then_another_question() -> None:
    """After an invalid answer the same is asked over a new connection; where that is no better, something else is."""
    exchange = Shaky(*(InvalidResponseError("nonsense") for _ in range(3)))
    summary = fetched(exchange)
    assert summary.retries == 3
    assert exchange.anew == [False, True, True, True]
    moved = [(to - exchange.asked[0][0]) // MINUTE for to, _ in exchange.asked]
    assert moved == [0, 0, 1, 2]
    assert [count - exchange.asked[0][1] for _, count in exchange.asked] == [0, 0, 1, 2]


def test_a_lost_connection_changes_nothing() -> None:
    """After any other fault just the same is asked again, over the connections that there are."""
    exchange = Shaky(ConnectionFailedError("reset"), ServerError("502"))
    fetched(exchange)
    assert exchange.anew == [False] * 3
    assert len(set(exchange.asked)) == 1


def test_last_answer_is_told() -> None:
    """What is raised is the error of the last answer, after six tries with waits of full jitter between them."""
    exchange = Shaky(*(InvalidResponseError(f"nonsense {number}") for number in range(6)))
    with pytest.raises(InvalidResponseError, match="nonsense 5") as caught:
        fetched(exchange)
    assert "asked 6 times" in caught.value.__notes__[0]
    waits = [later - before for before, later in zip(exchange.at, exchange.at[1:], strict=False)]
    assert all(0 < wait <= min(8, 2**number) for number, wait in enumerate(waits))


@pytest.mark.parametrize("beginning", ["", "'[{\"market\":…'"])
def test_impossible_candles(beginning: str) -> None:
    """A page whose candles can't be true is asked for again as well; the error quotes how the answer began."""
    exchange = Shaky()

    async def page(symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        good = await FakeExchange.page(exchange, symbol, timeframe, to, count)
        rows = [row._replace(high=row.low - 1) for row in good.rows]
        return attrs.evolve(good, rows=rows, beginning=beginning)

    exchange.page = exchange.page_anew = page  # type: ignore[method-assign]
    with pytest.raises(InvalidResponseError) as caught:
        fetched(exchange)
    assert len(exchange.asked) == 6
    assert str(caught.value).endswith(f"nothing is stored: {beginning}" if beginning else "nothing is stored")


class Hearing(SlidingWindowLimiter):
    """Remembers what was answered, and when the permits were given."""

    def __init__(self) -> None:
        super().__init__(10)
        self.heard: list[float] = []
        self.given: list[float] = []

    async def acquire(self) -> float:
        self.given.append(await super().acquire())
        return self.given[-1]

    def answered(self, given: float) -> None:
        self.heard.append(given)
        super().answered(given)


def test_what_was_answered_is_told() -> None:
    """The limiter hears which permit's request was answered as asked: no other than a page that has come."""
    limiter = Hearing()
    fetched(Shaky(ServerError("500"), RateLimitedError("429"), InvalidResponseError("empty")), limiter)
    assert limiter.heard == limiter.given[3:]


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (lambda: ConnectionFailedError("reset"), 6),
        (lambda: ServerError("500"), 6),
        (lambda: RateLimitedError("429"), 6),
        (lambda: BannedError("418", 1), 6),
        (lambda: InvalidResponseError("empty"), 6),
        (lambda: ServerError("503", 7201), 1),
        (lambda: CertificateError("expired"), 1),
        (lambda: RequestRejectedError("400"), 1),
        (lambda: ExchangeError("closed"), 1),
        (lambda: ValueError("no error of an exchange"), 1),
    ],
)
def test_what_is_worth_another_try(error: Callable[[], Exception], asked: int) -> None:
    """By its kind an error is tried again, or raised at once; the waits are told before they begin."""
    told: list[tuple[BaseException | None, float]] = []
    raised: list[Exception] = []

    async def ask() -> None:
        raised.append(error())
        raise raised[-1]

    async def scenario() -> float:
        with pytest.raises(type(error())) as caught:
            await tried(ask, Retry(), lambda error, wait: told.append((error, wait)))
        assert caught.value is raised[-1]
        return asyncio.get_running_loop().time()

    took = run_virtual(scenario())
    assert sum(wait for _, wait in told) == pytest.approx(took)
    assert len(raised) == asked
    assert [each for each, _ in told] == raised[:-1]


def test_newest_candle_with_another_question() -> None:
    """Another question at the newest end keeps out what is not over."""
    exchange = Shaky(*(InvalidResponseError("nonsense") for _ in range(4)))
    exchange.times.append(NEWEST + MINUTE)  # still forming
    assert fetched(exchange).collected_count == 100
