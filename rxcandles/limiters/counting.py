"""How a server counts, and so when the next permit can be given: three rules over one state.

A request arrives up to ``guard`` seconds after its permit, and each rule holds wherever in that time it does.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import Final, Protocol

import attrs

from rxcandles.limiters.state import LimiterState, Permit
from rxcandles.model.limit import Limit

__all__ = ["Counting", "FixedWindow", "SlidingLog", "TokenBucket", "counting_of"]

_FUZZ: Final = 1e-9
_AFTER: Final = 1e-3
"""Seconds after a window has begun: the clocks of servers are large numbers, which are not exact to the last digit."""


class Counting(Protocol):
    """One way to count."""

    @property
    def limit(self) -> Limit:
        """What is allowed."""

    @property
    def guard(self) -> float:
        """Seconds for the spread of the requests' delays."""

    @property
    def span(self) -> float:
        """Seconds after which a permit is surely of no matter to the server any more."""

    def used(self, state: LimiterState, now: float) -> float:
        """Return how much is in use."""

    def due(self, state: LimiterState, now: float, cost: float) -> float:
        """Return when so much can be given, as far as is known; not after ``now`` where it can be now."""

    def give(self, state: LimiterState, now: float, cost: float) -> None:
        """Take so much."""

    def take_back(self, state: LimiterState, given: float, cost: float) -> None:
        """Put back what was given and will not be used."""

    def came_late(self, state: LimiterState, given: float, cost: float, late: float) -> None:
        """Hear that a request may have arrived so many seconds after its permit."""

    def theirs(self, state: LimiterState, permit: Permit, used: float) -> float:
        """Return how much of what a server had counted can't be ours, when it answered the request of a permit."""

    def seen_until(self, state: LimiterState, now: float, permit: Permit) -> float:
        """Return how long others are left what was seen of them."""

    def pause(self, state: LimiterState, now: float, retry_after: float | None) -> float:
        """Return for how many seconds a first 429 stops everybody."""


@attrs.frozen
class SlidingLog:
    """No more than the capacity in any window: what all servers allow, whatever they count by."""

    limit: Limit
    guard: float

    @property
    def span(self) -> float:
        """The window and the guard."""
        return self.limit.window + self.guard

    @property
    def reach(self) -> float:
        """Seconds that the log must reach back."""
        return self.span

    @property
    def part(self) -> float:
        """Seconds of which the log keeps the permits as one."""
        return LimiterState.part(self.limit.capacity, self.limit.window)

    def used(self, state: LimiterState, now: float) -> float:
        """Return how much was given in the last window."""
        return sum(cost for _, cost in state.log[self._first(state, now) :])

    def due(self, state: LimiterState, now: float, cost: float) -> float:
        """Return when enough of the log is older than a window, or others are left less."""
        log, first = state.log, self._first(state, now)
        theirs = state.left_to_others(now, self.span)
        excess = self.used(state, now) + theirs + cost - self.limit.capacity
        if excess <= _FUZZ:
            return -math.inf
        by_ours = by_both = math.inf
        left = excess - theirs
        if theirs and left <= _FUZZ:
            by_both = state.others_until
        gone = 0.0
        for at in range(first, len(log)):
            gone += log[at][1]
            out = log[at][0] + self.span
            if theirs and by_both == math.inf and gone >= left - _FUZZ:
                by_both = max(state.others_until, out)
            if gone >= excess - _FUZZ:
                by_ours = out
                break
        return min(by_ours, by_both)

    def give(self, state: LimiterState, now: float, cost: float) -> None:
        """Write it into the log."""
        state.kept = max(state.kept, self.reach)
        state.trim(now)
        state.add(now, cost, self.part)

    def take_back(self, state: LimiterState, given: float, cost: float) -> None:
        """Take it out of the log."""
        state.remove(given, cost, self.part)

    def came_late(self, state: LimiterState, given: float, cost: float, late: float) -> None:
        """Write it into the log at that time."""
        state.move(given, cost, self.part, late)

    def theirs(self, state: LimiterState, permit: Permit, used: float) -> float:
        """Return what is more than all of ours in the window then, with all given since: those may have overtaken."""
        return used - permit.active - (state.spent - permit.spent)

    def seen_until(self, state: LimiterState, now: float, permit: Permit) -> float:
        """Return the end of a window from now, and as late as the answers come that would show the same again."""
        return now + self.span + (now - permit.given) + self.guard

    def pause(self, state: LimiterState, now: float, retry_after: float | None) -> float:
        """Return a window."""
        return self.limit.window

    def _first(self, state: LimiterState, now: float) -> int:
        return bisect_right(state.log, now, key=lambda entry: entry[0] + self.span)


