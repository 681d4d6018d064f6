"""Send the requests of one chunk, each with a permit; report each outcome to the limiter, the run and the log."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from rxcandles.engine.answered import brought_home, check_answer
from rxcandles.engine.chunk import Chunk
from rxcandles.engine.record import Record, is_detailed
from rxcandles.errors import BannedError, PassingError, RateLimitedError
from rxcandles.model.timeframe import Timeframe, time_text
from rxcandles.ports import Exchange, Page, RateLimiter
from rxcandles.ports.declared import page_cost

__all__ = ["Sending"]

_T = TypeVar("_T")

_BAN_SECONDS: Final = 60.0


class Sending:
    """Sends the requests of one chunk.

    ``permitted`` is awaited between the first permit and its request; it raises if the request is no longer needed.
    """

    def __init__(
        self, exchange: Exchange, chunk: Chunk, record: Record, permitted: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._exchange = exchange
        self._chunk = chunk
        self._record = record
        self._permitted = permitted
        self.anew = chunk.question.again
        """Whether another server is to answer: requests then go over a new connection."""
        self.requests = 0
        """Requests sent."""

    async def page(self, timeframe: Timeframe, to: int, count: int) -> Page:
        """Ask for the page of ``count`` candles before ``to``."""
        ask = self._exchange.page
        if self.anew:
            ask = getattr(self._exchange, "page_anew", ask)
        symbol = self._chunk.request.symbol
        text = partial(self._page_text, timeframe, to, count)

        async def sent() -> Page:
            return check_answer(await ask(symbol, timeframe, to, count), text)

        return await self._sent(sent, text, page_cost(self._exchange, count), (to, count))

    async def first_open(self, probe: Callable[[str, Timeframe], Awaitable[int | None]]) -> int | None:
        """Ask the exchange when the market's first candle opened."""
        symbol, timeframe = self._chunk.request.symbol, self._chunk.request.timeframe
        text = f"{self._exchange.name}: {symbol} {timeframe}, its first candle"
        return await self._sent(lambda: probe(symbol, timeframe), lambda: text, page_cost(self._exchange, 1))

    async def _sent(
        self,
        send: Callable[[], Awaitable[_T]],
        text: Callable[[], str],
        cost: float,
        asked: tuple[int, int] | None = None,
    ) -> _T:
        """Send one request with a permit that takes ``cost`` of the limit; ``asked`` is logged with it."""
        run, limiter = self._chunk.run, self._chunk.run.limiter
        # A user's limiter need not know costs if each request takes one.
        given = 0.0 if limiter is None else await (limiter.acquire() if cost == 1 else limiter.acquire(cost))
        if self._permitted is not None and not self.requests:
            await self._permitted()
        self.requests += 1
        run.tally.requests += 1
        sent, answer = time.monotonic(), None
        try:
            answer = await send()
        except Exception as error:
            raised = self._refused(error, limiter, text)
            if raised is error:
                raise
            raise raised from error
        finally:
            seconds = time.monotonic() - sent
            if limiter is not None:
                limiter.took(given, seconds, answer.delay if isinstance(answer, Page) else 0.0)
            if asked is not None and is_detailed():
                self._record.request(*asked, self.requests, seconds, answer, sys.exception())
        run.took(seconds)
        if limiter is not None:
            _tell(limiter, given, answer)
        return answer

    def _refused(self, error: Exception, limiter: RateLimiter | None, text: Callable[[], str]) -> Exception:
        """Report an error to the limiter, and return the error to raise."""
        if isinstance(error, RateLimitedError):
            self._chunk.run.tally.rate_limited += 1
            if limiter is not None:
                limiter.limited(error.retry_after)
        elif isinstance(error, BannedError):
            if limiter is None:
                passing = PassingError(str(error), retry_after=error.retry_after or _BAN_SECONDS)
                passing.status = error.status
                return passing
            limiter.banned(error.retry_after)
        # An error that is not this library's comes from a user's exchange.
        return brought_home(error, text)

    def _page_text(self, timeframe: Timeframe, to: int, count: int) -> str:
        symbol = self._chunk.request.symbol
        return f"{self._exchange.name}: {symbol} {timeframe}, the page of {count} before {time_text(to)}"


def _tell(limiter: RateLimiter, given: float, answer: object) -> None:
    """Report to the limiter that a request was answered, what the answer says of the limit, and the server's time."""
    if isinstance(answer, Page):
        learned = getattr(limiter, "learned", None)
        if answer.server_time is not None and learned is not None:
            learned(given, answer.server_time)
        if answer.used is not None:
            limiter.observe(used=answer.used)
        elif answer.remaining is not None:
            limiter.observe(answer.remaining)
    if (answered := getattr(limiter, "answered", None)) is not None:
        answered(given)
