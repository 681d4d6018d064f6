"""The log records of a chunk's requests. Texts and records are made only if the logger is enabled."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from rxcandles.engine.chunk import Chunk, Proof
from rxcandles.errors import ConnectionFailedError, ExchangeError
from rxcandles.events import FailedEvent, ImpossibleEvent, OfSeries, PageEvent, RequestEvent, RetryEvent, log_event
from rxcandles.model.timeframe import Timeframe, time_text
from rxcandles.ports import Page

__all__ = ["Record", "is_detailed"]

_log: Final = logging.getLogger("rxcandles.fetch")


def is_detailed() -> bool:
    """Return whether single requests are logged."""
    return _log.isEnabledFor(logging.DEBUG)


class Record:
    """Writes the log records of one chunk."""

    def __init__(self, exchange: str, chunk: Chunk) -> None:
        self._exchange = exchange
        self._chunk = chunk

    @property
    def _series(self) -> OfSeries:
        request = self._chunk.request
        return {"exchange": self._exchange, "symbol": request.symbol, "timeframe": request.timeframe.name}

    def retry(self, error: BaseException | None, wait: float, attempt: int) -> None:
        """Log that another attempt follows in ``wait`` seconds, after the attempt with that number."""
        event = RetryEvent(
            event="retry",
            **self._series,
            to=time_text(self._chunk.question.resume),
            attempt=attempt,
            error=type(error).__name__,
            status=_status(error),
            wait=wait,
        )
        message = "%s: attempt %d failed: %s; again in %.1f s"
        log_event(_log, logging.WARNING, event, message, self._chunk, attempt, _told(error), wait)

    def failed(self, error: ExchangeError, requests: int) -> None:
        """Log that all ``requests`` requests have failed."""
        question = self._chunk.question
        event = FailedEvent(
            event="failed",
            **self._series,
            start=time_text(question.low),
            stop=time_text(question.resume),
            requests=requests,
            error=type(error).__name__,
            status=error.status,
        )
        log_event(_log, logging.ERROR, event, "%s failed for good: %s", self._chunk, _told(error))

    def unsaid(self) -> None:
        """Log, once a run, that the pages of an exchange do not say what they cover."""
        if not self._chunk.run.pages_unsaid:
            self._chunk.run.pages_unsaid = True
            _log.warning(
                "%s: its pages do not say what they cover, and are taken for the newest candles before a time; "
                "return Page.before(rows, to, count) where that is so, else Page(rows, covered=(start, stop))",
                self._exchange,
            )

    def useless(self, timeframe: Timeframe, error: Exception) -> None:
        """Log that candles of another length can't be compared with a page."""
        _log.info("%s: candles of %s are of no use to check it by: %s", self._chunk, timeframe, type(error).__name__)

    def impossible(self, found: Mapping[int, str]) -> None:
        """Log the impossible candles that the run sees for the first time."""
        request = self._chunk.request
        for opened in sorted(found.keys() - self._chunk.run.impossible.keys()):
            event = ImpossibleEvent(event="impossible", **self._series, open_time=time_text(opened))
            message = "%s %s: the candle of %s can't be true, by its values; all others of its page are kept"
            log_event(_log, logging.WARNING, event, message, request.symbol, request.timeframe, event["open_time"])

    def page(self, proof: Proof, rows: int) -> None:
        """Log what a page of ``rows`` rows proves."""
        if not is_detailed():
            return
        event = PageEvent(
            event="page",
            **self._series,
            rows=rows,
            reached=time_text(proof.reached),
            start=None if proof.proven is None else time_text(proof.proven[0]),
            stop=None if proof.proven is None else time_text(proof.proven[1]),
        )
        log_event(_log, logging.DEBUG, event, "%s: %d rows, down to %s", self._chunk, rows, event["reached"])

    def request(
        self, to: int, count: int, number: int, seconds: float, page: object, raised: BaseException | None
    ) -> None:
        """Log one request for ``count`` candles before ``to``, and its outcome."""
        answer = page if isinstance(page, Page) else None
        error = raised if answer is None else None  # with a page, an error is an older one, of the attempt before
        event = RequestEvent(
            event="request",
            **self._series,
            to=time_text(to),
            count=count,
            attempt=number,
            seconds=seconds,
            status=200 if answer is not None else _status(error),
            error=None if error is None else type(error).__name__,
            rows=None if answer is None else len(answer.rows),
            remaining=None if answer is None else answer.remaining,
        )
        outcome = _told(error) if answer is None else f"{len(answer.rows)} rows"
        log_event(_log, logging.DEBUG, event, "%s: %s in %.3f s", self._chunk, outcome, seconds)


def _status(error: BaseException | None) -> int | None:
    return error.status if isinstance(error, ExchangeError) else None


def _told(error: BaseException | None) -> str:
    """Return the text for an error in the log, without the message of an error that may quote an answer."""
    status = _status(error)
    text = f": {error}" if isinstance(error, ConnectionFailedError) else "" if status is None else f" ({status})"
    return type(error).__name__ + text
