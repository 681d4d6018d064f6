"""The part of a store that knows of sealed months, whose candles only a lake has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rxcandles.model import Order, Row
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Sealed
from rxcandles.stores.sql.imports import ImportedCandles
from rxcandles.stores.sql.reading import check_reading
from rxcandles.stores.sql.sealing import opens_in, read_sealed, seal_month, unseal_month

__all__ = ["SealedCandles"]


class SealedCandles(ImportedCandles):
    """Seals months, and knows which slots of them have a candle."""

    async def sealed(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Sealed]:
        """Return the sealed months that overlap ``[start, stop)``, oldest first."""
        check_reading(start, stop)
        return await self._open.call(read_sealed, await self.series_id(symbol, timeframe), start, stop)

    async def opens(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, order: Order, limit: int
    ) -> list[int]:
        """Return the open times of up to ``limit`` candles of ``[start, stop)`` in ``order``, sealed or not."""
        check_reading(start, stop, order, limit)
        return await self._open.call(opens_in, await self.series_id(symbol, timeframe), start, stop, order, limit)

    async def seal(
        self, symbol: str, timeframe: Timeframe, month: Span, revision: int, rows: int, sha256: str, place: str
    ) -> str | None:
        """Delete the candles of a month, which a file of the lake at ``place`` has; return why not if that can't be.

        * ``revision``, ``rows``, ``sha256``: of the candles that were compared with the file, and of the file.
        """
        series, step = await self.series_id(symbol, timeframe), timeframe.seconds
        return await self._open.call(seal_month, series, month, step, revision, rows, sha256, place)

    async def unseal(
        self, symbol: str, timeframe: Timeframe, start: int, pages: Callable[[], Iterator[Sequence[Row]]]
    ) -> int:
        """Store the candles of the sealed month that begins at ``start`` again, all or nothing; return their number.

        ``pages()`` is read in the store's thread, and again if the connection is lost meanwhile. Raise
        ``StoreError`` if they are not those that were sealed.
        """
        return await self._open.call(unseal_month, await self.series_id(symbol, timeframe), start, pages)
