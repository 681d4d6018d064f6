"""Where the limiter of a machine was before: see :mod:`rxcandles.limiters`."""

from __future__ import annotations

from rxcandles.limiters import MachineLimiter

__all__ = ["MachineLimiter"]
