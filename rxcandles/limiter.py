"""Where the limiter of a process was before: see :mod:`rxcandles.limiters`."""

from __future__ import annotations

from rxcandles.limiters import LimiterStats, SlidingWindowLimiter

__all__ = ["LimiterStats", "SlidingWindowLimiter"]
