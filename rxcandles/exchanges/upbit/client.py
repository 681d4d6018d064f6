"""Upbit over HTTP: one request a page, one try, every failure as an error of this library."""

from __future__ import annotations

import asyncio
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple
from urllib.parse import quote

from rxcandles.errors import (
    BannedError,
    ConnectionFailedError,
    ExchangeError,
    InvalidResponseError,
    RateLimitedError,
    RequestError,
    RequestRejectedError,
    ServerError,
    UnknownMarketError,
    WrongServerError,
)
from rxcandles.exchanges.contact import PATIENCE, Contact
from rxcandles.exchanges.headers import cached_for, http_date, remaining_requests, retry_after
from rxcandles.exchanges.proxies import proxy_for
from rxcandles.exchanges.unpacking import ASKED_FOR, UnpackingError, unpacked
from rxcandles.exchanges.upbit.decode import decode_candles, decode_markets, error_message, error_seconds, excerpt
from rxcandles.model import LONGEST_WAIT
from rxcandles.model.naming import SIMULATED, SIMULATED_HEADER, UPBIT_URL, check_url
from rxcandles.model.timeframe import END, TIMEFRAMES, Timeframe, time_text
from rxcandles.ports import Market, Page
from rxcandles.ports.declared import AbsentSlot, retained_since
from rxcandles.util.arguments import check_count, check_exchange_name, check_flag, check_number, check_symbol, refusal
from rxcandles.util.forks import OwnProcess
from rxcandles.util.showing import Titled, limit_text

if TYPE_CHECKING:
    import aiohttp

__all__ = ["UpbitExchange"]

_TIMEFRAMES: Final = {each.name for each in TIMEFRAMES} | {"1h", "4h"}
"""What can be no market, though it may be written in its place."""
_QUOTES: Final = ("KRW", "USDT", "BTC")
"""What Upbit's markets are priced in, as the first part of their codes."""
_KINDS: Final = {"s": "seconds", "d": "days", "w": "weeks", "M": "months", "y": "years"}
_SECONDS_KEPT: Final = (89 - 2) * 86_400
_ERROR_BYTES: Final = 4096
"""How much of an error's body is read: enough for its message."""


class _Answer(NamedTuple):
    body: bytes
    date: str | None
    remaining: str | None
    delay: float


class _Sent:
    """When a request went out, monotonic seconds; set by the client's tracing."""

    def __init__(self, at: float) -> None:
        self.at = at


