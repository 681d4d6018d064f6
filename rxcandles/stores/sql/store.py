"""The store: candles and their coverage, in SQL that its databases share."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import ClassVar, Final, TypeVar

from rxcandles.model import CandleData, Order, Row
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.claims import Absence, Claim
from rxcandles.model.moments import Time
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import END, Timeframe
from rxcandles.ports import Covered, Followed, Impossible, Month, News, Series, Written
from rxcandles.stores.paging import pages_of
from rxcandles.stores.sql.absent import read_absent
from rxcandles.stores.sql.claiming import read_claims
from rxcandles.stores.sql.conditions import COVERED_WITHIN, overlapping
from rxcandles.stores.sql.following import keep_followed, read_followed, read_news
from rxcandles.stores.sql.impossible import read_impossible
from rxcandles.stores.sql.months import read_months
from rxcandles.stores.sql.odd import OddSeries, check_claims, check_rows, check_spans, read_names, whole_notes
from rxcandles.stores.sql.reader import SqlReader
from rxcandles.stores.sql.reading import NO_LIMIT, check_reading, read_rows
from rxcandles.stores.sql.record import log_written
from rxcandles.stores.sql.sealed import SealedCandles
from rxcandles.stores.sql.sealing import counted_in, nth_newest_in
from rxcandles.stores.sql.with_trades import rows_of
from rxcandles.stores.sql.withimported import WithImported
from rxcandles.stores.sql.writing import write_rows
from rxcandles.stores.sqlite.reader import SqliteReader
from rxcandles.util.arguments import (
    check_count,
    check_span,
    check_symbol,
    refusal,
)

__all__ = ["SqlStore"]

_COVERED_SERIES: Final = (
    "SELECT id, exchange, symbol, timeframe FROM series WHERE id IN (SELECT series FROM coverage)"
    " ORDER BY exchange, symbol, timeframe"
)
_ANY_SERIES: Final = (
    "SELECT id, exchange, symbol, timeframe FROM series WHERE id IN (SELECT series FROM coverage)"
    " OR EXISTS (SELECT 1 FROM candles WHERE series = id) OR EXISTS (SELECT 1 FROM imported WHERE series = id)"
    " ORDER BY exchange, symbol, timeframe"
)
_ODD_SPANS: Final = (
    "SELECT start, stop, rows FROM coverage WHERE series = ? AND (typeof(start) <> 'integer' OR typeof(stop) <>"
    f" 'integer' OR typeof(rows) <> 'integer' OR start < 0 OR stop <= start OR stop >= {END} OR rows < 0) LIMIT 1"
)

_A = TypeVar("_A")
_R = TypeVar("_R", bound=SqliteReader)


class SqlStore(SealedCandles):
    """A ``CandleStore`` in a database that speaks SQL, for the candles of one exchange."""

    # Writing

    _write_rows: ClassVar[Callable[..., Written]] = staticmethod(write_rows)
    """How a page is written, in the store's thread."""

    async def write(
        self,
        symbol: str,
        timeframe: Timeframe,
        rows: Sequence[Row],
        proven: Span,
        absences: Sequence[Absence] = (),
        heard: float | None = None,
        gone: Sequence[int] | None = None,
        said: float | None = None,
        impossible: Mapping[int, str] | None = None,
        absent: AbsentSlot | None = None,
    ) -> Written:
        """Store ``rows`` (in order of time), cover ``proven``, and keep its doubtful absences, all or nothing.

        A row replaces the one stored before. Return how many of the rows lie in slots that were not covered before, the
        rows that were ``revised``, and those ``removed``.

        * ``absences``: they become claims; earlier claims in ``proven`` count one more answer.
        * ``heard``: when the answer came, UTC seconds; None for now. ``said``: the server's clock in that answer.
        * ``gone``: open times in ``proven`` of candles to delete.
        * ``impossible``: open times of impossible candles, and why. Their slots are not covered, unless a candle is
          stored and covered there, which stays.
        * ``absent``: what a slot without a candle means; None keeps what is recorded.

        Raise ``RequestError`` if the first or the last row lies outside of ``proven``.
        """
        start, stop = proven = check_span("proven", proven)
        try:
            inside = not rows or (start <= rows[0][0] < stop and start <= rows[-1][0] < stop)
        except (TypeError, LookupError):
            inside = False
        inside = inside and all(start <= opened < stop for opened in (*(gone or ()), *(impossible or ())))
        if not inside:
            raise refusal("rows", rows, f"give rows that open within proven, {proven}")
        began, now = time.monotonic(), time.time() if heard is None else heard
        series = await self.series_id(symbol, timeframe, create=True)
        written = await self._open.call(
            self._write_rows, series, timeframe, rows, proven, absences, now, gone, said, impossible, absent
        )
        log_written(self._called(symbol, timeframe), rows, proven, written, time.monotonic() - began)
        return written

    # Reading

    async def coverage(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, limit: int | None = None
    ) -> list[Covered]:
        """Return the covered spans that touch ``[start, stop)``, whole, newest first, at most ``limit``."""
        check_reading(start, stop, limit=0 if limit is None else limit)
        found = await self._open.rows(
            f"SELECT start, stop, rows FROM coverage WHERE {COVERED_WITHIN} ORDER BY start DESC LIMIT :limit",
            overlapping(await self.series_id(symbol, timeframe), start, stop)
            | {"limit": NO_LIMIT if limit is None else limit},
        )
        return check_spans([Covered(*row) for row in found], self.path, self._called(symbol, timeframe))

    async def check_ledger(self, symbol: str, timeframe: Timeframe) -> None:
        """Raise ``OddRowError`` if the coverage of a series has an invalid span, even one that contains no time."""
        found = await self._open.rows(_ODD_SPANS, (await self.series_id(symbol, timeframe),))
        check_spans([Covered(*row) for row in found], self.path, self._called(symbol, timeframe))

    def _called(self, symbol: str, timeframe: Timeframe) -> Series:
        return Series(self.exchange, symbol, Timeframe.of(timeframe).name)

    async def claims(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Claim]:
        """Return the provisional absences that overlap ``[start, stop)``, whole, oldest first."""
        check_reading(start, stop)
        found = await self._open.call(read_claims, await self.series_id(symbol, timeframe), start, stop)
        return check_claims(found, self.path, self._called(symbol, timeframe))

    async def impossible(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Impossible]:
        """Return the impossible candles of ``[start, stop)``, which are not stored, oldest first."""
        check_reading(start, stop)
        found = await self._open.call(read_impossible, await self.series_id(symbol, timeframe), start, stop)
        return whole_notes(found)

    async def absent_slot(self, symbol: str, timeframe: Timeframe) -> AbsentSlot:
        """Return what a covered slot of a series without a candle means."""
        return await self._open.call(read_absent, await self.series_id(symbol, timeframe))

    async def count(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> int:
        """Count the rows in ``[start, stop)``, sealed ones too (the rows themselves, not the coverage's numbers)."""
        check_reading(start, stop)
        return await self._open.call(counted_in, await self.series_id(symbol, timeframe), start, stop)

    async def nth_newest(self, symbol: str, timeframe: Timeframe, start: int, stop: int, nth: int) -> int | None:
        """Return the open time of the ``nth`` newest row (from 1) in ``[start, stop)``, or None."""
        check_reading(start, stop)
        check_count("nth", nth)
        return await self._open.call(nth_newest_in, await self.series_id(symbol, timeframe), start, stop, nth)

    async def rows(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, order: Order, limit: int
    ) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``."""
        check_reading(start, stop, order, limit)
        series = await self.series_id(symbol, timeframe)
        found, counted = await self._open.call(read_rows, series, start, stop, order, limit)
        check_rows(found, self.path, self._called(symbol, timeframe))
        return rows_of(found, counted)

    def pages(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: Time,
        other_end: Time,
        order: Order = "newest_first",
        size: int = 1000,
    ) -> AsyncIterator[list[CandleData]]:
        """Iterate over the stored candles between two times, in lists of ``size``; one list is in memory at a time.

        >>> [len(page) async for page in store.pages("KRW-BTC", "1m", "2024-01-01", "2024-01-02", size=100)]
        [100, 20]
        """
        return pages_of(self, symbol, timeframe, one_end, other_end, order, size)

    async def get_candles_by_range(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: Time,
        other_end: Time,
        order: Order = "newest_first",
    ) -> list[CandleData]:
        """Return the stored candles between two times: the older is included, the newer excluded.

        All of them are in memory at once, about 300 bytes each; ``pages`` takes constant memory.
        """
        return [candle async for page in self.pages(symbol, timeframe, one_end, other_end, order) for candle in page]

    async def series(self) -> list[Series]:
        """Return every series that has coverage, of all exchanges in the file, by name."""
        found = (await self._open.call(read_names, _COVERED_SERIES)).proper
        # A caller that lists them will ask about each.
        self._series |= {
            (each.symbol, each.timeframe): number for number, each in found if each.exchange == self.exchange
        }
        return [series for _, series in found]

    async def odd_series(self) -> list[OddSeries]:
        """Return the series of the file that :meth:`series` leaves out, since no request can have their names."""
        return (await self._open.call(read_names, _ANY_SERIES)).odd

    # Following

    async def follow(self, symbol: str, timeframe: Timeframe, followed: Followed) -> None:
        """Record how far a series is followed; from the first time on, changes in that span are logged."""
        await self._open.call(keep_followed, await self.series_id(symbol, timeframe, create=True), followed)

    async def followed(self, symbol: str, timeframe: Timeframe) -> Followed | None:
        """Return how far a series is followed; None if it never was."""
        return await self._open.call(read_followed, await self.series_id(symbol, timeframe))

    async def news(self, symbol: str, timeframe: Timeframe, start: int, stop: int, limit: int, after: int) -> News:
        """Return up to ``limit`` rows of ``[start, stop)``, oldest first, and changes of rows before ``start``.

        Both are of one moment.

        * ``after``: the number of the last change that was read; -1 to begin with the newest.
        """
        check_reading(start, stop, limit=limit)
        news = await self._open.call(read_news, await self.series_id(symbol, timeframe), start, stop, limit, after)
        check_rows(news.rows, self.path, self._called(symbol, timeframe))
        return news

    @abstractmethod
    async def version(self) -> int:
        """Return a number that changes when another connection has written to the store."""

    async def months(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Month]:
        """Return the calendar months (UTC) that touch ``[start, stop)`` with their revisions, oldest first."""
        check_reading(start, stop)
        return await self._open.call(read_months, await self.series_id(symbol, timeframe), start, stop)

    def reader(self, symbol: str, timeframe: Timeframe) -> SqlReader:
        """Return a synchronous reader of one series; it stays usable after the store is closed."""
        return self.reader_of(check_symbol(symbol), Timeframe.of(timeframe), marked=False)

    def reader_with_imported(self, symbol: str, timeframe: Timeframe) -> SqlReader:
        """Return a reader of the exchange's rows and imported rows; the last column says whether a row is proven."""
        return self.reader_of(check_symbol(symbol), Timeframe.of(timeframe), marked=True)

    def with_imported(self) -> WithImported:
        """Return a view of this store in which imported candles count as stored in slots that are not covered."""
        return WithImported(self)
