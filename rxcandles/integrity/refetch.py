"""Ask the exchange for what a repair needs, series by series."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final

import attrs

from rxcandles.errors import ExchangeError, IncompleteError, RequestError, RequestRejectedError, WrongServerError
from rxcandles.integrity.findings import AbsencesAsked
from rxcandles.integrity.pending import Matter, Pending
from rxcandles.model import Request
from rxcandles.model.claims import Claim
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import END, Timeframe, to_datetime
from rxcandles.model.which import Which
from rxcandles.modes.collector import CandleCollector
from rxcandles.ports import Exchange, Series
from rxcandles.stores import SqlStore

__all__ = ["Asking"]

PAGE: Final = 200
"""Candles asked for again beside a page that has changed."""

RESTATED: Final = 0.1
"""The share of changed candles above which their neighbours are asked for again, too."""

PAGES: Final = 50
"""The most pages asked for again before the progress is recorded in the file."""


@attrs.define
class Asking:
    """Asks again for questioned spans, fetches missing ones, and asks about provisional absences.

    It does everything that is recorded in the file (see ``integrity.pending``), also by a repair that was stopped.
    Reasons why something could not be fetched are added to ``failures``.
    """

    _store: SqlStore
    _which: Which
    _progress_callback: Callable[[Request, CollectionProgress], None] | None
    _now: float | None
    failures: list[str]
    spreads: bool = True
    """Whether pages beside restated ones are asked for again, too."""
    stored: int = 0
    removed: int = 0
    revised: int = 0
    requests: int = 0
    _pending: Pending = attrs.field(init=False)
    absences: AbsencesAsked = attrs.field(factory=lambda: AbsencesAsked(0, 0, 0, 0, None))

    def __attrs_post_init__(self) -> None:
        self._pending = Pending(self._store)

    async def wanted(self, *, absences: bool) -> list[Series]:
        """Return the series for which something is to be asked."""
        found = dict.fromkeys(
            [*await self._pending.unsettled("questioned"), *await self._pending.unsettled("unfinished")]
        )
        if absences:
            for series in await self._store.series():
                if series.exchange == self._store.exchange and await self._claims(series):
                    found[series] = None
        return [series for series in found if self._which.fits(series.symbol, series.timeframe)]

    async def go(self, collector: CandleCollector, exchange: Exchange, *, absences: bool) -> None:
        """Ask series by series. A series that the exchange refuses is given up; any other failure ends the work."""
        for series in await self.wanted(absences=absences):
            frame = Timeframe.of(series.timeframe)
            claims = await self._claims(series) if absences else []
            try:
                exchange.check(series.symbol, frame)
                await self._series(collector, series, frame, claims)
            except WrongServerError as error:  # the fault is not the series'
                self.failures.append(str(error))
                return
            except (RequestError, RequestRejectedError) as error:
                self.failures.append(f"{series.symbol} {frame} is given up: {error}")
                await self._pending.settle(series.symbol, frame, give_up=True)
                continue
            except (ExchangeError, IncompleteError) as error:
                self.failures.append(str(error))
                await self._pending.settle(series.symbol, frame)
                return
            finally:
                if claims:
                    self.absences = await self._outcome(series, frame, claims)
            if await self._pending.settle(series.symbol, frame):
                self.failures.append(f"{series.symbol} {frame}: by the exchange's clock the last of it is not over yet")

    async def _series(
        self, collector: CandleCollector, series: Series, frame: Timeframe, claims: Sequence[Claim]
    ) -> None:
        for span in (await self._left("questioned", series)).spans[::-1]:
            if await self._anew(collector, series, frame, span) and self.spreads:
                await self._spread(collector, series, frame, span)
        doubtful = SpanSet(tuple(claim.span for claim in claims))
        if doubtful:
            # If a candle comes after all, its neighbourhood is no longer covered until it has been fetched.
            await self._pending.remember(series.symbol, frame, doubtful)
        covered = SpanSet(each.span for each in await self._store.coverage(series.symbol, frame, 0, END))
        missing = (await self._left("unfinished", series)).subtract(covered)
        for span in _together(missing.union(doubtful), covered.subtract(doubtful)):
            await self._collect(collector, series, frame, span, absences=bool(doubtful))

    async def _anew(self, collector: CandleCollector, series: Series, frame: Timeframe, span: Span) -> bool:
        """Ask for a span again, some pages at a time; return whether its history is restated."""
        start, stop = span
        changed = candles = 0
        while start < stop:
            # Split by candles, not by slots: asking for a long absence in pieces gains nothing.
            oldest = await self._store.nth_newest(series.symbol, frame, start, stop, PAGES * PAGE)
            part = (start if oldest is None else oldest, stop)
            before = await self._store.count(series.symbol, frame, *part)
            changed -= self.revised + self.removed
            await self._collect(collector, series, frame, part, refetch=True)
            await self._pending.answered(series.symbol, frame, part)
            after = await self._store.count(series.symbol, frame, *part)
            changed += self.revised + self.removed + abs(after - before)
            candles += max(before, after)
            stop = part[0]
        return changed > RESTATED * candles

    async def _spread(self, collector: CandleCollector, series: Series, frame: Timeframe, span: Span) -> None:
        """Ask again for what lies before and after a restated span, in growing steps, until a step has not changed."""
        for older in (True, False):
            edge, candles = span[0] if older else span[1], PAGE
            while True:
                spans = await self._store.coverage(series.symbol, frame, *((0, edge) if older else (edge, END)))
                beside = SpanSet(((0, edge) if older else (edge, END),))
                held = SpanSet(each.span for each in spans).intersect(beside)
                if not held:
                    break
                end = await self._reaching(series, frame, held, candles, older=older)
                parts = held.intersect(SpanSet(((end, edge) if older else (edge, end),)))
                await self._pending.question(series.symbol, frame, parts)
                changed = [await self._anew(collector, series, frame, part) for part in parts]
                if not any(changed):
                    break
                edge, candles = end, min(candles * 2, PAGES * PAGE)

    async def _reaching(self, series: Series, frame: Timeframe, held: SpanSet, candles: int, *, older: bool) -> int:
        """Return how far ``candles`` reach: from the newest end of ``held`` down, or from its oldest end up."""
        start, stop = held.spans[0][0], held.spans[-1][1]
        if older:
            found = await self._store.nth_newest(series.symbol, frame, start, stop, candles)
            return start if found is None else found
        rows = await self._store.rows(series.symbol, frame, start, stop, "oldest_first", candles)
        return stop if len(rows) < candles else frame.shift(rows[-1].open_time, 1)

    async def _collect(
        self, collector: CandleCollector, series: Series, frame: Timeframe, span: Span, **how: bool
    ) -> None:
        request = Request(series.symbol, frame, to=to_datetime(span[1]), end=to_datetime(span[0]), now=self._now)
        callback = None if self._progress_callback is None else partial(self._progress_callback, request)
        try:
            summary = await collector.collect(request, callback, **how)
        except IncompleteError as error:
            self._count(error.summary)
            if error.summary.failed_spans:
                raise
            return  # only impossible candles are missing; the next check notes them
        self._count(summary)

    def _count(self, summary: CollectionSummary) -> None:
        self.stored += summary.stored_count
        self.removed += summary.removed_count
        self.revised += summary.revised_count
        self.requests += summary.api_calls_made

    async def _left(self, matter: Matter, series: Series) -> SpanSet:
        return (await self._pending.unsettled(matter)).get(series, SpanSet())

    async def _claims(self, series: Series) -> list[Claim]:
        try:
            return await self._store.claims(series.symbol, Timeframe.of(series.timeframe), 0, END)
        except RequestError:
            return []  # no request can have such a name

    async def _outcome(self, series: Series, frame: Timeframe, claims: Sequence[Claim]) -> AbsencesAsked:
        """Return the counts with one more series included."""
        rows = [await self._store.count(series.symbol, frame, *claim.span) for claim in claims]
        left, told = await self._claims(series), self.absences
        until = max((to_datetime(min(claim.final, END - 1)) for claim in left), default=None)
        return AbsencesAsked(
            asked=told.asked + len(claims),
            healed=told.healed + sum(count > 0 for count in rows),
            candles=told.candles + sum(rows),
            left=told.left + len(left),
            until=max((each for each in (told.until, until) if each is not None), default=None),
        )


def _together(spans: SpanSet, covered: SpanSet) -> Iterator[Span]:
    """Yield the gaps of ``spans``; gaps with nothing but covered slots between them are joined into one span.

    So the gaps of one page are fetched by one request, and those of a span that was covered before by one collection.
    """
    starts = [start for start, _ in spans.union(covered)]
    for _, holes in groupby(spans.subtract(covered), key=lambda hole: bisect_right(starts, hole[0])):
        stretch = list(holes)
        yield (stretch[0][0], stretch[-1][1])
