"""Asking the exchange, and asking again where a fault is likely to pass."""

from __future__ import annotations

from typing import Literal

import attrs
import tenacity

from rxcandles.arguments import check_choice, check_count, check_kind, check_like, check_number
from rxcandles.chunk import Chunk
from rxcandles.errors import (
    BannedError,
    CertificateError,
    ContradictionError,
    ExchangeError,
    PassingError,
    RequestRejectedError,
    UnreachableError,
)
from rxcandles.exchanges.witness import Witness
from rxcandles.flow import Operator, map_async
from rxcandles.model import LONGEST_WAIT
from rxcandles.operators.attempts import Attempts, Found
from rxcandles.ports import Exchange

__all__ = ["Retry", "fetch"]


def _wait(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    check_number(attribute.name, value, 0, 86_400)


@attrs.frozen
class Retry:
    """When to ask again: up to ``attempts`` times in all, after a random part of ``base`` · 2ⁿ seconds.

    That is "full jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS 2015). No wait is longer than ``longest``,
    unless the server asks for it; where it asks for more than two hours, there is no other try. What is worth one is
    decided by the error: connection lost, timeout, 5xx, 429 and 418, never a refusal, an invalid answer, or a
    certificate that can't be verified (which passes when a person mends a clock or a server, not within seconds).
    """

    attempts: int = attrs.field(default=6, validator=lambda _, field, value: check_count(field.name, value) and None)
    base: float = attrs.field(default=0.5, validator=_wait)
    longest: float = attrs.field(default=8.0, validator=_wait)


def fetch(
    exchange: Exchange, *, ahead: int = 8, retry: Retry | None = None, on_failure: Literal["raise", "skip"] = "raise"
) -> Operator[Chunk, Chunk]:
    """Ask the exchange for what each chunk lacks, at most ``ahead`` chunks at once, results in the chunks' order.

    Every page is checked before it is passed on, candles that are not final yet are left out, and the plan is told how
    far the page has reached. What a page leaves out is told too where that is doubtful (``absences``). A page that
    contradicts what is held, or candles of another length, is not believed: it is asked for again over another
    connection, with another question, after longer and longer pauses. A 429 is told to the chunk's limiter,
    as is what the server says of its limit. A chunk that fails for good is passed on with its ``failure``. It ends the
    run: the plan asks for nothing behind it and raises the ``ExchangeError``, with a note which chunk it was, when
    everything before it has come. With ``on_failure="skip"`` the run goes on, and after three such in a row the rest is
    given up. A refusal of the request itself (4xx), and a certificate that can't be verified, are raised at once. No
    wait is longer than two hours, whatever the server says. Disposing cancels the requests under way.
    """
    check_like("exchange", exchange, Exchange, "page", "page_limit")
    check_choice("on_failure", on_failure, ("raise", "skip"))
    policy = check_kind("retry", Retry() if retry is None else retry, Retry)
    jitter = tenacity.wait_random_exponential(multiplier=policy.base, max=policy.longest)

    witness = Witness(exchange)

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        return max(float(jitter(state)), _wait_asked(error))

    async def fill(chunk: Chunk) -> Chunk:
        if not chunk.ask:
            return attrs.evolve(chunk, candles=chunk.plan.fetched(chunk))
        attempts = Attempts(exchange, chunk, witness)
        try:
            chunk = attrs.evolve(chunk, **attrs.asdict(await tried(attempts), recurse=False))
        except ExchangeError as error:
            error.add_note(f"{chunk}; asked {attempts.requests} times")
            if isinstance(error, RequestRejectedError | CertificateError | UnreachableError):
                raise
            attempts.log_failed(error)
            chunk = attrs.evolve(chunk, failure=error, reached=chunk.low if on_failure == "skip" else None)
            if on_failure == "raise":
                chunk.plan.fail(chunk, error)
        chunk = attrs.evolve(
            chunk, requests=attempts.requests, retries=attempts.retries, rate_limited=attempts.rate_limited
        )
        return attrs.evolve(chunk, candles=chunk.plan.fetched(chunk))

    async def tried(attempts: Attempts) -> Found:
        try:
            return await attempts.page()
        except ExchangeError as error:
            if not _may_pass(error):
                raise
            first: ExchangeError | None = error

        async def again() -> Found:
            # The retries begin with how the first attempt failed: nearly every page needs none of their machinery.
            nonlocal first
            failed, first = first, None
            if failed is not None:
                raise failed
            return await attempts.page()

        return await tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(policy.attempts),
            wait=pause,
            retry=tenacity.retry_if_exception(_may_pass),
            before_sleep=lambda state: attempts.log_retry(
                state.outcome.exception() if state.outcome is not None else None, state.upcoming_sleep
            ),
            reraise=True,
        )(again)

    return map_async(fill, ahead=ahead)


def _may_pass(error: BaseException) -> bool:
    """Whether another try is worth its while, and the wait before it."""
    passes = isinstance(error, PassingError | BannedError | ContradictionError)
    passes = passes and not isinstance(error, CertificateError | UnreachableError)
    return passes and _wait_asked(error) <= LONGEST_WAIT


def _wait_asked(error: BaseException | None) -> float:
    """Seconds that the server asks to wait."""
    if isinstance(error, BannedError):
        return error.seconds or 0.0
    return (error.retry_after or 0.0) if isinstance(error, PassingError) else 0.0
