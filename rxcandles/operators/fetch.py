"""Asking the exchange, and asking again where a fault is likely to pass."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Final, Literal

import attrs
import tenacity

from rxcandles.arguments import check_choice, check_count, check_kind, check_like, check_number
from rxcandles.chunk import Chunk
from rxcandles.errors import (
    BannedError,
    CertificateError,
    ConnectionFailedError,
    ExchangeError,
    InvalidResponseError,
    PassingError,
    RateLimitedError,
    RequestRejectedError,
)
from rxcandles.events import FailedEvent, OfSeries, PageEvent, RequestEvent, RetryEvent, log_event
from rxcandles.exchanges.checks import CheckedPage, check_page
from rxcandles.exchanges.doubts import doubt
from rxcandles.flow import Operator, map_async
from rxcandles.model import LONGEST_WAIT, SETTLE_SECONDS
from rxcandles.ports import Exchange, Page, kept_by
from rxcandles.spans import Span
from rxcandles.timeframe import BEGINNING, time_text

__all__ = ["Retry", "fetch"]

_log: Final = logging.getLogger("rxcandles.fetch")

_BAN_SECONDS: Final = 60.0


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
    far the page has reached. That the history ends, or that a gap before ``to`` is far longer than the page's own
    density lets one expect, is believed only when a second request says so too. A 429 is told to the chunk's limiter,
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

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        return max(float(jitter(state)), _wait_asked(error))

    async def fill(chunk: Chunk) -> Chunk:
        if not chunk.ask:
            return attrs.evolve(chunk, candles=chunk.plan.fetched(chunk))
        attempt = _Attempts(exchange, chunk)
        found: dict[str, Any] = {}
        try:
            try:
                found = await attempt()
            except (PassingError, BannedError) as error:
                if not _may_pass(error):
                    raise
                attempt.failed = error
                found = await tenacity.AsyncRetrying(
                    stop=tenacity.stop_after_attempt(policy.attempts),
                    wait=pause,
                    retry=tenacity.retry_if_exception(_may_pass),
                    before_sleep=attempt.again,
                    reraise=True,
                )(attempt)
        except ExchangeError as error:
            error.add_note(f"{chunk}; asked {attempt.requests} times")
            if isinstance(error, RequestRejectedError | CertificateError):
                raise
            attempt.log_failed(error)
            found = {"failure": error, "reached": chunk.low if on_failure == "skip" else None}
            if on_failure == "raise":
                chunk.plan.fail(chunk, error)
        chunk = attrs.evolve(
            chunk,
            **found,
            requests=attempt.requests,
            retries=attempt.retries,
            rate_limited=attempt.rate_limited,
        )
        return attrs.evolve(chunk, candles=chunk.plan.fetched(chunk))

    return map_async(fill, ahead=ahead)


def _may_pass(error: BaseException) -> bool:
    """Whether another try is worth its while, and the wait before it."""
    passes = isinstance(error, PassingError | BannedError) and not isinstance(error, CertificateError)
    return passes and _wait_asked(error) <= LONGEST_WAIT


def _wait_asked(error: BaseException | None) -> float:
    """Seconds that the server asks to wait."""
    if isinstance(error, BannedError):
        return error.seconds or 0.0
    return (error.retry_after or 0.0) if isinstance(error, PassingError) else 0.0


class _Attempts:
    """The attempts at one chunk's page."""

    def __init__(self, exchange: Exchange, chunk: Chunk) -> None:
        self._exchange = exchange
        self._chunk = chunk
        self._tally = chunk.plan.tally
        self.requests = 0
        self.retries = 0
        self.rate_limited = 0
        self.failed: ExchangeError | None = None
        """How the first attempt failed; the retries begin with that, as nearly every page needs none of them."""

    async def __call__(self) -> dict[str, Any]:
        """Return what of the chunk is known then."""
        failed, self.failed = self.failed, None
        if failed is not None:
            raise failed
        chunk, timeframe = self._chunk, self._chunk.request.timeframe
        # A page asked for with more than the exchange gives looks short, and short means the beginning of history.
        ask, limit = chunk.ask, self._exchange.page_limit
        checked, server_time = await self._page(chunk.resume, min(ask, limit))
        if checked.full and not checked.rows:
            # It held nothing but the candle at `to`, repeated. One more row shows what is behind that.
            ask += 1
            checked, server_time = await self._page(chunk.resume, min(ask, limit))
            if checked.full and not checked.rows:
                raise InvalidResponseError(
                    f"{chunk}: the page holds nothing but the candle at `to`, which was excluded"
                )
        rows, stop = checked.rows, chunk.resume
        reached = rows[-1].open_time if checked.full else BEGINNING
        if server_time is not None:
            # Not our own clock: where it runs ahead of the server's, a forming candle would pass for a final one.
            stop = min(stop, timeframe.floor(server_time - SETTLE_SECONDS))
        unknown = (chunk.unknown, stop)
        doubted = doubt(
            rows, checked.full, timeframe=timeframe, to=chunk.resume, count=min(ask, limit), unknown=unknown
        )
        if doubted is not None:
            again, _ = await self._page(doubted.to, min(doubted.count, limit))
            doubted.settle(again.rows)
        if rows and rows[0].open_time >= stop:
            rows = [row for row in rows if row.open_time < stop]
        start = reached
        if not checked.full and (kept := kept_by(self._exchange)(timeframe)) is not None:
            # What is older can't be had any more, which does not say that it never was.
            now = time.time() if server_time is None else server_time
            start = timeframe.ceil(max(now - kept, BEGINNING))
            start = min(start, rows[-1].open_time) if rows else start
        proven = (start, stop) if start < stop else None
        self._tally.pages += 1
        if _log.isEnabledFor(logging.DEBUG):
            self._log_page(len(rows), reached, proven)
        return {
            "rows": rows,
            "reached": reached,
            "horizon": stop if stop < chunk.resume else None,
            "proven": proven,
        }

    async def _page(self, to: int, ask: int) -> tuple[CheckedPage, float | None]:
        """Send one request, with a permit; return the checked page and the server's time."""
        chunk, request, limiter = self._chunk, self._chunk.request, self._chunk.limiter
        given = 0.0 if limiter is None else await limiter.acquire()
        self.requests += 1
        self._tally.requests += 1
        sent, page = time.monotonic(), None
        try:
            page = await self._exchange.page(request.symbol, request.timeframe, to, ask)
        except RateLimitedError as error:
            self.rate_limited += 1
            self._tally.rate_limited += 1
            if limiter is not None:
                limiter.limited(error.retry_after)
            raise
        except BannedError as error:
            if limiter is None:
                passing = PassingError(str(error), retry_after=error.seconds or _BAN_SECONDS)
                passing.status = error.status
                raise passing from error
            limiter.banned(error.seconds)
            raise
        finally:
            seconds = time.monotonic() - sent
            if limiter is not None:
                limiter.took(given, seconds, 0.0 if page is None else page.delay)
            if _log.isEnabledFor(logging.DEBUG):
                self._log_request(to, ask, seconds, page, sys.exception())
        chunk.plan.took(seconds)
        if limiter is not None and page.remaining is not None:
            limiter.observe(page.remaining)
        checked = check_page(
            page.rows,
            symbol=request.symbol,
            timeframe=request.timeframe,
            to=to,
            count=ask,
            server_time=page.server_time,
        )
        return checked, page.server_time

    def again(self, state: tenacity.RetryCallState) -> None:
        """Count and log that another attempt will be made."""
        error = state.outcome.exception() if state.outcome is not None else None
        self.retries += 1
        self._tally.retries += 1
        event = RetryEvent(
            event="retry",
            **self._series,
            to=time_text(self._chunk.resume),
            attempt=state.attempt_number,
            error=type(error).__name__,
            status=_status(error),
            wait=state.upcoming_sleep,
        )
        message = "%s: attempt %d failed: %s; again in %.1f s"
        log_event(_log, logging.WARNING, event, message, self._chunk, event["attempt"], _told(error), event["wait"])

    @property
    def _series(self) -> OfSeries:
        request = self._chunk.request
        return {"exchange": self._exchange.name, "symbol": request.symbol, "timeframe": request.timeframe.name}

    def log_failed(self, error: ExchangeError) -> None:
        """Log that nothing has come of all attempts."""
        event = FailedEvent(
            event="failed",
            **self._series,
            start=time_text(self._chunk.low),
            stop=time_text(self._chunk.resume),
            requests=self.requests,
            error=type(error).__name__,
            status=error.status,
        )
        log_event(_log, logging.ERROR, event, "%s failed for good: %s", self._chunk, _told(error))

    def _log_page(self, rows: int, reached: int, proven: Span | None) -> None:
        event = PageEvent(
            event="page",
            **self._series,
            rows=rows,
            reached=time_text(reached),
            start=None if proven is None else time_text(proven[0]),
            stop=None if proven is None else time_text(proven[1]),
        )
        log_event(_log, logging.DEBUG, event, "%s: %d rows, down to %s", self._chunk, rows, event["reached"])

    def _log_request(self, to: int, ask: int, seconds: float, page: Page | None, raised: BaseException | None) -> None:
        error = raised if page is None else None  # with a page it is an older one, of the attempt before
        event = RequestEvent(
            event="request",
            **self._series,
            to=time_text(to),
            count=ask,
            attempt=self.requests,
            seconds=seconds,
            status=200 if page is not None else _status(error),
            error=None if error is None else type(error).__name__,
            rows=None if page is None else len(page.rows),
            remaining=None if page is None else page.remaining,
        )
        outcome = _told(error) if page is None else f"{len(page.rows)} rows"
        log_event(_log, logging.DEBUG, event, "%s: %s in %.3f s", self._chunk, outcome, seconds)


def _status(error: BaseException | None) -> int | None:
    return error.status if isinstance(error, ExchangeError) else None


def _told(error: BaseException | None) -> str:
    """What a log may say of an error: not the text of one that has an answer, which may quote it."""
    status = _status(error)
    text = f": {error}" if isinstance(error, ConnectionFailedError) else "" if status is None else f" ({status})"
    return type(error).__name__ + text
