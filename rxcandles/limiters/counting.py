"""How a server counts, and so when the next permit can be given: three rules over one state.

A request arrives up to ``guard`` seconds after its permit. Each rule holds at whatever time in between it arrives.
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
"""Seconds added after a window has begun: server times are large numbers, which are not exact to the last digit."""


class Counting(Protocol):
    """One way to count. Times are seconds of the loop's clock."""

    @property
    def limit(self) -> Limit:
        """What is allowed."""

    @property
    def guard(self) -> float:
        """Seconds for the spread of the requests' delays."""

    @property
    def span(self) -> float:
        """Seconds after which a permit surely no longer counts at the server."""

    def used(self, state: LimiterState, now: float) -> float:
        """Return how much is in use."""

    def due(self, state: LimiterState, now: float, cost: float) -> float:
        """Return when ``cost`` can be given, as far as is known; not after ``now`` if it can be given now."""

    def give(self, state: LimiterState, now: float, cost: float) -> None:
        """Take ``cost``."""

    def take_back(self, state: LimiterState, given: float, cost: float) -> None:
        """Put back what was given and will not be used."""

    def came_late(self, state: LimiterState, given: float, cost: float, late: float) -> None:
        """Record that a request may have arrived ``late`` seconds after its permit."""

    def theirs(self, state: LimiterState, permit: Permit, used: float) -> float:
        """Return how much of what a server had counted can't be ours, when it answered the request of a permit."""

    def seen_until(self, state: LimiterState, now: float, permit: Permit) -> float:
        """Return until when the observed use is left to other clients."""

    def pause(self, state: LimiterState, now: float, retry_after: float | None) -> float:
        """Return for how many seconds a first 429 stops everything."""


@attrs.frozen
class SlidingLog:
    """No more than the capacity in any window: every server allows that, whatever it counts by."""

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
        """Seconds within which the log keeps permits as one."""
        return LimiterState.part(self.limit.capacity, self.limit.window)

    def used(self, state: LimiterState, now: float) -> float:
        """Return how much was given in the last window."""
        return sum(cost for _, cost in state.log[self._first(state, now) :])

    def due(self, state: LimiterState, now: float, cost: float) -> float:
        """Return when enough of the log is older than a window, or less is left to others."""
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
        """Return what exceeds ours in the window then; everything given since is ours too, as it may have overtaken."""
        return used - permit.active - (state.spent - permit.spent)

    def seen_until(self, state: LimiterState, now: float, permit: Permit) -> float:
        """Return the end of a window from now, plus how late the answers are that would show the same again."""
        return now + self.span + (now - permit.given) + self.guard

    def pause(self, state: LimiterState, now: float, retry_after: float | None) -> float:
        """Return a window."""
        return self.limit.window

    def _first(self, state: LimiterState, now: float) -> int:
        return bisect_right(state.log, now, key=lambda entry: entry[0] + self.span)


@attrs.frozen
class FixedWindow(SlidingLog):
    """No more than the capacity in each window of the server's clock; in any window if that clock is unknown.

    The clock is known to about a second from the first answer with a date on, and better with every other one. A
    request that may count in either of two windows must have room in both.
    """

    @property
    def reach(self) -> float:
        """Two windows: when one begins, this may be unknown for almost a window."""
        return 2 * self.span

    def used(self, state: LimiterState, now: float) -> float:
        """Return how much may be counted in the current window."""
        windows = self._windows(state, now)
        if windows is None:
            return super().used(state, now)
        return max(self._used_in(state, window) for window in windows)

    def due(self, state: LimiterState, now: float, cost: float) -> float:
        """Return when the next window has surely begun, if this one is full."""
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
        """Return the one or two windows of the server that a request may count in now, or None if unknown."""
        if state.ahead_most - state.ahead_least + self.guard >= self.limit.window:
            return None
        first = math.floor((now + state.ahead_least) / self.limit.window)
        return range(first, math.floor((now + self.guard + state.ahead_most) / self.limit.window) + 1)

    def _begins(self, state: LimiterState, window: int) -> float:
        """Return when a window has surely begun."""
        return window * self.limit.window - state.ahead_least + _AFTER

    def _used_in(self, state: LimiterState, window: int) -> float:
        log, length = state.log, self.limit.window
        first = bisect_left(log, window * length, key=lambda entry: entry[0] + self.guard + state.ahead_most)
        stop = bisect_left(log, (window + 1) * length, key=lambda entry: entry[0] + state.ahead_least)
        return sum(cost for _, cost in log[first:stop])


@attrs.frozen
class TokenBucket:
    """A bucket with the capacity that is filled evenly, from empty to full in a window."""

    limit: Limit
    guard: float

    @property
    def span(self) -> float:
        """The seconds that an empty bucket takes to fill."""
        return self.limit.window + self.guard

    def used(self, state: LimiterState, now: float) -> float:
        """Return how much is missing from a full bucket."""
        return max(0.0, min((state.full_at - now) * self.limit.a_second, self.limit.capacity))

    def due(self, state: LimiterState, now: float, cost: float) -> float:
        """Return when the bucket has enough, even if earlier requests arrive late and this one does not."""
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
        """Take what others have used out of the bucket; return that and what else may be gone unseen.

        Permits given since are ours and may be missing already, or not. A server reports whole numbers.
        """
        unsure = state.spent - permit.spent + 1 + self.guard * self.limit.a_second
        more = used - permit.active - unsure
        if more <= 0:
            return 0.0
        state.full_at += more / self.limit.a_second
        return more + unsure

    def seen_until(self, state: LimiterState, now: float, permit: Permit) -> float:
        """Return the end of a window from now, plus how late the answers are that would show the same again."""
        return now + self.span + (now - permit.given) + self.guard

    def pause(self, state: LimiterState, now: float, retry_after: float | None) -> float:
        """Return a window, after which the bucket is full, or what the server asks for."""
        return self.limit.window if retry_after is None else min(1.0, self.limit.window)


def counting_of(limit: Limit, guard: float) -> Counting:
    """Return the rule that counts a limit."""
    kinds: dict[str, type[SlidingLog] | type[TokenBucket]] = {
        "sliding": SlidingLog,
        "fixed": FixedWindow,
        "bucket": TokenBucket,
    }
    return kinds[limit.kind](limit, guard)
