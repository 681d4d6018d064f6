"""What every exchange keeps to, whatever its own ends, order and rules are: each adapter is run through it.

A new adapter is one more :class:`Case`: how it is opened, and what really exists behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxcandles import Exchange, Page, RequestError, Timeframe
from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.binance import BinanceExchange
from rxcandles.exchanges.http import HttpExchange
from rxcandles.simulator import Market, Simulator
from rxcandles.simulator.faces.binance import BinanceSimulator
from tests.support.binance import Memory
from tests.support.toys import END, KINDS, LISTED, MINUTE, Toy, truth

FRAME = Timeframe.of("1m")


@attrs.frozen
class Opened:
    """An exchange, and what exists behind it."""

    exchange: Exchange
    symbol: str
    times: Callable[[int, int], Sequence[int]]
    """The open times in ``[start, stop)``, newest first."""
    listed: int
    now: int

    async def page(self, to: int, count: int) -> Page:
        """A page of minutes."""
        return await self.exchange.page(self.symbol, FRAME, to, count)


@attrs.frozen
class Case:
    """How an adapter is opened."""

    name: str
    opened: Callable[[], AbstractAsyncContextManager[Opened]]


@asynccontextmanager
async def upbit() -> AsyncIterator[Opened]:
    """Upbit's adapter, against the simulator."""
    market = Market("KRW-BTC", density=0.3, listed=LISTED)

    def times(start: int, stop: int) -> list[int]:
        return [row.open_time for row in market.rows("1m", start, stop, now=END + 30)][::-1]

    async with (
        Simulator([market], rate=None, clock=lambda: END + 30.0) as server,
        UpbitExchange(server.base_url) as exchange,
    ):
        yield Opened(exchange, "KRW-BTC", times, LISTED, END + 30)


@asynccontextmanager
async def binance_over_http() -> AsyncIterator[Opened]:
    """The same against the simulator, with a halt in which some rows open between two slots."""
    halt = (END - 4000 * MINUTE, END - 3700 * MINUTE)
    odd = (halt[0] * 1000 + 14_789, halt[1] * 1000 - 61)
    sparse = Market("BTCUSDT", density=0.3, listed=LISTED, halts=(halt,), off_grid=odd)
    async with (
        BinanceSimulator([sparse], rate=None, clock=lambda: END + 30.0) as server,
        BinanceExchange(server.base_url) as exchange,
    ):
        market = server.market("BTCUSDT")
        times = [row.open_time for row in market.rows("1m", 0, END + MINUTE, now=END + 30)]

        def between(start: int, stop: int) -> list[int]:
            return [time for time in reversed(times) if start <= time < stop]

        yield Opened(exchange, "BTCUSDT", between, times[0], END + 30)


@asynccontextmanager
async def binance() -> AsyncIterator[Opened]:
    """Binance's adapter, its requests answered in memory: a candle in each slot but those of an outage."""
    exchange = Memory()
    yield Opened(
        exchange, "BTCUSDT", lambda start, stop: exchange.times(start, min(stop, END + MINUTE)), LISTED, END + 30
    )


@asynccontextmanager
async def toy(kind: type[Toy]) -> AsyncIterator[Opened]:
    """One of the toys."""
    exchange = kind(0.3)
    yield Opened(exchange, "TOY", partial(truth, exchange), exchange.times[0], END + 30)  # type: ignore[arg-type]


CASES = [
    Case("upbit", upbit),
    Case("binance", binance),
    Case("binance over HTTP", binance_over_http),
    *(Case(kind.__name__, partial(toy, kind)) for kind in KINDS),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    async with request.param.opened() as exchange:
        yield exchange


def check(opened: Opened, page: Page, to: int, count: int) -> None:
    """Hold a page against the truth: newest first, on the grid, before ``to``, all of what it covers, no more."""
    times = [row.open_time for row in page.rows]
    assert times == sorted(set(times), reverse=True)
    assert all(FRAME.on_grid(time) for time in times)
    assert all(time < to for time in times)
    assert len(times) <= count
    assert page.covered is not None
    start, stop = page.covered
    assert start <= stop <= to
    assert times == opened.times(start, stop)
    assert not page.history_starts or not opened.times(0, start)


@given(slots=st.integers(-500, 12_500), aside=st.integers(0, 59), count=st.integers(1, 200))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_covers_what_it_says(opened: Opened, slots: int, aside: int, count: int) -> None:
    """Asked before any time, on the grid or inside a slot, a page has all that exists in what it says it covers."""
    to = END - slots * MINUTE + aside
    check(opened, await opened.page(to, count), to, count)


async def test_a_page_reaches_to_its_end(opened: Opened) -> None:
    """What is asked before a time ends there, both ends told: the slot before ``to`` is among it, ``to`` is not."""
    newest = opened.times(0, END)[0]
    for to, there in [(newest, False), (newest + MINUTE, True)]:
        page = await opened.page(to, 50)
        assert page.covered is not None
        assert page.covered[1] == to
        assert (newest in [row.open_time for row in page.rows]) is there


async def test_pages_join(opened: Opened) -> None:
    """Each page asked before the one above covers what comes next: no candle twice, none lost, down to the end."""
    to, found, pages = END, [], 0
    while True:
        page = await opened.page(to, opened.exchange.page_limit)
        check(opened, page, to, opened.exchange.page_limit)
        assert page.covered is not None
        found += [row.open_time for row in page.rows]
        pages += 1
        if page.history_starts or page.covered[0] >= to or page.covered[0] <= opened.listed:
            break
        to = page.covered[0]
    assert found == opened.times(0, END)
    assert pages <= 100


async def test_as_many_as_a_page_holds(opened: Opened) -> None:
    """The page limit is what really comes at most; one more is refused in words where the adapter knows it."""
    limit = opened.exchange.page_limit
    check(opened, await opened.page(END, limit), END, limit)
    if isinstance(opened.exchange, HttpExchange):
        with pytest.raises(RequestError, match=f"{limit + 1}"):
            await opened.page(END, limit + 1)


async def test_before_the_listing(opened: Opened) -> None:
    """Nothing exists there, which a page says: that history starts, or that the window is empty, or that it can't."""
    for to in (opened.listed, opened.listed - 7000 * MINUTE):
        page = await opened.page(to, 20)
        check(opened, page, to, 20)
        assert not page.rows
    probe = getattr(opened.exchange, "first_open", None)
    if probe is not None:
        assert await probe(opened.symbol, FRAME) == opened.listed


async def test_the_future_and_what_forms(opened: Opened) -> None:
    """Asked before a time to come, a page has no candle of then; what still forms shows by the server's own time."""
    page = await opened.page(END + 50 * MINUTE, 60)
    newest = page.rows[0].open_time
    assert newest <= opened.now
    if newest + MINUTE > opened.now:
        assert page.server_time is not None
        assert FRAME.floor(page.server_time) == newest


async def test_what_it_can_not_have(opened: Opened) -> None:
    """A market in a name that can't be, or a timeframe that isn't served, is refused before anything is sent."""
    if isinstance(opened.exchange, HttpExchange):
        with pytest.raises(RequestError):
            opened.exchange.check("KRW BTC", FRAME)
    else:
        with pytest.raises(RequestError):
            opened.exchange.check(opened.symbol, Timeframe.of("1w"))
    assert opened.symbol in [market.symbol for market in await opened.exchange.markets()]
