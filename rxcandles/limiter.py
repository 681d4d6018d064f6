"""A rate limiter that counts as a strict server does, and hears what the server says.

It is a sliding log: a permit is given only while fewer than ``rate`` were given in the last window. The window is a
little longer than the server's, because requests are spread on their way there: against a strict 10 a second, a log
without this guard draws 429s, with 30 ms there are none. Where the round trips turn out to vary less than that, so
does the guard; a request that took longer than the others counts from when it may have arrived. What other clients of
the same address use up shows in the server's headers and 429s; the limiter leaves them that room for as long as it
shows.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final, NamedTuple

import attrs

from rxcandles.arguments import check_number, check_rate
from rxcandles.errors import BannedError, ExchangeError, RateLimitedError
from rxcandles.events import BannedEvent, LimitedEvent, log_event
from rxcandles.model import LONGEST_WAIT
from rxcandles.showing import Brief, Titled, limit_text

__all__ = ["LimiterStats", "SlidingWindowLimiter"]

_log = logging.getLogger("rxcandles.limiter")

_LONGEST_PAUSE: Final = 86_400.0
"""Seconds for which a server's word is believed: one that says a thousand years would else be obeyed for ever."""

_LONGEST_DOUBLING: Final = 5
"""A pause after a 429 doubles up to this often: 32 windows."""
_BAN_SECONDS: Final = 60.0
"""First block assumed where a 418 does not say; no recorded 418 of Upbit does (2026-11)."""
_LONGEST_BAN_DOUBLING: Final = 6
_QUIET_AFTER_BAN: Final = 3600.0
_TRIPS: Final = 100
_FIRST_TRIPS: Final = 20
"""Round trips that are heard of before the guard is fitted to them."""
_LEAST_GUARD: Final = 0.2
"""Part of the guard that is always kept."""
_PATIENCE: Final = 5.0
"""Seconds after which an answer that was never heard of is no longer expected."""
_ALONE: Final = nullcontext()


class _Permit(NamedTuple):
    """One permit: when it was given, how many were active then (itself included), and its number."""

    given: float
    active: int
    number: int


@attrs.frozen(repr=False)
class LimiterStats(Brief):
    """A snapshot of a limiter: what it has done so far (counters that only grow), and how full its window is."""

    rate: float | None
    """Permits a window allowed now, as set; None for no limit."""
    permits: int
    """Permits given."""
    waiting: int
    """Callers waiting for one."""
    foreign: int
    """Requests of other clients of this address that the server's answers revealed."""
    limited: int
    """429s heard of."""
    banned: int
    """418s heard of."""
    paused_for: float
    """Seconds for which nobody gets a permit; 0.0 where there is no pause."""
    active: int = 0
    """Permits in use: given within the last ``window`` + ``guard`` seconds. 0 without a limit, which counts none."""
    capacity: int | None = None
    """The most that can be in use: 2 for a rate of 2.5, whose window is 0.8 s. None for no limit."""
    left_to_others: int = 0
    """How many of these are left to other clients of this address now."""
    window: float = 0.0
    """Seconds of the window, without the guard."""
    guard: float = 0.0
    """Seconds added to the window now, for the spread of the requests' delays."""


