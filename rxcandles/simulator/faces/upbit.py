"""Upbit's face: candles and markets as that exchange serves them, its limits included."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from json import dumps
from math import ceil, inf
from typing import ClassVar, Final
from urllib.parse import parse_qsl

from aiohttp import web

from rxcandles.model.spans import Span
from rxcandles.simulator.answers import Answer, CandleQuery, error
from rxcandles.simulator.faces.upbit_stream import UPBIT_PATH, UPBIT_RULES, UpbitTalk, upgrade_headers
from rxcandles.simulator.illness import Illness
from rxcandles.simulator.limit import Limit, Verdict
from rxcandles.simulator.market import DEFAULT_MARKETS, Market, Served, Source
from rxcandles.simulator.query import MARKETS_PATH, no_route, parse, routed
from rxcandles.simulator.sending import upbit_headers
from rxcandles.simulator.server import Server
from rxcandles.simulator.sockets import Sockets
from rxcandles.simulator.talk import Reader
from rxcandles.simulator.text import UNIT, decimal_text

__all__ = ["Simulator"]

_CAUTIONS: Final = (
    "PRICE_FLUCTUATIONS", "TRADING_VOLUME_SOARING", "DEPOSIT_AMOUNT_SOARING", "GLOBAL_PRICE_DIFFERENCES",
    "CONCENTRATION_OF_SMALL_ACCOUNTS",
)  # fmt: skip


class Simulator(Server):
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
    that lacks something give them, by chance, by connection or for a while, which it can't (:class:`Illness`). Candles
    are streamed at ``ws_url``, from the same markets; ``sockets`` has what goes wrong with connections, and
    ``sockets.add(…)`` with the candles that they show (``streamfaults``).

    What no record tells: a ``to`` after now counts as now, a count below 1 is refused, a market in lower case is
    unknown, and the body of a 418 is our own wording. There is no 304. :class:`RequestError` for arguments out
    of bounds, ``OSError`` where the port is taken. Leaving the block closes all connections at once.
    """

    ws_path: ClassVar[str] = UPBIT_PATH

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
        super().__init__(
            markets, latency=latency, clock=clock, seed=seed, gzip=gzip, host=host, port=port, outages=outages
        )
        self.limit = Limit(rate, ban_after)
        reader = Reader(self.markets.get, self.form)
        self.sockets = Sockets(
            self,
            UPBIT_RULES,
            rate is not None,
            lambda path, _query, now: UpbitTalk(reader, now) if path == UPBIT_PATH else None,
            upgrade_headers,
        )

    def _limited(self, path: str, request: web.BaseRequest) -> Verdict | None:
        if not routed(path):
            return None
        group = "market" if path == MARKETS_PATH else "candles"
        return self.limit.ask(group, asyncio.get_running_loop().time(), "Origin" in request.headers)

    def _read(self, path: str, query: str) -> CandleQuery | Answer | None:
        return None if path == MARKETS_PATH else parse(path, query)

    def _other(self, path: str, query: str, now: float) -> Answer:
        return Answer(body=self._market_list(query, now))

    def _unknown(self, query: CandleQuery | None) -> Answer:
        return no_route() if query is None else error(404, "Code not found")

    def _candles(self, query: CandleQuery, illness: Illness, now: float) -> Served | None:
        market = self.markets.get(query.market)
        if market is None or not market.known(illness.clock(now)):
            return None
        to = inf if query.to is None else ceil(query.to) if query.to < inf else query.to
        served = illness.newest(market, query.timeframe, to, query.count, now)
        return served._replace(text=self._converted(query.market, served.text)) if query.converted else served

    def _headers(self, answer: Answer, body: bytes, verdict: Verdict | None) -> dict[str, str]:
        remaining = None if verdict is None else verdict.remaining_req
        return upbit_headers(answer, body, self.clock(), remaining, verdict is not None)

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
