"""What the engine and ``connect`` make of what an exchange declares of its limit; on a virtual clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

import rxcandles
from rxcandles import operators as ops
from rxcandles.engine.anew import Anew
from rxcandles.engine.estimate import seconds_at_limit
from rxcandles.limiters import Limit, SlidingWindowLimiter
from rxcandles.model import Request
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Page
from rxcandles.ports.declared import limit_at, limit_declared, page_cost, requests_a_second
from tests.support.fakes import NOW, FakeExchange, slots
from tests.support.virtualloop import run_virtual


class Weighing(FakeExchange):
    """Counts a weight of 2 a page, 1 where it is small, and tells what it has counted."""

    limit: ClassVar[Limit] = Limit(60, window=60, kind="fixed", group="weighing", unit="weight")
    name = "weighing"

    def __init__(self, others: float = 0.0) -> None:
        super().__init__(slots(1000))
        self.used = others
        self.server_time = NOW

    @staticmethod
    def page_cost(count: int) -> float:
        """2, or 1."""
        return 2.0 if count > 100 else 1.0

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """The same, with the count."""
        page = await super().page(symbol, timeframe, to, count)
        self.used += self.page_cost(count)
        return attrs.evolve(page, used=self.used)


class Plain:
    """A limiter of somebody else, which knows nothing of costs."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def acquire(self, *costs: float) -> float:
        """At once."""
        self.heard.append(costs)
        return 0.0

    def took(self, given: float, seconds: float, delay: float = 0.0) -> None:
        """Nothing."""

    def observe(self, *remaining: float, **used: float) -> None:
        """Remember it."""
        self.heard.append((*remaining, used))

    def limited(self, retry_after: float | None = None) -> None:
        """Nothing."""

    def banned(self, seconds: float | None = None) -> None:
        """Nothing."""


def fetch(exchange: FakeExchange, limiter: Any, count: int) -> Any:
    async def scenario() -> Any:
        request = Request("KRW-BTC", "1m", count=count, now=NOW)
        pages = ops.plan_chunks(request).pipe(ops.rate_limit(limiter), ops.fetch(exchange), ops.summarize())
        return await ops.run(pages)

    return run_virtual(scenario())


def test_cost_of_a_page() -> None:
    """A page takes what it costs, by its count; what the server says of its count is heard as that."""
    exchange = Weighing()
    limiter = SlidingWindowLimiter(exchange.limit)
    assert fetch(exchange, limiter, 1000).collected_count == 1000
    stats = limiter.stats()
    assert exchange.used == sum(exchange.page_cost(count) for _, count in exchange.asked)
    assert stats.permits == len(exchange.asked)
    assert stats.foreign == 0


def test_used_by_others() -> None:
    """What others have used shows."""
    exchange = Weighing(others=40)
    limiter = SlidingWindowLimiter(exchange.limit)
    fetch(exchange, limiter, 1000)
    assert limiter.stats().foreign == 40


@pytest.mark.parametrize("exchange", [FakeExchange(slots(300)), Weighing()], ids=["plain", "weighing"])
def test_limiter_of_somebody_else(exchange: FakeExchange) -> None:
    """A limiter that takes no cost is given none where each request takes one."""
    limiter = Plain()
    fetch(exchange, limiter, 300)
    costs = [heard for heard in limiter.heard if not heard or isinstance(heard[0], float)]
    weighs = isinstance(exchange, Weighing)
    assert costs == [(2.0,) if weighs and count > 100 else () for _, count in exchange.asked]
    assert any(isinstance(heard[-1], dict) for heard in limiter.heard if heard) == weighs


def test_declared() -> None:
    """An exchange that declares requests a second only is as before; ``Anew`` passes on what one declares."""
    plain, weighing = FakeExchange([]), Weighing()
    plain.rate_limit = 10.0
    assert (limit_declared(plain), limit_at(plain, 3.5), limit_at(plain, None), page_cost(plain, 7)) == (
        10,
        3.5,
        None,
        1,
    )
    assert (limit_declared(Anew(weighing)), page_cost(Anew(weighing), 200)) == (weighing.limit, 2)


@pytest.mark.parametrize(("rate", "capacity", "window"), [(10.0, 20, 1.0), (0.5, 2, 2.0), (2.5, 4, 0.8)])
def test_another_rate(rate: float, capacity: float, window: float) -> None:
    """A rate of one's own counts requests, whatever a page costs; what the server counts is of another window."""
    limit = limit_at(Weighing(), rate)
    assert isinstance(limit, Limit)
    assert (limit.capacity, limit.window, limit.told, limit.group) == (capacity, window, False, "weighing")
    assert requests_a_second(Weighing(), SlidingWindowLimiter(limit)) == pytest.approx(rate)


def test_estimate() -> None:
    """The time that a collection takes at the limit is by the cost of its pages."""
    limiter = SlidingWindowLimiter(Weighing.limit)
    assert seconds_at_limit(limiter, 61, 2.0) == pytest.approx(2 * 60.03)
    assert seconds_at_limit(limiter, 61) == pytest.approx(60.03)
    assert requests_a_second(Weighing(), limiter) == 0.5


async def test_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``connect`` keeps the declared limit; a shared one lies by its group and by the address that is sent from."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    path = tmp_path / "candles.db"

    async def limiter(**others: Any) -> Any:
        exchange = Weighing()
        if source := others.pop("source", None):
            exchange.source_address = source  # type: ignore[attr-defined]
        async with rxcandles.connect(path, exchange, **others) as provider:
            assert "weight a" in repr(provider) or others.get("rate_limit", 1) is None
            return provider.limiter

    assert (await limiter()).limit == Weighing.limit
    assert (await limiter(rate_limit=None)).limit is None
    assert not (folder / "rxcandles").exists()
    assert (await limiter(share_limit=True)).limit == Weighing.limit
    await limiter(share_limit=True, rate_limit=5, source="10.0.0.7")
    await limiter(share_limit=True, source="fe80::1")
    names = sorted(each.name for each in (folder / "rxcandles").iterdir())
    assert names == ["weighing-10.0.0.7.lease", "weighing-fe80__1.lease", "weighing.lease"]
