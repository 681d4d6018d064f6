"""Errors for operators in the wrong order: they name the operator, the item that came to it, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence

from rxcandles.engine.chunk import Chunk
from rxcandles.model import CandleData
from rxcandles.util.arguments import misplaced

__all__ = ["check_chunk", "check_lists"]


def check_lists(operator: str, items: object) -> None:
    """Raise :class:`RequestError` if ``items``, which came to ``operator``, is not a list of candles."""
    if isinstance(items, Sequence) and not isinstance(items, str | bytes | tuple):
        return
    takes = "lists of candles"
    if isinstance(items, Chunk):
        raise misplaced(operator, items, takes, "put ops.recall(store) before it")
    if isinstance(items, CandleData):
        raise misplaced(operator, items, takes, "put rx.map(lambda candle: [candle]) before it")
    if isinstance(items, tuple) and len(items) == 2 and isinstance(items[0], list):
        raise misplaced(operator, items, takes, "begin with ops.from_stream(stream) for a provider's stream")
    if not isinstance(items, tuple):
        raise misplaced(operator, items, takes)


def check_chunk(operator: str, chunk: object) -> None:
    """Raise :class:`RequestError` if ``chunk``, which came to ``operator``, is not a chunk or is at the wrong stage."""
    if not isinstance(chunk, Chunk):
        before = "it stands before ops.recall" if isinstance(chunk, Sequence) else "begin with ops.plan_chunks(request)"
        raise misplaced(operator, chunk, "chunks", before)
    fetched = chunk.page is not None or chunk.failure is not None
    asked = fetched or not chunk.question.count
    if operator == "recall" and chunk.written is None:
        raise misplaced(operator, chunk, "chunks that are stored", "put ops.persist(store) before it")
    if operator == "persist" and not asked:
        raise misplaced(operator, chunk, "chunks that are fetched", "put ops.fetch(exchange) before it")
    if operator in ("skip_stored", "rate_limit", "fetch") and fetched:
        raise misplaced(operator, chunk, "chunks that are not fetched yet", "put it before ops.fetch(exchange)")
