"""Every wait for something outside has an end, in virtual time: what a server asks for, and how often it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from rxcandles import operators as ops
from rxcandles.errors import BannedError, ExchangeError, IncompleteError, PassingError, RateLimitedError, ServerError
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model import Request
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.ports import Page, RateLimiter
from rxcandles.stores import SqliteStore
from tests.support.fakes import NOW, FakeExchange, slots
from tests.support.virtualloop import run_virtual

KINDS: list[Callable[[float], ExchangeError]] = [
    lambda seconds: RateLimitedError("429", seconds),
    lambda seconds: BannedError("418", seconds),
    lambda seconds: ServerError("503", seconds),
]
TWO_HOURS = 7200


async def collect(provider: CandleDataProvider, **asked: Any) -> None:
    await provider.collect_candles_only(**asked)


async def get(provider: CandleDataProvider, **asked: Any) -> None:
    await provider.get_candles(**asked)


async def stream(provider: CandleDataProvider, **asked: Any) -> None:
    async with provider.stream_candles(**asked) as chunks:
        async for _ in chunks:
            await chunks.aclose()


def refused_after(mode: Any, error: Callable[[], ExchangeError], folder: Path) -> tuple[float, int]:
    """Ask an exchange that always fails; return the hours until the error, and how many requests it has seen."""

    async def scenario() -> tuple[float, int]:
        exchange = FakeExchange(slots(1000))

        def fail(to: int, count: int) -> None:
            raise error()

        exchange.before = fail
        async with SqliteStore(folder / "candles.db") as store:
            provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(10), cursors=2)
            with pytest.raises((type(error()), IncompleteError)):
                await mode(provider, symbol="KRW-BTC", timeframe="1m", count=600, to=to_datetime(int(NOW)))
        return asyncio.get_running_loop().time() / 3600, len(exchange.asked)

    return run_virtual(scenario())


@pytest.mark.parametrize("mode", [collect, get, stream])
@pytest.mark.parametrize("kind", KINDS)
def test_asked_to_wait_for_ever(kind: Any, mode: Any, tmp_path: Path) -> None:
    """A server that asks for thirty years is not obeyed: the error comes at once, after one request a cursor."""
    hours, requests = refused_after(mode, lambda: kind(1e9), tmp_path)
    assert hours < 0.01
    assert 1 <= requests <= 6


@pytest.mark.parametrize("mode", [collect, get, stream])
@pytest.mark.parametrize("kind", KINDS)
def test_asked_to_wait_again_and_again(kind: Any, mode: Any, tmp_path: Path) -> None:
    """Nor one that asks for two hours each time: ``attempts`` is how often it may, for each page that is tried."""
    hours, requests = refused_after(mode, lambda: kind(TWO_HOURS), tmp_path)
    assert 5 * 2 <= hours < 4 * 5 * 2 + 1
    assert 6 <= requests <= 6 * 6


@pytest.mark.parametrize("mode", [collect, get, stream])
def test_blocked_for_an_unknown_time(mode: Any, tmp_path: Path) -> None:
    """A block that never ends and does not say so is asked about six times a page, each after a longer wait."""
    hours, requests = refused_after(mode, lambda: BannedError("418"), tmp_path)
    assert 0.5 < hours < 3 * 6 * 64 / 60
    assert requests <= 6 * 6


def test_blocked_without_a_limiter() -> None:
    """Without a limiter the pipeline itself waits, and no longer either."""

    async def scenario(seconds: float) -> float:
        exchange = FakeExchange(slots(1000))

        def fail(to: int, count: int) -> None:
            raise BannedError("418", seconds)

        exchange.before = fail
        request = Request("KRW-BTC", "1m", count=200, now=NOW)
        with pytest.raises(PassingError):
            await ops.run(ops.plan_chunks(request).pipe(ops.fetch(exchange)))
        return asyncio.get_running_loop().time()

    assert run_virtual(scenario(1e9)) == 0
    assert run_virtual(scenario(60)) == pytest.approx(5 * 60, abs=1)


def test_nothing_left_for_ever(tmp_path: Path) -> None:
    """A server that says after each answer that no request is left slows a collection down, and does not stop it."""

    class Stingy(FakeExchange):
        async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
            return attrs.evolve(await super().page(symbol, timeframe, to, count), remaining=0)

    async def scenario() -> float:
        exchange = Stingy(slots(5000), latency=0.05)
        async with SqliteStore(tmp_path / "candles.db") as store:
            provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(10), cursors=2)
            summary = await provider.collect_candles_only("KRW-BTC", "1m", count=4000, to=to_datetime(int(NOW)))
        assert summary.collected_count == 4000
        return asyncio.get_running_loop().time()

    assert run_virtual(scenario()) < 60


def test_blocked_while_others_wait(tmp_path: Path) -> None:
    """Who waits for a permit when another hears of a long block is told too, and does not wait for its end."""

    async def scenario() -> float:
        limiter: RateLimiter = SlidingWindowLimiter(1)
        exchange = FakeExchange(slots(5000), latency=0.5)

        def fail(to: int, count: int) -> None:
            if len(exchange.asked) == 3:
                raise BannedError("418", 3 * 86_400)

        exchange.before = fail
        async with SqliteStore(tmp_path / "candles.db") as store:
            provider = CandleDataProvider(store, exchange, limiter, cursors=4)
            with pytest.raises(BannedError):
                await provider.get_candles("KRW-BTC", "1m", count=4000, to=to_datetime(int(NOW)))
        assert len(exchange.asked) <= 4
        return asyncio.get_running_loop().time()

    assert run_virtual(scenario()) < 60
