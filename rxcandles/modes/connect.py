"""Open a provider by the names of a file and an exchange."""

from __future__ import annotations

import enum
import re
from binascii import crc32
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeAlias

import attrs

from rxcandles.cluster.host import Host
from rxcandles.engine.retry import Retry
from rxcandles.errors import RequestError
from rxcandles.exchanges.greeting import is_simulator
from rxcandles.exchanges.named import Named, named
from rxcandles.exchanges.sessions import own_address
from rxcandles.limiters import Limit, MachineLimiter, SlidingWindowLimiter
from rxcandles.model.moments import Zone, zone
from rxcandles.model.naming import EXCHANGES, SIMULATED, address_of, is_own, name_of, says_simulated
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.ports import Exchange, RateLimiter
from rxcandles.ports.declared import limit_at, limit_declared
from rxcandles.ports.declared import source_address as sends_from
from rxcandles.stores import SqlStore
from rxcandles.stores.opening import store_at
from rxcandles.stores.postgres.address import Address, is_postgres
from rxcandles.stores.sql.connection import Durability
from rxcandles.util.arguments import check_count, check_flag, check_kind, check_like, check_rate, refusal
from rxcandles.util.forks import OwnProcess

__all__ = ["EXCHANGES", "OpenedProvider", "Opening", "OwnRate", "asked_name", "connect"]

_Stack: TypeAlias = "AsyncExitStack[bool | None]"


class OwnRate(enum.Enum):
    """Stands for the exchange's own rate, since None stands for no limit."""

    OWN = "the exchange's own"


