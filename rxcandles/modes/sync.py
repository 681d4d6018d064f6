"""A provider's methods without ``await``.

::

    with rxcandles.open("candles.db") as candles:
        hours = candles.get_candles("KRW-BTC", "60m", count=500)

The provider runs on an event loop in a thread of its own. So it works in a script, in a notebook with a running loop,
and in the threads of a web server, several at once. Ctrl-C ends the call that it interrupts, and leaves no task of it
running.
"""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from rxcandles.engine.estimate import CollectionPlan
from rxcandles.engine.retry import Retry
from rxcandles.live.feed import Feed
from rxcandles.model import CandleData, Order, Request
from rxcandles.model.moments import Span, Time, Zone
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.model.settings import CollectionConfig, FollowConfig, StreamingConfig
from rxcandles.model.timeframe import Timeframe
from rxcandles.modes.connect import OpenedProvider, Opening, OwnRate, connect
from rxcandles.modes.provider import CandleDataProvider, warn_of_many
from rxcandles.modes.stream import CandleStream
from rxcandles.modes.sync_readers import SyncFeed, SyncStream
from rxcandles.modes.sync_repository import SyncRepository
from rxcandles.ports import Exchange, Market, RateLimiter
from rxcandles.stores.sql.connection import Durability
from rxcandles.util.arguments import check_kind, refusal
from rxcandles.util.loopthread import Events, LoopThread, here
from rxcandles.util.showing import Titled

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["SyncProvider", "open"]

_A = TypeVar("_A")


def open(
    path: str | Path,
    exchange: str | Exchange = "upbit",
    base_url: str | None = None,
    rate_limit: float | OwnRate | None = OwnRate.OWN,
    *,
    name: str | None = None,
    limiter: RateLimiter | None = None,
    share_limit: bool | None = None,
    durability: Durability | None = None,
    busy_timeout: float = 10.0,
    tz: Zone | None = None,
    retry: Retry | None = None,
    cursors: int | None = None,
    source_address: str | None = None,
    cache: bool | int = True,
) -> SyncProvider:
    """Open a provider whose methods need no ``await``: ``with rxcandles.open("candles.db") as candles``.

    The arguments and errors are those of :func:`connect`. Without a block, end with ``candles.close()``.

    >>> with rxcandles.open(":memory:", exchange="simulated") as candles:
    ...     hours = candles.get_candles("KRW-BTC", "60m", until="2024-01-02", count=2)
    >>> [str(hour.open_time) for hour in hours]
    ['2024-01-01 23:00:00+00:00', '2024-01-01 22:00:00+00:00']
    """
    return SyncProvider(
        connect(
            path,
            exchange,
            base_url,
            rate_limit,
            name=name,
            limiter=limiter,
            share_limit=share_limit,
            durability=durability,
            busy_timeout=busy_timeout,
            tz=tz,
            retry=retry,
            cursors=cursors,
            source_address=source_address,
            cache=cache,
        )
    )


