"""Ask the exchange, and ask again after a fault that is likely to pass."""

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
    """Ask the exchange for what each chunk lacks, at most ``ahead`` chunks at once, and emit the chunks in their order.

    Every page is checked before it is passed on. Candles that are still forming are left out. A doubtful empty slot of
    a page becomes one of its ``absences``. The run's limiter gets every 429, every answer and what the server says of
    its limit. No wait is longer than two hours, whatever the server asks for. Disposing cancels the requests under way.

    A failed request is sent again as ``retry`` says. The request after an invalid answer goes over another connection,
    and asks another question if that does not help. After a page that contradicts stored candles, or candles of another
    length, it asks another question at once. Nothing of a refused page is passed on. One impossible candle among others
    is asked for twice more; then it is listed in ``impossible``, and the other candles of its page are passed on.

    * ``on_failure``: ``"raise"`` ends the run at a chunk that failed for good. Nothing behind it is asked for, and its
      ``ExchangeError``, with ``series`` and ``span``, is raised after everything before it has come. ``"skip"`` passes
      the chunk on with its ``failure`` and goes on; after three failures in a row the rest of the run is given up.
    * ``against``: the store that holds the span already, to ask for all of it again (without ``skip_stored``). A page
      that lacks stored candles is asked for again over another connection; candles that both answers lack are its
      ``gone``.
    * ``turns``: shared by pipelines that write to one store. A page that one of them is fetching is not fetched by
      another, which waits for it.

    Raises:

    * ``RequestRejectedError`` (4xx), ``CertificateError`` and ``UnreachableError`` at once.
    * any other ``ExchangeError`` if ``on_failure`` is ``"raise"`` and the last attempt failed.

    >>> chunks = ops.plan_chunks(request).pipe(ops.rate_limit(limiter), ops.fetch(exchange, retry=ops.Retry(3)))
    >>> chunk = await ops.run(chunks)
    >>> len(chunk.rows), chunk.proven
    (60, (1704070800, 1704074400))
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
