"""A stream of candles, chunk by chunk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from types import TracebackType

from rxcandles.engine.meter import Meter
from rxcandles.flow import Reading, Stream
from rxcandles.model import CandleData
from rxcandles.model.reports import StreamingMeta, StreamStats
from rxcandles.util.forks import OwnProcess
from rxcandles.util.showing import Titled

__all__ = ["CandleStream"]


class CandleStream(Titled, AsyncGenerator[tuple[list[CandleData], StreamingMeta], None]):
    """Chunks of candles with their place in the stream: ``async for candles, meta in stream``.

    Nothing runs before the first chunk is asked for. A chunk is delivered when it is known whether it is the last one.
    The stream may be left early; after ``async with`` every task has stopped.

    One task reads a stream. A second task that reads meanwhile gets a ``RequestError``, and the first one goes on. A
    task that still reads when the block is left, or reads on after that, gets a ``RequestError`` too, since what it has
    is not everything.

    Raises ``ExchangeError`` or ``StoreError`` after everything that came before was delivered.

    >>> stream = provider.stream_candles("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01 02:00")
    >>> async with stream:
    ...     async for candles, meta in stream:
    ...         print(len(candles), f"{meta.total_progress:.0%}")
    120 100%
    """

    def __init__(self, stream: Stream[list[CandleData]], meter: Meter, size: int, count: int | None) -> None:
        self._process = OwnProcess("this stream")
        self._stream = stream
        self._meter = meter
        self._chunks = Reading(_chunks(stream, meter, size, count), stream.stop)

    def __aiter__(self) -> CandleStream:
        return self

    async def __anext__(self) -> tuple[list[CandleData], StreamingMeta]:
        self._process.check()
        return await self._chunks.next()

    async def asend(self, value: None) -> tuple[list[CandleData], StreamingMeta]:
        """Return the next chunk, as an asynchronous generator does; ``value`` is ignored."""
        return await self.__anext__()

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> tuple[list[CandleData], StreamingMeta]:
        """Raise an exception where the stream stands, as an asynchronous generator does; this ends the stream."""
        error = typ if isinstance(typ, BaseException) else val if isinstance(val, BaseException) else typ()
        return await self._chunks.throw(error.with_traceback(tb) if tb is not None else error)

    async def aclose(self) -> None:
        """Stop, and return when every task of the stream has ended; in a forked child, do nothing."""
        if self._process.forked:
            return
        await self._chunks.close()
        await self._stream.aclose()

    async def __aenter__(self) -> CandleStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _told(self) -> Mapping[str, object]:
        stats = self.stats()
        return {"candles": f"{stats.candles:,} of {stats.expected:,} candles", "chunks": f"{stats.chunks:,} chunks"}

    def stats(self) -> StreamStats:
        """Return a snapshot of what was delivered, what it has cost, and what is under way; works at any moment."""
        return self._meter.stats(self._stream.stats())


async def _chunks(
    stream: Stream[list[CandleData]], meter: Meter, size: int, count: int | None
) -> AsyncGenerator[tuple[list[CandleData], StreamingMeta], None]:
    final = False
    try:
        async with stream:
            async for candles in stream:
                index, delivered = meter.chunks, meter.candles + len(candles)
                final = delivered == count or not await stream.more()
                meter.delivered(candles)
                total = delivered if final else max(meter.expected, delivered + 1)
                yield (
                    candles,
                    StreamingMeta(
                        chunk_index=index,
                        chunk_count=-(-total // size),
                        total_progress=delivered / total,
                        chunk_time_range=_range(candles),
                        is_final_chunk=final,
                    ),
                )
            final = True
    finally:
        meter.end()
        if final:
            meter.log(meter.candles)


def _range(candles: list[CandleData]) -> tuple[datetime, datetime]:
    first, last = candles[0].open_time, candles[-1].open_time
    return (min(first, last), max(first, last))
