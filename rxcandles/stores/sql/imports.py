"""The imported candles of a store."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from rxcandles.events import ImportEvent, log_event
from rxcandles.model import MarkedRow, Order
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Series
from rxcandles.stores.sql.base import SqlBase
from rxcandles.stores.sql.import_sql import (
    IMPORTED_COUNT_SQL,
    IMPORTED_SERIES_SQL,
    IMPORTS_SQL,
    NTH_NEWEST_SQL,
    SAMPLE_SQL,
    SHOWN_COUNT_SQL,
    STRETCHES_SQL,
    Import,
    Taken,
    marked_sql,
    take_in,
)
from rxcandles.stores.sql.odd import check_rows, read_names
from rxcandles.stores.sql.reader import marked_row
from rxcandles.stores.sql.reading import check_reading
from rxcandles.stores.sql.sealing import check_unsealed, counted_in
from rxcandles.stores.sql.staging import Staging
from rxcandles.util.arguments import check_count, check_symbol

__all__ = ["ImportedCandles"]

_APART: Final = 200
"""Slots without an imported candle that end a run of them: as many as a page has at most."""
_MONTH: Final = 31 * 86_400

_log: Final = logging.getLogger("rxcandles.store")


class ImportedCandles(SqlBase):
    """A file in which imported candles lie beside the exchange's, and can be read together with them."""

    async def take_in(
        self,
        symbol: str,
        timeframe: Timeframe,
        staging: Staging,
        style: str,
        sha256: str | None = None,
        *,
        replace: bool = False,
    ) -> Taken:
        """Store what is staged as imported, in one transaction; other writers wait for it.

        :func:`rxcandles.import_candles` calls this. Raise ``RequestError`` if it contradicts what was imported before;
        with ``replace``, it replaces that.
        """
        series = Series(self.exchange, check_symbol(symbol), Timeframe.of(timeframe).name)
        began = time.monotonic()
        taken = await self._open.call(take_in, series, staging, style, sha256, replace)
        event = ImportEvent(
            event="import",
            exchange=self.exchange,
            symbol=series.symbol,
            timeframe=series.timeframe,
            source=staging.name,
            format=style,
            new=taken.new,
            covered=taken.covered,
            differing=taken.differing,
            seconds=time.monotonic() - began,
        )
        log_event(_log, logging.INFO, event, "%s %s: %d candles imported", symbol, timeframe, taken.new)
        return taken

    async def imported(
        self, symbol: str, timeframe: str | Timeframe, start: int, stop: int, order: Order, limit: int
    ) -> list[MarkedRow]:
        """Return up to ``limit`` imported rows of ``[start, stop)`` in ``order``."""
        check_reading(start, stop, order, limit)
        span = (await self.series_id(symbol, Timeframe.of(timeframe)), start, stop)
        found = await self._open.rows(marked_sql(order, proven=False), (*span, limit, 0))
        return self._checked(symbol, timeframe, found)

    async def rows_with_imported(
        self, symbol: str, timeframe: str | Timeframe, start: int, stop: int, order: Order, limit: int
    ) -> list[MarkedRow]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``, the exchange's and imported, each once."""
        check_reading(start, stop, order, limit)
        span = (await self.series_id(symbol, Timeframe.of(timeframe)), start, stop)
        await self._open.call(check_unsealed, *span)
        found = await self._open.rows(marked_sql(order, proven=True), (*span, *span, limit, 0))
        return self._checked(symbol, timeframe, found)

    def _checked(self, symbol: str, timeframe: str | Timeframe, found: list[Any]) -> list[MarkedRow]:
        check_rows(found, self.path, Series(self.exchange, symbol, Timeframe.of(timeframe).name))
        return [marked_row(row) for row in found]

    async def imported_count(self, symbol: str, timeframe: str | Timeframe, start: int, stop: int) -> int:
        """Count the imported rows in ``[start, stop)``."""
        check_reading(start, stop)
        series = await self.series_id(symbol, Timeframe.of(timeframe))
        return int((await self._open.rows(IMPORTED_COUNT_SQL, (series, start, stop)))[0][0])

    async def count_with_imported(self, symbol: str, timeframe: str | Timeframe, start: int, stop: int) -> int:
        """Count the rows in ``[start, stop)``, the exchange's and imported, each candle once."""
        check_reading(start, stop)
        series = await self.series_id(symbol, Timeframe.of(timeframe))
        shown = await self._open.rows(SHOWN_COUNT_SQL, (series, start, stop))
        return await self._open.call(counted_in, series, start, stop) + int(shown[0][0])

    async def nth_newest_with_imported(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, nth: int
    ) -> int | None:
        """Return the open time of the ``nth`` newest row (from 1) in ``[start, stop)``, of both kinds, or None."""
        check_reading(start, stop)
        check_count("nth", nth)
        span = (await self.series_id(symbol, timeframe), start, stop)
        await self._open.call(check_unsealed, *span)
        found = await self._open.rows(NTH_NEWEST_SQL, (*span, *span, nth - 1))
        return found[0][0] if found else None

    async def imported_stretches(self, symbol: str, timeframe: str | Timeframe) -> SpanSet:
        """Return the spans of imported candles; a distance of more than 200 slots between two candles ends a span."""
        frame = Timeframe.of(timeframe)
        apart = _APART * (frame.seconds or frame.months * _MONTH)
        found = await self._open.rows(STRETCHES_SQL, {"series": await self.series_id(symbol, frame), "apart": apart})
        # Each pair is an end, and the beginning after it.
        edges = [edge for pair in found for edge in pair if edge is not None]
        return SpanSet(
            tuple((oldest, frame.shift(newest, 1)) for oldest, newest in zip(edges[::2], edges[1::2], strict=True))
        )

    async def last_import(self) -> int:
        """Return the id of the newest import of the file; 0 if there is none."""
        return int((await self._open.rows("SELECT coalesce(max(id), 0) FROM imports"))[0][0])

    async def imported_sample(
        self, symbol: str, timeframe: str | Timeframe, start: int, stop: int, count: int
    ) -> list[int]:
        """Return the open times of ``count`` imported rows in ``[start, stop)``, chosen at random."""
        check_reading(start, stop, limit=count)
        series = await self.series_id(symbol, Timeframe.of(timeframe))
        return [opened for (opened,) in await self._open.rows(SAMPLE_SQL, (series, start, stop, count))]

    async def imported_series(self) -> list[Series]:
        """Return every series that has imported candles, of all exchanges in the file, by name."""
        return [series for _, series in (await self._open.call(read_names, IMPORTED_SERIES_SQL)).proper]

    async def imports(self) -> list[Import]:
        """Return the imports of the file, of all exchanges, oldest first."""
        return [Import(*row) for row in await self._open.rows(IMPORTS_SQL)]
