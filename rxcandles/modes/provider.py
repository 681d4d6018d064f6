"""The three modes over one store and one exchange."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from rxcandles.cluster.collecting import collect_on
from rxcandles.cluster.dask import Cluster, opened
from rxcandles.cluster.host import Host, check_shared
from rxcandles.engine.estimate import CollectionPlan
from rxcandles.engine.meter import Meter
from rxcandles.errors import RequestError
from rxcandles.live.feed import Feed
from rxcandles.model import CandleData, Order, Request
from rxcandles.model.moments import Span, Time, Zone
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.model.settings import CollectionConfig, FollowConfig, StreamingConfig
from rxcandles.model.timeframe import Timeframe, from_datetime
from rxcandles.modes.collector import CandleCollector
from rxcandles.modes.follow import follow
from rxcandles.modes.sequence import CandleSequence
from rxcandles.modes.stream import CandleStream
from rxcandles.operators import Retry, batch, latest, recall, report, run, summarize, to_list, with_backpressure
from rxcandles.operators.guard_plan import guard_request
from rxcandles.operators.recall import VoidedError
from rxcandles.ports import CandleStore, Exchange, RateLimiter, with_imported, zone_of
from rxcandles.ports.declared import limit_words
from rxcandles.util.arguments import check_callable, check_flag, check_kind
from rxcandles.util.forks import OwnProcess
from rxcandles.util.showing import Titled

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["CandleDataProvider", "LargeCollectionWarning", "warn_of_many"]

_RUNS: Final = 3
"""Most times a list is collected if answers contradict stored candles; what is stored costs no request."""
IN_FLIGHT: Final = 4
"""Pages inside a stream at once: being looked up, fetched, stored, read."""


class LargeCollectionWarning(UserWarning):
    """Warns that more candles were asked for than a list should hold, and names the mode that suits better.

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", LargeCollectionWarning)
    ...     config = rxcandles.CollectionConfig(max_memory_objects=10)
    ...     hour = await provider.get_candles("KRW-BTC", "1m", to="2024-01-01 01:00", count=60, config=config)
    >>> type(hour).__name__
    'CandleSequence'
    """


def warn_of_many(request: Request, config: CollectionConfig, *, stacklevel: int) -> None:
    """Warn if more candles are asked for than a list should hold, unless ``config`` turns that off."""
    many = request.most > config.max_memory_objects and config.fallback_to_streaming
    if many and config.enable_memory_warning:
        warnings.warn(
            f"get_candles may return {request.most:,} candles, more than max_memory_objects="
            f"{config.max_memory_objects:,}: they are read from the store as they are used. stream_candles suits "
            "going through them, collect_candles_only storing them; enable_memory_warning=False hides this.",
            LargeCollectionWarning,
            stacklevel=stacklevel,
        )


class CandleDataProvider(Titled):
    """Gives candles from the store, and from the exchange those that the store lacks.

    All methods take the same arguments:

    * ``symbol``: the exchange's own code, such as ``KRW-BTC``.
    * ``timeframe``: one of ``1s 1m 3m 5m 10m 15m 30m 60m 240m 1d 1w 1M 1y`` (or ``1h``, ``4h``).
    * a span: ``count`` (candles that exist, back from now), ``to`` and ``count``, ``to`` and ``end``, or ``end``; the
      older end is included, the newer end is excluded. Or, as in :func:`get_ohlcv`, one of ``since``, ``last``
      (``"30d"``) and ``count``, back from ``until`` or from now.
    * ``order``: ``"newest_first"`` (the default) or ``"oldest_first"``.

    A time is a datetime, a date, a ``Timestamp`` or a string; one that names no zone is in ``tz``, in calls to the
    store too. The forming candle is never returned. Several calls may run at once on one event loop and share the
    limiter.

    * ``retry``: when to ask again.
    * ``cursors``: how many pages of a request may be asked for at once; None for as many as use up the rate.
    * ``on_close``: awaited by :meth:`close`, which closes what :func:`connect` has opened.

    Every method raises ``RequestError`` for an invalid argument before a request is sent.

    >>> provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(10))
    >>> hour = await provider.get_candles("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01 01:00")
    >>> len(hour)
    60
    """

    def __init__(
        self,
        store: CandleStore,
        exchange: Exchange,
        limiter: RateLimiter,
        *,
        retry: Retry | None = None,
        cursors: int | None = None,
        on_close: Callable[[], Awaitable[object]] | None = None,
        tz: Zone | None = None,
    ) -> None:
        check_callable("on_close", on_close, optional=True)
        self.repository = store
        """The store."""
        self.exchange = exchange
        self.limiter = limiter
        self._retry = retry
        self.collector = CandleCollector(store, exchange, limiter, retry=retry, cursors=cursors, tz=tz)
        self._feeds: WeakSet[Feed] = WeakSet()
        self._on_close = on_close
        self._process = OwnProcess("this provider")

    def _told(self) -> Mapping[str, object]:
        return {
            "store": getattr(self.repository, "path", type(self.repository).__name__),
            "exchange": self.exchange.name,
            "limit": limit_words(self.exchange, self.limiter),
        }

    async def close(self) -> None:
        """Close its feeds and what :func:`connect` has opened, the file and the exchange's connections; idempotent.

        Awaits ``on_close``; does nothing in a forked child. A provider that was made from parts does not close them.
        """
        on_close, self._on_close = self._on_close, None
        if self._process.forked:
            return
        await self.leave_feeds()
        if on_close is not None:
            await on_close()

    async def leave_feeds(self) -> None:
        """Close the feeds of this provider that are still open."""
        for each in list(self._feeds):
            await each.aclose()

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
    ) -> Request:
        """Return a request for :meth:`plan`, :meth:`collect` and :meth:`collect_many`; naive times are in ``tz``."""
        return self.collector.request(symbol, timeframe, count, to, end, order, since=since, until=until, last=last)

    async def get_candles(
        self,
        symbol: str,
        timeframe: str,
        count: int | None = None,
        to: Time | None = None,
        end: Time | None = None,
        config: CollectionConfig | None = None,
        *,
        since: Time | None = None,
        until: Time | None = None,
        last: Span | None = None,
        order: Order = "newest_first",
        progress_callback: Callable[[CollectionProgress], object] | None = None,
        refetch: bool = False,
        include_imported: bool = False,
    ) -> Sequence[CandleData]:
        """Collect what is asked for and return it: a list, or a sequence that reads candles when they are used.

        Up to ``config.max_memory_objects`` (50,000) candles are a list. More are collected into the store, and a
        :class:`CandleSequence` reads them from there a page at a time. What was fetched stays in the store, even if
        this fails or is cancelled.

        * ``config``: with ``fallback_to_streaming=False`` too many candles are a ``MemoryLimitError`` instead.
        * ``refetch``: True asks for everything again (see :meth:`CandleCollector.collect_candles_only`).
        * ``include_imported``: True counts imported candles as stored. They are returned as ``ImportedCandle``, whose
          ``proven`` is False, and nothing that they cover is asked for.

        Raises:

        * ``RequestError`` and ``MemoryLimitError`` before any request.
        * ``ExchangeError`` if a page can't be fetched.
        * ``StoreError`` if the store can't be used.
        """
        config = check_kind("config", CollectionConfig() if config is None else config, CollectionConfig)
        check_callable("progress_callback", progress_callback, optional=True)
        check_flag("include_imported", include_imported)
        request = self.collector.request(symbol, timeframe, count, to, end, order, since=since, until=until, last=last)
        in_hand = request.most <= config.max_memory_objects or not config.fallback_to_streaming
        if in_hand:
            guard_request(request, config.max_memory_objects)
        else:
            warn_of_many(request, config, stacklevel=3)
        collected = partial(
            self._collected, request, config, progress_callback, in_hand=in_hand, include_imported=include_imported
        )
        for _ in range(_RUNS - 1):
            with suppress(VoidedError):
                return await collected(refetch=refetch)
            refetch = False  # everything that is stored now has been asked for again
        return await collected(refetch=refetch)

    async def _collected(
        self,
        request: Request,
        config: CollectionConfig,
        progress_callback: Callable[[CollectionProgress], object] | None,
        *,
        refetch: bool,
        include_imported: bool,
        in_hand: bool,
    ) -> Sequence[CandleData]:
        meter = Meter(request, self.exchange.name, "collection")
        store = with_imported(self.repository, include_imported)
        chunks = self.collector.chunks(request, on_plan=meter, refetch=refetch, include_imported=include_imported)
        chunks = chunks.pipe(report(progress_callback))
        if in_hand:
            candles = await run(chunks.pipe(recall(store), to_list(config.max_memory_objects)))
            meter.log(len(candles))
            return candles
        summary = await run(chunks.pipe(summarize()))
        if summary.failed_spans:
            raise VoidedError(f"{request.symbol} {request.timeframe}: {summary.failed_spans[0].reason}; ask again")
        meter.log(summary.collected_count)
        return _stored(store, request, summary, config)

    def stream_candles(
        self,
        symbol: str,
        timeframe: str,
        count: int | None = None,
        to: Time | None = None,
        end: Time | None = None,
        config: StreamingConfig | None = None,
        *,
        since: Time | None = None,
        until: Time | None = None,
        last: Span | None = None,
        order: Order = "newest_first",
        progress_callback: Callable[[CollectionProgress], object] | None = None,
        refetch: bool = False,
        include_imported: bool = False,
    ) -> CandleStream:
        """Return a stream of ``(candles, meta)``: ``config.chunk_yield_size`` candles as soon as they are known.

        Stored and fetched candles are merged in order. At most ``config.buffer_chunks`` chunks wait; then the
        collection pauses, or runs ahead into the store with ``enable_backpressure=False``. Memory does not depend on
        the count. Nothing is sent before the first chunk is asked for. The stream may be left early (see
        :class:`CandleStream`).

        * ``refetch``: True asks for everything again (see :meth:`CandleCollector.collect_candles_only`).
        * ``include_imported``: that of :meth:`get_candles`.

        Raises ``RequestError`` at once; the stream raises ``ExchangeError`` and ``StoreError``.
        """
        config = check_kind("config", StreamingConfig() if config is None else config, StreamingConfig)
        check_callable("progress_callback", progress_callback, optional=True)
        request = self.collector.request(symbol, timeframe, count, to, end, order, since=since, until=until, last=last)
        meter, size = Meter(request, self.exchange.name, "streaming"), config.chunk_yield_size
        store = with_imported(self.repository, include_imported)
        chunks = self.collector.chunks(request, on_plan=meter, refetch=refetch, include_imported=include_imported)
        chunks = chunks.pipe(report(progress_callback))
        if not config.enable_backpressure:
            chunks = chunks.pipe(latest())
        stream = chunks.pipe(
            recall(store, page=min(size, 1000)),
            batch(size),
            with_backpressure(config.buffer_chunks, in_flight=IN_FLIGHT),
        )
        return CandleStream(stream, meter, size, request.count)

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
        """Collect what is asked for into the store; see :meth:`CandleCollector.collect_candles_only`."""
        return await self.collector.collect_candles_only(
            symbol, timeframe, count, to, end, progress_callback, since=since, until=until, last=last, refetch=refetch
        )

    async def collect(
        self,
        request: Request,
        progress_callback: Callable[[CollectionProgress], object] | None = None,
        *,
        refetch: bool = False,
        include_imported: bool = False,
    ) -> CollectionSummary:
        """Collect a request, such as one that was planned, into the store; see :meth:`collect_candles_only`."""
        return await self.collector.collect(
            request, progress_callback, refetch=refetch, include_imported=include_imported
        )

    async def collect_many(
        self,
        requests: Iterable[Request],
        progress_callback: Callable[[Request, CollectionProgress], object] | None = None,
        *,
        refetch: bool = False,
        include_imported: bool = False,
        client: str | Client | Cluster | None = None,
    ) -> dict[Request, CollectionSummary]:
        """Collect several series at once under one limit; see :meth:`CandleCollector.collect_many`.

        * ``client``: a ``distributed.Client``, or the address of a Dask scheduler (``"tcp://10.0.0.1:8786"``), whose
          workers collect instead, each with the limit of its own address, into the same PostgreSQL database. Progress
          is reported a few times a second. Raises ``ClusterError`` if the scheduler or its workers can't be used.
        """
        if client is None:
            return await self.collector.collect_many(
                requests, progress_callback, refetch=refetch, include_imported=include_imported
            )
        wanted = self.collector.checked(requests, progress_callback)
        host = self._host()
        check_shared(host.store)
        async with opened(client) as cluster:
            return await collect_on(
                cluster, host, wanted, progress_callback, page=self.exchange.page_limit,
                refetch=check_flag("refetch", refetch),
                include_imported=check_flag("include_imported", include_imported),
            )  # fmt: skip

    def _host(self) -> Host:
        """Return what workers open in place of this provider."""
        raise RequestError(
            "client is given, but the parts of this provider can't be sent to workers; open it by names instead: "
            "rxcandles.connect('postgresql://…', exchange='upbit'), without an Exchange or a limiter"
        )

    def follow(
        self,
        symbols: str | Iterable[str],
        timeframe: str | Timeframe,
        since: Time | int | Mapping[str, Time | int | None] | None = None,
        *,
        until: Time | None = None,
        once: bool = False,
        from_store: bool = False,
        config: FollowConfig | None = None,
    ) -> Feed:
        """Follow markets: return a :class:`Feed` of candles as they close, history and the newest without a seam.

        Candles of a market come oldest first, each once, after they are stored; nothing between two of them is missing.
        A candle that the exchange changes later is a ``RevisedUpdate``. At least every 30 seconds each market has a
        ``ProgressUpdate``, or a ``StateUpdate`` that says why not. Nothing is sent before the feed is entered or read.

        * ``symbols``: one market or several.
        * ``since``: the first candle's open time, or a number of the newest candles, or ``"stored"`` for the end of
          what is stored; None for the candle that forms now; a mapping has one for each market. After a crash,
          ``feed.cursor(symbol)`` or the last candle's ``close_time`` goes on without a loss or a repetition.
        * ``until``: ends when every candle that opens before this time was given.
        * ``once``: catches up to the newest closed candle, and ends.
        * ``from_store``: asks the exchange for nothing, and follows what another process collects into the same store.
        * ``config``: how to ask, and what to tell besides.

        Raises ``RequestError`` at once; the feed raises ``StoreError`` and ``UnknownMarketError``.

        >>> async with provider.follow(["KRW-BTC", "KRW-ETH"], "1m", since=1, once=True) as feed:
        ...     print(sorted([update.symbol async for update in feed if update.kind == "candle"]))
        ['KRW-BTC', 'KRW-ETH']
        """
        feed = follow(
            self.repository, self.exchange, self.limiter, symbols, timeframe, since,
            until=until, once=once, from_store=from_store, config=config,
            retry=self._retry, tz=zone_of(self.repository),
        )  # fmt: skip
        self._feeds.add(feed)
        return feed

    async def plan(self, request: Request, *, of: int = 1) -> CollectionPlan:
        """Return what collecting ``request`` would take; see :meth:`CandleCollector.plan`."""
        return await self.collector.plan(request, of=of)


def _stored(
    store: CandleStore, request: Request, summary: CollectionSummary, config: CollectionConfig
) -> Sequence[CandleData]:
    if not summary.chunks_processed:
        return []
    start, stop = (int(from_datetime(end)) for end in summary.time_range)
    reader = store.reader(request.symbol, request.timeframe)
    candles = CandleSequence(reader, request.symbol, request.timeframe.name, start, stop, request.order)
    return candles if len(candles) > config.max_memory_objects else list(candles)