def _traced(contact: Contact) -> aiohttp.TraceConfig:
    import aiohttp

    async def sent(_session: object, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.at = time.monotonic()

    async def connected(_session: object, _context: SimpleNamespace, _params: object) -> None:
        contact.reached = True

    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(sent)
    config.on_connection_create_end.append(connected)
    return config


class UpbitExchange(Titled):
    """Candles of Upbit, or of a server that speaks like it at ``base_url``.

    Connections (at most ``connections``) are opened at first use, kept, and closed by :meth:`close` or at the end of
    ``async with``. A request takes at most ``timeout`` seconds, a connection ``connect_timeout``; a body of more than
    ``max_body`` bytes, packed or unpacked, is refused. Certificates are verified, and there is no switch for that.
    Redirects are not followed, an answer that a cache had kept is refused, and no ``Origin`` is sent: with one, Upbit
    allows a request in ten seconds (documented 2024-07-17). ``name`` is the
    candles' namespace in a store, whatever server they come from: who makes this object says whose candles they are.
    With ``simulated=False`` a server that says it is our simulator is refused (``WrongServerError``), with ``True`` one
    that doesn't; :func:`connect` sets it by the name, None refuses neither. A proxy that the environment names
    (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``) is used, but for this machine's own addresses. A ``session`` given
    (for a CA of your own) is used as it is and left open. A server that was never reached is tried for ``patience``
    seconds, one that has never answered for ten at least, then ``UnreachableError``; None for as many tries as any
    request has.
    Raises ``RequestError`` for arguments that can't be meant.
    """

    url: ClassVar[str] = UPBIT_URL
    """Its own address."""
    example: ClassVar[str] = "KRW-BTC"
    """A market of it, for messages."""
    example_glob: ClassVar[str] = "KRW-*"
    """And some of its markets."""
    kind: ClassVar[str] = "spot"
    """What its markets trade."""
    timeframes: ClassVar[Sequence[Timeframe]] = TIMEFRAMES
    """What it serves; those of ``1h`` and ``4h`` are called ``60m`` and ``240m``."""
    settle_seconds: ClassVar[float] = 3.0
    """Seconds after its end for which a candle may still change."""
    page_limit: int = 200
    """Upbit cuts a larger count silently to 200 (seen 2026-09-13)."""
    rate_limit: float | None = 10.0
    """Requests a second and address, all kinds of candles together (documented 2026-10-07)."""

    def __init__(
        self,
        base_url: str = UPBIT_URL,
        *,
        timeout: float = 10.0,
        connect_timeout: float = 5.0,
        connections: int = 8,
        max_body: int = 4 * 1024 * 1024,
        name: str = "upbit",
        simulated: bool | None = None,
        session: aiohttp.ClientSession | None = None,
        patience: float | None = None,
    ) -> None:
        parts = check_url(base_url)
        self.name = check_exchange_name("name", name)
        # The scheme in small letters, which is all that the client knows.
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._host = parts.netloc
        self._shown = f"{parts.scheme}://{parts.netloc}{'/…' if parts.path.rstrip('/') else ''}"
        self._simulated = None if simulated is None else check_flag("simulated", simulated)
        self._timeout = check_number("timeout", timeout, 0, 86_400, above=True)
        self._connect_timeout = check_number("connect_timeout", connect_timeout, 0, 86_400, above=True)
        self._connections = check_count("connections", connections)
        self._max_body = check_count("max_body", max_body)
        if session is not None and not hasattr(session, "headers"):
            raise refusal("session", session, "give an aiohttp.ClientSession")
        if session is not None and "Origin" in session.headers:
            raise RequestError("session sends an Origin header, for which Upbit allows one request in 10 s; remove it")
        self._session = session
        self._anew: aiohttp.ClientSession | None = None
        self._own = session is None
        self._proxy = proxy_for(parts) if session is None else None
        if patience is not None:
            check_number("patience", patience, 0, 86_400)
        self._contact = Contact(parts.hostname or self._host, PATIENCE.get() if patience is None else patience)
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: OwnProcess | None = None

    async def __aenter__(self) -> UpbitExchange:
        import aiohttp  # noqa: F401 - it takes a while, which would else delay the first request behind its permit

        self._loop = asyncio.get_running_loop()
        self._mine()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _told(self) -> Mapping[str, object]:
        return {"name": self.name, "limit": limit_text(self.rate_limit)}

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Raise ``RequestError`` where Upbit can have no such market or timeframe; sends nothing.

        A code is QUOTE-BASE: ``KRW-BTC`` is Bitcoin in Korean won. The base is what is listed, in whatever letters
        (``KRW-xBTC``); what is plainly another way to write a code is refused with the code that it seems to mean.
        """
        check_symbol(symbol)
        money, _, base = symbol.partition("-")
        if symbol in _TIMEFRAMES:
            raise refusal("symbol", symbol, "that is a timeframe; write the market before it, such as 'KRW-BTC'")
        if not (money and base) or money != money.upper() or base == "KRW" or "/" in symbol:
            meant = _meant(symbol)
            hint = "" if meant is None else f"; did you mean {meant!r}?"
            raise refusal("symbol", symbol, f"write QUOTE-BASE as Upbit does, such as 'KRW-BTC'{hint}")
        if Timeframe.of(timeframe) not in self.timeframes:
            names = ", ".join(map(str, self.timeframes))
            raise refusal("timeframe", str(timeframe), f"Upbit has no such candles; take one of {names}")

    @staticmethod
    def absent_slot(timeframe: Timeframe) -> AbsentSlot:
        """Return ``no_trade``: Upbit has no candle where nobody traded."""
        return "no_trade"

    @staticmethod
    def retention(timeframe: Timeframe) -> int | None:
        """Return for how many seconds candles are sure to be there; None for ever.

        Upbit keeps those of a second for three months (documented since 2024-10-30). When in the day the edge moves is
        not known, so two days less than the shortest three months are said here.
        """
        return _SECONDS_KEPT if timeframe.name == "1s" else None

    @staticmethod
    def kept(timeframe: Timeframe) -> int | None:
        """Return what :meth:`retention` does: its name of before, which will go."""
        warnings.warn("UpbitExchange.kept is called retention now", DeprecationWarning, stacklevel=2)
        return UpbitExchange.retention(timeframe)

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Return the newest ``count`` candles (1 to 200) that exist with an open time before ``to``; tries once.

        Newest first, as sent: the one still forming is among them where ``to`` allows it. Fewer than ``count`` means
        that there are no older ones. ``to`` is in UTC seconds and excluded (Upbit, seen 2026-09-13). Cancelling
        drops the connection. Raises ``RequestError`` before sending anything, then
        ``UnknownMarketError`` (404), ``RequestRejectedError`` (other 4xx, redirects), ``RateLimitedError`` (429),
        ``BannedError`` (418), ``ServerError`` (5xx), ``ConnectionFailedError`` (no whole answer), ``CertificateError``
        (nobody vouches for the server) or ``InvalidResponseError`` (an answer to something else).
        """
        return await self._page(symbol, timeframe, to, count, anew=False)

    async def page_anew(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Do what :meth:`page` does over a connection of its own, so that another server may answer.

        A ``session`` that was given is used as it is: its connections are its owner's.
        """
        return await self._page(symbol, timeframe, to, count, anew=True)

    async def _page(self, symbol: str, timeframe: Timeframe, to: int, count: int, *, anew: bool) -> Page:
        self.check(symbol, timeframe)
        check_count("count", count, 1, self.page_limit)
        check_count("to", to, 0, END - 1)
        before = time_text(to)
        asked = f"{symbol} {timeframe}, {count} before {before}"
        # Fully quoted by hand: yarl leaves a colon in a query as it is, and Upbit's FAQ says such a `to` is refused.
        query = f"market={quote(symbol, safe='')}&to={quote(before, safe='')}&count={count}"
        try:
            answer = await self._get(f"/v1/candles/{_path(timeframe)}?{query}", asked, anew=anew)
        except UnknownMarketError as error:
            hint = f"; did you mean {symbol.upper()!r}?" if symbol.upper() != symbol else ""
            error.args = (f"there is no market {symbol!r} at {self.name}: {error}{hint}",)
            raise
        server_time = http_date(answer.date)
        return Page.before(
            decode_candles(answer.body, symbol, timeframe, asked),
            to,
            count,
            kept_since=retained_since(self, timeframe, time.time() if server_time is None else server_time),
            server_time=server_time,
            remaining=remaining_requests(answer.remaining),
            delay=answer.delay,
            beginning=excerpt(answer.body),
        )

    async def markets(self) -> list[Market]:
        """Return all markets that are listed now, in Upbit's order; raises as :meth:`page` does."""
        asked = "all markets"
        return decode_markets((await self._get("/v1/market/all", asked)).body, asked)

    async def close(self) -> None:
        """Close all connections; idempotent. Requests after it raise ``ExchangeError``, as in a forked child."""
        self._closed = True
        for session in (self._session, self._anew):
            if session is not None and self._own and not self._mine().forked:
                await session.close()
        self._session = self._anew = None

    def _opened(self, *, anew: bool) -> aiohttp.ClientSession:
        """Return the session; with ``anew`` the one that opens a connection for each request and closes it again."""
        import aiohttp

        session = self._anew if anew and self._own else self._session
        if session is None:
            from rxcandles.exchanges.resolving import Resolver

            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, force_close=anew, resolver=Resolver()),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trace_configs=[_traced(self._contact)],
            )
            if anew:
                self._anew = session
            else:
                self._session = session
        return session

    def _mine(self) -> OwnProcess:
        """Return the process that has opened this, which is the one that first uses it."""
        if self._process is None:
            self._process = OwnProcess(f"the connection to {self._host}", ExchangeError)
        return self._process

    async def _get(self, path: str, asked: str, *, anew: bool = False) -> _Answer:
        if self._closed:
            raise ExchangeError(f"{asked}: this exchange is closed; open a new one")
        self._mine().check()
        if self._loop not in (None, asyncio.get_running_loop()):
            raise ExchangeError(
                f"{asked}: this exchange was opened in another event loop, and each asyncio.run() has one of its own; "
                "open it where you use it, or take `rxcandles.open(…)`, which needs no loop"
            )
        return await self._contact.made(lambda: self._answer(path, asked, anew=anew))

    async def _answer(self, path: str, asked: str, *, anew: bool) -> _Answer:
        import aiohttp
        from yarl import URL

        session = self._opened(anew=anew)
        packed = not getattr(session, "auto_decompress", True)
        began, connect = time.monotonic(), self._contact.left
        sent = _Sent(began)
        try:
            async with session.get(
                URL(self._base + path, encoded=True),
                headers={
                    "User-Agent": _agent(),
                    "Accept": "application/json",
                    "Accept-Encoding": ASKED_FOR,
                    "Cache-Control": "no-cache",
                },
                timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=self._connect_timeout, connect=connect),
                allow_redirects=False,
                proxy=self._proxy,
                trace_request_ctx=sent,
            ) as response:
                self._contact.answered()
                self._check_server(response, asked)
                if response.status != 200:
                    failure = await self._failure(response, asked, packed=packed)
                    failure.status = response.status
                    raise failure
                headers = response.headers
                if age := cached_for(headers.get("Age")):
                    # Caches have been seen that don't look at the query; what is in a page proves nothing then.
                    raise InvalidResponseError(
                        f"{asked}: a cache on the way to {self._host} answered, with what it had kept for {age:g} s; "
                        "nothing of it is stored: go around it, or correct base_url; it begins with "
                        f"{excerpt(await _beginning(response, packed=packed))}"
                    )
                body = await self._body(response, asked, packed=packed)
                return _Answer(body, headers.get("Date"), headers.get("Remaining-Req"), max(0.0, sent.at - began))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            from rxcandles.exchanges.reasons import connection_failure

            what = f"{asked}: no whole answer from {self._host}"
            within = self._connect_timeout if connect is None else round(min(connect, self._connect_timeout), 1)
            raise connection_failure(error, what, timeout=self._timeout, connect_timeout=within) from error

    def _check_server(self, response: aiohttp.ClientResponse, asked: str) -> None:
        """Raise ``WrongServerError`` where the candles would be stored as what they are not."""
        is_simulator = SIMULATED_HEADER in response.headers
        if is_simulator and self._simulated is False:
            raise WrongServerError(
                f"{asked}: {self._host} is a simulator, whose candles are stored as {SIMULATED!r} and never as "
                f"{self.name!r}; write --exchange {SIMULATED} --base-url {self._shown} (exchange={SIMULATED!r})"
            )
        # What is no page may come from something in between.
        if self._simulated and not is_simulator and response.status == 200:
            raise WrongServerError(
                f"{asked}: {self._host} does not say that it is a simulator, so its candles are not stored as "
                f"{self.name!r}; leave out --exchange {SIMULATED}, and they get a name of their own"
            )

    async def _body(self, response: aiohttp.ClientResponse, asked: str, *, packed: bool) -> bytes:
        encoding = response.headers.get("Content-Encoding") if packed else None
        come = bytearray()
        async for piece in response.content.iter_any():
            come += piece
            if len(come) > self._max_body:
                response.close()
                break
        whole = len(come) <= self._max_body
        try:
            body = unpacked(bytes(come), encoding, self._max_body, whole=whole)
        except UnpackingError as error:
            raise ConnectionFailedError(f"{asked}: no whole answer from {self._host}: {error}") from None
        if not whole or len(body) > self._max_body:
            raise InvalidResponseError(
                f"{asked}: the answer is longer than max_body, {self._max_body} bytes: {excerpt(body)}"
            )
        return body

    async def _failure(self, response: aiohttp.ClientResponse, asked: str, *, packed: bool) -> ExchangeError:
        status = response.status
        body = await _beginning(response, packed=packed)
        said = error_message(body)
        date = http_date(response.headers.get("Date"))
        wait = retry_after(response.headers.get("Retry-After"), time.time() if date is None else date)
        if status == 418 and wait is None:
            wait = error_seconds(body)
        what = f"{asked}: {self._host} answered {status}"
        asks = "" if wait is None else f"; it asks to wait {wait:,.10g} s"
        if wait is not None and wait > LONGEST_WAIT:
            asks += ", longer than is waited for here: ask again after that"
        if status == 429:
            return RateLimitedError(f"{what}, too many requests: {said}{asks}", wait)
        if status == 418:
            return BannedError(f"{what}, this address is blocked: {said}{asks}", wait)
        if status >= 500:
            return ServerError(f"{what}: {said}{asks}", wait)
        if status == 404 and said == "Code not found":
            return UnknownMarketError(
                f"never listed, delisted or renamed (the exchange says the same for all three); {what}: {said}"
            )
        if status >= 400:
            return RequestRejectedError(f"{what}: {said}")
        if status >= 300:
            where = response.headers.get("Location", "nowhere")[:200]
            return RequestRejectedError(f"{what}, a redirect to {where!r}, which is not followed; correct base_url")
        return InvalidResponseError(f"{what} where 200 is expected: {excerpt(body)}")


