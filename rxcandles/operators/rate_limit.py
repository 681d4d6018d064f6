"""Keeping to the exchange's rate."""

from __future__ import annotations

from reactivex import operators as rx

from rxcandles.engine.chunk import Chunk
from rxcandles.flow import Operator
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import RateLimiter
from rxcandles.util.arguments import check_like

__all__ = ["rate_limit"]


def rate_limit(limiter: RateLimiter) -> Operator[Chunk, Chunk]:
    """Bind the chunks' run to ``limiter``: every request that is sent for it, retries too, gets a permit from it first.

    The permit is taken right before the request, in ``fetch``, and not here: one that had waited in a queue since would
    no longer say when the request goes out. Chunks with nothing to be fetched need none. Synchronous; order kept.
    """
    check_like("limiter", limiter, RateLimiter)

    def bind(chunk: Chunk) -> Chunk:
        check_chunk("rate_limit", chunk)
        chunk.run.limiter = limiter
        return chunk

    return rx.map(bind)
