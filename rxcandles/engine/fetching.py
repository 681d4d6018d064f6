"""Fetch what a chunk lacks: wait for its turn, ask for its page, and ask again after a fault that may pass."""

from __future__ import annotations

from functools import partial
from typing import Literal

from rxcandles.engine.attempts import Attempts
from rxcandles.engine.chunk import Chunk, Proof
from rxcandles.engine.retry import Retry, tried
from rxcandles.engine.turns import Flight, TurnLost, Turns
from rxcandles.engine.witness import Witness
from rxcandles.errors import CertificateError, ExchangeError, RequestRejectedError, UnreachableError
from rxcandles.ports import CandleStore, Exchange, Series
from rxcandles.ports.declared import absent_slot

__all__ = ["Fetcher"]


class Fetcher:
    """Fetches chunks from one exchange, any number at once. The parameters are those of ``ops.fetch``."""

    def __init__(
        self,
        exchange: Exchange,
        retry: Retry,
        on_failure: Literal["raise", "skip"] = "raise",
        against: CandleStore | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._exchange = exchange
        self._retry = retry
        self._on_failure = on_failure
        self._against = against
        self._turns = turns
        self._witness = Witness(exchange)

    async def fetch(self, chunk: Chunk) -> Chunk:
        """Return the chunk with its page or its failure; raise an error that asking again can't mend."""
        run, flight = chunk.run, None
        if run.absent is None:
            run.absent = absent_slot(self._exchange, chunk.request.timeframe)
            run.absent_untold = run.absent != "no_trade"
        if chunk.question.count and self._turns is not None:
            try:
                chunk, flight = await self._turns.take(chunk)
            except ExchangeError as error:  # the page that it waited for has failed
                return self._counted(self._failed(chunk, error, None))
        if chunk.question.count:
            run.anew |= self._against is not None
            try:
                chunk = await self._flown(chunk, flight)
            except TurnLost:
                return await self.fetch(chunk)
        return self._counted(chunk)

    async def _flown(self, chunk: Chunk, flight: Flight | None) -> Chunk:
        """Return the chunk with its page; whatever happens, wake those who wait for the page."""
        permitted = None
        if flight is not None and self._turns is not None:
            permitted = partial(self._turns.check, chunk, flight)
            chunk.run.when_stored[chunk.index] = flight.stored
        attempts = Attempts(self._exchange, chunk, self._witness, self._against, self._retry.attempts, permitted)
        try:
            page = await tried(attempts.page, self._retry, attempts.log_retry)
        except ExchangeError as error:
            _end(chunk, flight, error)
            return self._failed(chunk, error, attempts)
        except BaseException:
            _end(chunk, flight)
            raise
        if flight is not None:
            flight.answered()
        return chunk.but(page=page)

    def _failed(self, chunk: Chunk, error: ExchangeError, attempts: Attempts | None) -> Chunk:
        """Return the chunk with its failure; raise an error that concerns the whole run."""
        attempts = attempts or Attempts(self._exchange, chunk, self._witness)
        request, question = chunk.request, chunk.question
        error.series = Series(self._exchange.name, request.symbol, request.timeframe.name)
        error.span = (question.low, question.resume)
        error.add_note(f"{chunk}; asked {attempts.requests} times")
        if isinstance(error, RequestRejectedError | CertificateError | UnreachableError):
            raise error
        attempts.log_failed(error)
        if self._on_failure == "raise":
            chunk.run.fail(chunk, error)
            return chunk.but(failure=error)
        return chunk.but(failure=error, page=Proof((), question.low))

    @staticmethod
    def _counted(chunk: Chunk) -> Chunk:
        return chunk.but(candles=chunk.run.fetched(chunk))


def _end(chunk: Chunk, flight: Flight | None, error: Exception | None = None) -> None:
    """Wake those who wait for a page that does not come."""
    if flight is not None:
        chunk.run.when_stored.pop(chunk.index, None)
        flight.end(error)
