"""What a pipeline needs from a rate limiter: permits."""

from __future__ import annotations

from typing import Protocol

__all__ = ["RateLimiter"]


class RateLimiter(Protocol):
    """Gives out permits, one a request, and uses what the server reports of its limit.

    A limiter may also have these methods, whose ``given`` is what ``acquire`` has returned for the request:

    * ``answered(given)``: the request was answered as asked, so a 429 after it does not follow on one before it.
    * ``learned(given, server_time)``: the server's clock in its answer.

    ::

        class Unlimited:
            async def acquire(self, cost=1.0): return asyncio.get_running_loop().time()

            def took(self, given, seconds, delay=0.0): ...

            def observe(self, remaining=None, *, used=None): ...

            def limited(self, retry_after=None): ...

            def banned(self, seconds=None): ...
    """

    async def acquire(self, cost: float = 1.0) -> float:
        """Wait for a permit and return when it was given; first come, first served. Cancelling gives up the place.

        * ``cost``: how much of the limit the request takes; passed only if it is not 1.
        """
        ...

    def took(self, given: float, seconds: float, delay: float = 0.0) -> None:
        """Record how long the request of the permit ``given`` took; ``delay`` is the part before it was sent."""

    def observe(self, remaining: float | None = None, *, used: float | None = None) -> None:
        """Record what the server still allows in this window, or what it has counted if it reports that."""

    def limited(self, retry_after: float | None = None) -> None:
        """Record a 429: all requests wait."""

    def banned(self, seconds: float | None = None) -> None:
        """Record a 418: no request is sent until the block is over."""
