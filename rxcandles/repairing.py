"""Repairing a database: what can't be trusted is taken out of it, and fetched again."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path

import attrs

from rxcandles.arguments import check_callable, check_count, check_flag, check_number, check_path
from rxcandles.collector import CandleCollector
from rxcandles.errors import ExchangeError, IncompleteError, RequestError, RequestRejectedError, WrongServerError
from rxcandles.exchanges import UpbitExchange
from rxcandles.findings import RepairReport, Tally, VerificationReport
from rxcandles.model import Request
from rxcandles.naming import name_of
from rxcandles.opening import OwnRate, connect
from rxcandles.ports import Exchange, RateLimiter, Series, kept_by
from rxcandles.reports import CollectionProgress, CollectionSummary
from rxcandles.spans import Span, SpanSet
from rxcandles.stores import SqliteStore
from rxcandles.stores.examining import Examination
from rxcandles.stores.journal import is_unsettled
from rxcandles.stores.mending import RepairPlan
from rxcandles.stores.salvage import salvage
from rxcandles.stores.snapshot import Snapshot
from rxcandles.stores.untrusted import Untrusted
from rxcandles.timeframe import END, Timeframe, to_datetime
from rxcandles.verification import verify

__all__ = ["repair"]


async def repair(
    path: str | Path,
    exchange: str | Exchange = "upbit",
    base_url: str | None = None,
    rate_limit: float | OwnRate | None = OwnRate.OWN,
    *,
    name: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    dry_run: bool = False,
    into: str | Path | None = None,
    limiter: RateLimiter | None = None,
    share_limit: bool | None = None,
    progress_callback: Callable[[Request, CollectionProgress], None] | None = None,
    most: int = 100,
    now: float | None = None,
) -> RepairReport:
    """Repair what ``verify`` finds in a database, and return what was done and what is left.

    In one transaction everything that can't be trusted loses its proof, with the candles in it: the slot of a candle
    that can't be, the empty slots of a span that has too few candles, all of one that has too many, candles outside the
    ledger, all but one spelling of a series. Spans that overlap or touch become one, counts are counted. Then just that
    is fetched from the ``exchange`` by the usual pipeline. Killed in between, the next repair goes on with it, and so
    does any collection that asks for it. Nothing is fetched for series of other exchanges, which are left as they are,
    and nothing deleted for want of a proof that the exchange no longer keeps (candles of a second). ``dry_run`` only
    says what would be done, and opens nothing for writing. With ``into`` what can be read of the file is copied into
    that new one first, and that is repaired.

    ``exchange`` to ``name``, ``limiter`` and ``share_limit`` are those of :func:`connect`, the others those of
    :func:`verify`. ``progress_callback`` is called for every page, on the event loop. In memory are the doubtful spans
    and a few pages. A file that SQLite can't read all of is not touched (``before.damaged``): it needs ``into``. What
    can't be fetched is no error but among ``failures``, and in the end of ``after``. Raises ``RequestError``,
    ``SchemaError`` and ``StoreError``.
    """
    check_count("most", most)
    check_flag("dry_run", dry_run)
    check_callable("progress_callback", progress_callback, optional=True)
    if now is not None:
        check_number("now", now, 0, END - 1, what="UTC seconds")
    if into is not None:
        check_path("into", into)
    if dry_run and into is not None:
        raise RequestError(f"into is {str(into)!r}, but a dry run writes nothing; leave out one of the two")
    original, path = path, path if into is None else into
    opening = connect(path, exchange, base_url, rate_limit, name=name, limiter=limiter, share_limit=share_limit)
    source = UpbitExchange if isinstance(exchange, str) else exchange
    whose = name_of(exchange, base_url, name) if isinstance(exchange, str) else exchange.name

    def look(connection: sqlite3.Connection) -> tuple[VerificationReport, RepairPlan, bool]:
        examination = Examination(connection, str(path), symbol=symbol, timeframe=timeframe, now=now)
        tally = Tally(most)
        untrusted = Untrusted(connection, examination, exchange=whose, page=source.page_limit, kept=kept_by(source))
        for finding in examination.findings():
            tally.add(finding)
            untrusted.add(finding)
        report = examination.report(tally)
        return report, untrusted.plan(), report.clean and not is_unsettled(connection)

    try:
        if into is not None:
            await salvage(original, into)
        async with Snapshot(path) as snapshot:
            before, plan, done = await snapshot.call(look)
        report = RepairReport(
            before=before,
            steps=plan.steps,
            removed=sum(step.candles for step in plan.steps),
            stored=0,
            requests=0,
            failures=(),
            after=None,
        )
        if dry_run or before.damaged:
            return report
        if done:
            return attrs.evolve(report, after=before)
        async with SqliteStore(path, exchange=whose) as store:
            removed = await store.mend(plan)
            fetching = _Fetching(store, symbol, timeframe, progress_callback, now)
            if await fetching.wanted():
                async with opening as provider:
                    await fetching.go(provider.collector, provider.exchange)
        after = await verify(path, symbol, timeframe, most=most, now=now)
        return attrs.evolve(
            report,
            removed=removed,
            stored=fetching.stored,
            requests=fetching.requests,
            failures=tuple(fetching.failures),
            after=after,
        )
    finally:
        if not isinstance(exchange, str):
            await exchange.close()


class _Fetching:
    """Fetching what mending has left to be fetched."""

    def __init__(
        self,
        store: SqliteStore,
        symbol: str | None,
        timeframe: str | None,
        progress_callback: Callable[[Request, CollectionProgress], None] | None,
        now: float | None,
    ) -> None:
        self._store = store
        self._symbol = symbol
        self._timeframe = None if timeframe is None else Timeframe.of(timeframe).name
        self._progress_callback = progress_callback
        self._now = now
        self.stored = self.requests = 0
        self.failures: list[str] = []

    async def wanted(self) -> dict[Series, SpanSet]:
        """Return what is to be fetched, by series."""
        return {
            series: spans
            for series, spans in (await self._store.unfinished()).items()
            if (self._symbol is None or self._symbol.casefold() == series.symbol.casefold())
            and self._timeframe in (None, series.timeframe)
        }

    async def go(self, collector: CandleCollector, exchange: Exchange) -> None:
        """Fetch it series by series; one that the exchange refuses is given up, any other failure ends it all."""
        for series, spans in (await self.wanted()).items():
            frame = Timeframe.of(series.timeframe)
            try:
                exchange.check(series.symbol, frame)
                await self._fetch(collector, series, frame, spans)
            except WrongServerError as error:  # which says nothing about the series
                self.failures.append(str(error))
                return
            except (RequestError, RequestRejectedError) as error:
                self.failures.append(f"{series.symbol} {frame} is given up: {error}")
                await self._store.settle(series.symbol, frame, give_up=True)
                continue
            except (ExchangeError, IncompleteError) as error:
                self.failures.append(str(error))
                await self._store.settle(series.symbol, frame)
                return
            if await self._store.settle(series.symbol, frame):
                self.failures.append(f"{series.symbol} {frame}: by the exchange's clock the last of it is not over yet")

    async def _fetch(self, collector: CandleCollector, series: Series, frame: Timeframe, spans: SpanSet) -> None:
        covered = await self._store.coverage(series.symbol, frame, 0, END)
        for start, stop in _together(spans, SpanSet(tuple((each.start, each.stop) for each in covered))):
            request = Request(series.symbol, frame, to=to_datetime(stop), end=to_datetime(start), now=self._now)
            callback = None if self._progress_callback is None else partial(self._progress_callback, request)
            try:
                summary = await collector.collect(request, callback)
            except IncompleteError as error:
                self._count(error.summary)
                raise
            self._count(summary)

    def _count(self, summary: CollectionSummary) -> None:
        self.stored += summary.stored_count
        self.requests += summary.api_calls_made


def _together(spans: SpanSet, covered: SpanSet) -> Iterator[Span]:
    """Yield what of ``spans`` is not covered; as one, with what lies between, where all of that is covered.

    Holes of one page are so fetched by one request, and those of a stretch that was proven before by one collection.
    """
    starts = [start for start, _ in spans.union(covered)]
    for _, holes in groupby(spans.subtract(covered), key=lambda hole: bisect_right(starts, hole[0])):
        stretch = list(holes)
        yield (stretch[0][0], stretch[-1][1])
