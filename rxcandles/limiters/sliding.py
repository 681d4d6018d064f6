"""A rate limiter that counts as a strict server does, and hears what the server says.

It is a sliding log: a permit is given only while fewer than ``rate`` were given in the last window. The window is a
little longer than the server's, because requests are spread on their way there: against a strict 10 a second, a log
without this guard draws 429s, with 30 ms there are none. Where the round trips turn out to vary less than that, so
does the guard; a request that took longer than the others counts from when it may have arrived. What other clients of
the same address use up shows in the server's headers and 429s; the limiter leaves them that room for as long as it
shows. A :class:`~rxcandles.model.limit.Limit` says where a server counts in another way, or counts weight.
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
"""Seconds after which an answer that was never heard of is no longer expected."""


def clock() -> float:
    """Return the time of the running loop; outside of one that of asyncio's own loops, which read the same clock."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


class SlidingWindowLimiter(Titled):
    """Gives at most ``rate`` permits in any ``window`` seconds, first come, first served.

    ``rate`` may have a fraction: 2.5 a second is 2 in 0.8 s, 0.5 is 1 in 2 s. None sets no limit, but pauses hold. A
    ``Limit`` in its place says how the server counts, and has a window of its own. Up to ``guard`` seconds are added to
    the window for the spread of the requests' delays on their way to the server: all of them at first and after a 429,
    else twice the spread of the round trips seen, at least a fifth. Needs a running loop and reads its clock; has no
    task of its own. Belongs to one loop at a time and is not thread-safe. ``keeper`` is where its state is kept; None
    for this object alone. Raises ``RequestError`` for a rate, window or guard that can't be meant.
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
        """What the newest request took; those of a run mostly take the same."""
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
        """Permits a window, or None for no limit; setting it takes effect at once, for those who wait too."""
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

        ``cost`` is how much the request takes of the limit; more than all of it is all of it. Cancelling gives the
        place up; a permit that had just been given goes to the next in line. Nobody waits for a pause of more than two
        hours, those in line neither: that is a ``BannedError`` or ``RateLimitedError``.
        """
        if cost != 1.0 or cost is True:
            check_number("cost", cost, above=True, what="a number")
        return await self._queue.permit(cost)

    def took(self, given: float, seconds: float, delay: float = 0.0) -> None:
        """Hear how long the request of a permit has taken; a slow one may have been counted late by the server.

        ``delay`` (opening a connection), and what the rest took beyond the quickest of the last hundred, are added to
        when the permit was given, where that is more than the guard may be. The others of the hundred tell the guard.
        """
        late = self._trips.took(seconds, delay)
        if self._limit is None:
            return
        self._fit()
        if late > self._trips.least_guard:
            with self._keeper.step():
                self._counting.came_late(self._state, given, self._cost, late)

    def observe(self, remaining: float | None = None, *, used: float | None = None) -> None:
        """Hear how much the server still allowed when it answered, or how much was used by then; never raises.

        Where it had counted more than all of ours that it can have counted, the rest is another client's and takes
        up permits: all of them for a window, then a quarter (or one) fewer every window, unless as many show again.
        Answers may be late or out of order: they are matched with permits first to first, and every permit younger
        than the matched one counts as ours, answered or not. Our own are so not taken for another's.
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
            # Of what the exchange allows beyond the limit that is kept here the others may use everything.
            theirs = self._counting.theirs(self._state, permit, used - (declared.capacity - limit.capacity))
            if theirs > 0:
                # The next answers that show the same client will be as late as this one: leave it its room till then.
                until = self._counting.seen_until(self._state, now, permit)
                room = min(theirs, limit.capacity)
                self._foreign_seen += self._state.leave(room, now, self._counting.span, until)

    def learned(self, given: float, server_time: float) -> None:
        """Hear what the server's clock said (UTC seconds) when it answered the request of a permit."""
        if self._limit is not None and self._limit.kind == "fixed":
            with self._keeper.step():
                learn_clock(self._state, given, clock(), server_time)

    def answered(self, given: float) -> None:
        """Hear that the request of a permit was answered as asked, neither by a 429 nor by a 418.

        Where the permit was given after the last pause, the server has let us in again: the next pause is a single
        window again. What was on its way before that pause says nothing of it.
        """
        if given < self._state.paused_until or self._state.calm_at == -math.inf:
            return
        with self._keeper.step():
            if given >= self._state.paused_until:
                self._state.calm_at = -math.inf

    def limited(self, retry_after: float | None = None) -> None:
        """Hear of a 429: nobody gets a permit for one window from now, or ``retry_after`` seconds if that is longer.

        A 429 during that pause (requests already on their way) moves its end. One to a request of the first window
        after a pause, before any was answered, follows on the one before: it doubles the pause, up to 32 windows. An
        answer, or a window without a 429, makes it a single window again. No pause is longer than a day. Where a window
        is fixed, what is left of it is one; a server that says how long is believed there, and for a bucket.
        """
        told = seconds_told("retry_after", retry_after)
        with self._keeper.step():
            now, state, limit = clock(), self._state, self._limit
            permit = self._next_answered()
            self._limited_seen += 1
            self._trips.begin_anew()  # the guard may have been too little
            self._fit()
            window = self._base.window if limit is None else limit.window
            first = window if limit is None else self._counting.pause(state, now, told)
            until = pause(state, now, now if permit is None else permit.given, first, window, told)
            if limit is not None:
                # We kept the rate, so another client must have used what was refused to us. One permit is always left.
                span = self._counting.span
                room = min(state.left_to_others(now, span) + self._cost, max(0.0, limit.capacity - self._cost))
                self._foreign_seen += state.leave(room, now, span, until + span + self._counting.guard)
            state.ahead_least, state.ahead_most = -math.inf, math.inf  # or its clock is not what it was
            self._unanswered.clear()  # which answers were lost is unknowable now; start matching afresh
            self._queue.wake()
        event = LimitedEvent(event="429", wait=until - now, retry_after=retry_after)
        log_event(_log, logging.WARNING, event, "429: the rate limit was passed; pausing for %.2f s", until - now)

    def banned(self, seconds: float | None = None) -> None:
        """Hear of a 418 or another block of the whole address: nobody gets a permit for ``seconds``, in any group.

        Where the server does not say, 60 seconds; a 418 within the hour after a block doubles that, up to 64 times. No
        block is believed to be longer than a day.
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
        """When the next permit can be given, as far as is known; not after ``now`` where one is free."""
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
        """How many such requests a window has room for."""
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
