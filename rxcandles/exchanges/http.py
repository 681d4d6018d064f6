"""The base of an exchange over HTTP, from the connection to the errors of this library.

One request a page, one attempt. A subclass says where its pages are, how they are read, and what its errors mean.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from rxcandles.errors import (
    ConnectionFailedError,
    ExchangeError,
    InvalidResponseError,
    RequestRejectedError,
    WrongServerError,
)
from rxcandles.exchanges.answers import Answer, Refused, beginning, body_of, excerpt, refused_by
from rxcandles.exchanges.contact import PATIENCE, Contact
from rxcandles.exchanges.headers import cached_for
from rxcandles.exchanges.proxies import proxy_for
from rxcandles.exchanges.sessions import Sent, new_session, own_address, request_headers, source_of, trace
from rxcandles.exchanges.unpacking import UnpackingError
from rxcandles.limiters import Limit
from rxcandles.model.naming import EXCHANGES, SIMULATED, SIMULATED_HEADER, check_url
from rxcandles.model.timeframe import END, Timeframe, time_text
from rxcandles.ports import Market, Page
from rxcandles.util.arguments import (
    check_count,
    check_exchange_name,
    check_flag,
    check_number,
    refusal,
)
from rxcandles.util.forks import OwnProcess
from rxcandles.util.showing import Titled, limit_text

if TYPE_CHECKING:
    import aiohttp

__all__ = ["HttpExchange"]

_OWN: Final = "the exchange's own"
_Self = TypeVar("_Self", bound="HttpExchange")


class HttpExchange(Titled):
    """Candles of an exchange over HTTP, or of a server with the same API at ``base_url``.

    Connections are opened at first use, kept, and closed by :meth:`close` or at the end of ``async with``. Certificates
    are always verified. Redirects are not followed, answers from a cache are refused, and no ``Origin`` is sent. A
    proxy of the environment (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``) is used, except for this machine's own
    addresses.

    * ``name``: the name under which candles are stored, whatever server they come from.
    * ``simulated``: with ``False`` a server that declares itself our simulator is refused (``WrongServerError``), with
      ``True`` any other server; ``None`` accepts both. :func:`connect` sets it by the name.
    * ``timeout``, ``connect_timeout``: seconds that a request and a connection may take.
    * ``connections``: the most connections at once.
    * ``max_body``: bytes above which a body is refused, packed or unpacked.
    * ``session``: a session of your own (for your own CA, for example); it is used as it is and left open.
    * ``source_address``: the IP address of this machine to send from, on a machine with several; None leaves the choice
      to the system. An exchange counts by address, so limiters share a limit by it. With a ``session`` it is the one
      that its connector is bound to.
    * ``patience``: seconds to try a server that was never reached, then ``UnreachableError``; a server that accepts
      connections but has never answered is given at least ten. None for as many attempts as any other request.

    Raise ``RequestError`` for an invalid argument.
    """

    title: ClassVar[str]
    """Its name for people."""
    url: ClassVar[str]
    """Its own address."""
    example: ClassVar[str]
    """One of its markets, for messages."""
    example_glob: ClassVar[str]
    """A pattern that matches many of its markets, for messages."""
    kind: ClassVar[str] = "spot"
    """What its markets trade."""
    timeframes: ClassVar[Sequence[Timeframe]]
    """The timeframes that it serves; ``1h`` and ``4h`` are listed as ``60m`` and ``240m``."""
    settle_seconds: ClassVar[float] = 3.0
    """Seconds after its end in which a candle may still change."""
    limit: ClassVar[Limit | None] = None
    """What it allows, if that is not a number of requests a second."""
    name: str
    """Its name, and by default that of its candles."""
    page_limit: int
    """The most rows of an answer."""
    rate_limit: float | None
    """Pages a second that one address may ask for."""

    def __init__(
        self,
        base_url: str = _OWN,
        *,
        timeout: float = 10.0,
        connect_timeout: float = 5.0,
        connections: int = 8,
        max_body: int = 4 * 1024 * 1024,
        name: str = _OWN,
        simulated: bool | None = None,
        session: aiohttp.ClientSession | None = None,
        patience: float | None = None,
        source_address: str | None = None,
    ) -> None:
        parts = check_url(type(self).url if base_url is _OWN else base_url)
        self.name = check_exchange_name("name", type(self).name if name is _OWN else name)
        # The client knows schemes only in lower case.
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._host = parts.netloc
        self._shown = f"{parts.scheme}://{parts.netloc}{'/…' if parts.path.rstrip('/') else ''}"
        self._simulated = None if simulated is None else check_flag("simulated", simulated)
        self._timeout = check_number("timeout", timeout, 0, 86_400, above=True)
        self._connect_timeout = check_number("connect_timeout", connect_timeout, 0, 86_400, above=True)
        self._connections = check_count("connections", connections)
        self._max_body = check_count("max_body", max_body)
        self.source_address = None if source_address is None else own_address(source_address)
        """The address of this machine that it sends from; None for any."""
        if session is not None:
            self._check_session(session)
            self._take_source(session)
            trace(session)
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

    async def __aenter__(self: _Self) -> _Self:
        import aiohttp  # noqa: F401 - the import takes a while, which would delay the first request behind its permit

        self._loop = asyncio.get_running_loop()
        self._mine()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _check_session(self, session: aiohttp.ClientSession) -> None:
        """Raise ``RequestError`` for a session that can't be used."""
        if not hasattr(session, "headers"):
            raise refusal("session", session, "give an aiohttp.ClientSession")

    def _take_source(self, session: aiohttp.ClientSession) -> None:
        """Send from where the user's session is bound to; raise ``RequestError`` if something else was asked for."""
        bound = source_of(session)
        if self.source_address not in (None, bound):
            raise refusal(
                "source_address",
                self.source_address,
                f"but the session sends from {bound or 'any'}; give it to one of "
                "the two: aiohttp.TCPConnector(local_addr=(address, 0))",
            )
        self.source_address = bound

    def _told(self) -> Mapping[str, object]:
        limit = limit_text(self.rate_limit) if self.limit is None else self.limit.text
        return {"name": self.name, "limit": limit}

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Raise ``RequestError`` if the exchange can't have this market or timeframe; nothing is sent."""
        raise NotImplementedError

    @staticmethod
    def spelled(symbol: str) -> str:
        """Return a market that a file's name says, such as ``KRW-BTC``, as the exchange writes it."""
        return symbol

    def _check_timeframe(self, timeframe: Timeframe) -> None:
        if Timeframe.of(timeframe) not in self.timeframes:
            names = ", ".join(map(str, self.timeframes))
            raise refusal("timeframe", str(timeframe), f"{self.title} has no such candles; take one of {names}")

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Return the newest ``count`` candles that exist with an open time before ``to``; one attempt.

        They come newest first, including the forming one if ``to`` allows it. ``to`` is in UTC seconds and excluded.
        Cancelling drops the connection.

        Raises:

        * ``RequestError`` for an invalid argument, before anything is sent.
        * ``UnknownMarketError`` if there is no such market.
        * ``RequestRejectedError`` for other 4xx, and redirects.
        * ``RateLimitedError`` (429), ``BannedError`` (418), ``ServerError`` (5xx).
        * ``ConnectionFailedError`` if no complete answer came.
        * ``CertificateError`` if the server's certificate is invalid.
        * ``InvalidResponseError`` if the answer is not what was asked for.
        """
        return await self._asked(symbol, timeframe, to, count, anew=False)

    async def page_anew(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Do what :meth:`page` does over a new connection, so that another server may answer.

        A ``session`` of your own is used as it is.
        """
        return await self._asked(symbol, timeframe, to, count, anew=True)

    async def _asked(self, symbol: str, timeframe: Timeframe, to: int, count: int, *, anew: bool) -> Page:
        self.check(symbol, timeframe)
        check_count("count", count, 1, self.page_limit)
        check_count("to", to, 0, END - 1)
        asked = f"{symbol} {timeframe}, {count} before {time_text(to)}"
        return await self._page(symbol, timeframe, to, count, asked, anew=anew)

    async def _page(self, symbol: str, timeframe: Timeframe, to: int, count: int, asked: str, *, anew: bool) -> Page:
        """Return a page for checked arguments; ``asked`` describes it in words."""
        raise NotImplementedError

    async def markets(self) -> list[Market]:
        """Return all markets that are listed now, in the exchange's order; raise as :meth:`page` does."""
        raise NotImplementedError

    def _failed(self, refused: Refused) -> ExchangeError:
        """Return the error for an answer with another status than 200."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close all connections; may be called more than once. Later requests raise ``ExchangeError``."""
        self._closed = True
        for session in (self._session, self._anew):
            if session is not None and self._own and not self._mine().forked:
                await session.close()
        self._session = self._anew = None

    def _opened(self, *, anew: bool) -> aiohttp.ClientSession:
        """Return the session; with ``anew``, the one that opens a new connection for each request."""
        session = self._anew if anew and self._own else self._session
        if session is None:
            session = new_session(self._connections, anew=anew, source=self.source_address)
            if anew:
                self._anew = session
            else:
                self._session = session
        return session

    def _mine(self) -> OwnProcess:
        """Return the process that owns this object, which is the one that first uses it."""
        if self._process is None:
            self._process = OwnProcess(f"the connection to {self._host}", ExchangeError)
        return self._process

    async def _get(self, path: str, asked: str, *, anew: bool = False, longest: int = 1) -> Answer:
        """Return the answer to one request; ``asked`` describes it in words.

        Its body may be ``longest`` times ``max_body`` long.
        """
        if self._closed:
            raise ExchangeError(f"{asked}: this exchange is closed; open a new one")
        self._mine().check()
        if self._loop not in (None, asyncio.get_running_loop()):
            raise ExchangeError(
                f"{asked}: this exchange was opened in another event loop, and each asyncio.run() has one of its own; "
                "open it where you use it, or take `rxcandles.open(…)`, which needs no loop"
            )
        return await self._contact.made(lambda: self._answer(path, asked, anew=anew, most=longest * self._max_body))

    async def _answer(self, path: str, asked: str, *, anew: bool, most: int) -> Answer:
        import aiohttp
        from yarl import URL

        session = self._opened(anew=anew)
        packed = not getattr(session, "auto_decompress", True)
        began, connect = time.monotonic(), self._contact.left
        sent = Sent(began, self._contact)
        try:
            async with session.get(
                URL(self._base + path, encoded=True),
                headers=request_headers(),
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
                    # Some caches ignore the query; a page from one of them proves nothing.
                    raise InvalidResponseError(
                        f"{asked}: a cache on the way to {self._host} answered, with what it had kept for {age:g} s; "
                        "nothing of it is stored: go around it, or correct base_url; it begins with "
                        f"{excerpt(await beginning(response, packed=packed))}"
                    )
                body = await self._body(response, asked, most, packed=packed)
                return Answer(body, headers, max(0.0, sent.at - began))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            from rxcandles.exchanges.reasons import connection_failure, shown_cause

            what = f"{asked}: no whole answer from {self._host}"
            within = self._connect_timeout if connect is None else round(min(connect, self._connect_timeout), 1)
            failed = connection_failure(error, what, timeout=self._timeout, connect_timeout=within)
            raise failed from shown_cause(error)

    def _check_server(self, response: aiohttp.ClientResponse, asked: str) -> None:
        """Raise ``WrongServerError`` if the candles would be stored under a false name."""
        is_simulator = SIMULATED_HEADER in response.headers
        if is_simulator and self._simulated is False:
            instead = f"write --exchange {SIMULATED} --base-url {self._shown} (exchange={SIMULATED!r})"
            if type(self).name != EXCHANGES[0]:  # the exchange that is simulated by default
                instead = f"write --exchange {type(self).name} --base-url {self._shown} without --name"
            raise WrongServerError(
                f"{asked}: {self._host} is a simulator, whose candles are stored as {SIMULATED!r} and never as "
                f"{self.name!r}; {instead}"
            )
        # A body that is no page may come from a proxy in between.
        if self._simulated and not is_simulator and response.status in (101, 200):
            raise WrongServerError(
                f"{asked}: {self._host} does not say that it is a simulator, so its candles are not stored as "
                f"{self.name!r}; leave out --exchange {SIMULATED}, and they get a name of their own"
            )

    async def _body(self, response: aiohttp.ClientResponse, asked: str, most: int, *, packed: bool) -> bytes:
        try:
            body, whole = await body_of(response, most, packed=packed)
        except UnpackingError as error:
            raise ConnectionFailedError(f"{asked}: no whole answer from {self._host}: {error}") from None
        if not whole:
            raise InvalidResponseError(f"{asked}: the answer is longer than max_body, {most} bytes: {excerpt(body)}")
        return body

    async def _failure(self, response: aiohttp.ClientResponse, asked: str, *, packed: bool) -> ExchangeError:
        status, what = response.status, f"{asked}: {self._host} answered {response.status}"
        if 300 <= status < 400:
            where = response.headers.get("Location", "nowhere")[:200]
            return RequestRejectedError(f"{what}, a redirect to {where!r}, which is not followed; correct base_url")
        return self._failed(await refused_by(response, what, packed=packed))
