"""Read the collected candles back from the store, in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from weakref import WeakKeyDictionary

import reactivex
from reactivex import Observable

from rxcandles.engine.chunk import Chunk
from rxcandles.engine.run import Run
from rxcandles.errors import ContradictionError
from rxcandles.flow import Operator, concat_map_async
from rxcandles.model import CandleData
from rxcandles.model.derived import candles_of
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.stretch import Origin, Stretch
from rxcandles.model.timeframe import plain_time
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import CandleStore, absent_of
from rxcandles.util.arguments import check_count, check_like

__all__ = ["VoidedError", "recall"]


class VoidedError(ContradictionError):
    """A span that was covered when the run began no longer is; the same request fetches only the rest."""


def recall(store: CandleStore, *, page: int = 1000) -> Operator[Chunk, Sequence[CandleData]]:
    """Emit the candles of the request, stored and new, in the request's order, as soon as no earlier one can come.

    They come in lists that are read while the consumer has room: what waits is in the store, not in memory. If a
    ``count`` was asked for, exactly so many candles come, or fewer if the market has fewer. The lists know their order
    and the span whose candles they hold completely, and our operators behind use that. Oldest first with a ``count``,
    nothing is emitted before everything has arrived.

    * ``page``: the most candles in a list, and in memory.

    Raises:

    * ``StoreError`` if the store can't be read.
    * ``VoidedError`` at the end if an answer has shown that an earlier one was wrong about a span, which is not covered
      any more. The same request asks for that span only.

    >>> chunks = ops.plan_chunks(request).pipe(ops.skip_stored(store), ops.fetch(exchange), ops.persist(store))
    >>> newest = await ops.run(chunks.pipe(ops.recall(store), ops.to_list(50_000)))
    >>> len(newest)
    60
    """
    check_like("store", store, CandleStore, "rows", "nth_newest")
    page = check_count("page", page)

    def operator(source: Observable[Chunk]) -> Observable[Sequence[CandleData]]:
        def subscribed(_: object) -> Observable[Sequence[CandleData]]:
            readings: WeakKeyDictionary[Run, _Reading] = WeakKeyDictionary()

            def read(chunk: Chunk) -> AsyncGenerator[Sequence[CandleData], None]:
                check_chunk("recall", chunk)
                if chunk.run not in readings:
                    readings[chunk.run] = _Reading(store, page)
                return readings[chunk.run].read(chunk)

            return source.pipe(concat_map_async(read))

        return reactivex.defer(subscribed)

    return operator


def _lacking(run: Run) -> Sequence[Span]:
    """Return the spans of a run that were asked for and are not there: failed spans and impossible candles."""
    grid = run.request.timeframe
    return [*run.failed, *((time, grid.shift(time, 1)) for time in run.impossible)]


class _Reading:
    """One run, and how far its candles have been emitted."""

    def __init__(self, store: CandleStore, page: int) -> None:
        self._store = store
        self._page = page
        self._position: int | None = None
        self._handed_out = 0
        """The end of the lists that were emitted."""
        self._origin: Origin | None = None
        self._emitted = 0

    async def read(self, chunk: Chunk) -> AsyncGenerator[Sequence[CandleData], None]:
        ready, request = chunk.run.ready(), chunk.request
        if ready is None:
            return
        newest_first = request.order == "newest_first"
        if self._position is None:
            self._position = await self._first(chunk, ready[0]) if not newest_first else ready[1]
            self._handed_out = self._position
        if self._origin is None:
            absent = chunk.run.absent or await absent_of(self._store, request.symbol, request.timeframe)
            self._origin = Origin(request.order, partial(_lacking, chunk.run), absent=absent)
        while limit := self._limit(request.count):
            start, stop = (ready[0], self._position) if newest_first else (self._position, ready[1])
            if start >= stop:
                break
            if newest_first and self._in_hand(chunk, limit):
                self._position = max(start, chunk.proven[0] if chunk.proven else start)
                rows = [row for row in chunk.rows if row.open_time >= self._position]
            else:
                rows = await self._store.rows(request.symbol, request.timeframe, start, stop, request.order, limit)
                if len(rows) < limit:
                    self._position = start if newest_first else stop
                else:
                    self._position = rows[-1].open_time + (not newest_first)
            self._emitted += len(rows)
            self._origin.edge = self._position
            if rows:
                self._origin.last += 1
                span = (self._position, self._handed_out) if newest_first else (self._handed_out, self._position)
                self._handed_out = self._position
                candles = candles_of(request.symbol, request.timeframe.name, rows)
                yield Stretch(candles, self._origin, span, self._origin.last)

        if chunk.run.void and chunk.run.ended:
            await self._check_void(chunk, ready)

    async def _check_void(self, chunk: Chunk, whole: Span) -> None:
        """Raise ``VoidedError`` if a part of the request is no longer covered although it was read."""
        request = chunk.request
        void = SpanSet(tuple(chunk.run.void)).intersect(SpanSet((whole,)))
        there = await self._store.coverage(request.symbol, request.timeframe, *whole) if void else []
        left = void.subtract(SpanSet(each.span for each in there))
        if left:
            spans = ", ".join(f"{plain_time(start)} to {plain_time(stop)} UTC" for start, stop in left.spans[:3])
            raise VoidedError(
                f"{request.symbol} {request.timeframe}: an answer has shown that an earlier one was wrong about "
                f"{spans}, which is not held any more; ask again, and only that is asked for"
            )

    def _in_hand(self, chunk: Chunk, limit: int) -> bool:
        """Say whether the next candles are exactly those that the chunk has fetched, so that they need not be read."""
        # The store may hold an earlier, possible version of an impossible candle.
        page = chunk.page
        fetched = page is not None and page.proven is not None and not chunk.stored.held and not page.impossible
        return fetched and self._position == chunk.step.top and len(chunk.rows) <= limit

    async def _first(self, chunk: Chunk, start: int) -> int:
        request = chunk.request
        if request.count is None:
            return start
        nth = await self._store.nth_newest(request.symbol, request.timeframe, start, chunk.run.stop, request.count)
        return start if nth is None else nth

    def _limit(self, count: int | None) -> int:
        return self._page if count is None else min(self._page, count - self._emitted)
