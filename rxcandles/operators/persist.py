"""Store what was fetched."""

from __future__ import annotations

from typing import Any

from rxcandles.engine.chunk import Chunk
from rxcandles.flow import Operator, map_async
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import CandleStore, Written
from rxcandles.util.arguments import check_like

__all__ = ["persist"]


def persist(store: CandleStore) -> Operator[Chunk, Chunk]:
    """Write each chunk's rows to ``store``, with the span and the absences that its page proves, in one transaction.

    Chunks are written one after another. A chunk that has arrived here is written even if the pipeline is left
    meanwhile. A chunk whose page proves nothing is passed on unchanged. The slot of an impossible candle is not
    covered, and a candle that is stored there stays. Candles that the exchange no longer has (``gone``, if ``fetch``
    asks anew) are deleted in the same transaction.

    Raises ``StoreError`` if the store can't be used.

    >>> chunks = ops.plan_chunks(request).pipe(ops.fetch(exchange), ops.persist(store))
    >>> (await ops.run(chunks)).fresh  # the store has all of them already
    0
    """
    check_like("store", store, CandleStore, "write")

    async def write(chunk: Chunk) -> Chunk:
        check_chunk("persist", chunk)
        written, page = Written(0), chunk.page
        if page is not None and page.proven is not None:
            # Pass rare arguments only if they are needed, so that other stores need not know them.
            more: dict[str, Any] = {} if page.gone is None else {"gone": page.gone}
            if page.said is not None and (page.absences or chunk.question.again):
                more["said"] = page.said
            if page.impossible:
                more["impossible"] = page.impossible
            if chunk.run.absent_untold and hasattr(store, "absent_slot"):
                more["absent"] = chunk.run.absent
            series = (chunk.request.symbol, chunk.request.timeframe)
            written = await store.write(*series, page.rows, page.proven, page.absences, **more)
            chunk.run.absent_untold = False
        chunk = chunk.but(written=written)
        chunk.run.store = store
        chunk.run.stored(chunk)
        return chunk

    return map_async(write, finish=True)
