"""Begin a pipeline with a provider's stream."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence

from reactivex import Observable
from reactivex import operators as rx

from rxcandles.flow import from_async_iterable
from rxcandles.model import CandleData

__all__ = ["from_stream"]


def from_stream(stream: AsyncIterable[tuple[Sequence[CandleData], object]]) -> Observable[Sequence[CandleData]]:
    """Emit the lists of candles of ``provider.stream_candles(…)``, without their ``StreamingMeta``.

    The next list is taken only while the flow has room. The stream is closed when this ends or is disposed, so it can
    be subscribed to once. Order, bounds and errors are those of the stream.

    >>> stream = provider.stream_candles("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01 02:00")
    >>> hours = await ops.run(ops.from_stream(stream).pipe(ops.resample("60m"), ops.to_list(10)))
    >>> [str(hour.open_time) for hour in hours]
    ['2024-01-01 01:00:00+00:00', '2024-01-01 00:00:00+00:00']
    """

    def candles(pair: tuple[Sequence[CandleData], object]) -> Sequence[CandleData]:
        return pair[0]

    return from_async_iterable(stream).pipe(rx.map(candles))
