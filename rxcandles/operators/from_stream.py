"""A provider's stream as the beginning of a pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence

from reactivex import Observable
from reactivex import operators as rx

from rxcandles.flow import from_async_iterable
from rxcandles.model import CandleData

__all__ = ["from_stream"]


def from_stream(stream: AsyncIterable[tuple[Sequence[CandleData], object]]) -> Observable[Sequence[CandleData]]:
    """Emit the lists of candles of ``provider.stream_candles(…)``, without what it tells of each.

    The next is taken only while the flow has room; the stream is closed when this ends or is disposed. It runs once.
    Order, bound and errors are the stream's.
    """

    def candles(pair: tuple[Sequence[CandleData], object]) -> Sequence[CandleData]:
        return pair[0]

    return from_async_iterable(stream).pipe(rx.map(candles))
