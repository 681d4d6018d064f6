"""Asking the exchange, and asking again where a fault is likely to pass."""

from __future__ import annotations

from functools import partial
from typing import Literal

import attrs

from rxcandles.engine.attempts import Attempts
from rxcandles.engine.chunk import Chunk
from rxcandles.engine.retry import Retry, tried
from rxcandles.engine.turns import Flight, TurnLost, Turns
from rxcandles.engine.witness import Witness
from rxcandles.errors import CertificateError, ExchangeError, RequestRejectedError, UnreachableError
from rxcandles.flow import Operator, map_async
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import CandleStore, Exchange
from rxcandles.ports.declared import absent_slot
from rxcandles.util.arguments import check_choice, check_kind, check_like

__all__ = ["fetch"]


def fetch(
    exchange: Exchange,
    *,
    ahead: int = 8,
    retry: Retry | None = None,
    on_failure: Literal["raise", "skip"] = "raise",
    against: CandleStore | None = None,
    turns: Turns | None = None,
) -> Operator[Chunk, Chunk]:
    """Ask the exchange for what each chunk lacks, at most ``ahead`` chunks at once, results in the chunks' order.

    Every page is checked before it is passed on, candles that are not final yet are left out, and the plan is told how
    far the page has reached. What a page leaves out is told too where that is doubtful (``absences``). What fails is
    asked for again as ``retry`` says (:class:`Retry`). So is an invalid answer, over another connection, and with
    another question where that does not help; a page that contradicts what is held, or candles of another length, is
    asked for with another question at once. Nothing of it is passed on. A single candle that can't be true is asked for
    twice more, and then told (``impossible``) while all others of its page are passed on. A 429 is told to the chunk's
    limiter, as is what the server says of its limit, and what is answered. A chunk that fails for good is passed on
    with its ``failure``. It ends the run: the plan asks for nothing behind it and raises the ``ExchangeError``, with a
    note which chunk it was, when everything before it has come. With ``on_failure="skip"`` the run goes on, and after
    three such in a row the rest is given up. A refusal of the request itself (4xx), and a certificate that can't be
    verified, are raised at once. No wait is longer than two hours, whatever the server says. Disposing cancels the
    requests under way.

    ``against`` is for asking anew, without ``skip_stored``: the store that holds the span already. A page that lacks
    candles of it is asked for again over another connection. Those that both answers lack are the chunk's ``gone``.
    ``turns`` are shared by pipelines that end in one store: what one of them has in flight the others wait for.
    """
    check_like("exchange", exchange, Exchange, "page", "page_limit")
    if against is not None:
        check_like("against", against, CandleStore, "rows")
    check_choice("on_failure", on_failure, ("raise", "skip"))
    policy = check_kind("retry", Retry() if retry is None else retry, Retry)
    witness = Witness(exchange)

    async def fill(chunk: Chunk) -> Chunk:
        check_chunk("fetch", chunk)
        if chunk.plan.absent is None:
            chunk.plan.absent = absent_slot(exchange, chunk.request.timeframe)
            chunk.plan.absent_untold = chunk.plan.absent != "no_trade"
        if not chunk.ask:
            return chunk.but(candles=chunk.plan.fetched(chunk))
        chunk.plan.anew |= against is not None
        attempts: Attempts | None = None
        flight: Flight | None = None
        try:
            permitted = None
            if turns is not None:
                chunk, flight = await turns.take(chunk)
                if flight is None:
                    return chunk.but(candles=chunk.plan.fetched(chunk))
                chunk = chunk.but(flight=flight)
                permitted = partial(turns.check, chunk, flight)
            attempts = Attempts(exchange, chunk, witness, against, policy.attempts, permitted)
            found = await tried(attempts.page, policy, attempts.log_retry)
            chunk = chunk.but(**attrs.asdict(found, recurse=False))
            if flight is not None:
                flight.answered()
        except TurnLost:
            if flight is not None:
                flight.end()
            return await fill(chunk.but(flight=None))
        except ExchangeError as error:
            if flight is not None:
                flight.end(error)
            attempts = attempts or Attempts(exchange, chunk, witness)  # none: it has waited for one that has failed
            error.add_note(f"{chunk}; asked {attempts.requests} times")
            if isinstance(error, RequestRejectedError | CertificateError | UnreachableError):
                raise
            attempts.log_failed(error)
            chunk = chunk.but(failure=error, reached=chunk.low if on_failure == "skip" else None)
            if on_failure == "raise":
                chunk.plan.fail(chunk, error)
        except BaseException:
            if flight is not None:
                flight.end()
            raise
        chunk = chunk.but(requests=attempts.requests, retries=attempts.retries, rate_limited=attempts.rate_limited)
        chunk.plan.impossible.update(chunk.impossible)
        return chunk.but(candles=chunk.plan.fetched(chunk))

    return map_async(fill, ahead=ahead)
