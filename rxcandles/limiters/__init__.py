"""Limiters for one process and for all processes of a machine, and the description of an exchange's limit."""

from __future__ import annotations

from rxcandles.limiters.machine import MachineLimiter
from rxcandles.limiters.sliding import SlidingWindowLimiter
from rxcandles.limiters.stats import LimiterStats, WeightStats
from rxcandles.model.limit import Limit, LimitKind, limit_of, shared_key

__all__ = [
    "Limit",
    "LimitKind",
    "LimiterStats",
    "MachineLimiter",
    "SlidingWindowLimiter",
    "WeightStats",
    "limit_of",
    "shared_key",
]
