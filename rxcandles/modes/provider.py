"""The three modes over one store and one exchange, and how to open them."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from rxcandles.engine.estimate import CollectionPlan
from rxcandles.engine.meter import Meter
from rxcandles.model import CandleData, Order, Request
from rxcandles.model.moments import Span, Time, Zone
from rxcandles.model.reports import (
    CollectionConfig,
    CollectionProgress,
    CollectionSummary,
    StreamingConfig,
)
from rxcandles.model.timeframe import from_datetime
from rxcandles.modes.collector import CandleCollector
from rxcandles.modes.sequence import CandleSequence
from rxcandles.modes.stream import CandleStream
from rxcandles.operators import Retry, batch, latest, recall, report, run, summarize, to_list, with_backpressure
from rxcandles.operators.guard_plan import guard_request
from rxcandles.operators.recall import VoidedError
from rxcandles.ports import CandleStore, Exchange, RateLimiter, with_imported
from rxcandles.ports.declared import limit_words
from rxcandles.util.arguments import check_callable, check_flag, check_kind
from rxcandles.util.forks import OwnProcess
from rxcandles.util.showing import Titled

__all__ = ["CandleDataProvider", "LargeCollectionWarning", "warn_of_many"]

_RUNS: Final = 3
"""How often a list is collected where answers contradict what was held: all that is held costs no request."""
IN_FLIGHT: Final = 4
"""Pages inside a stream at once: being looked up, fetched, stored, read."""


class LargeCollectionWarning(UserWarning):
    """More candles were asked for than a list should hold; another mode suits better."""


def warn_of_many(request: Request, config: CollectionConfig, *, stacklevel: int) -> None:
    """Warn whoever asks for more candles than a list should hold, unless ``config`` says not to."""
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
    """Hands out candles, from the store where it has them and from the exchange where it doesn't.

    ``symbol`` is the exchange's own code (``KRW-BTC``), ``timeframe`` one of ``1s 1m 3m 5m 10m 15m 30m 60m 240m 1d 1w
    1M 1y`` (or ``1h``, ``4h``). Ask by ``count`` (candles that exist, back from now), ``to`` + ``count``,
    ``to`` + ``end``, or ``end``: the older end is included, the newer excluded. Or say it as in :func:`get_ohlcv`, with
    one of ``since``, ``last`` (``"30d"``) and ``count``, back from ``until`` or from now. A time is a datetime, a date,
    a ``Timestamp`` or a string; one that names no zone is in ``tz``, also where it is given to the store. Anything else
    is a ``RequestError`` before a request is sent. Newest first, unless ``order="oldest_first"``. The candle that is
    still forming is never among them. Several calls may run at once on one event loop; they share the limiter.
    ``retry`` says when to ask again, ``cursors`` how many pages of a request may be asked for at once (None: as many as
    use up the rate). What :func:`connect` has opened is closed by :meth:`close`.
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
        self.collector = CandleCollector(store, exchange, limiter, retry=retry, cursors=cursors, tz=tz)
        self._on_close = on_close
        self._process = OwnProcess("this provider")

    def _told(self) -> Mapping[str, object]:
        return {
            "store": getattr(self.repository, "path", type(self.repository).__name__),
            "exchange": self.exchange.name,
            "limit": limit_words(self.exchange, self.limiter),
        }

    async def close(self) -> None:
        """Close what :func:`connect` has opened: the file and the exchange's connections; idempotent.

        It awaits ``on_close``; in a forked child it does nothing. The parts of a provider that was made from parts are
        left to whoever made them.
        """
        on_close, self._on_close = self._on_close, None
        if on_close is not None and not self._process.forked:
            await on_close()

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
        """Collect what is asked for and return it: a list, or more than that lazily.

        Up to ``config.max_memory_objects`` (50,000) come as a list. More are collected into the store, and a
        :class:`CandleSequence` reads them from there like a list, a page at a time; with
        ``fallback_to_streaming=False`` they are a ``MemoryLimitError`` before any request. Raises ``ExchangeError`` or
        ``StoreError``; what was fetched before stays in the store, also where this is cancelled. ``RequestError``
        comes before any request. With
        ``refetch`` all of it is asked for again (see :meth:`CandleCollector.collect_candles_only`).
        With ``include_imported`` imported candles count as held and are among the others as ``ImportedCandle``, whose
        ``proven`` is False; what they reach over is not asked for.
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
            refetch = False  # all that is held now has been asked anew
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
        """Return a stream of ``(candles, meta)``, chunks of ``config.chunk_yield_size`` as soon as they are known.

        Stored and fetched parts are merged in order. At most ``config.buffer_chunks`` chunks wait; then the collection
        pauses, or with ``enable_backpressure=False`` runs ahead into the store. Memory does not depend on the count.
        Nothing is sent before the first chunk is asked for; leave it early as you like (see :class:`CandleStream`).
        With ``refetch`` all of it is asked for again (see :meth:`CandleCollector.collect_candles_only`).
        ``include_imported`` is that of :meth:`get_candles`.
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
    ) -> dict[Request, CollectionSummary]:
        """Collect several series at once under one limit; see :meth:`CandleCollector.collect_many`."""
        return await self.collector.collect_many(
            requests, progress_callback, refetch=refetch, include_imported=include_imported
        )

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
