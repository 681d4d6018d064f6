"""The simulated exchange itself: an HTTP server on a loopback address."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from ipaddress import ip_address
from json import dumps
from math import ceil, inf
from types import TracebackType
from typing import Final
from urllib.parse import parse_qsl

import attrs
from aiohttp import web

from rxcandles.errors import RequestError
from rxcandles.model.naming import SIMULATED_BY, SIMULATED_HEADER
from rxcandles.model.spans import Span
from rxcandles.simulator.answers import Answer, Asked, Logged, blocked, error, refused
from rxcandles.simulator.faults import Faults
from rxcandles.simulator.illness import WELL, Connections, Illness, Illnesses
from rxcandles.simulator.limit import Limit, Verdict
from rxcandles.simulator.market import DEFAULT_MARKETS, Market, Served, Source
from rxcandles.simulator.query import MARKETS_PATH, CandleQuery, no_route, parse, routed
from rxcandles.simulator.room import check_room
from rxcandles.simulator.sending import answer_headers, send
from rxcandles.simulator.text import UNIT, decimal_text
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

__all__ = ["Simulator", "Stats", "serve"]

_CLOSING_SECONDS: Final = 1.0
_LOG_LENGTH: Final = 100_000
_CAUTIONS: Final = (
    "PRICE_FLUCTUATIONS", "TRADING_VOLUME_SOARING", "DEPOSIT_AMOUNT_SOARING", "GLOBAL_PRICE_DIFFERENCES",
    "CONCENTRATION_OF_SMALL_ACCOUNTS",
)  # fmt: skip


@attrs.define
class Stats:
    """What a simulator has done since it was made, or since ``reset_stats``.

    ``pages`` and ``candles`` were served with status 200. ``by_status`` has 0 for connections that were cut.
    ``peak`` is the most requests at once, ``simultaneous`` those in the house now.
    """

    requests: int = 0
    by_status: Counter[int] = attrs.field(factory=Counter)
    pages: int = 0
    candles: int = 0
    simultaneous: int = 0
    peak: int = 0


class Simulator(Titled):
    """An Upbit on this machine: candles and markets as the exchange serves them, limits and faults included::

        async with Simulator(rate=None) as sim:
            ...  # sim.base_url; sim.market("KRW-BTC").rows("1m", start, stop) is what must be found there

    ``markets`` are :class:`Market`, :class:`Replay` or anything of that shape. ``rate`` requests a second pass (None:
    all); more than ``ban_after`` refusals in ten seconds bring a block (None: never). ``latency`` is what each
    request takes, in seconds. ``clock`` gives the server's time in UTC seconds, for what there is and for ``Date``.
    ``seed`` makes other candles; ``outages`` are spans in which no made-up market has any. ``gzip`` compresses for
    clients that accept it. ``host`` must be a loopback address (or ``localhost``, for 127.0.0.1), and port 0 takes a
    free one.

    ``faults.add(…)`` lets something go wrong with answers, which a client can see; ``illnesses.add(…)`` lets a replica
    that lacks something give them, by chance, by connection or for a while, which it can't (:class:`Illness`).

    What no record tells: a ``to`` after now counts as now, a count below 1 is refused, a market in lower case is
    unknown, and the body of a 418 is our own wording. There is no 304. :class:`RequestError` for arguments out
    of bounds, ``OSError`` where the port is taken. Leaving the block closes all connections at once.
    """

    def __init__(
        self,
        markets: Iterable[Source] = DEFAULT_MARKETS,
        *,
        rate: float | None = 10,
        latency: float = 0.0,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        gzip: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        ban_after: int | None = 20,
        outages: Iterable[Span] = (),
    ) -> None:
        address = _loopback(host)
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
            self.markets[market.symbol] = market
        self.latency = latency
        self.clock = clock
        self.gzip = gzip
        self.faults = Faults()
        self.illnesses = Illnesses(seed, self.markets)
        self.limit = Limit(rate, ban_after)
        self.stats = Stats()
        self.log: deque[Logged] = deque(maxlen=_LOG_LENGTH)
        """The latest 100,000 requests for candles that were answered, oldest first."""
        self._host = address
        self._port = port
        self._number = 0
        self._connections = Connections()
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """Where the server listens: ``http://127.0.0.1:PORT``, to which paths as ``/v1/market/all`` are added."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

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
        self.log.clear()

    async def __aenter__(self) -> Simulator:
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
        listener.close()
        for connection in server.connections:
            # Aborted first, its handler is cancelled at once; aiohttp alone would wait for the client.
            if connection.transport is not None:
                connection.transport.abort()
        await server.shutdown(_CLOSING_SECONDS)
        with suppress(TimeoutError):
            # From Python 3.12 on it waits for connections, and one may have come in the very last moment.
            async with asyncio.timeout(_CLOSING_SECONDS):
                await listener.wait_closed()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "HEAD" and request.path_qs == "/":
            # Whoever only asks who is here is answered at once: no fault, no limit, and no request that is counted.
            return web.Response(headers={SIMULATED_HEADER: SIMULATED_BY})
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
        arrived, known = self.clock(), request.method == "GET" and routed(path)
        verdict = Verdict(200)
        if known:
            group = "market" if path == MARKETS_PATH else "candles"
            steady = asyncio.get_running_loop().time()
            verdict = self.limit.ask(group, steady, "Origin" in request.headers)
        if self.latency:
            await asyncio.sleep(self.latency / 2)
        answer = self._answer(path if known else "", query, verdict, arrived, self._connection(request))
        if isinstance(answer.hold, asyncio.Event):
            await answer.hold.wait()
        elif answer.hold:
            await asyncio.sleep(answer.hold)
        if self.latency:
            await asyncio.sleep(self.latency / 2)
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        headers = answer_headers(answer, body, self.clock(), verdict.remaining_req, known)
        return await send(request, answer, body, headers, self.gzip)

    def _connection(self, request: web.BaseRequest) -> int:
        server = self._web
        return self._connections.number(request.protocol, lambda: () if server is None else server.connections)

    def _answer(self, path: str, query: str, verdict: Verdict, arrived: float, connection: int) -> Answer:
        """Decide on the answer, and count and log it. ``path`` is empty where it is unknown."""
        now = self.clock()
        asked, answer, rows, illness = Asked(path, self._number, now, connection=connection), no_route(), 0, WELL
        if path:
            parsed = None if path == MARKETS_PATH else parse(path, query)
            if isinstance(parsed, CandleQuery):
                asked = self._asked(asked, parsed, WELL)
            if verdict.status == 200:
                illness = self.illnesses.due(asked)
            if illness.empty:
                answer = Answer()
            elif parsed is None:
                answer = Answer(body=self._market_list(query, illness.clock(now)))
            elif isinstance(parsed, Answer):
                answer = parsed
            elif verdict.status == 200:
                asked = self._asked(asked, parsed, illness)
                answer, rows = self._page(asked)
        if verdict.status != 200:
            answer = blocked(verdict.blocked) if verdict.status == 418 else refused()
        elif len(self.faults):
            answer = self.faults.apply(asked, answer)
            rows = len(answer.rows)
        status = 0 if answer.cut else answer.status
        self.stats.by_status[status] += 1
        if path and path != MARKETS_PATH:
            rows = rows if status == 200 else 0
            frame = "" if asked.timeframe is None else asked.timeframe.name
            ill = illness is not WELL
            self.log.append(
                Logged(arrived, asked.market, frame, asked.to, asked.count, status, rows, asked.connection, ill)
            )
            if status == 200:
                self.stats.pages += 1
                self.stats.candles += rows
        return answer

    def _asked(self, asked: Asked, query: CandleQuery, illness: Illness) -> Asked:
        """Fill in what is asked for; the page is that of a replica with ``illness``."""
        market, timeframe, now = self.markets.get(query.market), query.timeframe, asked.now

        def page(to: float, count: int) -> Served | None:
            if market is None or not market.known(illness.clock(now)):
                return None
            served = illness.newest(market, timeframe, to, count, now)
            return served._replace(text=self._converted(query.market, served.text)) if query.converted else served

        to = None if query.to is None else ceil(query.to)
        return attrs.evolve(asked, market=query.market, timeframe=timeframe, to=to, count=query.count, page=page)

    def _page(self, asked: Asked) -> tuple[Answer, int]:
        served = asked.page(inf if asked.to is None else asked.to, asked.count or 1)
        return (error(404, "Code not found"), 0) if served is None else (Answer(body=served.text), served.rows)

    def _converted(self, symbol: str, text: str) -> str:
        """Add the closing price in KRW to day candles: null in a KRW market (Upbit, seen 2023-02-04)."""
        bridge = self.markets.get(f"KRW-{symbol.partition('-')[0]}")

        def add(found: re.Match[str]) -> str:
            price = "null"
            if isinstance(bridge, Market):
                # The exchange converts at the day's rate; one rate for all days is enough to read the field.
                price = decimal_text(int(Decimal(found[1]) * Decimal(bridge.base_price) * UNIT))
            return f'{found[0][:-1]},"converted_trade_price":{price}}}'

        return re.sub(r'"trade_price":([^,]+),[^}]*\}', add, text)

    def _market_list(self, query: str, now: float) -> str:
        asked = dict(parse_qsl(query))
        details = asked.get("is_details", asked.get("isDetails")) == "true"
        event = {"market_event": {"warning": False, "caution": dict.fromkeys(_CAUTIONS, False)}} if details else {}
        markets = [
            {"market": each.symbol, "korean_name": each.korean_name, "english_name": each.english_name, **event}
            for each in self.markets.values()
            if each.known(now)
        ]
        return dumps(markets, ensure_ascii=False, separators=(",", ":"))


async def serve(simulator: Simulator, started: Callable[[Simulator], object] | None = None) -> None:
    """Run ``simulator`` until cancelled; ``started`` is called with it once it listens."""
    async with simulator:
        if started is not None:
            started(simulator)
        await asyncio.Event().wait()


def _loopback(host: str) -> str:
    """Return the address to listen on. A name is never looked up: it might be another machine's."""
    try:
        if host == "localhost":
            return "127.0.0.1"
        if isinstance(host, str) and ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise refusal("host", host, "take a loopback address, such as '127.0.0.1': a simulator has no other")
