"""The server of the page."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from rxcandles.charts.document import browsers_zone
from rxcandles.errors import RequestError
from rxcandles.model.moments import Zone, zone
from rxcandles.ports import CandleStore
from rxcandles.serve.document import watch_page
from rxcandles.serve.events import events
from rxcandles.serve.guard import SAFE, refusal_of
from rxcandles.serve.hub import Followed, Hub
from rxcandles.serve.listening import CLOSING, listening
from rxcandles.serve.parts import Parts
from rxcandles.util.arguments import check_count, check_kind, check_like
from rxcandles.util.showing import Titled
from rxcandles.util.webservers import stopped

__all__ = ["MOST_CLIENTS", "PageServer", "serve_page"]

MOST_CLIENTS: Final = 32
_PATIENCE: Final = 60.0
"""Seconds in which a client must take an event; then its connection is cut, and it may come again."""


def serve_page(
    feed: Followed, store: CandleStore, *, port: int, host: str = "127.0.0.1", tz: Zone | None = None
) -> PageServer:
    """Return a server of a page that shows what ``feed`` follows; it serves inside of ``async with``.

    * ``feed``: observed by an observer of its own; it shows forming candles if the feed has them (``FollowConfig``).
    * ``store``: where the candles of the feed are.
    * ``port``: 0 takes any that is free; ``url`` of the server names it.
    * ``host``: by default only this machine can open the page.
    * ``tz``: a second zone for the candle under the cursor, besides UTC; by default Korea's.

    Raise ``RequestError`` for an invalid argument and, on entering, if the port is taken.

    ::

        async with provider.follow("KRW-BTC", "1m") as feed:
            async with serve_page(feed, provider.repository, port=0) as page:
                print(page.url)
    """
    return PageServer(feed, store, port, host, tz=tz)


class PageServer(Titled):
    """Serves the page at ``url`` inside of ``async with``, to at most 32 clients at a time.

    ::

        async with provider.follow("KRW-BTC", "1m") as feed:
            async with PageServer(feed, provider.repository, 0) as page:
                print(page.url)
    """

    def __init__(
        self, feed: Followed, store: CandleStore, port: int, host: str = "127.0.0.1", *, tz: Zone | None = None
    ) -> None:
        check_like("store", store, CandleStore)
        check_count("port", port, 0, 65_535)
        check_kind("host", host, str)
        self._zone = None if tz is None else browsers_zone(zone("tz", tz))
        self._feed = feed
        self._store = store
        self._host = host.strip("[]")
        self._port = port
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._following: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    def _told(self) -> dict[str, object]:
        return {"page": self.url, "clients": self.clients}

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/"

    @property
    def clients(self) -> int:
        """The number of pages that are open."""
        return len(self._hub.clients) if self._listener is not None else 0

    async def __aenter__(self) -> Self:
        """Begin to serve."""
        if self._listener is not None:
            raise RuntimeError(f"this page is served already, at {self.url}; make another server")
        hub = Hub(self._feed)
        server = web.Server(self._answer, handler_cancellation=True, access_log=None)
        try:
            listener = await listening("the page", server, self._host, self._port)
        except RequestError:
            await hub.aclose()
            raise
        self._hub, self._parts = hub, Parts(self._store, hub)
        page, self._policy = watch_page(self._hub.timeframe.name)
        self._page = page.encode()
        self._packed = gzip.compress(self._page)
        self._listener, self._web = listener, server
        self._port = listener.sockets[0].getsockname()[1]
        self._following = asyncio.create_task(self._hub.run(), name="rxcandles page")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        listener, server, following = self._listener, self._web, self._following
        if listener is None or server is None or following is None:
            return
        self._listener = None
        listener.close()
        self._hub.closing = True
        self._hub.wake_all()
        following.cancel()
        await asyncio.wait([following])
        await self._hub.aclose()
        if self._telling:
            await asyncio.wait(self._telling, timeout=CLOSING)
        await stopped(listener, server, CLOSING)
        if not following.cancelled():
            following.result()  # what ought not to happen is not kept quiet

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        refused = refusal_of(request, self._host, self._port)
        if refused is not None:
            return refused
        if request.path == "/":
            packed = "gzip" in request.headers.get("Accept-Encoding", "")
            headers = {**SAFE, "Content-Security-Policy": self._policy, "Vary": "Accept-Encoding"}
            if packed:
                headers["Content-Encoding"] = "gzip"
            body = self._packed if packed else self._page
            return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)
        if request.path == "/events":
            return await self._tell(request)
        return web.Response(status=404, text="There is only the page, at /\n", headers=SAFE)

    async def _tell(self, request: web.BaseRequest) -> web.StreamResponse:
        if len(self._hub.clients) >= MOST_CLIENTS:
            text = f"{MOST_CLIENTS} pages are open, which is the most; close one\n"
            return web.Response(status=503, text=text, headers={**SAFE, "Retry-After": "5"})
        headers = {**SAFE, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return web.Response(headers=headers)
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        position = request.headers.get("Last-Event-ID", request.query.get("after"))
        telling = asyncio.create_task(self._write(request, response, position))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        try:
            await telling
        finally:
            telling.cancel()
        return response

    async def _write(self, request: web.BaseRequest, response: web.StreamResponse, position: str | None) -> None:
        with self._hub.client(position) as changes:
            async with aclosing(events(self._hub, self._parts, changes, self._zone)) as told:
                async for each in told:
                    try:
                        async with asyncio.timeout(_PATIENCE):
                            await response.write(each)
                    except TimeoutError:
                        if request.transport is not None:
                            request.transport.abort()
                        return
                    except ConnectionError:
                        return