class SlidingWindowLimiter(Titled):
    """Gives at most ``rate`` permits in any ``window`` seconds, first come, first served.

    ``rate`` may have a fraction: 2.5 a second is 2 in 0.8 s, 0.5 is 1 in 2 s. None sets no limit, but pauses hold.
    Up to ``guard`` seconds are added to the window for the spread of the requests' delays on their way to the server:
    all of them at first and after a 429, else twice the spread of the round trips seen, at least a fifth. Needs a
    running loop and reads its clock; has no task of its own. Belongs to one loop at a time and is not thread-safe.
    Raises ``RequestError`` for a rate, window or guard that can't be meant.
    """

    def __init__(self, rate: float | None, *, window: float = 1.0, guard: float = 0.03) -> None:
        self._base_window = check_number("window", window, 0, 86_400, above=True)
        self._guard = self._full_guard = check_number("guard", guard, 0, 86_400)
        self._rate = check_rate("rate", rate)
        self._given: deque[float] = deque()
        self._trips: deque[float] = deque(maxlen=_TRIPS)
        self._unanswered: deque[_Permit] = deque()
        self._waiting: OrderedDict[asyncio.Future[_Permit | None], None] = OrderedDict()
        self._timer: asyncio.Handle | None = None
        self._looks_at = -math.inf
        """When that is due. Not its ``when``: uvloop gives a plain ``Handle``, without one, for what is near."""
        self._foreign = 0
        self._foreign_until = -math.inf
        self._paused_until = -math.inf
        self._calm_at = -math.inf
        """Up to when a 429 follows on the one before; long past where a request was answered since."""
        self._streak = 0
        self._banned_until = -math.inf
        self._ban_forgotten_at = -math.inf
        self._ban_streak = 0
        self._number = self._permits = self._returned = 0
        self._foreign_seen = self._limited_seen = self._banned_seen = 0
        self._fit()

    def _told(self) -> Mapping[str, object]:
        return {"limit": limit_text(self._rate)}

    @property
    def rate(self) -> float | None:
        """Permits a window, or None for no limit; setting it takes effect at once, for those who wait too."""
        return self._rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        self._rate = check_rate("rate", rate)
        self._fit()
        self._wake()

    async def acquire(self) -> float:
        """Wait for a permit and return when it was given (loop time), for ``took``; first come, first served.

        Cancelling gives the place up; a permit that had just been given goes to the next in line. Nobody waits for a
        pause of more than two hours, those in line neither: that is a ``BannedError`` or ``RateLimitedError``.
        """
        loop = asyncio.get_running_loop()
        with self._step():
            now = loop.time()
            if not self._waiting and self._due(now) <= now:
                self._give(now)
                return now
            if refusal := self._refusal(now):
                raise refusal
            place: asyncio.Future[_Permit | None] = loop.create_future()
            self._waiting[place] = None
            if self._timer is None:
                self._look_again(loop, self._due(now))
        try:
            permit = await place
        except asyncio.CancelledError:
            self._leave(place)
            raise
        return loop.time() if permit is None else permit.given

    def took(self, given: float, seconds: float, delay: float = 0.0) -> None:
        """Hear how long the request of a permit has taken; a slow one may have been counted late by the server.

        ``delay`` (opening a connection), and what the rest took beyond the quickest of the last hundred, are added to
        when the permit was given, where that is more than the guard may be. The others of the hundred tell the guard.
        """
        trip = seconds - delay
        late = delay + trip - min(self._trips, default=trip)
        self._trips.append(trip)
        if self._rate is None:
            return
        if len(self._trips) >= _FIRST_TRIPS:
            trips = sorted(self._trips)
            spread = trips[len(trips) * 9 // 10] - trips[0]
            self._guard = min(self._full_guard, max(2 * spread, self._full_guard * _LEAST_GUARD))
            self._fit()
        if late <= self._full_guard * _LEAST_GUARD:
            return
        with self._step():
            with suppress(ValueError):
                self._given.remove(given)
            insort(self._given, given + late)

    def observe(self, remaining: int) -> None:
        """Hear how many requests the server still allowed in this second when it answered; never raises.

        Where it had counted more than all of ours that it can have counted, the rest is another client's and takes
        up permits: all of them for a window, then a quarter (or one) fewer every window, unless as many show again.
        Answers may be late or out of order: they are matched with permits first to first, and every permit younger
        than the matched one counts as ours, answered or not. Our own are so not taken for another's.
        """
        with self._step():
            permit = self._unanswered.popleft() if self._unanswered else None
            if permit is None or self._rate is None:
                return
            now = _clock()
            ours = permit.active + self._number - permit.number
            foreign = self._most - max(remaining, 0) - ours
            if foreign > 0:
                # The next answers that show the same client will be as late as this one: leave it its room till then.
                self._leave_room(foreign, now, now + self._span + (now - permit.given) + self._guard)

    def answered(self, given: float) -> None:
        """Hear that the request of a permit was answered as asked, neither by a 429 nor by a 418.

        Where the permit was given after the last pause, the server has let us in again: the next pause is a single
        window again. What was on its way before that pause says nothing of it.
        """
        if given < self._paused_until or self._calm_at == -math.inf:
            return
        with self._step():
            if given >= self._paused_until:
                self._calm_at = -math.inf

    def limited(self, retry_after: float | None = None) -> None:
        """Hear of a 429: nobody gets a permit for one window from now, or ``retry_after`` seconds if that is longer.

        A 429 during that pause (requests already on their way) moves its end. One to a request of the first window
        after a pause, before any was answered, follows on the one before: it doubles the pause, up to 32 windows. An
        answer, or a window without a 429, makes it a single window again. No pause is longer than a day.
        """
        pause = self._window if retry_after is None else max(self._window, _told("retry_after", retry_after))
        with self._step():
            now = _clock()
            permit = self._unanswered.popleft() if self._unanswered else None
            if now >= self._paused_until:
                asked = now if permit is None else permit.given
                self._streak = self._streak + 1 if asked < self._calm_at else 0
            self._limited_seen += 1
            self._guard = self._full_guard  # it may have been too little
            self._trips.clear()
            self._fit()
            until = now + max(self._window * 2 ** min(self._streak, _LONGEST_DOUBLING), pause)
            self._paused_until = until = max(self._paused_until, until)
            self._calm_at = until + self._window
            if self._rate is not None:
                # We kept the rate, so another client must have used what was refused to us. One permit is always left.
                self._leave_room(min(self._others(now) + 1, self._most - 1), now, until + self._span + self._guard)
            self._unanswered.clear()  # which answers were lost is unknowable now; start matching afresh
            self._wake()
        event = LimitedEvent(event="429", wait=until - now, retry_after=retry_after)
        log_event(_log, logging.WARNING, event, "429: the rate limit was passed; pausing for %.2f s", until - now)

    def banned(self, seconds: float | None = None) -> None:
        """Hear of a 418: nobody gets a permit for ``seconds``.

        Where the server does not say, 60 seconds; a 418 within the hour after a block doubles that, up to 64 times. No
        block is believed to be longer than a day.
        """
        length = None if seconds is None else max(_told("seconds", seconds), self._window)
        with self._step():
            now = _clock()
            if now >= self._banned_until:
                self._ban_streak = self._ban_streak + 1 if now < self._ban_forgotten_at else 0
            self._banned_seen += 1
            if length is None:
                length = _BAN_SECONDS * 2 ** min(self._ban_streak, _LONGEST_BAN_DOUBLING)
            self._banned_until = until = max(self._banned_until, now + length)
            self._ban_forgotten_at = until + _QUIET_AFTER_BAN
            self._unanswered.clear()
            self._wake()
        event = BannedEvent(event="418", wait=until - now, retry_after=seconds)
        log_event(_log, logging.WARNING, event, "418: this address is blocked; sending nothing for %.1f s", until - now)

    def stats(self) -> LimiterStats:
        """Return a snapshot; at any moment, also outside the loop."""
        with self._step():
            now = _clock()
            limited = self._rate is not None
            return LimiterStats(
                rate=self._rate,
                permits=self._permits - self._returned,
                waiting=sum(not place.done() for place in self._waiting),
                foreign=self._foreign_seen,
                limited=self._limited_seen,
                banned=self._banned_seen,
                paused_for=max(self._paused_until - now, self._banned_until - now, 0.0),
                active=sum(given + self._span > now for given in self._given) if limited else 0,
                capacity=self._most if limited else None,
                left_to_others=self._others(now) if limited else 0,
                window=self._window,
                guard=self._guard,
            )

    def _step(self) -> AbstractContextManager[object]:
        """What each step runs within, also one inside another; limiters that share a state read and keep it there."""
        return _ALONE

    def _fit(self) -> None:
        rate = 1.0 if self._rate is None else self._rate
        self._most = max(1, math.floor(rate))
        self._window = self._base_window * (1.0 if self._rate is None else self._most / rate)
        self._span = self._window + self._guard

    def _due(self, now: float) -> float:
        """When the next permit can be given, as far as is known; not after ``now`` where one is free."""
        paused = self._paused_until if self._paused_until > self._banned_until else self._banned_until
        if self._rate is None:
            return paused
        given, span = self._given, self._span
        while given and given[0] + span <= now:
            given.popleft()
        foreign = self._others(now)
        excess = len(given) + foreign - self._most
        if excess < 0:
            return paused
        by_ours = given[excess] + span if excess < len(given) else math.inf
        if foreign:
            left = excess - foreign
            by_theirs = self._foreign_until if left < 0 else max(self._foreign_until, given[left] + span)
            by_ours = min(by_ours, by_theirs)
        return max(paused, by_ours)

    def _give(self, now: float) -> _Permit | None:
        self._permits += 1
        if self._rate is None:
            return None
        self._given.append(now)
        self._number += 1
        permit = _Permit(now, len(self._given), self._number)
        unanswered = self._unanswered
        while unanswered and unanswered[0].given + _PATIENCE < now:
            unanswered.popleft()
        unanswered.append(permit)
        return permit

    def _wake(self) -> None:
        """Give what is free to those first in line, and come back when the next is due."""
        with self._step():
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            while self._waiting:
                place = next(iter(self._waiting))
                loop = place.get_loop()
                now = loop.time()
                due, refusal = self._due(now), self._refusal(now)
                if due > now and refusal is None:
                    self._look_again(loop, due)
                    return
                del self._waiting[place]
                if place.done():
                    continue
                if refusal is None:
                    place.set_result(self._give(now))
                else:
                    place.set_exception(refusal)

    def _look_again(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        self._looks_at = when
        self._timer = loop.call_at(when, self._wake)

    def _leave(self, place: asyncio.Future[_Permit | None]) -> None:
        with self._step():
            if place in self._waiting:
                del self._waiting[place]
                if not self._waiting and self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
            elif not place.cancelled() and place.exception() is None:
                permit = place.result()
                if permit is not None and permit.given in self._given:
                    self._given.remove(permit.given)
                if permit is not None and permit in self._unanswered:
                    self._unanswered.remove(permit)
                self._returned += 1
                self._wake()

    def _refusal(self, now: float) -> ExchangeError | None:
        """What those hear who would have to wait too long; None where there is no such pause."""
        banned, limited = self._banned_until - now, self._paused_until - now
        if max(banned, limited) <= LONGEST_WAIT:
            return None
        rest = (
            f"for another {max(banned, limited) / 3600:.1f} hours, longer than is waited for here; ask again after that"
        )
        if banned >= limited:
            return BannedError(f"the exchange has blocked this address {rest}", banned)
        return RateLimitedError(f"the exchange has asked for no requests {rest}", limited)

    def _others(self, now: float) -> int:
        """Permits left to other clients: what was seen for a window, then a quarter (or one) fewer every window."""
        while self._foreign and self._foreign_until <= now:
            self._foreign -= max(1, self._foreign // 4)
            self._foreign_until += self._span
        return self._foreign

    def _leave_room(self, foreign: int, now: float, until: float) -> None:
        held = self._others(now)
        if foreign >= held:
            self._foreign_seen += foreign - held
            self._foreign = foreign
            self._foreign_until = max(self._foreign_until, until)


def _clock() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:  # asked from outside a loop; asyncio's own loops read the same clock
        return time.monotonic()


def _told(name: str, value: float) -> float:
    return min(check_number(name, value), _LONGEST_PAUSE)