def connect(
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
) -> Opening:
    """Open a provider: ``async with connect("candles.db") as provider``.

    Without a block, write ``provider = await connect("candles.db")``, and ``await provider.close()`` at the end; a
    provider that is never closed gives a ``ResourceWarning``. :func:`rxcandles.open` works without ``await``.

    * ``path``: the database file, which is made if it does not exist; ``":memory:"`` for no file. An address
      ``postgresql://user@host/database`` opens a database of a PostgreSQL server (:class:`PostgresStore`).
    * ``exchange``: ``"upbit"``, ``"binance"``, ``"simulated"`` (a simulated Upbit that runs in this process while the
      provider is open), or an ``Exchange``, which is closed at the end.
    * ``base_url``: another address with the exchange's API. Its candles are stored under a name of their own,
      ``upbit@host:port``. Unless ``name`` is given, the server is asked first whether it is a simulator (a ``HEAD`` of
      its root, at most two seconds); candles of a simulator are always ``simulated``.
    * ``name``: the name for the candles of ``base_url``. ``name="upbit"`` declares a mirror or a proxy of the exchange.
      An answer of a simulator under the name of an exchange is refused (``WrongServerError``) before anything of it is
      stored, and so is an answer of an exchange under ``"simulated"``.
    * ``rate_limit``: requests a second in place of the exchange's own; None for no limit.
    * ``limiter``: a limiter that several providers share, in place of ``rate_limit`` and ``share_limit``.
    * ``share_limit``: whether all processes of this user on this machine that open the same exchange share its limit,
      which counts by address. None means True for a real exchange and False for another address.
    * ``durability``: with ``"normal"`` a power cut may cost the last pages, with ``"full"`` nothing. None means
      ``"normal"`` for a file, and ``"full"`` for a server, which others rely on.
    * ``busy_timeout``: seconds that a write waits for other processes that write to the file, or to the same series.
    * ``tz``: the zone of times that name no zone, such as ``"Asia/Seoul"``, for the provider and its ``repository``; by
      default ``RXCANDLES_TZ``, else UTC, which the log reports when the first naive datetime comes.
    * ``retry``: when a failed request is sent again (:class:`Retry`); None for six attempts in all.
    * ``cursors``: how many pages of a request are asked for at once; None for as many as use up the rate.
    * ``source_address``: the IP address of this machine to send from, on a machine with several. An exchange counts by
      address, so the limit is shared with those that send from the same one.
    * ``cache``: whether data frames may keep copies of months in ``candles.db.cache`` beside the file (see
      :func:`to_arrow`): True for up to 2 GB, a number for up to so many bytes, False for none.

    Raises:

    * ``RequestError`` for an invalid argument, before a file is made.
    * ``StoreError`` if the file can't be used.

    >>> async with rxcandles.connect(":memory:", exchange="simulated") as provider:
    ...     newest = await provider.get_candles("KRW-BTC", "1m", until="2024-01-02", count=2)
    >>> [str(candle.open_time) for candle in newest]
    ['2024-01-01 23:59:00+00:00', '2024-01-01 23:58:00+00:00']
    """
    if limiter is not None:
        check_like("limiter", limiter, RateLimiter)
        if rate_limit is not OwnRate.OWN or share_limit is not None:
            raise refusal("limiter", limiter, "give it without rate_limit and share_limit: it is what decides")
    if share_limit is not None:
        check_flag("share_limit", share_limit)
    if retry is not None:
        check_kind("retry", retry, Retry)
    if cursors is not None:
        check_count("cursors", cursors)
    there = None if tz is None else zone("tz", tz)
    source = None if source_address is None else own_address(source_address)
    ready, called, key = _served(exchange, base_url, name, source)
    is_unknown = isinstance(exchange, str) and base_url is not None and _is_unknown(exchange, base_url, name)
    unknown = base_url if is_unknown else None
    whose = named(exchange if isinstance(exchange, str) else SIMULATED)
    as_simulated = partial(whose, name=SIMULATED, simulated=True, source_address=source)
    kind = named(SIMULATED) if ready is None else ready
    rate = check_rate("rate_limit", kind.rate_limit if isinstance(rate_limit, OwnRate) else rate_limit)
    limit = limit_declared(kind) if isinstance(rate_limit, OwnRate) else limit_at(kind, rate)
    made = partial(store_at, path, durability=durability, busy_timeout=busy_timeout, tz=there, cache=cache)
    store = made(exchange=called)
    shared = (isinstance(exchange, str) and key == exchange != SIMULATED) if share_limit is None else share_limit
    if limiter is None and shared:
        if isinstance(limit, Limit) and key != getattr(exchange, "name", exchange):
            limit = attrs.evolve(limit, group="")  # the exchange's groups do not apply to another server
        lease = partial(MachineLimiter, limit, key=_lease(key), source=sends_from(kind))
    else:
        lease = None
    given = SlidingWindowLimiter(limit) if limiter is None else limiter
    simulated = made(exchange=SIMULATED)
    host = None
    if isinstance(exchange, str) and limiter is None:
        # Workers of one machine share the limit of its address, whatever server it is.
        among = ready is not None if share_limit is None else share_limit
        options = {
            "base_url": base_url, "name": name, "retry": retry, "cursors": cursors, "share_limit": among,
            "durability": durability, "busy_timeout": busy_timeout,
        }  # fmt: skip
        options = {each: value for each, value in options.items() if value is not None}
        where = Address.of(path).url if is_postgres(path) else str(path)
        host = Host.of(connect, where, exchange, options | {"rate_limit": rate_limit})
    provider = partial(OpenedProvider, retry=retry, cursors=cursors, host=host)
    opened = partial(_opened, provider, store, simulated, ready, rate, given, lease, unknown, as_simulated)
    return Opening(store.path, opened, kind, called, unknown)


async def asked_name(exchange: str, base_url: str | None, name: str | None, source: str | None = None) -> str:
    """Return the name of the candles that ``connect`` would store: as :func:`name_of`, but the server is asked."""
    called = name_of(exchange, base_url, name)
    if base_url is not None and _is_unknown(exchange, base_url, name) and await is_simulator(base_url, source):
        return SIMULATED
    return called


def _is_unknown(exchange: str, base_url: str | None, name: str | None) -> bool:
    """Return whether only the server can say if it is a simulator."""
    return exchange != SIMULATED and name is None and base_url is not None and not is_own(base_url, exchange)


def _served(
    exchange: str | Exchange, base_url: str | None, name: str | None, source: str | None
) -> tuple[Exchange | None, str, str]:
    """Return the exchange (None: a simulator in this process), the name of its candles, and the key of its limit.

    The limit belongs to the address, whatever the name of the candles is.
    """
    if not isinstance(exchange, str):
        for what, value in (("base_url", base_url), ("name", name), ("source_address", source)):
            if value is not None:
                raise RequestError(f"{what} is given, but the exchange given has its own; give one of the two")
        check_like("exchange", exchange, Exchange)
        return exchange, exchange.name, exchange.name
    called = name_of(exchange, base_url, name)
    if base_url is None and exchange == SIMULATED:
        return None, called, exchange
    kind = named(exchange)
    if base_url is None or is_own(base_url, exchange):
        return kind(kind.url, name=called, simulated=False, source_address=source), called, exchange
    there = kind(base_url, name=called, simulated=says_simulated(exchange, called), source_address=source)
    return there, called, f"server-{crc32(address_of(base_url).encode()):08x}"


