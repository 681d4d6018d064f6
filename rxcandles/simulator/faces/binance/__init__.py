"""Binance's face: spot candles as that exchange serves them, its limits included."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from json import dumps
from math import inf
from typing import ClassVar, Final, cast

import attrs
from aiohttp import web

from rxcandles.model.spans import Span
from rxcandles.simulator.answers import JSON, Answer, CandleQuery
from rxcandles.simulator.faces.binance.form import BINANCE, BinanceWords, refusal
from rxcandles.simulator.faces.binance.info import exchange_info
from rxcandles.simulator.faces.binance.klines import Klines
from rxcandles.simulator.faces.binance.markets import BINANCE_MARKETS
from rxcandles.simulator.faces.binance.query import KLINES_PATH, PING_PATH, TIME_PATH, WEIGHTS, read_klines
from rxcandles.simulator.faces.binance.stream import BINANCE_RULES, binance_talk
from rxcandles.simulator.faces.binance.weights import Weights
from rxcandles.simulator.forms import Form
from rxcandles.simulator.illness import Illness
from rxcandles.simulator.limit import Verdict
from rxcandles.simulator.market import Market, Served, Source
from rxcandles.simulator.sending import answer_headers
from rxcandles.simulator.server import Server
from rxcandles.simulator.sockets import Sockets
from rxcandles.simulator.talk import Reader
from rxcandles.util.arguments import refusal as bad_argument

__all__ = ["BINANCE_MARKETS", "BinanceSimulator"]

_HEADERS: Final = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    "Strict-Transport-Security": "max-age=31536000; includeSubdomains",
    "X-Content-Type-Options": "nosniff",
}
_NOT_FOUND: Final = Answer(404, "<html><body><h2>404 Not found</h2></body></html>", "text/html", form=BINANCE)


class BinanceSimulator(Server):
    """A Binance on this machine: spot candles as the exchange serves them, limits and faults included::

        async with BinanceSimulator(rate=None) as sim:
            ...  # sim.base_url; sim.market("BTCUSDT").rows("1m", start, stop) is what must be found there

    ``markets`` are :class:`Market`, which are served ``dense``: a slot in which nobody traded has a flat candle, and
    only a halt has none. ``rate`` is the weight that passes in a minute of the server's clock (None: no limit); more
    than ``ban_after`` refusals in one bring a ban (None: never). ``latency``, ``clock``, ``seed``, ``outages``,
    ``gzip``, ``host`` and ``port`` are as with :class:`Simulator`, and so are ``faults.add(…)`` and
    ``illnesses.add(…)``. Streams of candles are at ``/ws``, ``/ws/<stream>`` and ``/stream?streams=…``; what goes wrong
    with them is in ``sockets``, as with :class:`Simulator`.

    What no record tells: the page of a ``startTime`` after ``endTime`` is empty, a limit below 1 is refused and one
    above 1,000 cut, three days are counted from the epoch, and the bodies of an unknown path and of the firewall's 403
    are our own wording. :class:`RequestError` for arguments out of bounds, ``OSError`` where the port is taken.
    """

    form: ClassVar[Form] = BINANCE
    ws_path: ClassVar[str] = "/ws"

    def __init__(
        self,
        markets: Iterable[Source] = BINANCE_MARKETS,
        *,
        rate: int | None = 6000,
        latency: float = 0.0,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        gzip: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        ban_after: int | None = 20,
        outages: Iterable[Span] = (),
    ) -> None:
        super().__init__(
            markets, latency=latency, clock=clock, seed=seed, gzip=gzip, host=host, port=port, outages=outages
        )
        self.limit = Weights(rate, ban_after)
        self.words = BinanceWords(rate or 6000)
        self._klines: dict[str, Klines] = {}
        self.closed_after = 0.005
        """Seconds from a candle's end to the frame that says that it is closed (recorded: 0.004 to 2.0)."""
        reader = Reader(self._klines_of, BINANCE)
        self.sockets = Sockets(
            self,
            BINANCE_RULES,
            rate is not None,
            lambda path, query, now: binance_talk(reader, path, query, self.closed_after, now),
        )

    def _served_as(self, market: Source) -> Source:
        if not isinstance(market, Market):
            raise bad_argument("markets", market, "take made-up markets: Binance's face shows no recorded ones")
        return market if market.dense else attrs.evolve(market, dense=True)

    def _limited(self, path: str, request: web.BaseRequest) -> Verdict | None:
        weight = WEIGHTS.get(path)
        return None if weight is None else self.limit.ask(weight, self.clock())

    def _read(self, path: str, query: str) -> CandleQuery | Answer | None:
        return read_klines(query) if path == KLINES_PATH else None

    def _other(self, path: str, query: str, now: float) -> Answer:
        if path == PING_PATH:
            return Answer(body="{}", form=BINANCE)
        if path == TIME_PATH:
            return Answer(body=dumps({"serverTime": int(now * 1000)}, separators=(",", ":")), form=BINANCE)
        return exchange_info(query, cast(dict[str, Market], self.markets), now, self._allowed)

    @property
    def _allowed(self) -> int:
        return self.limit.allowed or 6000

    def _unknown(self, query: CandleQuery | None) -> Answer:
        return _NOT_FOUND if query is None else refusal(-1121, "Invalid symbol.")

    def _candles(self, query: CandleQuery, illness: Illness, now: float) -> Served | None:
        klines = self._klines_of(query.market)
        if klines is None or not klines.known(illness.clock(now)):
            return None
        to = inf if query.to is None else query.to
        if query.since is None:
            return illness.newest(klines, query.timeframe, to, query.count, now, BINANCE)
        return illness.oldest(klines, query.timeframe, query.since, to, query.count, now, BINANCE)

    def _klines_of(self, symbol: str) -> Klines | None:
        """The candles of a market as it is now: a test may put another one in its place."""
        market, klines = self.markets.get(symbol), self._klines.get(symbol)
        if not isinstance(market, Market):
            return None
        if klines is None or klines.market is not market:
            klines = self._klines[symbol] = Klines(market)
        return klines

    def _headers(self, answer: Answer, body: bytes, verdict: Verdict | None) -> dict[str, str]:
        own: dict[str, str] = {}
        if verdict is not None and verdict.remaining_req is not None:
            own |= dict.fromkeys(("X-MBX-USED-WEIGHT", "X-MBX-USED-WEIGHT-1M"), verdict.remaining_req)
        if answer.content_type == JSON:
            own |= _HEADERS
        return answer_headers(answer, self.clock(), own)
