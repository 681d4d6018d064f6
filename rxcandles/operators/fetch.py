"""Asking the exchange, and asking again where a fault is likely to pass."""

from __future__ import annotations

from typing import Literal

from rxcandles.engine.chunk import Chunk
from rxcandles.engine.fetching import Fetcher
from rxcandles.engine.retry import Retry
from rxcandles.engine.turns import Turns
from rxcandles.flow import Operator, map_async
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import CandleStore, Exchange
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

    Every page is checked before it is passed on, candles that are not final yet are left out, and the run is told how
    far the page has reached. What a page leaves out is told too where that is doubtful (``absences``). What fails is
    asked for again as ``retry`` says (:class:`Retry`). So is an invalid answer, over another connection, and with
    another question where that does not help; a page that contradicts what is held, or candles of another length, is
    asked for with another question at once. Nothing of it is passed on. A single candle that can't be true is asked for
    twice more, and then told (``impossible``) while all others of its page are passed on. A 429 is told to the run's
    limiter, as is what the server says of its limit, and what is answered. A chunk that fails for good is passed on
    with its ``failure``. It ends the run: nothing behind it is asked for and the ``ExchangeError`` is raised, with its
    ``series`` and ``span``, when everything before it has come. With ``on_failure="skip"`` the run goes on, and after
    three such in a row the rest is given up. A refusal of the request itself (4xx), and a certificate that can't be
    verified, are raised at once. No wait is longer than two hours, whatever the server says. Disposing cancels the
    requests under way.

    ``against`` is for asking anew, without ``skip_stored``: the store that holds the span already. A page that lacks
    candles of it is asked for again over another connection. Those that both answers lack are its ``gone``.
    ``turns`` are shared by pipelines that end in one store: what one of them has in flight the others wait for.
    """
    check_like("exchange", exchange, Exchange, "page", "page_limit")
    if against is not None:
        check_like("against", against, CandleStore, "rows")
    check_choice("on_failure", on_failure, ("raise", "skip"))
    policy = check_kind("retry", Retry() if retry is None else retry, Retry)
    fetcher = Fetcher(exchange, policy, on_failure, against, turns)

    async def fetched(chunk: Chunk) -> Chunk:
        check_chunk("fetch", chunk)
        return await fetcher.fetch(chunk)

    return map_async(fetched, ahead=ahead)
