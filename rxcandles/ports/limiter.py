"""What a pipeline needs of a rate limiter: permits."""

from __future__ import annotations

from typing import Protocol

__all__ = ["RateLimiter"]


class RateLimiter(Protocol):
    """Gives out permits, one a request, and hears what the server says of its limit.

    It may have a method ``answered`` besides, which hears by a permit (what ``acquire`` has returned) that its request
    was answered as asked: 429s before and after that don't follow on one another. And it may have a method
    ``learned``, which hears by a permit what the server's clock said in the answer.
    """

    async def acquire(self, cost: float = 1.0) -> float:
        """Wait for a permit; first come, first served. Return when it was given. Cancelling gives the place up.

        ``cost`` is what the request takes of the limit. It is given where that is not 1.
        """
        ...

    def took(self, given: float, seconds: float, delay: float = 0.0) -> None:
        """Hear how long the request took whose permit was given then, ``delay`` of it before it went out."""

    def observe(self, remaining: float | None = None, *, used: float | None = None) -> None:
        """Hear what the server still allows in this window, or, where it says that, what it has counted."""

    def limited(self, retry_after: float | None = None) -> None:
        """Hear of a 429: everybody waits."""

    def banned(self, seconds: float | None = None) -> None:
        """Hear of a 418: nobody sends anything until it is over."""
