"""A stream of candles, chunk by chunk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from types import TracebackType

from rxcandles.flow import FlowStats, Stream
from rxcandles.model import CandleData
from rxcandles.reports import CollectionProgress, StreamingMeta

__all__ = ["CandleStream", "Meter"]


class Meter:
    """The newest progress of a run; given to ``report`` as its callback."""

    def __init__(self) -> None:
        self.progress: CollectionProgress | None = None

    def __call__(self, progress: CollectionProgress) -> None:
        """Take the newest progress."""
        self.progress = progress

    def expected(self, delivered: int) -> int:
        """Candles expected in all, at least those ``delivered``."""
        return max(delivered, self.progress.total_count if self.progress is not None else 0)


class CandleStream(AsyncGenerator[tuple[list[CandleData], StreamingMeta], None]):
    """Chunks of candles with their place in the stream: ``async for candles, meta in stream``.

    Nothing runs before the first chunk is asked for. A chunk is delivered when it is known whether it is the final one.
    Leave it early as you like; used as ``async with``, every task has stopped when the block is left. Raises
    ``ExchangeError`` or ``StoreError`` after everything that came before was delivered.
    """

    def __init__(self, stream: Stream[list[CandleData]], meter: Meter, size: int, count: int | None) -> None:
        self._stream = stream
        self._chunks = _chunks(stream, meter.expected, size, count)

    def __aiter__(self) -> CandleStream:
        return self

    async def __anext__(self) -> tuple[list[CandleData], StreamingMeta]:
        return await anext(self._chunks)

    async def asend(self, value: None) -> tuple[list[CandleData], StreamingMeta]:
        """Return the next chunk, as an asynchronous generator does; ``value`` is ignored."""
        return await self._chunks.asend(value)

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> tuple[list[CandleData], StreamingMeta]:
        """Raise an exception where the stream stands, as an asynchronous generator does; it ends the stream."""
        error = typ if isinstance(typ, BaseException) else val if isinstance(val, BaseException) else typ()
        return await self._chunks.athrow(error.with_traceback(tb) if tb is not None else error)

    async def aclose(self) -> None:
        """Stop: return when every task of the stream has ended."""
        await self._chunks.aclose()
        await self._stream.aclose()

    async def __aenter__(self) -> CandleStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def stats(self) -> FlowStats:
        """Return a snapshot: chunks that wait, pages in flight, tasks."""
        return self._stream.stats()


async def _chunks(
    stream: Stream[list[CandleData]], expected: Callable[[int], int], size: int, count: int | None
) -> AsyncGenerator[tuple[list[CandleData], StreamingMeta], None]:
    async with stream:
        index = delivered = 0
        async for candles in stream:
            delivered += len(candles)
            final = delivered == count or not await stream.more()
            total = delivered if final else max(expected(delivered), delivered + 1)
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
            index += 1


def _range(candles: list[CandleData]) -> tuple[datetime, datetime]:
    first, last = candles[0].open_time, candles[-1].open_time
    return (min(first, last), max(first, last))
