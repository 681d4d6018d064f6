"""Refuse a request that is too large before anything is sent."""

from __future__ import annotations

from reactivex import operators as rx

from rxcandles.engine.chunk import Chunk
from rxcandles.errors import MemoryLimitError
from rxcandles.flow import Operator
from rxcandles.model import Request
from rxcandles.operators.pieces import check_chunk
from rxcandles.util.arguments import check_count

__all__ = ["guard_plan", "guard_request"]


def guard_request(request: Request, limit: int) -> None:
    """Raise :class:`MemoryLimitError` if ``request`` may have more than ``limit`` candles.

    That is its ``count``, or the number of slots in its span: how many of them have a candle is not known yet.
    """
    if request.most > limit:
        what = "candles asked for" if request.count is not None else "slots in the span"
        raise MemoryLimitError(
            f"{request.most:,} {what}, a list may hold {limit:,}; "
            "stream them (stream_candles), only store them (collect_candles_only), or raise max_memory_objects"
        )


def guard_plan(limit: int) -> Operator[Chunk, Chunk]:
    """Pass chunks on, or raise :class:`MemoryLimitError` at the first one if the request may exceed ``limit`` candles.

    Synchronous; holds nothing. Put it before ``fetch``, so that nothing is sent.

    >>> await ops.run(ops.plan_chunks(request).pipe(ops.guard_plan(10)))
    Traceback (most recent call last):
    MemoryLimitError: 60 slots in the span, a list may hold 10; ...
    """
    check_count("limit", limit)

    def guarded(chunk: Chunk) -> Chunk:
        check_chunk("guard_plan", chunk)
        if chunk.index == 0:
            guard_request(chunk.request, limit)
        return chunk

    return rx.map(guarded)
