"""Copy the candles of a database into another one, of any kind, with what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.integrity.pending import Matter, add_matter, spans_of
from rxcandles.integrity.server_snapshot import snapshot_at
from rxcandles.model import Row
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.claims import Absence, Claim
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.model.which import Names, Which
from rxcandles.ports import Series
from rxcandles.stores import Staging
from rxcandles.stores.opening import check_database, store_at
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.import_sql import IMPORTS_OF_SQL, ROWS_OF_IMPORT_SQL
from rxcandles.stores.sql.odd import check_rows, read_names
from rxcandles.stores.sql.proven import read_proven
from rxcandles.stores.sql.sealing import check_unsealed
from rxcandles.stores.sql.store import SqlStore
from rxcandles.stores.sql.transaction import transaction
from rxcandles.stores.sql.with_trades import rows_of

__all__ = ["CopiedSeries", "CopyReport", "copy_candles"]

_PAGE: Final = 2_000
"""Candles in memory at once, which are also those of one transaction."""
_NAMES: Final = "SELECT id, exchange, symbol, timeframe FROM series"
_SUMS: Final = (
    # Products, so that two differences do not make up for each other; the greatest sum fits 64 bits.
    "SELECT count(*), coalesce(sum((timestamp % 1000003) * (open_time % 999983)), 0),"
    " coalesce(sum(open_time % 999979), 0) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
)
_MATTERS: Final[tuple[Matter, ...]] = ("unfinished", "questioned")


@attrs.frozen
class CopiedSeries:
    """What was copied of one series.

    >>> report = await copy_candles("candles.db", "copy.db")
    >>> each = report.series[0]
    >>> each.series.symbol, each.candles, each.held
    ('KRW-BTC', 120, 0)
    """

    series: Series
    candles: int
    """Candles that were written."""
    held: int
    """Candles that the target had already, with the same times and time stamps; they were not read one by one."""
    imported: int
    """Imported candles that were written."""
    left_out: tuple[str, ...] = ()
    """A line for each import that contradicts what the target has."""


@attrs.frozen
class CopyReport:
    """What was copied, series by series.

    >>> report = await copy_candles("candles.db", "copy.db")
    >>> report.candles, len(report.series)
    (240, 2)
    """

    source: str
    target: str
    series: tuple[CopiedSeries, ...]

    @property
    def candles(self) -> int:
        """Candles that were written."""
        return sum(each.candles for each in self.series)


async def copy_candles(
    source: str | Path,
    target: str | Path,
    symbol: Names = None,
    timeframe: Names = None,
    *,
    again: bool = False,
    progress_callback: Callable[[Series, int], None] | None = None,
) -> CopyReport:
    """Copy candles into another database: from a file to a server, back, or between two of a kind.

    With the candles go their coverage, what is covered provisionally, impossible candles, imported candles, and what a
    repair still has to ask. What is in the target stays: a candle with a later time stamp there is not replaced, and
    nothing is deleted. How far series are followed is not copied.

    A copy that was stopped, by an error or a kill, is gone on with by the same call: months of which the target has
    the same number of candles, with the same times and time stamps, are left out. Memory does not depend on the number
    of candles. The target is brought up to date as ``connect`` does it; the source is only read, page by page
    as it is at that moment, so what is collected or taken out meanwhile may come along or not.

    * ``source``, ``target``: a path, or the address of a server.
    * ``symbol``, ``timeframe``: only these series: a name, several, or a glob.
    * ``again``: compare every candle, also of months that look the same.
    * ``progress_callback``: called after each page with the series and how many of its candles are done.

    Raises:

    * ``RequestError`` for an invalid argument, or if both are the same database.
    * ``StoreError`` if one of them can't be used, or if candles of the source are sealed (``SealedError``).

    >>> report = await copy_candles("candles.db", "copy.db")
    >>> (await rxcandles.verify("copy.db")).clean
    True
    """
    old, new = check_database("source", source), check_database("target", target)
    if _is_same(old, new):
        raise RequestError(f"source and target are both {old!r}; give another database for one of the two")
    which = Which.of(symbol, timeframe)
    async with snapshot_at(old):  # it is there, and is one of ours
        pass
    done: list[CopiedSeries] = []
    async with AsyncExitStack() as opened:
        stores: dict[str, tuple[SqlStore, SqlStore]] = {}
        first = await opened.enter_async_context(store_at(old))
        named = (await first.call(read_names, _NAMES)).proper
        wanted = sorted(each for _, each in named if which.fits(each.symbol, each.timeframe))
        if not wanted and str(which):
            raise RequestError(f"nothing is stored of {which} in {old!r}")
        for series in wanted:
            if series.exchange not in stores:
                pair = [store_at(each, exchange=series.exchange) for each in (old, new)]
                stores[series.exchange] = (
                    await opened.enter_async_context(pair[0]), await opened.enter_async_context(pair[1])
                )  # fmt: skip
            done.append(await _Copy(*stores[series.exchange], series, progress_callback).run(again=again))
    return CopyReport(old, new, tuple(done))


def _is_same(source: str, target: str) -> bool:
    if source == target:
        return True
    one, other = Path(source), Path(target)
    return one.exists() and other.exists() and one.samefile(other)


class _Copy:
    """One series on its way."""

    def __init__(
        self, source: SqlStore, target: SqlStore, series: Series, progress: Callable[[Series, int], None] | None
    ) -> None:
        self._source = source
        self._target = target
        self._series = series
        self._symbol = series.symbol
        self._frame = Timeframe.of(series.timeframe)
        self._progress = progress
        self._written = self._held = 0

    async def run(self, *, again: bool) -> CopiedSeries:
        """Copy it; return what was done."""
        number = await self._source.series_id(self._symbol, self._frame)
        await self._source.call(check_unsealed, number, BEGINNING, END)
        absent = await self._source.absent_slot(self._symbol, self._frame)
        for span in await self._left(again=again):
            await self._span(span, absent)
        for each in await self._source.impossible(self._symbol, self._frame, BEGINNING, END - 1):
            slot = (each.open_time, self._frame.shift(each.open_time, 1))
            heard, wrong = float(each.last_heard), {each.open_time: each.fault}
            await self._target.write(self._symbol, self._frame, [], slot, heard=heard, impossible=wrong, absent=absent)
        await self._rest()
        imported, left_out = await self._imports()
        return CopiedSeries(self._series, self._written, self._held, imported, tuple(left_out))

    async def _left(self, *, again: bool) -> SpanSet:
        """Return the spans to copy."""
        spans, there = [await self._covered(store) for store in (self._source, self._target)]
        if again:
            return spans
        provisional, doubted = [await self._provisional(store) for store in (self._source, self._target)]
        left = spans.subtract(there.subtract(doubted.subtract(provisional)))
        for month in await self._months(spans.subtract(left)):
            left = left.union(month)
        return left

    async def _covered(self, store: SqlStore) -> SpanSet:
        found = await store.coverage(self._symbol, self._frame, BEGINNING, END - 1)
        return SpanSet(tuple(each.span for each in found))

    async def _provisional(self, store: SqlStore) -> SpanSet:
        found = await store.claims(self._symbol, self._frame, BEGINNING, END - 1)
        return SpanSet(tuple(claim.span for claim in found))

    async def _months(self, both: SpanSet) -> list[SpanSet]:
        """Return the parts of what both cover in which they differ, month by month."""
        differing = []
        for span in both:
            held = await self._source.rows(self._symbol, self._frame, *span, "oldest_first", 1)
            first = held[0].open_time if held else span[1]
            for month in await self._source.months(self._symbol, self._frame, first, span[1]):
                part = SpanSet((span,)).intersect(SpanSet(((month.start, month.stop),)))
                counts = [await self._sums(each, part.spans[0]) for each in (self._source, self._target)]
                if counts[0] == counts[1]:
                    self._held += counts[0][0]
                else:
                    differing.append(part)
        return differing

    async def _sums(self, store: SqlStore, span: Span) -> tuple[int, ...]:
        number = await store.series_id(self._symbol, self._frame)
        found = await store.call(lambda connection: connection.execute(_SUMS, (number, *span)).fetchone())
        return tuple(map(int, found))

    async def _span(self, span: Span, absent: AbsentSlot) -> None:
        """Copy what is covered in one span, in pages."""
        start, stop = span
        number = await self._source.series_id(self._symbol, self._frame)
        while start < stop:
            page = await self._source.call(read_proven, number, self._frame, start, stop, _PAGE)
            check_rows(page.found, self._source.path, self._series)
            rows = rows_of(page.found, page.counted)
            for part, claim in page.parts():
                inside = [row for row in rows if part[0] <= row.open_time < part[1]]
                await self._write(inside, part, claim, absent)
            start = page.span[1]
            if self._progress is not None:
                self._progress(self._series, self._written + self._held)

    async def _write(self, rows: Sequence[Row], span: Span, claim: Claim | None, absent: AbsentSlot) -> None:
        """Write candles with the span that they prove, which is covered provisionally if there is a claim."""
        how: dict[str, Any] = {"absent": absent}
        if claim is not None:
            again, final = claim.due - claim.first_heard, claim.final - claim.first_heard
            how |= {
                "absences": (Absence(claim.kind, *span, again, final),),
                "heard": float(claim.first_heard), "said": claim.said,
            }  # fmt: skip
        await self._target.write(self._symbol, self._frame, rows[::-1], span, **how)
        self._written += len(rows)

    async def _rest(self) -> None:
        """Copy what a repair still has to ask."""
        number = await self._source.series_id(self._symbol, self._frame)
        found = await self._source.call(
            lambda connection: {each: spans_of(connection, each, number) for each in _MATTERS}
        )
        if any(found.values()):
            there = await self._target.series_id(self._symbol, self._frame, create=True)

            def add(connection: Sql) -> None:
                with transaction(connection):
                    for matter, spans in found.items():
                        if spans:
                            add_matter(connection, matter, there, spans)

            await self._target.call(add)

    async def _imports(self) -> tuple[int, list[str]]:
        """Copy imported candles, import by import; return how many, and why others were left out."""
        number = await self._source.series_id(self._symbol, self._frame)
        brought, left_out = 0, []
        for key, source, style, sha256 in await self._source.call(_all, IMPORTS_OF_SQL, (number,)):
            with Staging(source, "row") as staging:
                opened = -1
                while rows := await self._source.call(_all, ROWS_OF_IMPORT_SQL, (number, key, opened, _PAGE)):
                    opened = rows[-1][0]
                    staging.add([(*row, opened) for row in rows])
                staging.finish()
                try:
                    taken = await self._target.take_in(self._symbol, self._frame, staging, style, sha256)
                    brought += taken.new
                except RequestError as error:
                    left_out.append(str(error))
        return brought, left_out


def _all(connection: Sql, sql: str, parameters: Sequence[Any]) -> list[Any]:
    return connection.execute(sql, parameters).fetchall()
