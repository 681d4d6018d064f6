"""A view of a store that includes imported candles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

from rxcandles.model import CandleData, Order, Row
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.claims import Claim
from rxcandles.model.moments import Time
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import IMPORTED, Covered, Impossible, Reserved, Series, Written
from rxcandles.stores.paging import pages_of
from rxcandles.stores.sql.reader import SqlReader

if TYPE_CHECKING:
    from rxcandles.stores.sql.store import SqlStore

__all__ = ["WithImported"]


class WithImported:
    """A ``CandleStore`` that includes imported candles, in slots for which the exchange has not answered.

    Rows are ``MarkedRow``; imported candles are ``ImportedCandle``. The span of a run of imported candles counts as
    covered, so that the exchange is not asked for it; a distance of more than 200 slots between two of them stays a
    gap. What is written comes from the exchange and replaces imported candles.

    * ``only_count``: return only the exchange's rows, for a run that compares answers with them.
    """

    def __init__(self, store: SqlStore, *, only_count: bool = False) -> None:
        self._store = store
        self._only_count = only_count
        self._stretches: dict[tuple[str, str, int], SpanSet] = {}
        self.exchange = store.exchange
        self.tz = store.tz

    @property
    def asked_from(self) -> WithImported:
        """The same view for a run, with the exchange's rows only."""
        return WithImported(self._store, only_count=True)

    async def write(self, *page: Any, **more: Any) -> Written:
        """Store what the exchange has sent, as ``SqlStore.write`` does."""
        return await self._store.write(*page, **more)

    async def reserve(self, symbol: str, timeframe: Timeframe, wanted: Span, ahead: Span, seconds: float) -> Reserved:
        """Reserve what is about to be fetched, as ``SqlStore.reserve`` does."""
        return await self._store.reserve(symbol, timeframe, wanted, ahead, seconds)

    async def claims(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Claim]:
        """Return the absences that are covered provisionally; imports make none."""
        return await self._store.claims(symbol, timeframe, start, stop)

    async def impossible(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Impossible]:
        """Return the impossible candles of the exchange, which are not stored."""
        return await self._store.impossible(symbol, timeframe, start, stop)

    async def absent_slot(self, symbol: str, timeframe: Timeframe) -> AbsentSlot:
        """Return what a covered slot of a series without a candle means."""
        return await self._store.absent_slot(symbol, timeframe)

    async def coverage(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, limit: int | None = None
    ) -> list[Covered]:
        """Return the spans that touch ``[start, stop)`` and are covered, or that imported candles span.

        Newest first, at most ``limit``; spans with imported candles are marked by their rows (see
        ``Covered.imported``).
        """
        covered = await self._store.coverage(symbol, timeframe, start, stop, limit)
        if limit is not None and len(covered) == limit and covered:
            start = max(start, covered[-1].start)  # older spans are not known
        key = (symbol, Timeframe.of(timeframe).name, await self._store.last_import())
        if key not in self._stretches:
            self._stretches[key] = await self._store.imported_stretches(symbol, timeframe)
        reached = self._stretches[key].intersect(SpanSet(((start, stop),)))
        if not reached:
            return covered
        rows = {each.span: each.rows for each in covered}
        both = reached.union(SpanSet(tuple(rows)))
        return [Covered(*span, rows.get(span, IMPORTED)) for span in reversed(both.spans)][:limit]

    async def count(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> int:
        """Count the rows in ``[start, stop)``, of both kinds."""
        return await self._store.count_with_imported(symbol, timeframe, start, stop)

    async def nth_newest(self, symbol: str, timeframe: Timeframe, start: int, stop: int, nth: int) -> int | None:
        """Return the open time of the ``nth`` newest row (from 1) in ``[start, stop)``, of both kinds, or None."""
        return await self._store.nth_newest_with_imported(symbol, timeframe, start, stop, nth)

    async def rows(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, order: Order, limit: int
    ) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``, of both kinds."""
        if self._only_count:
            return await self._store.rows(symbol, timeframe, start, stop, order, limit)
        # They have the fields of a Row, and one more field.
        found = await self._store.rows_with_imported(symbol, timeframe, start, stop, order, limit)
        return cast("list[Row]", found)

    async def opens(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, order: Order, limit: int
    ) -> list[int]:
        """Return the open times of up to ``limit`` rows of ``[start, stop)`` in ``order``, of both kinds."""
        if self._only_count:
            return await self._store.opens(symbol, timeframe, start, stop, order, limit)
        return [row.open_time for row in await self.rows(symbol, timeframe, start, stop, order, limit)]

    def pages(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: Time,
        other_end: Time,
        order: Order = "newest_first",
        size: int = 1000,
    ) -> AsyncIterator[list[CandleData]]:
        """Iterate over the candles between two times, of both kinds, in lists of ``size``, one in memory at a time."""
        return pages_of(self, symbol, timeframe, one_end, other_end, order, size)

    async def get_candles_by_range(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: Time,
        other_end: Time,
        order: Order = "newest_first",
    ) -> list[CandleData]:
        """Return the candles between two times, of both kinds: the older is included, the newer excluded."""
        return [candle async for page in self.pages(symbol, timeframe, one_end, other_end, order) for candle in page]

    async def series(self) -> list[Series]:
        """Return every series that has coverage or imported candles, of all exchanges in the file."""
        return sorted({*await self._store.series(), *await self._store.imported_series()})

    def reader(self, symbol: str, timeframe: Timeframe) -> SqlReader:
        """Return a synchronous reader of one series, of both kinds; it stays usable after the store is closed."""
        return self._store.reader_with_imported(symbol, timeframe)

    async def close(self) -> None:
        """Close the store; may be called more than once."""
        await self._store.close()
