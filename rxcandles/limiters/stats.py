"""Snapshots of a limiter."""

from __future__ import annotations

import attrs

from rxcandles.util.showing import Brief

__all__ = ["LimiterStats", "WeightStats"]


@attrs.frozen(repr=False)
class LimiterStats(Brief):
    """A snapshot of a limiter: what it has done so far (counters that only grow), and how full its window is.

    >>> SlidingWindowLimiter(2.5).stats().capacity
    2
    """

    rate: float | None
    """Permits that a window allows now, as set; None for no limit."""
    permits: int
    """Permits given."""
    waiting: int
    """Callers that wait for one."""
    foreign: int
    """Requests of other clients of this address that the server's answers revealed."""
    limited: int
    """429s recorded."""
    banned: int
    """418s recorded."""
    paused_for: float
    """Seconds for which no permit is given; 0.0 if there is no pause."""
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


@attrs.frozen(repr=False)
class WeightStats(LimiterStats):
    """A snapshot of a limiter whose requests may cost more than one.

    ``rate``, ``active``, ``capacity``, ``foreign`` and ``left_to_others`` are in the unit of the limit.

    >>> SlidingWindowLimiter(Limit(1200, window=60, unit="weight")).stats().unit
    'weight'
    """

    unit: str = ""
    """What is counted, in words: ``weight``."""