async def _beginning(response: aiohttp.ClientResponse, *, packed: bool) -> bytes:
    """Return the first bytes of a body that is of no use; none where they don't come, or can't be unpacked."""
    import aiohttp

    body = b""
    try:
        while len(body) < _ERROR_BYTES and (piece := await response.content.read(_ERROR_BYTES - len(body))):
            body += piece
    except (aiohttp.ClientError, TimeoutError, OSError):
        pass
    try:
        return unpacked(body, response.headers.get("Content-Encoding") if packed else None, _ERROR_BYTES, whole=False)
    except UnpackingError:
        return b""


@cache
def _agent() -> str:
    try:
        return f"rxcandles/{metadata.version('rxcandles')}"
    except metadata.PackageNotFoundError:  # a checkout that was never installed
        return "rxcandles"


def _meant(symbol: str) -> str | None:
    """Return Upbit's code for what is written otherwise: ``btc-krw``, ``KRW_BTC``, ``BTC/KRW``, ``BTCKRW``, ``BTC``."""
    if not re.fullmatch(r"[A-Z0-9]+(?:[-_/:.][A-Z0-9]+)?", symbol.upper(), re.ASCII):
        return None
    parts = re.split("[-_/:.]", symbol.upper())
    if len(parts) == 1:
        [name] = parts
        ends = [(each, name.removeprefix(each)) for each in _QUOTES if name.startswith(each)]
        ends += [(each, name.removesuffix(each)) for each in _QUOTES if name.endswith(each)]
        parts = list(next((pair for pair in ends if pair[1]), (_QUOTES[0], name)))
    one, other = parts
    turned = other in _QUOTES and (one not in _QUOTES or _QUOTES.index(other) < _QUOTES.index(one))
    return f"{other}-{one}" if turned else f"{one}-{other}"


def _path(timeframe: Timeframe) -> str:
    number, letter = timeframe.name[:-1], timeframe.name[-1:]
    return f"minutes/{number}" if letter == "m" else _KINDS[letter]
