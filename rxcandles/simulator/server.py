"""A server on a loopback address that answers as an exchange: what all faces of the simulator share."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from math import ceil
from types import TracebackType
from typing import ClassVar, Final, Self

import attrs
from aiohttp import web

from rxcandles.errors import RequestError
from rxcandles.model.naming import SIMULATED_BY, SIMULATED_HEADER
from rxcandles.model.spans import Span
from rxcandles.simulator.answers import Answer, Asked, CandleQuery, Logged, UpbitWords, Words
from rxcandles.simulator.faults import Faults
from rxcandles.simulator.forms import UPBIT, Form
from rxcandles.simulator.illness import WELL, Connections, Illness, Illnesses
from rxcandles.simulator.limit import Verdict
from rxcandles.simulator.market import Market, Served, Source
from rxcandles.simulator.room import check_room, loopback
from rxcandles.simulator.sending import send
from rxcandles.simulator.sockets import Sockets
from rxcandles.simulator.stats import Stats
from rxcandles.util.arguments import (
    check_callable,
    check_count,
    check_each,
    check_flag,
    check_like,
    check_number,
    check_span,
    check_symbol,
    refusal,
)
from rxcandles.util.showing import Titled
from rxcandles.util.webservers import stopped

__all__ = ["Server", "serve"]

_CLOSING_SECONDS: Final = 1.0
_LOG_LENGTH: Final = 100_000


class Server(Titled):
    """A simulated exchange without its face: markets, faults, illnesses, a log, and a server on a loopback address.

    A face says what paths there are, what is asked for, how it is limited and how it is answered.
    """

    form: ClassVar[Form] = UPBIT
    words: Words = UpbitWords()
    ws_path: ClassVar[str] = ""
    sockets: Sockets
    """The WebSockets that clients hold, and what goes wrong with them."""

    def __init__(
        self,
        markets: Iterable[Source],
        *,
        latency: float,
        clock: Callable[[], float],
        seed: int,
        gzip: bool,
        host: str,
        port: int,
        outages: Iterable[Span],
    ) -> None:
        address = loopback(host)
        check_count("port", port, 0, 65_535)
        check_number("latency", latency, 0, 3600)
        check_callable("clock", clock)
        check_count("seed", seed, -(10**12))
        check_flag("gzip", gzip)
        silent = tuple(check_each("outages", outages, check_span))
        self.markets: dict[str, Source] = {}
        for market in check_each("markets", markets, lambda name, each: check_like(name, each, Source)):
            if market.symbol in self.markets:
                raise RequestError(f"markets has {market.symbol} twice; give each market once")
            if isinstance(market, Market) and (seed or silent):
                market = attrs.evolve(market, seed=market.seed + seed, halts=(*market.halts, *silent))
            self.markets[market.symbol] = self._served_as(market)
        self.latency = latency
        self.clock = clock
        self.gzip = gzip
        self.faults = Faults()
        self.illnesses = Illnesses(seed, self.markets)
        self.stats = Stats()
        self.log: deque[Logged] = deque(maxlen=_LOG_LENGTH)
        """The latest 100,000 requests for candles that were answered, oldest first."""
        self._host = address
        self._port = port
        self._number = 0
        self._connections = Connections()
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None

    # What a face says.

    def _served_as(self, market: Source) -> Source:
        """Return the market that is served where ``market`` was given."""
        return market

    @abstractmethod
    def _limited(self, path: str, request: web.BaseRequest) -> Verdict | None:
        """Count a request and return what becomes of it; None where there is nothing at ``path``."""

    @abstractmethod
    def _read(self, path: str, query: str) -> CandleQuery | Answer | None:
        """Return what is asked for: candles, an error, or None for anything else than candles."""

    @abstractmethod
    def _other(self, path: str, query: str, now: float) -> Answer:
        """Return what is no page of candles; ``now`` is the clock of the replica that answers."""

    @abstractmethod
    def _candles(self, query: CandleQuery, illness: Illness, now: float) -> Served | None:
        """Return a page as a replica with ``illness`` has it; None where it knows no such market."""

    @abstractmethod
    def _unknown(self, query: CandleQuery | None) -> Answer:
        """Return the answer where there is no such market, or (None) no such path."""

    @abstractmethod
    def _headers(self, answer: Answer, body: bytes, verdict: Verdict | None) -> dict[str, str]:
        """Return the headers of an answer; without a verdict its path is unknown."""

    @property
    def base_url(self) -> str:
        """Where the server listens: ``http://127.0.0.1:PORT``, to which paths as ``/v1/market/all`` are added."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def ws_url(self) -> str:
        """Where WebSockets are opened: ``ws://127.0.0.1:PORT/websocket/v1`` as Upbit, ``…/ws`` as Binance."""
        return f"ws{self.base_url.removeprefix('http')}{self.ws_path}"

    @property
    def running(self) -> bool:
        """Whether the server is listening."""
        return self._listener is not None

    @property
    def open_connections(self) -> int:
        """The number of connections that clients hold open."""
        return 0 if self._web is None else len(self._web.connections)

    def market(self, symbol: str) -> Market:
        """Return the made-up market that is served as ``symbol``, seed and outages included.

        :class:`RequestError` where there is none, or it is a recorded one.
        """
        market = self.markets.get(check_symbol(symbol))
        if not isinstance(market, Market):
            raise refusal("symbol", symbol, f"take a made-up market that is here: {', '.join(self.markets)}")
        return market

    def reset_stats(self) -> None:
        """Count from zero again, and empty the log. Requests in the house stay counted as such."""
        self.stats = Stats(simultaneous=self.stats.simultaneous, peak=self.stats.simultaneous)
        self.sockets.reset_stats()
        self.log.clear()

    async def __aenter__(self) -> Self:
        """Start listening; ``RuntimeError`` where it does already."""
        if self._listener is not None:
            raise RuntimeError(f"this simulator is running at {self.base_url}; make another one")
        check_room()
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(server, self._host, self._port)
        self._web = server
        self._port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        listener, server = self._listener, self._web
        if listener is None or server is None:
            return
        self._listener = None
        await stopped(listener, server, _CLOSING_SECONDS)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "HEAD" and request.path_qs == "/":
            # Whoever only asks who is here is answered at once: no fault, no limit, and no request that is counted.
            return web.Response(headers={SIMULATED_HEADER: SIMULATED_BY})
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.sockets.upgrade(request)
        stats = self.stats
        self._number += 1
        stats.requests += 1
        stats.simultaneous += 1
        stats.peak = max(stats.peak, stats.simultaneous)
        try:
            return await self._respond(request)
        finally:
            self.stats.simultaneous -= 1

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.path_qs.partition("?")
        arrived = self.clock()
        verdict = self._limited(path, request) if request.method == "GET" else None
        if self.latency:
            await asyncio.sleep(self.latency / 2)
        answer = self._answer(path, query, verdict, arrived, self._connection(request))
        if isinstance(answer.hold, asyncio.Event):
            await answer.hold.wait()
        elif answer.hold:
            await asyncio.sleep(answer.hold)
        if self.latency:
            await asyncio.sleep(self.latency / 2)
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        return await send(request, answer, body, self._headers(answer, body, verdict), self.gzip)

    def _connection(self, request: web.BaseRequest) -> int:
        server = self._web
        return self._connections.number(request.protocol, lambda: () if server is None else server.connections)

    def _answer(self, path: str, query: str, verdict: Verdict | None, arrived: float, connection: int) -> Answer:
        """Decide on the answer, and count and log it. Without a verdict the path is unknown."""
        now = self.clock()
        asked = Asked(path if verdict else "", self._number, now, connection=connection, words=self.words)
        parsed = None if verdict is None else self._read(path, query)
        candles, answer, rows, illness = parsed is not None, self._unknown(None), 0, WELL
        if isinstance(parsed, CandleQuery):
            asked = self._asked(asked, parsed, WELL)
        if verdict is not None and verdict.status == 200:
            illness = self.illnesses.due(asked)
            if illness.empty:
                answer = Answer(form=self.form)
            elif parsed is None:
                answer = self._other(path, query, illness.clock(now))
            elif isinstance(parsed, Answer):
                answer = parsed
            else:
                asked = self._asked(asked, parsed, illness)
                served = self._candles(parsed, illness, now)
                answer = self._unknown(parsed) if served is None else Answer(body=served.text, form=self.form)
                rows = 0 if served is None else served.rows
        if verdict is not None and verdict.status != 200:
            blocked = verdict.status == 418
            answer = self.words.blocked(verdict.blocked, now) if blocked else self.words.refused(now)
        elif len(self.faults):
            answer = self.faults.apply(asked, answer)
            rows = len(answer.rows)
        status = 0 if answer.cut else answer.status
        self.stats.by_status[status] += 1
        if candles:
            rows = rows if status == 200 else 0
            frame = "" if asked.timeframe is None else asked.timeframe.name
            ill = illness is not WELL
            self.log.append(
                Logged(arrived, asked.market, frame, asked.to, asked.count, status, rows, connection, ill, asked.since)
            )
            if status == 200:
                self.stats.pages += 1
                self.stats.candles += rows
        return answer

    def _asked(self, asked: Asked, query: CandleQuery, illness: Illness) -> Asked:
        """Fill in what is asked for; the page is that of a replica with ``illness``."""

        def page(to: float, count: int) -> Served | None:
            return self._candles(attrs.evolve(query, to=to, since=None, count=count), illness, asked.now)

        to, since = (None if time is None else ceil(time) for time in (query.to, query.since))
        return attrs.evolve(
            asked, market=query.market, timeframe=query.timeframe, to=to, since=since, count=query.count, page=page
        )


async def serve(simulator: Server, started: Callable[[Server], object] | None = None) -> None:
    """Run ``simulator`` until cancelled; ``started`` is called with it once it listens."""
    async with simulator:
        if started is not None:
            started(simulator)
        await asyncio.Event().wait()
