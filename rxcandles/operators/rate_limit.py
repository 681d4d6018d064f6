"""Keep to the exchange's rate."""

from __future__ import annotations

from reactivex import operators as rx

from rxcandles.engine.chunk import Chunk
from rxcandles.flow import Operator
from rxcandles.operators.pieces import check_chunk
from rxcandles.ports import RateLimiter
from rxcandles.util.arguments import check_like

__all__ = ["rate_limit"]


def rate_limit(limiter: RateLimiter) -> Operator[Chunk, Chunk]:
    """Set ``limiter`` as the limiter of the chunks' run: every request of the run gets a permit from it, retries too.

    ``fetch`` takes the permit right before it sends the request. A permit taken here would grow old while its chunk
    waits. A chunk that needs no request takes no permit. Synchronous; the order is kept.

    >>> limiter = SlidingWindowLimiter(10)
    >>> chunks = ops.plan_chunks(request).pipe(ops.rate_limit(limiter), ops.fetch(exchange))
    >>> _ = await ops.run(chunks)
    >>> limiter.stats().permits
    1
    """
    check_like("limiter", limiter, RateLimiter)

    def bind(chunk: Chunk) -> Chunk:
        check_chunk("rate_limit", chunk)
        chunk.run.limiter = limiter
        return chunk

    return rx.map(bind)
