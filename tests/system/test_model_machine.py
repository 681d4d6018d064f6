"""The promise as a state machine: whatever is done in whatever order, what is covered for good is true.

Whatever an ill exchange leaves out is covered provisionally at most, and once it is well and the confirm times have
passed, two runs make all of it true. Nothing is asked twice within them.

Real parts: a SQLite file, HTTP on loopback, simulated markets whose truth is known. Some hundred
steps here; ``RXCANDLES_EXAMPLES=900`` in the environment makes it a long run of more than 20,000.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from unittest.mock import patch

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import rxcandles
from rxcandles import operators as ops
from rxcandles.errors import ContradictionError, ExchangeError, IncompleteError, StoreError, UnknownMarketError
from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.binance import BinanceExchange
from rxcandles.exchanges.http import HttpExchange
from rxcandles.model import SETTLE_SECONDS, CandleData, Request
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import to_datetime
from rxcandles.simulator import BinanceSimulator, Fault, Illness, Market, Simulator, faults
from rxcandles.stores.opening import store_at
from rxcandles.stores.sql.transaction import transaction
from tests.support.asking import asking
from tests.support.audit import Truth, audit
from tests.support.postgres import Server as Postgres

pytestmark = pytest.mark.exhaustive

_log = logging.getLogger(__name__)
_A = TypeVar("_A")

BEGIN = 1_772_000_007
LISTED = BEGIN - 900 * 60
FAULTS: dict[str, Callable[[], Fault]] = {
    "reset": lambda: faults.drop("before"),
    "cut": lambda: faults.drop("body"),
    "500": lambda: faults.status(500),
    "truncated": faults.truncated,
    "garbage": faults.garbage,
    "unordered": faults.unordered,
    "repeated": faults.repeated,
    "misaligned": faults.misaligned,
    "other market": faults.other_market,
    "seam": faults.seam,
    "429": lambda: faults.limited({"Retry-After": None}),
    # What these leave out contradicts what is held, or is covered provisionally.
    "empty list": lambda: lambda _, answer: attrs.evolve(answer, body="[]"),
    "short": lambda: lambda _, answer: answer.with_rows(answer.rows[: len(answer.rows) // 2]),
}

AHEAD = 270 * 86_400
"""How far our own clock is ahead of the exchange's."""

ILLNESSES: dict[str, Callable[[int], Illness]] = {
    "behind": lambda now: Illness(lag=130),
    "far behind": lambda now: Illness(lag=600),
    "an hour lost": lambda now: Illness(lost=((now - 7200, now - 3600),)),
    "a day lost": lambda now: Illness(lost=((now - 2 * 86_400, now - 86_400),)),
    "hot storage": lambda now: Illness(keeps=7200),
    "maintenance": lambda now: Illness(empty=True),
    "lacks the newest": lambda now: Illness(without_newest=1),
}
HOW: dict[str, dict[str, Any]] = {
    "all": {},
    "by request": {"share": 0.3},
    "by connection": {"connections": (1, 4)},
}

QUIET = rxcandles.CollectionConfig(enable_memory_warning=False)  # our own clock is months ahead of this exchange's

symbols = st.sampled_from(["A", "B", "C", "D"])
frames = st.sampled_from(["1m", "1m", "1m", "5m", "1h", "1d"])
orders = st.sampled_from(["newest_first", "oldest_first"])


@attrs.frozen
class Asked:
    """What a request asks, relative to the clock: slots back from now. Markets are called by one letter."""

    symbol: str
    timeframe: str
    count: int | None
    to: int | None
    length: int | None

    def arguments(self, now: int) -> dict[str, Any]:
        """Return the arguments of the modes."""
        slot = {"1m": 60, "5m": 300, "1h": 3600, "1d": 86_400}[self.timeframe]
        to = None if self.to is None else now - self.to * slot
        end: datetime | None = None
        if self.length is not None:
            end = to_datetime((now if to is None else to) - self.length * slot)
        asked = {"symbol": self.symbol, "timeframe": self.timeframe, "count": self.count, "end": end}
        return asked | {"to": None if to is None else to_datetime(to)}


asks = st.builds(
    Asked,
    symbols,
    frames,
    st.one_of(st.none(), st.integers(1, 40), st.integers(1, 900)),
    st.one_of(st.none(), st.integers(-3, 900)),
    st.integers(1, 900),
).map(lambda asked: asked if asked.count is None else attrs.evolve(asked, length=None))


