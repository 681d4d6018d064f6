"""A rate limiter that counts as a strict server does, and uses what the server reports.

It is a sliding log: a permit is given only while fewer than ``rate`` were given in the last window. The window is a
little longer than the server's, because requests are spread on their way there: against a strict 10 a second, a log
without this guard draws 429s, with 30 ms there are none. If the round trips turn out to vary less, so does the guard. A
request that took longer than the others counts from when it may have arrived. Other clients of the same address show in
the server's headers and 429s; the limiter leaves them that room for as long as they show. A
:class:`~rxcandles.model.limit.Limit` describes a server that counts in another way, or counts weight.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

import attrs

from rxcandles.events import BannedEvent, LimitedEvent, log_event
from rxcandles.limiters.counting import counting_of
from rxcandles.limiters.keeping import Alone, Keeper
from rxcandles.limiters.pauses import block, learn_clock, pause, refusal, seconds_told
from rxcandles.limiters.queueing import Queue
from rxcandles.limiters.state import LimiterState, Permit
from rxcandles.limiters.stats import LimiterStats, WeightStats
from rxcandles.limiters.trips import Trips
from rxcandles.model.limit import Limit, limit_of
from rxcandles.util.arguments import check_number, check_rate
from rxcandles.util.showing import Titled, limit_text

__all__ = ["SlidingWindowLimiter", "clock"]

_log = logging.getLogger("rxcandles.limiters")

_PATIENCE: Final = 5.0
"""Seconds after which an answer that never came is no longer expected."""


def clock() -> float:
    """Return the time of the running loop; without a loop, that of asyncio's own loops, which read the same clock."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