@attrs.frozen
class FixedWindow(SlidingLog):
    """No more than the capacity in each window of the server's clock; where that is not known, in any window.

    The clock is known to about a second from the first answer with a date on, and better with every other. What may
    count in either of two windows must have room in both.
    """

    @property
    def reach(self) -> float:
        """Two windows: of one it may not be known for almost as long when it begins."""
        return 2 * self.span

    def used(self, state: LimiterState, now: float) -> float:
        """Return how much may be counted in the window of now."""
        windows = self._windows(state, now)
        if windows is None:
            return super().used(state, now)
        return max(self._used_in(state, window) for window in windows)

    def due(self, state: LimiterState, now: float, cost: float) -> float:
        """Return when the next window has surely begun, where this one is full."""
        windows = self._windows(state, now)
        if windows is None:
            return super().due(state, now, cost)
        room = self.limit.capacity - state.left_to_others(now, self.span) - cost + _FUZZ
        full = [window for window in windows if self._used_in(state, window) > room]
        if not full:
            return -math.inf
        sure = self._begins(state, full[-1] + 1)
        return max(now + _FUZZ, min(sure, state.others_until if state.others else math.inf))

    def seen_until(self, state: LimiterState, now: float, permit: Permit) -> float:
        """Return the end of this window."""
        windows = self._windows(state, now)
        if windows is None:
            return super().seen_until(state, now, permit)
        return self._begins(state, windows[-1] + 1)

    def pause(self, state: LimiterState, now: float, retry_after: float | None) -> float:
        """Return how long this window lasts, or what the server asks for."""
        if retry_after is not None:
            return min(1.0, self.limit.window)
        windows = self._windows(state, now)
        return self.limit.window if windows is None else self._begins(state, windows[-1] + 1) - now

    def _windows(self, state: LimiterState, now: float) -> range | None:
        """Return which of the server's windows a request of now may count in, one or two, or None for unknown."""
        if state.ahead_most - state.ahead_least + self.guard >= self.limit.window:
            return None
        first = math.floor((now + state.ahead_least) / self.limit.window)
        return range(first, math.floor((now + self.guard + state.ahead_most) / self.limit.window) + 1)

    def _begins(self, state: LimiterState, window: int) -> float:
        """Return when a window has begun for sure."""
        return window * self.limit.window - state.ahead_least + _AFTER

    def _used_in(self, state: LimiterState, window: int) -> float:
        log, length = state.log, self.limit.window
        first = bisect_left(log, window * length, key=lambda entry: entry[0] + self.guard + state.ahead_most)
        stop = bisect_left(log, (window + 1) * length, key=lambda entry: entry[0] + state.ahead_least)
        return sum(cost for _, cost in log[first:stop])


@attrs.frozen
class TokenBucket:
    """A bucket of the capacity that is filled evenly, whole in a window."""

    limit: Limit
    guard: float

    @property
    def span(self) -> float:
        """The seconds that an empty bucket takes to be full."""
        return self.limit.window + self.guard

    def used(self, state: LimiterState, now: float) -> float:
        """Return how much is missing of a full bucket."""
        return max(0.0, min((state.full_at - now) * self.limit.a_second, self.limit.capacity))

    def due(self, state: LimiterState, now: float, cost: float) -> float:
        """Return when there is so much in it, even if those before arrive late and this one doesn't."""
        wanted = cost + state.left_to_others(now, self.span) - self.limit.capacity
        return state.full_at + wanted / self.limit.a_second + self.guard

    def give(self, state: LimiterState, now: float, cost: float) -> None:
        """Take it out of the bucket."""
        state.spent += cost
        state.full_at = max(state.full_at, now) + cost / self.limit.a_second

    def take_back(self, state: LimiterState, given: float, cost: float) -> None:
        """Put it back."""
        state.full_at -= cost / self.limit.a_second

    def came_late(self, state: LimiterState, given: float, cost: float, late: float) -> None:
        """Take it out at that time: a bucket that was full then did not fill in between."""
        state.full_at = max(state.full_at, given + late + cost / self.limit.a_second)

    def theirs(self, state: LimiterState, permit: Permit, used: float) -> float:
        """Take what is missing beyond ours out of the bucket, whoever has it; return what else may be gone unseen.

        What was given since is ours, and may be missing already, or not. A server tells whole numbers.
        """
        unsure = state.spent - permit.spent + 1 + self.guard * self.limit.a_second
        more = used - permit.active - unsure
        if more <= 0:
            return 0.0
        state.full_at += more / self.limit.a_second
        return more + unsure

    def seen_until(self, state: LimiterState, now: float, permit: Permit) -> float:
        """Return the end of a window from now, and as late as the answers come that would show the same again."""
        return now + self.span + (now - permit.given) + self.guard

    def pause(self, state: LimiterState, now: float, retry_after: float | None) -> float:
        """Return a window, after which the bucket is full, or what the server asks for."""
        return self.limit.window if retry_after is None else min(1.0, self.limit.window)


def counting_of(limit: Limit, guard: float) -> Counting:
    """Return how a limit is counted."""
    kinds: dict[str, type[SlidingLog] | type[TokenBucket]] = {
        "sliding": SlidingLog,
        "fixed": FixedWindow,
        "bucket": TokenBucket,
    }
    return kinds[limit.kind](limit, guard)
