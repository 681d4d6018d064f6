"""Candles that came by themselves, as a chunk."""

from __future__ import annotations

from collections.abc import Sequence

from rxcandles.engine.chunk import Chunk, Proof
from rxcandles.engine.run import Run
from rxcandles.model import SETTLE_SECONDS, Request, Row
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe, to_datetime

__all__ = ["as_chunk"]


def as_chunk(symbol: str, timeframe: str | Timeframe, rows: Sequence[Row], covered: Span) -> Chunk:
    """Return candles of a source of your own, such as a live feed, as a chunk for ``persist`` and operators behind it.

    The chunk is the only one of a run of its own.

    * ``rows``: newest first, open times in ``covered``.
    * ``covered``: ``(start, stop)``, UTC seconds: every candle that exists in this span is among ``rows``.

    Raises ``RequestError`` if no candle of the timeframe can open in ``covered``.

    >>> chunk = ops.as_chunk("KRW-BTC", "1m", [Row(60, 9.0, 9.0, 9.0, 9.0, 1.0, 9.0, 60_000)], (0, 120))
    >>> chunk.proven, len(chunk.rows)
    ((0, 120), 1)
    """
    start, stop = covered
    grid = Timeframe.of(timeframe)
    request = Request(symbol, grid, to=to_datetime(stop), end=to_datetime(start), now=stop + SETTLE_SECONDS + 1)
    run = Run(request, page=max(1, grid.slots(start, stop)))
    planned = run.next()
    assert planned is not None  # a request has at least one slot
    chunk = planned.but(page=Proof(rows, request.span[0], request.span))
    return chunk.but(candles=run.fetched(chunk))
