"""Asking again where a fault is likely to pass, whatever it is that is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import tenacity

from rxcandles.errors import (
    BannedError,
    CertificateError,
    ExchangeError,
    InvalidResponseError,
    PassingError,
    UnreachableError,
)
from rxcandles.model import LONGEST_WAIT
from rxcandles.util.arguments import check_count, check_number

__all__ = ["Retry", "tried"]

_A = TypeVar("_A")


def _wait(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    check_number(attribute.name, value, 0, 86_400)


@attrs.frozen
class Retry:
    """When to ask again: up to ``attempts`` times in all, after a random part of ``base`` · 2ⁿ seconds.

    That is "full jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS 2015). No wait is longer than ``longest``,
    unless the server asks for it; where it asks for more than two hours, there is no other try. The error decides
    whether there is another try. There is one after a lost connection, a timeout, 5xx, 429, 418 and an invalid answer
    (empty, half a page, HTML, another market's page, a cached page, impossible candles). There is none after a refusal
    (other 4xx), or a certificate that can't be verified: a person has to mend a clock or a server first.
    """

    attempts: int = attrs.field(default=6, validator=lambda _, field, value: check_count(field.name, value) and None)
    base: float = attrs.field(default=0.5, validator=_wait)
    longest: float = attrs.field(default=8.0, validator=_wait)


async def tried(
    ask: Callable[[], Awaitable[_A]],
    policy: Retry,
    before_wait: Callable[[BaseException | None, float], None] = lambda error, wait: None,
) -> _A:
    """Return what ``ask`` returns, asked again up to the policy while it raises what may pass; raise its last error.

    ``before_wait`` is called with the error and the seconds before each wait.
    """
    try:
        return await ask()
    except ExchangeError as error:
        if not _may_pass(error):
            raise
        first: ExchangeError | None = error
    jitter = tenacity.wait_random_exponential(multiplier=policy.base, max=policy.longest)

    async def again() -> _A:
        # The retries begin with how the first attempt failed: nearly every page needs none of their machinery.
        nonlocal first
        failed, first = first, None
        if failed is not None:
            raise failed
        return await ask()

    return await tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(policy.attempts),
        wait=lambda state: max(float(jitter(state)), _wait_asked(_error(state))),
        retry=tenacity.retry_if_exception(_may_pass),
        before_sleep=lambda state: before_wait(_error(state), state.upcoming_sleep),
        reraise=True,
    )(again)


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()


def _may_pass(error: BaseException) -> bool:
    """Whether another try is worth its while, and the wait before it."""
    passes = isinstance(error, PassingError | BannedError | InvalidResponseError)
    passes = passes and not isinstance(error, CertificateError | UnreachableError)
    return passes and _wait_asked(error) <= LONGEST_WAIT


def _wait_asked(error: BaseException | None) -> float:
    """Seconds that the server asks to wait."""
    if isinstance(error, BannedError):
        return error.seconds or 0.0
    return (error.retry_after or 0.0) if isinstance(error, PassingError) else 0.0
