"""The loop behind a feed: it asks about each market when a candle has closed, and records how far each is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from random import uniform
from typing import Final

import attrs

from rxcandles.errors import (
    ExchangeError,
    InvalidResponseError,
    RequestRejectedError,
    UnknownMarketError,
    WrongServerError,
)
from rxcandles.live.beginning import Beginning, Since, start_of
from rxcandles.live.clock import ServerClock
from rxcandles.live.frames import Frames
from rxcandles.live.glance import glance
from rxcandles.live.listening import Listening
from rxcandles.live.market import Market
from rxcandles.live.parts import Parts
from rxcandles.live.questions import Answer, Questions, brief
from rxcandles.live.record import Record
from rxcandles.live.shards import Shard
from rxcandles.live.source import Source, last_change
from rxcandles.model.settings import FollowConfig
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.model.updates import FollowState
from rxcandles.ports import Followable, Followed
from rxcandles.ports.declared import requests_a_second, settle_seconds

__all__ = ["Follower"]

MOST: Final = 8
"""Questions under way at once; one while the exchange does not answer."""
_LONGEST: Final = 30.0
"""Most seconds between two questions while the exchange does not answer."""
_LOOK: Final = 5.0
"""Most seconds between two looks at the markets."""
_STALE: Final = 60.0
"""Seconds after which the server is asked for its time."""


class Follower(Source):
    """Follows markets until it is stopped; observers read what it finds.

    * ``until``: ends when every market is known up to this time, UTC seconds.
    * ``once``: ends when every market is known up to the candle that was the newest at the beginning; uses no stream.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        since: Since,
        parts: Parts,
        config: FollowConfig,
        *,
        until: int | None = None,
        once: bool = False,
    ) -> None:
        super().__init__({each: Market(each, timeframe, Frames(timeframe, config.ring)) for each in symbols}, timeframe)
        self.clock = ServerClock()
        self.settle = max(settle_seconds(parts.exchange), config.settle or 0.0)
        """Seconds after its end in which a candle may still change."""
        config = attrs.evolve(config, stream="off") if once else config
        self._parts = parts
        self._config = config
        self._since = since
        self._beginning = Beginning(parts, self.clock, timeframe, self._unreached)
        self._goal = until
        self._once = once
        self._record = Record(parts.exchange.name, timeframe)
        self._wake = asyncio.Event()
        self._given_up: dict[str, ExchangeError] = {}
        """Why a market is not known up to the goal, if the exchange is asked ``once``."""
        self._down = 0
        """Questions in a row, of any market, that the exchange did not answer."""
        self._questions = Questions(
            parts, self.markets, timeframe, config, self.settle, self.clock, self._settled, patient=not once
        )
        self.listening = Listening(
            parts.exchange, self.markets, timeframe, config, self.settle, self.clock, self._shown, self._changed
        )

    def now(self) -> float:
        """Return the server's time."""
        return self.clock.now()

    @property
    def offset(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the server's."""
        return self.clock.offset

    @property
    def connections(self) -> Sequence[Shard]:
        """The connections of its stream."""
        return () if self.listening.shards is None else self.listening.shards.all

    def outages(self) -> Sequence[Span]:
        """Return when the exchange as a whole was silent, among the latest slots."""
        return self._questions.outages.spans()

    # Running

    async def run(self) -> None:
        """Follow until everything asked for is known, or until cancelled; an error that nothing mends ends it."""
        try:
            await self._follow()
        except* Exception as group:
            self.error = _first(group)
        finally:
            self.ended = True
            self.tell_all()

    async def _follow(self) -> None:
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(self.listening.run())]
            self.change = await last_change(self._parts.store, self.timeframe, next(iter(self.markets)))
            await self._beginning.learn_time(list(self.markets), once=self._once)
            if self._once:
                self._goal = self._edge(self.clock.now())
            self.tell_all()
            if self._config.forming:
                beside.append(group.create_task(self._glancing()))
            while not self._done():
                await self._round(group)
            for task in beside:
                task.cancel()
            for error in self._given_up.values():
                raise error

    async def _round(self, group: asyncio.TaskGroup) -> None:
        """Ask about the markets that are due, and wait until another one is."""
        self._wake.clear()
        now = self.clock.now()
        edge = self._edge(now)
        for market in self.markets.values():
            self.listening.look(market, now, edge)
        idle = [each for each in self.markets.values() if not each.busy]
        room = (1 if self._down else MOST) - (len(self.markets) - len(idle))
        waiting = sorted((each for each in idle if not self._is_finished(each)), key=_turn)
        due = [each for each in waiting if _when(each) <= now][: max(0, room)]
        for market in due:
            market.busy = True
            group.create_task(self._ask(market))
        if self.clock.age > _STALE and not due and room == MOST:
            await self._ask_time()
        full = room <= len(due)
        wait = _LOOK if full or not waiting else min(_LOOK, max(0.001, min(map(_when, waiting)) - now))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._wake.wait()

    def _done(self) -> bool:
        return all(not each.busy and self._is_finished(each) for each in self.markets.values())

    def _is_finished(self, market: Market) -> bool:
        """Return whether nothing more is asked about a market: there is a goal, and it is reached or given up."""
        if self._goal is None:
            return False
        reached = market.heard >= self._goal and not market.doubts
        return reached or market.state == "refused" or market.symbol in self._given_up

    def _edge(self, now: float) -> int:
        """Return the end of the newest candle that is closed and settled."""
        edge = self.timeframe.floor(max(0.0, now - self.settle))
        return edge if self._goal is None else min(edge, self._goal)

    # Asking

    async def _ask(self, market: Market) -> None:
        try:
            if market.start is None:
                since = start_of(self._since, market.symbol)
                market.begin(await self._beginning.start(market.symbol, since, self._questions.chunks))
                self.tell(market)
            now = self.clock.now()
            edge = self._edge(now)
            if not market.known and market.proven >= edge:
                await self._look_at(market)  # no candle is missing yet, but there may be no such market
            answer = await self._questions.ask(market, edge, now)
        except UnknownMarketError as error:
            self._refused(market, error)
        except WrongServerError:
            raise
        except ExchangeError as error:
            self._failed(market, error)
        else:
            self._answered(market, answer, edge)
            if answer.unframed and self.listening.lives(market):
                await self.listening.mend(market, answer.newest)
        finally:
            market.busy = False
            self._wake.set()
        await self._keep(market)
        self.tell(market)

    async def _look_at(self, market: Market) -> None:
        """Look at the newest candle of a market; raise ``ExchangeError`` if that can't be had."""
        row = await glance(self._parts, market.symbol, self.timeframe, self.clock.now(), self.clock.said)
        if row is None:
            return
        if row.open_time >= self.timeframe.floor(self.clock.now()):
            market.forming = row
        else:
            market.see([row])

    def _answered(self, market: Market, answer: Answer, asked: int) -> None:
        market.failures = self._down = 0
        market.known = True
        if answer.rows:
            market.dispute_text = ""
        self._record.losses(market)
        for span in self._questions.outages.new():
            self._record.outage(span)
        now = self.clock.now()
        end = self.timeframe.shift(asked, 1)  # which may have passed, while the question waited for the limiter
        if answer.whole:
            market.due, market.not_before = self.listening.due(market, end), self._not_before(now, end)
        else:
            # Another server may know more at once; the same one needs time.
            market.due = now + self.settle * 2.0 ** min(market.tries - bool(market.doubts), 5)
        self._review(market)

    def _not_before(self, now: float, end: int) -> float:
        """Return until when not to ask again, so that all markets take at most half of the rate."""
        asked = 0.0 if self._config.confirm == "each" else float(self._config.confirm)
        rate = requests_a_second(self._parts.exchange, self._parts.limiter)
        period = asked if rate is None else max(asked, 2 * len(self.markets) / rate)
        slot = end - self.timeframe.shift(end, -1)
        return 0.0 if period <= slot else now + period

    def _settled(self, market: Market) -> None:
        """Tell observers how far a market is known now, in the middle of a long answer."""
        self._review(market)
        self.tell(market)

    def _review(self, market: Market) -> None:
        """Set how it goes after an answer, or after a change of the stream."""
        edge = self._edge(self.clock.now())
        if not market.known or self.timeframe.slots(market.heard, edge) > self._parts.exchange.page_limit:
            self._set_state(market, "catching_up")
        elif self.listening.lives(market):
            self._set_state(market, "live", market.dispute_text)
        else:
            self._set_state(market, "polling", self.listening.fault(market))

    def _refused(self, market: Market, error: UnknownMarketError) -> None:
        self._down = 0
        market.due = market.audit_due = self.clock.now() + self._config.audit
        self._set_state(market, "refused", brief(error))
        if all(each.state == "refused" and not each.known for each in self.markets.values()):
            raise error  # nothing that was asked for exists

    def _failed(self, market: Market, error: ExchangeError) -> None:
        market.failures += 1
        # An answer that makes no sense, or a refusal, is about this market.
        self._down += not isinstance(error, RequestRejectedError | InvalidResponseError)
        if self._once:
            self._given_up.setdefault(market.symbol, error)
        wait = max(error.retry_after or 0.0, uniform(0.5, min(_LONGEST, 2.0 ** min(market.failures, 5))))  # nosec B311
        market.due = self.clock.now() + wait
        market.audit_due = max(market.audit_due, market.due) if market.audit_due else 0.0
        self._set_state(market, "stalled", brief(error))

    def _unreached(self, error: ExchangeError) -> None:
        for market in self.markets.values():
            self._set_state(market, "stalled", brief(error))

    async def _ask_time(self) -> None:
        """Ask for the server's time, after a long silence or after this machine slept."""
        market = min(self.markets.values(), key=lambda each: each.proven)
        try:
            await glance(self._parts, market.symbol, self.timeframe, self.clock.now(), self.clock.said)
        except ExchangeError:
            await asyncio.sleep(1.0)

    async def _keep(self, market: Market) -> None:
        """Record in the store how far the market is known, for readers in other processes."""
        store = self._parts.store
        if isinstance(store, Followable) and market.start is not None:
            followed = Followed(market.start, market.proven, market.heard, market.state, market.reason, time.time())
            await store.follow(market.symbol, self.timeframe, followed)

    # What the stream shows

    def _shown(self, market: Market) -> None:
        if self._config.forming or self._config.provisional:
            self.tell(market)
        if _when(market) < self.clock.now() + _LOOK:
            self._wake.set()

    def _changed(self, market: Market) -> None:
        self._review(market)
        self._wake.set()

    async def _glancing(self) -> None:
        """Look at the forming candles of markets without a stream, with a quarter of the rate at most."""
        rate = requests_a_second(self._parts.exchange, self._parts.limiter)
        while True:
            wanted = [each for each in self.markets.values() if each.state == "polling"]
            for market in wanted:
                try:
                    row = await glance(self._parts, market.symbol, self.timeframe, self.clock.now(), self.clock.said)
                except ExchangeError:
                    continue  # the questions about closed candles will say what is wrong
                forms = row is not None and row.open_time >= self.timeframe.floor(self.clock.now())
                if forms and row != market.forming:
                    market.forming = row
                    self.tell(market)
            await asyncio.sleep(max(2.0, 0.0 if rate is None else 4 * len(wanted) / rate))

    # Telling

    def _set_state(self, market: Market, state: FollowState, reason: str = "") -> None:
        if market.set_state(state, reason):
            self._record.state(market)
            self.tell(market)


def _when(market: Market) -> float:
    """Return when a market is asked about next."""
    due = max(market.due, market.not_before)
    return min(due, market.audit_due) if market.audit_due else due


def _turn(market: Market) -> tuple[float, int]:
    return (_when(market), market.proven)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