class Collecting(RuleBasedStateMachine):
    """One database, one exchange, and everything that may befall them."""

    steps: ClassVar[int] = 0
    simulator: ClassVar[Any] = Simulator
    exchange_kind: ClassVar[type[HttpExchange]] = UpbitExchange
    symbol: ClassVar[str] = "KRW-{}"

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN
        self.folder = tempfile.TemporaryDirectory()
        self.path = self.database()
        self.runner = asyncio.Runner()
        self.page = 200
        self.lagged = False
        self.renamed = 0
        self.cache = faults.stale({"Age": "7"})
        self.provider: rxcandles.CandleDataProvider | None = None

    def database(self) -> str:
        """An empty database."""
        return str(Path(self.folder.name, "candles.db"))

    def run(self, work: Coroutine[Any, Any, _A]) -> _A:
        """Do it on the machine's loop."""
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """An exchange with markets of all kinds, and an empty database."""
        densities = {"A": 1.0, "B": 0.9, "C": 0.3, "D": 0.02}
        markets = [self.market(letter, density, LISTED) for letter, density in densities.items()]
        self.ended: dict[str, Market] = {}
        self.sim = self.simulator(markets, rate=None, clock=lambda: float(self.now))
        self.clock = patch("time.time", lambda: float(self.now + AHEAD))
        self.clock.start()
        self.truth = Truth(lambda symbol: self.ended.get(symbol) or self.sim.market(symbol))
        self.run(self.sim.__aenter__())
        self.run(self._open())

    def market(self, letter: str, density: float, listed: int) -> Market:
        """A made-up market, as the exchange of this machine calls it and fills it."""
        return Market(self.symbol.format(letter), density, listed=listed, dense=self.simulator is BinanceSimulator)

    async def _open(self) -> None:
        self.exchange = self.exchange_kind(self.sim.base_url)
        self.exchange.page_limit = self.page
        self.store = store_at(self.path, exchange=self.exchange.name)
        await self.store.__aenter__()
        limiter = rxcandles.SlidingWindowLimiter(None, window=0.001)
        retry = ops.Retry(attempts=2, base=1e-5, longest=1e-4)
        self.provider = rxcandles.CandleDataProvider(self.store, self.exchange, limiter, retry=retry)

    async def _close(self) -> None:
        await self.exchange.close()
        with suppress(StoreError):
            await self.store.close()

    def arguments(self, asked: Asked) -> dict[str, Any]:
        """The arguments of the modes at this exchange."""
        return {**asked.arguments(self.now), "symbol": self.symbol.format(asked.symbol)}

    def expected(self, asked: dict[str, Any], order: str) -> list[CandleData]:
        """What the exchange has of a request by now, the slow way."""
        request = Request(**asked)  # by our own clock, which is months ahead of the exchange's
        stop = min(request.stop, request.timeframe.floor(self.now - SETTLE_SECONDS))
        start = LISTED - 40 * 86_400 if request.start is None else request.start
        provisional = self.provisional(request.symbol, request.timeframe.name)
        rows = [
            row
            for row in self.truth.rows(request.symbol, request.timeframe.name, start, stop)
            if row.open_time not in provisional
        ]
        newest = rows[::-1][: request.count]
        chosen = newest if order == "newest_first" else newest[::-1]
        return CandleData.of(request.symbol, request.timeframe.name, chosen)

    def provisional(self, symbol: str, timeframe: str) -> SpanSet:
        """Return what is taken for empty until another answer says so."""
        with asking(self.path) as ask:
            spans = ask(
                "SELECT start, stop FROM claims JOIN series ON id = series WHERE symbol = ? AND timeframe = ?",
                symbol, timeframe,
            )  # fmt: skip
            return SpanSet(tuple(spans))

    def untraded(self, asked: Asked) -> bool:
        """Whether the market is listed, but has no candle yet, or only one that still forms."""
        return not self.truth.rows(self.symbol.format(asked.symbol), "1m", LISTED - 86_400, self.now // 60 * 60)

    def known(self, asked: Asked) -> bool:
        """Whether the exchange still knows the market."""
        symbol = self.symbol.format(asked.symbol)
        return symbol in self.sim.markets and self.sim.market(symbol).known(self.now)

    # What people do

    @rule(asked=asks)
    def collect(self, asked: Asked) -> None:
        """The summary counts what there is; a second time nothing is asked that lies in the past."""
        arguments = self.arguments(asked)
        try:
            summary = self.run(self._provider.collect_candles_only(**arguments))
        except UnknownMarketError:
            assert not self.known(asked)
            return
        except (ContradictionError, IncompleteError):
            assert self.untraded(asked)
            return
        if not self.known(asked):
            return
        assert summary.collected_count == summary.db_records_count == len(self.expected(arguments, "newest_first"))
        if asked.to is not None and asked.to > 1:
            before = self.sim.stats.requests
            again = self.run(self._provider.collect_candles_only(**arguments))
            assert (again.collected_count, again.stored_count) == (summary.collected_count, 0)
            assert self.sim.stats.requests == before

    @rule(asked=asks, order=orders)
    def get(self, asked: Asked, order: str) -> None:
        """The list is what there is, in the order asked for."""
        arguments = self.arguments(asked)
        try:
            candles = self.run(self._provider.get_candles(**arguments, order=order, config=QUIET))
        except UnknownMarketError:
            assert not self.known(asked)
            return
        except (ContradictionError, IncompleteError):
            assert self.untraded(asked)
            return
        if self.known(asked):
            assert list(candles) == self.expected(arguments, order)

    @rule(asked=asks, order=orders, size=st.integers(1, 300), most=st.integers(0, 6))
    def stream(self, asked: Asked, order: str, size: int, most: int) -> None:
        """A stream is what there is, as far as it is read; ``most`` chunks of 5, or all where it is 6."""
        arguments = self.arguments(asked)

        async def read() -> tuple[list[CandleData], bool]:
            candles: list[CandleData] = []
            config = rxcandles.StreamingConfig(chunk_yield_size=size)
            async with self._provider.stream_candles(**arguments, order=order, config=config) as stream:
                number = 0
                async for chunk, meta in stream:
                    assert 0 < len(chunk) <= size
                    candles += chunk
                    number += 1
                    if number == most and most < 6:
                        return candles, meta.is_final_chunk
            return candles, True

        try:
            candles, whole = self.run(read())
        except UnknownMarketError:
            assert not self.known(asked)
            return
        except (ContradictionError, IncompleteError):
            assert self.untraded(asked)
            return
        if self.known(asked):
            expected = self.expected(arguments, order)
            assert candles == expected[: len(candles)]
            assert not whole or candles == expected

    @rule(asked=asks, mode=st.sampled_from(["collect", "get", "stream"]), turns=st.integers(0, 120))
    def cancel(self, asked: Asked, mode: str, turns: int) -> None:
        """A mode that is cancelled at any moment leaves no task behind."""
        arguments = self.arguments(asked)

        async def work() -> None:
            if mode == "collect":
                await self._provider.collect_candles_only(**arguments)
            elif mode == "get":
                await self._provider.get_candles(**arguments, config=QUIET)
            else:
                async with self._provider.stream_candles(**arguments) as stream:
                    async for _ in stream:
                        pass

        async def cancelled() -> None:
            task = asyncio.ensure_future(work())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            result = (await asyncio.gather(task, return_exceptions=True))[0]
            fine = asyncio.CancelledError | UnknownMarketError
            if self.untraded(asked):
                fine |= ContradictionError | IncompleteError
            assert result is None or isinstance(result, fine), result
            ours = [each for each in asyncio.all_tasks() if "rxcandles" in repr(each.get_coro())]
            assert not [each for each in ours if "simulator" not in repr(each)], ours

        self.run(cancelled())

    @rule(asked=asks, requests=st.integers(0, 5))
    def crash(self, asked: Asked, requests: int) -> None:
        """The connection dies with a transaction open, while something is being collected."""
        arguments = self.arguments(asked)

        def die(connection: Any) -> None:
            with suppress(StoreError), transaction(connection):
                connection.execute("DELETE FROM candles")
                connection.execute("UPDATE coverage SET start = start - 60000, rows = rows + 7")
                connection.close()
                raise StoreError("it dies here")

        async def work() -> None:
            before = self.sim.stats.requests
            task = asyncio.ensure_future(self._provider.collect_candles_only(**arguments))
            while self.sim.stats.requests < before + requests and not task.done():
                await asyncio.sleep(0)
            with suppress(StoreError):  # with the connection its -wal is gone
                await self.store._open.call(die)
            result = (await asyncio.gather(task, return_exceptions=True))[0]
            fine = StoreError | UnknownMarketError
            if self.untraded(asked):
                fine |= ContradictionError | IncompleteError
            assert not isinstance(result, BaseException) or isinstance(result, fine), result
            await self._close()
            with asking(self.path) as ask, suppress(sqlite3.OperationalError):
                ask("DELETE FROM reservations")  # as they end by themselves where the clock goes on
            await self._open()

        self.run(work())

    @rule(page=st.sampled_from([1, 3, 7, 20, 50, 200, 200]))
    def reopen(self, page: int) -> None:
        """Close and open again, with pages of another size."""
        self.run(self._close())
        # A candle that a server behind has sent comes again with a page that has room for it.
        self.page = max(page, 20) if self.lagged else page
        self.run(self._open())

    @rule(asked=asks, fault=st.sampled_from(["stale", *FAULTS]), skipped=st.integers(0, 3), times=st.integers(1, 6))
    def heal(self, asked: Asked, fault: str, skipped: int, times: int) -> None:
        """Whatever a fault has kept away comes with the next request, and nothing wrong is kept."""
        arguments = self.arguments(asked)
        seen = [0]

        def when(_: object) -> bool:
            seen[0] += 1
            return seen[0] > skipped

        self.sim.faults.add(self.cache if fault == "stale" else FAULTS[fault](), times, when)
        with suppress(IncompleteError, ExchangeError):
            self.run(self._provider.collect_candles_only(**arguments))
        self.sim.faults.clear()
        self.recover(asked)

    @rule(
        asked=asks,
        illness=st.sampled_from([*ILLNESSES]),
        how=st.sampled_from([*HOW]),
        minutes=st.integers(0, 50),
        recovers=st.booleans(),
    )
    def ill(self, asked: Asked, illness: str, how: str, minutes: int, recovers: bool) -> None:
        """An exchange that is ill for less than an hour makes us believe nothing for good.

        But for a gap that chance makes as well: an hour of a market that trades every 50 minutes, or a single slot.
        """
        if illness == "an hour lost" and (asked.symbol == "D" or asked.timeframe not in ("1m", "5m")):
            illness = "lacks the newest"
        if illness == "a day lost" and asked.timeframe == "1d":
            illness = "maintenance"
        if "behind" in illness and self.page < 20:
            illness = "hot storage"  # such pages have no room for candles that come again
        self.lagged |= "behind" in illness
        self.sim.illnesses.add(ILLNESSES[illness](self.now), **HOW[how])
        for pause in (minutes * 60, 0):
            with suppress(IncompleteError, ExchangeError):
                self.run(self._provider.collect_candles_only(**self.arguments(asked)))
            self.now += pause
        self.sim.illnesses.clear()
        if recovers:
            self.recover(asked)

    def recover(self, asked: Asked) -> None:
        """Two runs, each after all confirm times, make true what is asked for."""
        arguments = self.arguments(asked)
        with suppress(UnknownMarketError, ContradictionError, IncompleteError):
            for _ in range(2):
                self.now += 2 * 3600
                summary = self.run(self._provider.collect_candles_only(**arguments))
            if self.known(asked):
                wanted = self.expected(arguments, "newest_first")
                assert summary.collected_count == len(wanted)
                # A page of one row has no room for the row that shows what is newer, so a doubt may be left.
                assert not summary.provisional_spans or asked.to is None or asked.to < 1 or self.page == 1
                request = Request(**arguments)
                start = wanted[-1].open_seconds if wanted and request.start is None else request.start or LISTED
                lacking = self.provisional(request.symbol, request.timeframe.name)
                rows = self.truth.rows(request.symbol, request.timeframe.name, start, self.now - 3700)
                stop = min(request.stop, self.now - 3700)
                assert not [row for row in rows if row.open_time in lacking and row.open_time < stop]

    # What befalls them

    @rule(seconds=st.one_of(st.integers(1, 200), st.integers(1, 7200)))
    def wait(self, seconds: int) -> None:
        """The clock moves on."""
        self.now += seconds

    @rule(letter=symbols, minutes=st.integers(1, 90))
    def halt(self, letter: str, minutes: int) -> None:
        """A market is halted from the next day candle's slot on or sooner, for a while."""
        symbol = self.symbol.format(letter)
        if symbol in self.sim.markets:
            market = self.sim.market(symbol)
            begin = self.now // 60 * 60 + 60
            self.sim.markets[symbol] = attrs.evolve(market, halts=(*market.halts, (begin, begin + minutes * 60)))

    @precondition(lambda self: self.renamed < 3)
    @rule(letter=symbols)
    def rename(self, letter: str) -> None:
        """A market goes by another name from now on: the old one is unknown, the new one has its own history."""
        symbol = self.symbol.format(letter)
        if symbol in self.sim.markets:
            self.renamed += 1
            self.ended[symbol] = self.sim.market(symbol)
            del self.sim.markets[symbol]
            new = self.market(f"N{self.renamed}", 0.5, self.now)
            self.sim.markets[new.symbol] = new

    @precondition(lambda self: self.renamed < 3)
    @rule(letter=symbols, minutes=st.integers(0, 60))
    def end(self, letter: str, minutes: int) -> None:
        """A market ends soon; then the exchange says that it never was."""
        symbol = self.symbol.format(letter)
        if symbol in self.sim.markets and self.sim.market(symbol).delisted is None:
            self.renamed += 1
            market = self.sim.market(symbol)
            self.sim.markets[symbol] = attrs.evolve(market, delisted=self.now // 60 * 60 + minutes * 60 + 60)

    @rule(asked=asks, order=orders)
    def get_newly_listed(self, asked: Asked, order: str) -> None:
        """A market that was listed a moment ago is found too."""
        if self.renamed and self.symbol.format(f"N{self.renamed}") in self.sim.markets:
            self.get(attrs.evolve(asked, symbol=f"N{self.renamed}"), order)

    @invariant()
    def true(self) -> None:
        """The promise."""
        Collecting.steps += 1
        if self.provider is not None:
            audit(self.path, self.truth, self.now, provisional_ok=True)

    def teardown(self) -> None:
        """Close everything."""
        if self.provider is not None:
            self.run(self._close())
            self.run(self.sim.__aexit__(None, None, None))
            self.clock.stop()
        self.runner.close()
        self.folder.cleanup()
        _log.info("%d steps so far", Collecting.steps)

    @property
    def _provider(self) -> rxcandles.CandleDataProvider:
        assert self.provider is not None
        return self.provider


class CollectingAtBinance(Collecting):
    """The same at an exchange that has a candle for every slot."""

    simulator = BinanceSimulator
    exchange_kind = BinanceExchange
    symbol = "{}USDT"


class CollectingOnAServer(Collecting):
    """The same with a server for the candles."""

    server: ClassVar[Postgres]

    def database(self) -> str:
        """An empty database of the server."""
        return self.server.url(self.server.fresh())


def test_on_a_server(postgres: Postgres) -> None:
    """The promise holds where a server has the candles."""
    CollectingOnAServer.server = postgres
    how = settings(TestCollecting.settings, max_examples=int(LONG or 3))
    run_state_machine_as_test(CollectingOnAServer, settings=how)


TestCollecting = Collecting.TestCase
TestCollectingAtBinance = CollectingAtBinance.TestCase
LONG = os.environ.get("RXCANDLES_EXAMPLES")
TestCollecting.settings = settings(
    max_examples=int(LONG or 14),
    stateful_step_count=30,
    deadline=None,
    derandomize=LONG is None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


TestCollectingAtBinance.settings = settings(TestCollecting.settings, max_examples=int(LONG or 3))


def test_a_second_question_far_above() -> None:
    """A second question begins far above what it is about: in a dense market it takes more rows to get down there."""
    state = Collecting()
    try:
        state.begin()
        first = Asked(symbol="A", timeframe="1d", count=1, to=None, length=None)
        state.heal(asked=first, fault="truncated", skipped=2, times=5)
        second = Asked(symbol="B", timeframe="1m", count=None, to=105, length=151)
        state.heal(asked=second, fault="cut", skipped=1, times=6)
        state.true()
    finally:
        state.teardown()