class SlidingWindowLimiter(Titled):
    """Gives at most ``rate`` permits in any ``window`` seconds, first come, first served.

    It needs a running loop, reads its clock, and has no task of its own. It belongs to one loop at a time and is not
    thread-safe.

    * ``rate``: it may have a fraction: 2.5 a second is 2 in 0.8 s, 0.5 is 1 in 2 s. None sets no limit, but pauses
      still hold. A :class:`Limit` describes how the server counts, and has a window of its own.
    * ``guard``: the most seconds that are added to the window for the spread of the requests' delays on their way to
      the server. All of it is added at first and after a 429; otherwise twice the spread of the round trips seen, at
      least a fifth of it.
    * ``keeper``: where the state is kept; None for this object alone.

    Raises ``RequestError`` if an argument is invalid.

    >>> limiter = SlidingWindowLimiter(10)
    >>> async def ask():
    ...     for _ in range(3):
    ...         await limiter.acquire()
    >>> await ask()
    >>> limiter.stats().permits
    3
    """

    def __init__(
        self, rate: float | Limit | None, *, window: float = 1.0, guard: float = 0.03, keeper: Keeper | None = None
    ) -> None:
        self._limit = self._declared = limit_of(rate, window)
        self._base = rate if isinstance(rate, Limit) else Limit(1, window=window)
        self._plain = not isinstance(rate, Limit)
        self._rate = rate.capacity if isinstance(rate, Limit) else rate
        self._trips = Trips(check_number("guard", guard, 0, 86_400))
        self._keeper = Alone() if keeper is None else keeper
        self._gives_way_until: float | None = None
        self._cost = 1.0
        """The cost of the newest request; the requests of a run mostly cost the same."""
        self._unanswered: deque[Permit] = deque()
        self._queue = Queue(self._keeper, self._due, self._give, self._give_back, lambda now: refusal(self._state, now))
        self._permits = self._returned = 0
        self._foreign_seen = 0.0
        self._limited_seen = self._banned_seen = 0
        self._fit()

    def _told(self) -> Mapping[str, object]:
        return {"limit": self.text}

    @property
    def text(self) -> str:
        """The limit in words."""
        return limit_text(self._rate) if self._limit is None or self._plain else self._limit.text

    @property
    def rate(self) -> float | None:
        """Permits a window, or None for no limit; a change takes effect at once, also for waiting callers."""
        return self._rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        self._rate = check_rate("rate", rate)
        self._limit = None if rate is None else self._base.allowing(rate)
        self._declared = self._declared or self._limit
        self._fit()
        self._queue.wake()

    @property
    def limit(self) -> Limit | None:
        """The limit that is kept, or None."""
        return self._limit

    def beside(self, rate: float | Limit | None, *, window: float = 1.0, guard: float = 0.03) -> SlidingWindowLimiter:
        """Return a limiter of another group at the same exchange: a block of the address stops both."""
        keeper = Alone(self._keeper.state.blocks)
        return SlidingWindowLimiter(rate, window=window, guard=guard, keeper=keeper)

    async def acquire(self, cost: float = 1.0) -> float:
        """Wait for a permit and return when it was given (loop time), for ``took``; first come, first served.

        Cancelling gives up the place; a permit that had just been given goes to the next in line.

        * ``cost``: how much of the limit the request takes; more than all of it counts as all of it.

        Raises ``BannedError`` or ``RateLimitedError`` instead of waiting for a pause of more than two hours, also for
        callers that wait already.
        """
        if cost != 1.0 or cost is True:
            check_number("cost", cost, above=True, what="a number")
        return await self._queue.permit(cost)

    def took(self, given: float, seconds: float, delay: float = 0.0) -> None:
        """Record how long the request of a permit has taken; the server may have counted a slow one late.

        * ``given``: what ``acquire`` has returned.
        * ``delay``: seconds for opening a connection.

        ``delay``, and what the rest took beyond the quickest of the last hundred requests, are added to the time of the
        permit, if that is more than the guard may be. The other requests of the hundred set the guard.
        """
        late = self._trips.took(seconds, delay)
        if self._limit is None:
            return
        self._fit()
        if late > self._trips.least_guard:
            with self._keeper.step():
                self._counting.came_late(self._state, given, self._cost, late)

    def observe(self, remaining: float | None = None, *, used: float | None = None) -> None:
        """Record how much the server still allowed when it answered, or how much was used by then; never raises.

        If the server had counted more than all of our requests that it can have counted, another client has used the
        rest, and that takes up permits: all of it for a window, then a quarter (or one) less every window, unless as
        much shows again. Answers may be late or out of order. They are matched with permits first to first, and every
        permit younger than the matched one counts as ours, answered or not. So our own requests are not taken for
        another client's.
        """
        with self._keeper.step():
            permit = self._next_answered()
            limit, declared = self._limit, self._declared
            if permit is None or limit is None or declared is None or not limit.told:
                return
            if used is None:
                if remaining is None:
                    return
                used = declared.capacity - max(remaining, 0)
            now = clock()
            # Others may use everything that the exchange allows beyond the limit that is kept here.
            theirs = self._counting.theirs(self._state, permit, used - (declared.capacity - limit.capacity))
            if theirs > 0:
                # The next answers that show the same client will be as late as this one: leave it its room until then.
                until = self._counting.seen_until(self._state, now, permit)
                room = min(theirs, limit.capacity)
                self._foreign_seen += self._state.leave(room, now, self._counting.span, until)

    def learned(self, given: float, server_time: float) -> None:
        """Record the server's clock (UTC seconds) in its answer to the request of a permit."""
        if self._limit is not None and self._limit.kind == "fixed":
            with self._keeper.step():
                learn_clock(self._state, given, clock(), server_time)

    def answered(self, given: float) -> None:
        """Record that the request of a permit was answered as asked, neither by a 429 nor by a 418.

        If the permit was given after the last pause, the server accepts requests again, and the next pause is a single
        window again. A request that was sent before that pause shows nothing about it.
        """
        if given < self._state.paused_until or self._state.calm_at == -math.inf:
            return
        with self._keeper.step():
            if given >= self._state.paused_until:
                self._state.calm_at = -math.inf

    def limited(self, retry_after: float | None = None) -> None:
        """Record a 429: no permit is given for one window from now, or for ``retry_after`` seconds if that is longer.

        A 429 during that pause (a request already on its way) moves its end. A 429 to a request of the first window
        after a pause, before any request was answered, follows on the one before: it doubles the pause, up to 32
        windows. An answer, or a window without a 429, makes it a single window again. No pause is longer than a day.
        For a fixed window the pause is the rest of that window. If the limit is a fixed window or a bucket, the time
        that the server asks for is used as it is.
        """
        told = seconds_told("retry_after", retry_after)
        with self._keeper.step():
            now, state, limit = clock(), self._state, self._limit
            permit = self._next_answered()
            self._limited_seen += 1
            self._trips.begin_anew()  # the guard may have been too small
            self._fit()
            window = self._base.window if limit is None else limit.window
            first = window if limit is None else self._counting.pause(state, now, told)
            until = pause(state, now, now if permit is None else permit.given, first, window, told)
            if limit is not None:
                # We kept the rate, so another client must have used what was refused to us. One permit is always left.
                span = self._counting.span
                room = min(state.left_to_others(now, span) + self._cost, max(0.0, limit.capacity - self._cost))
                self._foreign_seen += state.leave(room, now, span, until + span + self._counting.guard)
            state.ahead_least, state.ahead_most = -math.inf, math.inf  # or its clock has changed
            self._unanswered.clear()  # it is unknown now which answers were lost; start matching afresh
            self._queue.wake()
        event = LimitedEvent(event="429", wait=until - now, retry_after=retry_after)
        log_event(_log, logging.WARNING, event, "429: the rate limit was passed; pausing for %.2f s", until - now)

    def banned(self, seconds: float | None = None) -> None:
        """Record a 418 or another block of the whole address: no permit is given for ``seconds``, in any group.

        Without ``seconds`` it is 60 seconds; a 418 within the hour after a block doubles that, up to 64 times. No block
        is assumed to be longer than a day.
        """
        told = seconds_told("seconds", seconds)
        window = self._base.window if self._limit is None else self._limit.window
        with self._keeper.step():
            now = clock()
            self._banned_seen += 1
            until = block(self._state, now, None if told is None else max(told, window))
            self._unanswered.clear()
            self._queue.wake()
        event = BannedEvent(event="418", wait=until - now, retry_after=seconds)
        log_event(_log, logging.WARNING, event, "418: this address is blocked; sending nothing for %.1f s", until - now)

    def stats(self) -> LimiterStats:
        """Return a snapshot; at any moment, also outside the loop."""
        with self._keeper.step():
            now, state, limit = clock(), self._state, self._limit
            told = LimiterStats(
                rate=self._rate,
                permits=self._permits - self._returned,
                waiting=self._queue.waiting,
                foreign=round(self._foreign_seen),
                limited=self._limited_seen,
                banned=self._banned_seen,
                paused_for=max(state.stopped_until - now, 0.0),
                active=0 if limit is None else math.ceil(self._counting.used(state, now)),
                capacity=None if limit is None else int(limit.capacity),
                left_to_others=0 if limit is None else math.ceil(state.left_to_others(now, self._counting.span)),
                window=self._base.window if limit is None else limit.window,
                guard=self._counting.guard,
            )
        if limit is None or limit.unit == "requests":
            return told
        return WeightStats(**attrs.asdict(told, recurse=False), unit=limit.unit)

    @property
    def _state(self) -> LimiterState:
        return self._keeper.state

    def _fit(self) -> None:
        self._counting = counting_of(self._limit or self._base, self._trips.guard)

    def _due(self, now: float, cost: float) -> float:
        """Return when the next permit can be given, as far as is known; not after ``now`` if one is free."""
        state, limit = self._state, self._limit
        if limit is None:
            return state.stopped_until
        due = max(state.stopped_until, self._counting.due(state, now, min(cost, limit.capacity)))
        if due > now:
            self._gives_way_until = None
            return due
        if self._gives_way_until is None:
            self._gives_way_until = now + self._keeper.courtesy(now, self._counting.span, self._most(limit, cost))
        return self._gives_way_until

    @staticmethod
    def _most(limit: Limit, cost: float) -> int:
        """Return how many requests of ``cost`` fit into a window."""
        return max(1, int(limit.capacity / cost))

    def _give(self, now: float, cost: float) -> Permit | None:
        self._permits += 1
        self._gives_way_until = None
        if self._limit is None:
            return None
        self._cost = cost = min(cost, self._limit.capacity)
        self._counting.give(self._state, now, cost)
        self._keeper.gave(now, self._most(self._limit, cost))
        permit = Permit(now, self._counting.used(self._state, now), self._state.spent, cost)
        unanswered = self._unanswered
        while unanswered and unanswered[0].given + _PATIENCE < now:
            unanswered.popleft()
        unanswered.append(permit)
        return permit

    def _next_answered(self) -> Permit | None:
        if self._keeper.begun_anew:
            self._keeper.begun_anew = False
            self._unanswered.clear()
        return self._unanswered.popleft() if self._unanswered else None

    def _give_back(self, permit: Permit | None) -> None:
        self._returned += 1
        if permit is not None:
            self._counting.take_back(self._state, permit.given, permit.cost)
            if permit in self._unanswered:
                self._unanswered.remove(permit)
