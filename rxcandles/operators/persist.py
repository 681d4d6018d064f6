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
        written = Written(0)
        if chunk.proven is not None:
            request = chunk.request
            page = (request.symbol, request.timeframe, chunk.rows, chunk.proven, chunk.absences)
            more: dict[str, Any] = {} if chunk.gone is None else {"gone": chunk.gone}
            if chunk.said is not None and (chunk.absences or chunk.again):
                more["said"] = chunk.said
            if chunk.impossible:
                more["impossible"] = chunk.impossible
            if chunk.plan.absent_untold and hasattr(store, "absent_slot"):
                more["absent"] = chunk.plan.absent
            written = await store.write(*page, **more)
            chunk.plan.absent_untold = False
        chunk = chunk.but(store=store, fresh=int(written), revised=len(written.revised), removed=len(written.removed))
        chunk.plan.void += written.void
        chunk.plan.stored(chunk)
        if chunk.flight is not None:
            chunk.flight.stored(chunk.proven)
        return chunk

    return map_async(write, finish=True)
