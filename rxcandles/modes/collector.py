"""Storage only: store everything and return a summary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from functools import partial
from typing import Literal

import attrs
from reactivex import Observable

from rxcandles.engine.chunk import Chunk
from rxcandles.engine.estimate import CollectionPlan, estimate
from rxcandles.engine.lookup import Lookup
from rxcandles.engine.meter import Meter
from rxcandles.engine.missing import incomplete
from rxcandles.engine.run import Run
from rxcandles.engine.turns import Turns
from rxcandles.errors import RequestError, RxCandlesError, SeveralFailedError
from rxcandles.model import Order, Request
from rxcandles.model.moments import Span, Time, Zone, zone
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.model.timeframe import to_datetime
from rxcandles.operators import (
    Retry,
    cursors_for,
    fetch,
    persist,
    plan_chunks,
    rate_limit,
    report,
    run,
    skip_stored,
    summarize,
)
from rxcandles.ports import CandleStore, Exchange, RateLimiter, with_imported, zone_of
from rxcandles.ports.declared import limit_words, page_cost, page_unit, requests_a_second, retained_since
from rxcandles.util.arguments import (
    check_callable,
    check_count,
    check_each,
    check_flag,
    check_kind,
    check_like,
    refusal,
)
from rxcandles.util.showing import Titled

__all__ = ["CandleCollector"]


class CandleCollector(Titled):
    """Collects candles from an exchange into a store, within the limiter's rate and by the ``retry`` policy.

    * ``cursors``: how many pages of a request may be asked for at once; None for as many as use up the rate.
    * ``tz``: the zone of times that name no zone, here and in the store; by default the store's.

    Raises ``RequestError`` if an argument is invalid, or if the store is opened for another exchange.

    >>> collector = CandleCollector(store, exchange, SlidingWindowLimiter(10))
    >>> summary = await collector.collect_candles_only("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01 06:00")
    >>> summary.failed_spans
    ()
    """

    def __init__(
        self,
        store: CandleStore,
        exchange: Exchange,
        limiter: RateLimiter,
        *,
        retry: Retry | None = None,
        cursors: int | None = None,
        tz: Zone | None = None,
    ) -> None:
        check_like("store", store, CandleStore)
        check_like("exchange", exchange, Exchange)
        check_like("limiter", limiter, RateLimiter)
        whose = getattr(store, "exchange", exchange.name)
        if whose != exchange.name:
            raise RequestError(
                f"the store is opened for candles of {whose!r}, and the exchange's are {exchange.name!r}; open it with "
                f"exchange={exchange.name!r}: candles of two sources are never mixed"
            )
        if retry is not None:
            check_kind("retry", retry, Retry)
        if cursors is not None:
            check_count("cursors", cursors)
        self._store = store
        self._exchange = exchange
        self._limiter = limiter
        self._retry = retry
        self._cursors = cursors
        self._tz = one_zone(store, tz)
        self._turns = Turns(store, Lookup(store).renew)
        self._turns_with_imported: Turns | None = None

    def _told(self) -> Mapping[str, object]:
        store = getattr(self._store, "path", type(self._store).__name__)
        limit = limit_words(self._exchange, self._limiter)
        return {"exchange": self._exchange.name, "store": f"into {store}", "limit": limit}

    def request(
        self,
        symbol: str,
        timeframe: str,
        count: int | None = None,
        to: Time | None = None,
        end: Time | None = None,
        order: Order = "newest_first",
        *,
        since: Time | None = None,
        until: Time | None = None,
        last: Span | None = None,
        now: float | None = None,
    ) -> Request:
        """Return the request, with naive times in this collector's zone; see :class:`Request` for the arguments.

        Raises ``RequestError`` if an argument is invalid or the exchange can't have such a market or timeframe.
        """
        request = Request(
            symbol, timeframe, count, to, end, since=since, until=until, last=last, tz=self._tz, order=order, now=now
        )
        self._exchange.check(request.symbol, request.timeframe)
        return request

    def chunks(
        self,
        request: Request,
        *,
        on_failure: Literal["raise", "skip"] = "raise",
        of: int = 1,
        on_plan: Callable[[Run], object] | None = None,
        refetch: bool = False,
        absences: bool = False,
        overlap: int = 3,
        include_imported: bool = False,
    ) -> Observable[Chunk]:
        """Return the pipeline that all modes share: it fetches what the store lacks and stores it, page by page.

        * ``on_failure``: that of ``ops.fetch``.
        * ``of``: the number of requests that share the rate, and so the cursors, at the same time.
        * ``on_plan``: that of ``ops.plan_chunks``.
        * ``refetch``: True fetches everything again, whatever is stored, and replaces it page by page.
        * ``absences``: True also asks about all claims again, due or not.
        * ``overlap``: how many stored candles a page reads again when it reaches them.
        * ``include_imported``: True fetches nothing that imported candles cover.
        """
        self._check_process()
        check_kind("request", request, Request)
        check_count("of", of)
        store, turns, cursors = with_imported(self._store, include_imported), self._turns, self._cursors_of(of)
        seen = getattr(store, "asked_from", store)
        if include_imported:
            self._turns_with_imported = turns = self._turns_with_imported or Turns(seen, Lookup(seen).renew)
        page, unit = self._exchange.page_limit, page_unit(self._exchange)
        chunks = plan_chunks(request, page=page, page_unit=unit, cursors=cursors, on_plan=on_plan)
        if not check_flag("refetch", refetch):
            chunks = chunks.pipe(skip_stored(seen, absences=absences, overlap=overlap))
        return chunks.pipe(
            rate_limit(self._limiter),
            fetch(
                self._exchange,
                retry=self._retry,
                on_failure=on_failure,
                against=store if refetch else None,
                turns=None if refetch or absences else turns,
            ),
            persist(store),
        )

    def _cursors_of(self, of: int) -> int | Callable[[float], int]:
        rate = requests_a_second(self._exchange, self._limiter)
        return cursors_for(None if rate is None else rate / of) if self._cursors is None else self._cursors

    async def plan(self, request: Request, *, of: int = 1) -> CollectionPlan:
        """Return what collecting ``request`` would take; sends and writes nothing.

        Holds the covered spans of the request in memory.

        * ``of``: the number of requests that share the rate.

        Raises ``RequestError`` if an argument is invalid and ``StoreError`` if the store can't be read.
        """
        self._check("request", request)
        cursors = self._cursors_of(check_count("of", of))
        since = retained_since(self._exchange, request.timeframe, time.time())
        page, unit = self._exchange.page_limit, page_unit(self._exchange)
        cost = page_cost(self._exchange, page)
        return await estimate(
            request, self._store, self._limiter, page=page, page_unit=unit, cursors=cursors, kept_since=since, cost=cost
        )

    async def collect_candles_only(
        self,
        symbol: str,
        timeframe: str,
        count: int | None = None,
        to: Time | None = None,
        end: Time | None = None,
        progress_callback: Callable[[CollectionProgress], object] | None = None,
        *,
        since: Time | None = None,
        until: Time | None = None,
        last: Span | None = None,
        refetch: bool = False,
    ) -> CollectionSummary:
        """Collect what is asked for into the store and return a summary; holds a few pages, whatever the count.

        A page that fails for good does not stop the rest, and an impossible candle does not stop the other candles of
        its page: ``IncompleteError`` is raised after everything else is stored. Cancelling keeps every page that was
        fetched, and the same request goes on from there.

        * ``count``, ``to``, ``end``, ``since``, ``until``, ``last``: see :class:`Request`.
        * ``progress_callback``: called for every chunk, on the event loop; an ``async def`` is awaited.
        * ``refetch``: True asks for everything again and replaces it page by page. A stored candle stays until its page
          has come. One that the exchange no longer has is deleted if a second answer, over another connection, lacks it
          too. If this is stopped in between, the rest stays as it was.

        Raises:

        * ``RequestError`` before anything is sent, if an argument is invalid.
        * :class:`IncompleteError` at the end if spans are missing; it carries the summary with ``failed_spans`` and
          ``impossible_spans``.
        * ``ExchangeError`` if the exchange refuses the request.
        * ``StoreError`` if the store can't be used.
        """
        request = self.request(symbol, timeframe, count, to, end, since=since, until=until, last=last)
        return await self.collect(request, progress_callback, refetch=refetch)

    collect_only = collect_candles_only

    async def collect_many(
        self,
        requests: Iterable[Request],
        progress_callback: Callable[[Request, CollectionProgress], object] | None = None,
        *,
        refetch: bool = False,
        include_imported: bool = False,
    ) -> dict[Request, CollectionSummary]:
        """Collect several series at once, in turn as the limiter gives permits, and return their summaries.

        The limiter serves first come, first served, and a series waits for one permit at a time for each of its
        cursors. So a short series is done after a few rounds, however long the others are, and the rate is used up
        while any work is left. Memory holds the pages under way. A series that fails does not stop the others.
        Cancelling stops all.

        * ``progress_callback``: called for every chunk with its request and the progress; :class:`ProgressBar` shows
          it.
        * ``refetch``: that of ``collect_candles_only``.
        * ``include_imported``: that of ``collect``.

        Raises :class:`SeveralFailedError` at the end if a series failed; it carries all summaries and errors.
        """
        self._check_process()
        how = {"refetch": check_flag("refetch", refetch)}
        how["include_imported"] = check_flag("include_imported", include_imported)
        wanted = self.checked(requests, progress_callback)
        summaries: dict[Request, CollectionSummary] = {}
        failures: dict[Request, Exception] = {}

        async def one(request: Request) -> None:
            callback = None if progress_callback is None else partial(progress_callback, request)
            try:
                summaries[request] = await self.collect(request, callback, of=len(wanted), **how)
            except RxCandlesError as error:
                failures[request] = error

        async with asyncio.TaskGroup() as group:
            for request in wanted:
                group.create_task(one(request))
        summaries = {request: summaries[request] for request in wanted if request in summaries}
        if failures:
            raise SeveralFailedError(summaries, failures)
        return summaries

    def checked(
        self, requests: Iterable[Request], progress_callback: Callable[[Request, CollectionProgress], object] | None
    ) -> list[Request]:
        """Return the requests, each once; raise ``RequestError`` if something given is invalid."""
        check_callable("progress_callback", progress_callback, optional=True)
        return list(dict.fromkeys(check_each("requests", requests, self._check)))

    def _check_process(self) -> None:
        # Check for a fork first: without its event loop no call below could give a better error.
        check: Callable[[], object] | None = getattr(self._store, "check_process", None)
        if check is not None:
            check()

    def _check(self, name: str, request: Request) -> Request:
        if not isinstance(request, Request):
            raise refusal(name, request, "give a Request, such as Request('KRW-BTC', '1m', count=200)")
        self._exchange.check(request.symbol, request.timeframe)
        return request

    async def collect(
        self,
        request: Request,
        progress_callback: Callable[[CollectionProgress], object] | None = None,
        *,
        of: int = 1,
        refetch: bool = False,
        absences: bool = False,
        include_imported: bool = False,
    ) -> CollectionSummary:
        """Do what ``collect_candles_only`` does, for a :class:`Request`.

        * ``of``: the number of requests that share the rate.
        * ``absences``: True also asks about all claims again, due or not.
        * ``include_imported``: True fetches nothing that imported candles cover; they count as stored.
        """
        check_callable("progress_callback", progress_callback, optional=True)
        meter = Meter(request, self._exchange.name, "storage_only")
        chunks = self.chunks(
            request, on_failure="skip", of=of, on_plan=meter, refetch=refetch, absences=absences,
            include_imported=include_imported,
        )  # fmt: skip
        summary = await run(chunks.pipe(report(progress_callback), summarize()))
        if not summary.chunks_processed:
            start, stop = request.span
            summary = attrs.evolve(summary, time_range=(to_datetime(start), to_datetime(stop)))
        meter.log(summary.collected_count, len(summary.failed_spans))
        if (missing := incomplete(request, summary, again=refetch or absences)) is not None:
            raise missing
        return summary


def one_zone(store: CandleStore, tz: Zone | None) -> tzinfo | None:
    """Return the zone of naive times: ``tz``, or the store's; a store without a zone gets it, so that both agree."""
    theirs = zone_of(store)
    if tz is None:
        return theirs
    given = zone("tz", tz)
    if theirs is None and hasattr(store, "tz"):
        store.tz = given
    elif theirs is not None and theirs != given:
        raise refusal("tz", tz, f"the store's is {theirs}; give it to one of the two")
    return given
