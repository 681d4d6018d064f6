"""What following needs from the modes: the pipeline that they share, and the parts that it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
from reactivex import Observable

from rxcandles.engine.chunk import Chunk
from rxcandles.model import Request
from rxcandles.ports import CandleStore, Exchange, RateLimiter

__all__ = ["Chunks", "Parts"]


class Chunks(Protocol):
    """The pipeline that fetches what the store lacks and stores it (``CandleCollector.chunks``)."""

    def __call__(
        self, request: Request, *, of: int = 1, refetch: bool = False, absences: bool = False, overlap: int = 3
    ) -> Observable[Chunk]:
        """Return the pipeline for one request."""
        ...


@attrs.frozen
class Parts:
    """A store, an exchange and its limiter, and what makes the pipeline of them."""

    store: CandleStore
    exchange: Exchange
    limiter: RateLimiter
    chunks: Callable[[Exchange], Chunks]
    """Makes the pipeline for an exchange, such as one that is held against its stream."""
