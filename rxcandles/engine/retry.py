"""Ask again after a fault that is likely to pass, whatever is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import uniform
from typing import TypeVar

import attrs

from rxcandles.errors import ExchangeError
from rxcandles.model import LONGEST_WAIT
from rxcandles.util.arguments import check_count, check_number

__all__ = ["Retry", "tried"]

_A = TypeVar("_A")


def _wait(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    check_number(attribute.name, value, 0, 86_400)


@attrs.frozen
class Retry:
    """When to ask again: up to ``attempts`` times in all, after a random part of ``base`` · 2ⁿ seconds.

    The wait is "full jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).

    * ``attempts``: attempts in all, the first one included.
    * ``base``: seconds.
    * ``longest``: the longest wait in seconds, unless the server asks for a longer one. If the server asks for more
      than two hours, there is no other attempt.

    The error decides whether there is another attempt (``retryable``). There is one after a lost connection, a timeout,
    5xx, 429, 418 and an invalid answer (empty, half a page, HTML, another market's page, a cached page, impossible
    candles). There is none after a refusal (other 4xx) or a certificate that can't be verified: a person must mend a
    clock or a server first.

    >>> Retry(attempts=3, longest=2.0)
    Retry(attempts=3, base=0.5, longest=2.0)
    """

    attempts: int = attrs.field(default=6, validator=lambda _, field, value: check_count(field.name, value) and None)
    base: float = attrs.field(default=0.5, validator=_wait)
    longest: float = attrs.field(default=8.0, validator=_wait)

    def jitter(self, attempt: int) -> float:
        """Return the seconds to wait after attempt ``attempt`` (from 1), if the server asks for no longer wait."""
        return uniform(0, min(self.longest, self.base * 2.0 ** min(attempt - 1, 60)))  # nosec B311 - no secret


async def tried(
    ask: Callable[[], Awaitable[_A]],
    policy: Retry,
    before_wait: Callable[[ExchangeError, float], None] = lambda error, wait: None,
) -> _A:
    """Return what ``ask`` returns; call it again, as the policy says, while it raises a retryable error.

    Raises the last error. ``before_wait`` is called before each wait with the error and the seconds.
    """
    attempt = 1
    while True:
        try:
            return await ask()
        except ExchangeError as error:
            asked = error.retry_after or 0.0
            if attempt >= policy.attempts or not error.retryable or asked > LONGEST_WAIT:
                raise
            wait = max(policy.jitter(attempt), asked)
            before_wait(error, wait)
        await asyncio.sleep(wait)
        attempt += 1
