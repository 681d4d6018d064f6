"""Skipping what is stored."""

from __future__ import annotations

import reactivex
from reactivex import Observable

from rxcandles.engine.chunk import Chunk
from rxcandles.engine.lookup import Lookup
from rxcandles.flow import Operator, map_async
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import CandleStore
from rxcandles.util.arguments import check_flag, check_like

__all__ = ["skip_stored"]


def skip_stored(store: CandleStore, *, absences: bool = False) -> Operator[Chunk, Chunk]:
    """Narrow each chunk to what the store lacks; a chunk that is wholly stored passes with nothing to be fetched.

    A stored stretch of any length is one chunk and one lookup in the ledger; a few more, when a run begins, tell the
    plan which holes there are and which doubtful absences are due: those are asked about again like holes. All holes
    within a page are one request. A page that reaches stored candles reads the newest of them again.
    With ``absences`` all doubtful ones are asked about again, due or not. Chunks keep their order; none is dropped.
    Raises ``StoreError``.
    """
    check_flag("absences", absences)
    check_like("store", store, CandleStore, "coverage", "count", "nth_newest")

    def operator(source: Observable[Chunk]) -> Observable[Chunk]:
        lookup = Lookup(store, absences=absences)

        async def narrow(chunk: Chunk) -> Chunk:
            check_chunk("skip_stored", chunk)
            return await lookup.narrow(chunk)

        return source.pipe(map_async(narrow))

    return lambda source: reactivex.defer(lambda _: operator(source))
