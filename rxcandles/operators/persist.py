"""Storing what was fetched."""

from __future__ import annotations

from typing import Any

from rxcandles.engine.chunk import Chunk
from rxcandles.flow import Operator, map_async
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import CandleStore, Written
from rxcandles.util.arguments import check_like

__all__ = ["persist"]


def persist(store: CandleStore) -> Operator[Chunk, Chunk]:
    """Write each chunk's rows to ``store``, with what they prove and what is doubtful of that, in one transaction.

    Chunk after chunk. Every chunk that has come here is written, even where the pipeline is left meanwhile. A chunk
    without a proof is passed on as it is. The slot of a candle that can't be true is not covered; what is held there
    stays. What the exchange has no longer (``gone``, where ``fetch`` asks anew) is
    deleted then, not before. Raises ``StoreError``.
    """
    check_like("store", store, CandleStore, "write")

    async def write(chunk: Chunk) -> Chunk:
        check_chunk("persist", chunk)
        written, page = Written(0), chunk.page
        if page is not None and page.proven is not None:
            # What is seldom there is left out, so that stores of others need not know of it.
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