def _lease(key: str) -> str:
    """Return ``key`` as the name of a file."""
    return f"{re.sub('[^A-Za-z0-9._-]', '-', key)[:48]}-{crc32(key.encode()):08x}" if "@" in key else key


class OpenedProvider(CandleDataProvider):
    """A provider that ``connect`` has opened: its store is a :class:`SqliteStore` or a :class:`PostgresStore`.

    ::

        async with rxcandles.connect("candles.db") as provider:  # an OpenedProvider
            print(await rxcandles.overview(provider.repository))
    """

    repository: SqlStore

    def __init__(self, *parts: Any, host: Host | None = None, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._opened_by = host

    def _host(self) -> Host:
        return super()._host() if self._opened_by is None else self._opened_by


class Opening(AbstractAsyncContextManager[OpenedProvider], Awaitable[OpenedProvider]):
    """The result of ``connect``: it becomes a provider when it is awaited or entered.

    Before that, its errors explain how to open it.
    """

    def __init__(
        self,
        name: str,
        opened: Callable[[], Coroutine[Any, Any, tuple[OpenedProvider, _Stack]]],
        source: Exchange | Named,
        called: str,
        unknown: str | None = None,
    ) -> None:
        self.name = name
        """The path of its file, for errors."""
        self.source = source
        """The exchange, or its class, with what that declares."""
        self._called = called
        self._unknown = unknown
        self._opened: Callable[[], Coroutine[Any, Any, tuple[OpenedProvider, _Stack]]] | None = opened
        self._stack: _Stack | None = None
        self._process = OwnProcess(name)

    async def whose(self) -> str:
        """Return what the candles are called; a server at another address is asked whether it is a simulator."""
        if self._unknown is not None and await is_simulator(self._unknown, sends_from(self.source)):
            return SIMULATED
        return self._called

    def __await__(self) -> Generator[Any, None, OpenedProvider]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> OpenedProvider:
        opened, self._opened = self._opened, None
        if opened is None:
            raise RequestError(f"this has opened {self.name} before; call rxcandles.connect once more for another")
        provider, self._stack = await opened()
        self._process = OwnProcess(self.name)
        return provider

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._stack is None or self._process.forked:  # the open file belongs to the parent
            return None
        return await self._stack.__aexit__(kind, error, trace)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"{name!r} is the provider's, which is not open yet; write `async with rxcandles.connect(…) as provider:`, "
            "or `provider = await rxcandles.connect(…)` and in the end `await provider.close()`",
            name=name,
            obj=self,
        )

    def __enter__(self) -> NoReturn:
        raise TypeError(
            "a provider is opened asynchronously; write `async with rxcandles.connect(…) as provider:`, or without "
            "await `with rxcandles.open(…) as candles:`"
        )

    def __exit__(self, *_: object) -> None:
        """Never called, since ``__enter__`` raises."""


async def _opened(
    made: Callable[..., OpenedProvider],
    store: SqlStore,
    simulated: SqlStore,
    exchange: Exchange | None,
    rate: float | None,
    limiter: RateLimiter,
    shared: Callable[[], RateLimiter] | None,
    unknown: str | None,
    as_simulated: Callable[[str], Exchange],
) -> tuple[OpenedProvider, _Stack]:
    """Return an open provider and the stack that closes it; ask the server at ``unknown`` whether it is a simulator.

    ``as_simulated`` makes the exchange that is used if it is, by its address.
    """
    async with AsyncExitStack() as stack:
        if unknown is not None and await is_simulator(unknown, None if exchange is None else sends_from(exchange)):
            store, exchange = simulated, as_simulated(unknown)
        if shared is not None:
            limiter = shared()
        if exchange is None:
            from rxcandles.simulator import Simulator

            simulator = await stack.enter_async_context(Simulator(rate=rate))
            exchange = as_simulated(simulator.base_url)
        if isinstance(exchange, AbstractAsyncContextManager):
            await stack.enter_async_context(exchange)
        stack.push_async_callback(exchange.close)
        await stack.enter_async_context(store)
        closing = stack.pop_all()
        provider = made(store, exchange, limiter, on_close=closing.aclose)
        closing.push_async_callback(provider.leave_feeds)
        return provider, closing
    raise AssertionError("an exit stack without callbacks lets every error through")
