"""A service that keeps five markets' minutes current, with what befalls one, on a clock that is moved by hand.

Everything but the time is real: a SQLite file, HTTP on loopback, the library as it is. The exchange and the library
read the same clock, which stands still while anything is done. For ``days``, and for its short version in the tests.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Final
from unittest.mock import patch

import attrs

import rxcandles
from rxcandles import operators as ops
from rxcandles.errors import IncompleteError, RxCandlesError, SeveralFailedError, UnknownMarketError
from rxcandles.exchanges import UpbitExchange
from rxcandles.model import SETTLE_SECONDS, Request
from rxcandles.model.reports import CollectionSummary
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.simulator import Illness, Market, Simulator, faults
from tests.support.audit import Truth, audit

__all__ = ["Day", "Keeping"]

BEGIN: Final = 1_772_323_200
"""2026-03-01T00:00Z."""
LATE: Final = 5
"""Seconds after the full minute at which all is collected: what has just ended has settled by then."""
WINDOW: Final = 180
"""Minutes, or candles, back from now that are asked for every minute."""
FIRST: Final = BEGIN - (WINDOW - 2) * 60
"""The older end of what is asked for in the first minute."""
OUTAGE: Final = 3
"""Minutes for which the exchange answers 503 once a day."""
LAG: Final = (6, 0.02)
"""Seconds that a replica of an ill exchange is behind, and its share of the answers: it has not heard of the minute
that has just ended."""
MAINTENANCE: Final = 2
"""Minutes for which an ill exchange answers ``[]`` once a day."""
PIECE: Final = 1000
"""Minutes of older history of which a stream is begun once a day."""
PATIENCE: Final = 60
"""Real seconds after which a virtual minute hangs."""
ONE_MINUTE: Final = Timeframe.of("1m")


@attrs.define
class Day:
    """What one virtual day came to."""

    collections: int = 0
    """Collections of one market that brought all they were asked for; each had a new minute."""
    pages: int = 0
    """Requests of those, retries apart."""
    retries: int = 0
    failed: int = 0
    """Collections that an outage, or the end of a market, left without all they asked for."""
    again: int = 0
    """Collections of what had been collected in the same minute."""
    again_requests: int = 0
    requests: int = 0
    """All that the exchange saw."""
    ill: int = 0
    """How many of those for candles an ill replica answered."""
    wal: int = 0
    """The most bytes that the write-ahead log had after any minute."""
    file: int = 0
    """Bytes that the database has at the end, without that."""
    seconds: float = 0.0
    """Of the processor: this machine may have other work."""


class Keeping:
    """Keeps a database current for ``days`` virtual days of ``day`` minutes: ``async with Keeping(path) as keeping``.

    Half of the minutes all markets are collected at once, half of them one by one. In the second day one market is
    halted for an hour; in mid-run one is delisted and another, just listed, takes its place. Every day has its faults,
    an outage, something read and checked, a stream left early, and begins with a deploy: everything is closed and
    opened again. Whatever is not as it has to be is an ``AssertionError``, also a minute that hangs.

    An exchange that is ``ill`` has a replica that lags all day, lacks the minutes that pass in a twenty-fourth of each
    day while they do, and is in maintenance for :data:`MAINTENANCE` minutes. In those minutes, when it is ``unwell``, a
    collection may fail or be short.
    """

    def __init__(self, path: Path, days: int, day: int = 1440, ill: bool = False) -> None:
        self.path = path
        self.days = days
        self.now = BEGIN + LATE
        self._wal = path.with_name(f"{path.name}-wal")
        middle, halt = BEGIN + days * day // 2 * 60, BEGIN + day * 90
        self._markets = (
            Market("KRW-ALL"),
            Market("KRW-MOST", 0.95, halts=((halt, halt + 3600),)),
            Market("KRW-SOME", 0.3),
            Market("KRW-RARE", 0.02),
            Market("KRW-OLD", 0.998, delisted=middle),
            Market("KRW-NEW", 0.9, listed=middle - 600),
        )
        self._symbols = [market.symbol for market in self._markets[:-1]]
        self._until: dict[str, int] = {}
        """What each market was last asked for, up to when."""
        self._today = Day()
        self._minute = 0
        self._healed = 0
        happenings = (
            self._deploy, self._limit, self._fail, self._ask_again, self._reset, self._go_down, self._read,
            self._limit, self._stream, self._reset, self._ask_again, self._fail,
        )  # fmt: skip
        self._day = day
        self._ill = ill
        self._unwell: list[range] = []
        """The spans of today in which all of the exchange is ill."""
        self._happenings = {day * number // len(happenings): what for number, what in enumerate(happenings)}

    async def __aenter__(self) -> Keeping:
        async with AsyncExitStack() as stack:
            stack.enter_context(patch("rxcandles.model.request.time", SimpleNamespace(time=self.clock)))
            logger = logging.getLogger("rxcandles")
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)  # faults are what is expected here
            # The rate is one that is counted and never reached.
            self._sim = await stack.enter_async_context(Simulator(self._markets, rate=100_000, clock=self.clock))
            for market in self._markets:
                # The simulator keeps texts and blocks up to a bound. It is reached now, not in the course of days.
                market.newest(ONE_MINUTE, self.now * 2, 20_000, self.now * 2)
                market.newest(Timeframe.of("1d"), self.now * 2, 2_000, self.now * 2)
            stack.push_async_callback(self._close)
            await self._open()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def clock(self) -> float:
        """What time it is, UTC seconds."""
        return float(self.now)

    @property
    def unwell(self) -> bool:
        """Whether all of the exchange is ill now; the replica that lags apart, which may be met at any time."""
        return any(int(self.now) in span for span in self._unwell)

    async def live(self) -> Day:
        """Let a day pass, and say what it came to."""
        today, began = Day(), time.process_time()
        self._today = today
        if self._ill:
            self._fall_ill()
        for minute in range(self._day):
            self.now += 60
            self._minute += 1
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._pass(self._happenings.get(minute))
            except TimeoutError as error:
                raise AssertionError(f"minute {self._minute} has not ended within {PATIENCE} s") from error
            today.wal = max(today.wal, self._wal.stat().st_size)
        today.file = self.path.stat().st_size
        today.requests = self._sim.stats.requests
        today.ill = sum(logged.ill for logged in self._sim.log)
        self._sim.reset_stats()  # it keeps a log
        today.seconds = time.process_time() - began
        return today

    async def audit(self) -> int:
        """Hold the file against the truth after the last day; return how many candles it has.

        All that was asked for is there, from the first minute to the last, and what is there is true. Memory and time
        grow with the candles.
        """
        if self._ill:
            await self._recover()
        for market in self._markets:
            start, stop = max(market.listed, FIRST), self._until[market.symbol]
            spans = await self._store.coverage(market.symbol, ONE_MINUTE, start, stop)
            held = [(span.start, span.stop) for span in spans]
            assert any(first <= start and stop <= last for first, last in held), f"{market.symbol} has only {held}"
        # A page of a quiet market reaches further back than what was asked for.
        since = BEGIN - (self.days * PIECE + 20 * 1440) * 60
        return audit(self.path, Truth(self._sim.market, since), self.now)

    async def _recover(self) -> None:
        """Let the exchange be well again: two runs, each after all confirm times, make true what it has left out."""
        self._sim.illnesses.clear()
        self._sim.faults.clear()
        self._healed = self._minute
        for _ in range(2):
            self.now += 2 * 3600
            for symbol in self._symbols:
                with suppress(UnknownMarketError):
                    await self._provider.collect_candles_only(
                        symbol, "1m", end=to_datetime(BEGIN - self.days * PIECE * 60)
                    )

    async def _pass(self, happening: Callable[[], Awaitable[None]] | None) -> None:
        """Collect, then let something else happen; a fault meets the next minute's requests."""
        if self._minute == self._healed:
            self._sim.faults.clear()
        newest = ONE_MINUTE.floor(self.now - SETTLE_SECONDS)
        for symbol, result in (await self._collected()).items():
            if isinstance(result, CollectionSummary):
                if not self.unwell:
                    assert result.time_range[1] == to_datetime(newest), f"{symbol} is held up to {result.time_range[1]}"
                    assert result.collected_count == result.db_records_count
                self._until[symbol] = newest
                self._today.collections += 1
                self._today.pages += result.api_calls_made - result.retries
                self._today.retries += result.retries
            else:
                self._excuse(symbol, result)
                self._today.failed += 1
        if happening is not None:
            await happening()

    async def _collected(self) -> Mapping[str, CollectionSummary | Exception]:
        """Collect all markets, at once or one by one, by a span or by count."""
        found: dict[str, CollectionSummary | Exception] = {}
        if self._minute % 2:
            end = to_datetime(self.now - WINDOW * 60)
            try:
                summaries = await self._provider.collect_many(Request(each, "1m", end=end) for each in self._symbols)
            except SeveralFailedError as error:
                found.update({request.symbol: each for request, each in error.failures.items()})
                summaries = dict(error.summaries)
            return found | {request.symbol: each for request, each in summaries.items()}
        for symbol in self._symbols:
            try:
                found[symbol] = await self._provider.collect_candles_only(symbol, "1m", count=WINDOW)
            except RxCandlesError as error:
                found[symbol] = error
        return found

    def _excuse(self, symbol: str, error: Exception) -> None:
        """Go on where a market is no more or the exchange is down; raise what else there may be."""
        if isinstance(error, UnknownMarketError) and not self._sim.market(symbol).known(self.now):
            self._symbols[self._symbols.index(symbol)] = self._markets[-1].symbol
        elif not self.unwell and (not isinstance(error, IncompleteError) or self._minute >= self._healed):
            raise error

    # What befalls a service

    async def _open(self) -> None:
        self._opened = AsyncExitStack()
        exchange = await self._opened.enter_async_context(UpbitExchange(self._sim.base_url))
        self._store = await self._opened.enter_async_context(rxcandles.SqliteStore(self.path))
        # Nobody is to wait for real seconds; what waits for them in between is the same.
        limiter = rxcandles.SlidingWindowLimiter(10, window=0.005, guard=0.001)
        retry = ops.Retry(attempts=3, base=0.001, longest=0.002)
        self._provider = rxcandles.CandleDataProvider(self._store, exchange, limiter, retry=retry)

    async def _close(self) -> None:
        await self._opened.aclose()
        assert not self._wal.exists(), "the last connection has not been closed"

    async def _deploy(self) -> None:
        await self._close()
        await self._open()

    async def _limit(self) -> None:
        self._sim.faults.add(faults.limited(), 1)

    async def _fail(self) -> None:
        self._sim.faults.add(faults.status(500), 1)

    async def _reset(self) -> None:
        self._sim.faults.add(faults.drop("headers"), 1)

    async def _go_down(self) -> None:
        self._sim.faults.add(faults.status(503))
        self._healed = self._minute + OUTAGE + 1

    def _fall_ill(self) -> None:
        """Decide on what the exchange has today, at times at which nothing else befalls."""
        lag, share = LAG
        part = self._day * 60 // 24
        morning, evening = ONE_MINUTE.floor(self.now + 7 * part), ONE_MINUTE.floor(self.now + 19 * part)
        lost, maintenance = (
            range(morning, morning + max(1, part // 60) * 60),
            range(evening, evening + MAINTENANCE * 60),
        )
        illnesses = self._sim.illnesses
        illnesses.clear()
        illnesses.add(Illness(lag=lag), share=share)
        illnesses.add(Illness(lost=((lost.start, lost.stop),)), since=lost.start, until=lost.stop)
        illnesses.add(Illness(empty=True), since=maintenance.start, until=maintenance.stop)
        self._unwell = [lost, maintenance]

    async def _ask_again(self) -> None:
        for result in (await self._collected()).values():
            assert isinstance(result, CollectionSummary)
            self._today.again += 1
            self._today.again_requests += result.api_calls_made

    async def _read(self) -> None:
        """Get a window of each market: that of the quiet one as a list, the others lazily."""
        config = rxcandles.CollectionConfig(max_memory_objects=WINDOW // 2, enable_memory_warning=False)
        stop = ONE_MINUTE.floor(self.now - SETTLE_SECONDS)
        start = stop - (WINDOW - 1) * 60
        for symbol in self._symbols:
            candles = await self._provider.get_candles(
                symbol, "1m", end=to_datetime(start), order="oldest_first", config=config
            )
            assert [each.row for each in candles] == self._sim.market(symbol).rows("1m", start, stop), symbol

    async def _stream(self) -> None:
        """Leave a stream of older history at its first chunk: properly, or by a mere ``break``."""
        to = BEGIN - (WINDOW + self._minute // self._day * PIECE) * 60
        end = to_datetime(to - PIECE * 60)
        config = rxcandles.StreamingConfig(chunk_yield_size=100)
        stream = self._provider.stream_candles("KRW-MOST", "1m", to=to_datetime(to), end=end, config=config)
        if self._minute // self._day % 2:
            await anext(stream)
            await stream.aclose()
        else:
            async for _ in stream:
                break
