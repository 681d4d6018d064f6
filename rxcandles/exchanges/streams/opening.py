"""Open a WebSocket, and what that may fail with, as errors of this library."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from rxcandles.errors import BannedError, ConnectionFailedError, ExchangeError, RequestRejectedError, StreamClosedError
from rxcandles.exchanges.answers import Refused, excerpt, failure_by_status, one_line, refused_by
from rxcandles.exchanges.headers import http_date
from rxcandles.exchanges.proxies import proxy_for
from rxcandles.exchanges.sessions import request_headers
from rxcandles.exchanges.streams.wire import Kind, Message, Wire

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Door"]

_LONGEST: Final = 1 << 20
"""Bytes of the longest message, packed or unpacked: ten times a list of all markets."""
_CLOSING: Final = 1.0
"""Seconds in which a server may answer our close frame."""
_NO_CODE: Final = 1005
"""The code of a close frame without one."""
_WINDOW: Final = 15
"""Offer to unpack messages (permessage-deflate), with the largest window."""


def _accepts_any(_response: aiohttp.ClientResponse, _asked: str) -> None:
    """Accept every server."""


def _failed(refused: Refused) -> ExchangeError:
    return failure_by_status(refused, one_line(refused.body.decode("utf-8", "replace")) or "no message")


@attrs.frozen
class Door:
    """Opens WebSockets at ``url`` (``wss://…``, ``ws://…``), each with a client of its own that ends with it.

    Certificates are verified, redirects are refused, no ``Origin`` is sent, and a proxy of the environment is used, as
    for pages. Of a ``session`` of your own the connector and the headers are used.
    """

    what: str
    """What is opened, in words."""
    url: str
    timeout: float = 10.0
    """Seconds until the server has accepted the WebSocket."""
    connect_timeout: float = 5.0
    session: aiohttp.ClientSession | None = None
    source: str | None = None
    """The address of this machine to send from."""
    check: Callable[[aiohttp.ClientResponse, str], None] = _accepts_any
    """Raises for an answer of a server that is another than it should be."""
    failed: Callable[[Refused], ExchangeError] = _failed
    """Makes an error of an answer with another status than 101."""

    async def __call__(self) -> Wire:
        """Return an open connection.

        Raise ``RateLimitedError`` (429), ``BannedError`` (418, 403), ``ServerError`` (5xx), ``RequestRejectedError``
        (other 4xx, redirects), ``ConnectionFailedError``, ``CertificateError``, ``WrongServerError``.
        """
        import aiohttp

        from rxcandles.exchanges.reasons import connection_failure, shown_cause

        address = urlsplit(self.url)._replace(scheme="https" if self.url.startswith("wss:") else "http")
        host = address.netloc
        answers: list[aiohttp.ClientResponse] = []

        async def only_accepted(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            response = await handler(request)
            try:
                await self._check_answer(response, host)
            except BaseException:
                response.close()
                raise
            answers.append(response)
            return response

        by_environment = self.session is None or getattr(self.session, "trust_env", False)
        client = self._client(only_accepted)
        try:
            socket = await client.ws_connect(
                address.geturl(),
                headers={"User-Agent": request_headers()["User-Agent"]},
                proxy=proxy_for(address) if by_environment else None,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSING),
                autoping=False,
                compress=_WINDOW,
                max_msg_size=_LONGEST,
                decode_text=False,
            )
        except aiohttp.WSServerHandshakeError as error:
            await client.close()
            raise ConnectionFailedError(f"{self.what}: {host} speaks no WebSocket: {error.message}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await client.close()
            what = f"{self.what}: no connection to {host}"
            failure = connection_failure(error, what, timeout=self.timeout, connect_timeout=self.connect_timeout)
            raise failure from shown_cause(error)
        except BaseException:
            await client.close()
            raise
        return _SocketWire(client, socket, answers[-1], self.what)

    def _client(self, middleware: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        import aiohttp

        from rxcandles.exchanges.resolving import Resolver

        ours = self.session
        connector = getattr(ours, "connector", None)
        return aiohttp.ClientSession(
            connector=connector
            or aiohttp.TCPConnector(
                limit=1,
                force_close=True,
                resolver=Resolver(),
                local_addr=None if self.source is None else (self.source, 0),
            ),
            connector_owner=connector is None,
            headers=getattr(ours, "headers", None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=self.timeout, sock_connect=self.connect_timeout),
            middlewares=(middleware,),
        )

    async def _check_answer(self, response: aiohttp.ClientResponse, host: str) -> None:
        """Raise unless the server accepts a WebSocket."""
        self.check(response, self.what)
        status, what = response.status, f"{self.what}: {host} answered {response.status}"
        if status == 101:
            return
        if 300 <= status < 400:
            where = response.headers.get("Location", "nowhere")[:200]
            raise RequestRejectedError(f"{what}, a redirect to {where!r}, which is not followed; correct base_url")
        refused = await refused_by(response, what, packed=True)
        if status == 403:
            failure: ExchangeError = BannedError(
                f"{what}, this address is refused: {excerpt(refused.body)}", refused.wait
            )
        elif status < 300:
            failure = ConnectionFailedError(f"{what} where a WebSocket is expected: {excerpt(refused.body)}")
        else:
            failure = self.failed(refused)
        failure.status = status
        raise failure


class _SocketWire:
    """A :class:`Wire` over aiohttp's WebSocket."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        socket: aiohttp.ClientWebSocketResponse[bool],
        answer: aiohttp.ClientResponse,
        what: str,
    ) -> None:
        self._client, self._socket, self._what = client, socket, what
        self._transport = None if answer.connection is None else answer.connection.transport
        date = http_date(answer.headers.get("Date"))
        self._ahead = None if date is None else date - asyncio.get_running_loop().time()

    @property
    def server_time(self) -> float | None:
        return None if self._ahead is None else asyncio.get_running_loop().time() + self._ahead

    async def receive(self) -> Message:
        from aiohttp import WSMsgType

        come = await self._socket.receive()
        if come.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return Message(Kind.DATA, come.data)
        if come.type is WSMsgType.PING:
            return Message(Kind.PING, bytes(come.data))
        if come.type is WSMsgType.PONG:
            return Message(Kind.PONG, bytes(come.data))
        if come.type is WSMsgType.CLOSE:
            return Message(Kind.END, code=come.data or _NO_CODE, words=one_line(str(come.extra or "")))
        if come.type is WSMsgType.ERROR:
            return Message(Kind.END, code=getattr(come.data, "code", 1006), words=one_line(str(come.data)))
        return Message(Kind.END)  # without a close frame

    async def send(self, text: str) -> None:
        from aiohttp import ClientError

        try:
            await self._socket.send_str(text)
        except (ClientError, OSError) as error:
            raise StreamClosedError(f"{self._what}: the connection has ended") from error

    async def pong(self, data: bytes) -> None:
        from aiohttp import ClientError

        try:
            await self._socket.pong(data)
        except (ClientError, OSError) as error:
            raise StreamClosedError(f"{self._what}: the connection has ended") from error

    async def close(self) -> None:
        """Close the connection; cut it where the server does not answer, or reads nothing."""
        closed = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING):
                    await self._socket.close()
                    closed = True
        finally:
            transport = self._transport
            if transport is not None and (not closed or transport.get_write_buffer_size()):
                transport.abort()
            await self._client.close()
            await asyncio.sleep(0)  # the socket itself is closed in the next turn of the loop
