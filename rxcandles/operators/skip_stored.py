"""Skip what is already stored."""

from __future__ import annotations

import reactivex
from reactivex import Observable

from rxcandles.engine.chunk import Chunk
from rxcandles.engine.lookup import AGAIN, Lookup
from rxcandles.flow import Operator, map_async
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import CandleStore
from rxcandles.util.arguments import check_count, check_flag, check_like

__all__ = ["skip_stored"]


def skip_stored(store: CandleStore, *, absences: bool = False, overlap: int = AGAIN) -> Operator[Chunk, Chunk]:
    """Narrow each chunk to what the store lacks; a chunk that is wholly stored passes on with nothing to fetch.

    Chunks keep their order and none is dropped. A covered span of any length is one chunk and one lookup. A few lookups
    more at the beginning of a run find its gaps and the claims that are due, which are asked about again. All gaps
    within a page are one request. A page that reaches stored candles reads the newest of them again.

    * ``absences``: True asks about all claims again, due or not.
    * ``overlap``: how many stored candles a page reads again when it reaches them.

    Raises ``StoreError`` if the store can't be read.

    >>> chunks = ops.plan_chunks(request).pipe(ops.skip_stored(store), ops.fetch(exchange), ops.persist(store))
    >>> chunk = await ops.run(chunks)
    >>> chunk.missing is None, chunk.stored.held
    (True, 60)
    """
    check_flag("absences", absences)
    check_count("overlap", overlap)
    check_like("store", store, CandleStore, "coverage", "count", "nth_newest")

    def operator(source: Observable[Chunk]) -> Observable[Chunk]:
        lookup = Lookup(store, absences=absences, overlap=overlap)

        async def narrow(chunk: Chunk) -> Chunk:
            check_chunk("skip_stored", chunk)
            return await lookup.narrow(chunk)

        return source.pipe(map_async(narrow))

    return lambda source: reactivex.defer(lambda _: operator(source))