class SyncProvider(Titled):
    """Gives candles as :class:`CandleDataProvider` does, and waits for them; made by :func:`rxcandles.open`.

    Any number of threads may use it at once; they share the limit. Callbacks are called in the thread of the call.
    Ctrl-C raises ``KeyboardInterrupt`` after every task of the call has stopped; what was fetched is stored.

    Every method raises ``StoreError`` in a forked process and after :meth:`close`.

    >>> with rxcandles.open(":memory:", exchange="simulated") as candles:
    ...     summary = candles.collect_candles_only("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01 06:00")
    >>> summary.failed_spans
    ()
    """

    def __init__(self, opening: Opening) -> None:
        self._name = check_kind("opening", opening, Opening).name
        self._thread = thread = LoopThread(opening.name)
        try:
            self.provider: OpenedProvider = thread.run(lambda: opening)
            """The asynchronous provider, for coroutines that :meth:`run` takes."""
        except BaseException:
            thread.stop()
            raise
        self.repository = SyncRepository(self.provider.repository, thread)
        """The store, which is read without asking the exchange."""
        self._streams: weakref.WeakSet[CandleStream | Feed] = weakref.WeakSet()
        self._close = _closing(self.provider, self._streams)
        self._left = weakref.finalize(self, _left_open, thread, self._close, self._name)

    def __enter__(self) -> SyncProvider:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all calls under way, and close the file and the exchange's connections; idempotent.

        A call in another thread raises ``StoreError`` there.
        """
        self._left.detach()
        self._thread.stop(self._close)

    def _told(self) -> Mapping[str, object]:
        state = "closed" if self._thread.closed else "open"
        return {"store": self._name, "exchange": self.provider.exchange.name, "state": state}

    def __repr__(self) -> str:
        return f"<{', '.join(map(str, self._told().values()))}>"

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
        return self.provider.request(symbol, timeframe, count, to, end, order, since=since, until=until, last=last)

    def get_candles(
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
        progress_callback: Callable[[CollectionProgress], None] | None = None,
        include_imported: bool = False,
    ) -> Sequence[CandleData]:
        """Collect what is asked for and return it; see :meth:`CandleDataProvider.get_candles`."""
        events: Events = SimpleQueue()
        if config is None or isinstance(config, CollectionConfig):
            request = self.request(symbol, timeframe, count, to, end, order, since=since, until=until, last=last)
            config = CollectionConfig() if config is None else config
            warn_of_many(request, config, stacklevel=3)  # here, so that the warning names the caller's line
            config = attrs.evolve(config, enable_memory_warning=False)
        told = here(progress_callback, events)
        return self._thread.run(
            lambda: self.provider.get_candles(
                symbol,
                timeframe,
                count,
                to,
                end,
                config,
                since=since,
                until=until,
                last=last,
                order=order,
                progress_callback=told,
                include_imported=include_imported,
            ),
            events,
        )

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
        progress_callback: Callable[[CollectionProgress], None] | None = None,
        include_imported: bool = False,
    ) -> SyncStream:
        """Return an iterator over ``(candles, meta)``; see :meth:`CandleDataProvider.stream_candles`."""
        events: Events = SimpleQueue()
        told = here(progress_callback, events)

        async def make() -> CandleStream:
            stream = self.provider.stream_candles(
                symbol, timeframe, count, to, end, config, since=since, until=until, last=last, order=order,
                progress_callback=told, include_imported=include_imported,
            )  # fmt: skip
            self._streams.add(stream)
            return stream

        return SyncStream(self._thread.run(make), self._thread, events)

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
    ) -> SyncFeed:
        """Follow markets: return an iterator over updates; see :meth:`CandleDataProvider.follow`."""

        async def make() -> Feed:
            feed = self.provider.follow(
                symbols, timeframe, since, until=until, once=once, from_store=from_store, config=config
            )
            self._streams.add(feed)
            return feed

        return SyncFeed(self._thread.run(make), self._thread)

    def collect_candles_only(
        self,
        symbol: str,
        timeframe: str,
        count: int | None = None,
        to: Time | None = None,
        end: Time | None = None,
        progress_callback: Callable[[CollectionProgress], None] | None = None,
        *,
        since: Time | None = None,
        until: Time | None = None,
        last: Span | None = None,
    ) -> CollectionSummary:
        """Collect what is asked for into the store; see :meth:`CandleCollector.collect_candles_only`."""
        events: Events = SimpleQueue()
        told = here(progress_callback, events)
        return self._thread.run(
            lambda: self.provider.collect_candles_only(
                symbol, timeframe, count, to, end, told, since=since, until=until, last=last
            ),
            events,
        )

    def collect(
        self,
        request: Request,
        progress_callback: Callable[[CollectionProgress], None] | None = None,
        *,
        include_imported: bool = False,
    ) -> CollectionSummary:
        """Collect a request, such as one that was planned, into the store; see :meth:`collect_candles_only`."""
        events: Events = SimpleQueue()
        told = here(progress_callback, events)
        return self._thread.run(lambda: self.provider.collect(request, told, include_imported=include_imported), events)

    def collect_many(
        self,
        requests: Iterable[Request],
        progress_callback: Callable[[Request, CollectionProgress], None] | None = None,
        *,
        include_imported: bool = False,
        client: str | Client | None = None,
    ) -> dict[Request, CollectionSummary]:
        """Collect several series at once, with ``client`` by Dask; see :meth:`CandleDataProvider.collect_many`."""
        events: Events = SimpleQueue()
        told = here(progress_callback, events)
        return self._thread.run(
            lambda: self.provider.collect_many(requests, told, include_imported=include_imported, client=client), events
        )

    def plan(self, request: Request, *, of: int = 1) -> CollectionPlan:
        """Return what collecting ``request`` would take; see :meth:`CandleCollector.plan`."""
        return self._thread.run(lambda: self.provider.plan(request, of=of))

    def markets(self) -> list[Market]:
        """Return all markets of the exchange, in its own order."""
        return self._thread.run(self.provider.exchange.markets)

    def run(self, coroutine: Coroutine[Any, Any, _A]) -> _A:
        """Run a coroutine of this library on the provider's loop and return its result.

        >>> with rxcandles.open("candles.db", exchange="simulated") as candles:
        ...     stored = candles.run(rxcandles.overview(candles.provider.repository))
        >>> stored[0].series.symbol
        'KRW-BTC'
        """
        if not isinstance(coroutine, Coroutine):
            raise refusal("coroutine", coroutine, "give a call of an async function, without await")
        try:
            return self._thread.run(lambda: coroutine)
        finally:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()  # a refused coroutine must not warn "never awaited"


def _closing(
    provider: CandleDataProvider, streams: weakref.WeakSet[CandleStream | Feed]
) -> Callable[[], Awaitable[None]]:
    # A function of its own, so that it does not refer to the SyncProvider, at whose end it is called.
    async def close() -> None:
        try:
            for stream in list(streams):
                await stream.aclose()
        finally:
            await provider.close()

    return close


def _left_open(thread: LoopThread, close: Callable[[], Awaitable[None]], name: str) -> None:
    if thread.closed:
        return
    thread.abandon(close)
    warnings.warn(
        f"{name} was left open; open it by `with rxcandles.open(…) as candles:`, or call its close() in the end",
        ResourceWarning,
        stacklevel=2,
    )
