"""Binance in memory: the real adapter, whose requests are answered as its documentation and recorded answers say."""

from __future__ import annotations

import asyncio
import json
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rxcandles.exchanges.answers import Answer, Refused
from rxcandles.exchanges.binance import BinanceExchange
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.ports import StreamRules

__all__ = ["END", "LISTED", "MINUTE", "OUTAGE", "Memory", "kline", "minutes"]

MINUTE = 60
END = 1_700_000_100 - 1_700_000_100 % 60
LISTED = END - 12_000 * MINUTE
OUTAGE = (END - 4000 * MINUTE, END - 3700 * MINUTE)
"""A stretch without any candle."""
_FRAMES = {"1h": "60m", "4h": "240m"}


def minutes(start: int = LISTED, stop: int = END + MINUTE, outage: tuple[int, int] = OUTAGE) -> list[int]:
    """Open times of minutes: one in every slot but those of the outage, and the one that still forms."""
    return [time for time in range(start, stop, MINUTE) if not outage[0] <= time < outage[1]]


def kline(opened: int, length: int = MINUTE * 1000, price: float | None = None) -> list[Any]:
    """A row as it is sent, of an open time in milliseconds; each seventh minute nobody traded."""
    price = 100 + opened // 1000 % 977 if price is None else price
    volume = opened // 60_000 % 7 / 8
    high, low = (price + 2, price - 2) if volume else (price, price)
    prices = [f"{value:.8f}" for value in (price, high, low, price)]
    amounts = [f"{volume:.8f}", f"{volume * price:.8f}", f"{volume / 2:.8f}", f"{volume * price / 2:.8f}"]
    return [
        opened, *prices, amounts[0], opened + length - 1, amounts[1], round(volume * 8), amounts[2], amounts[3], "0",
    ]  # fmt: skip


class Memory(BinanceExchange):
    """The adapter over the klines of one minute each, by which it answers; longer ones only tell that they exist."""

    stream_rules = StreamRules(timeframes=())
    """It streams nothing: a stream would ask the real server."""

    def __init__(self, opens: Sequence[int] | None = None, *, now: float = END + 30, **options: Any) -> None:
        super().__init__(**options)
        self.opens = [each * 1000 for each in (minutes() if opens is None else opens)]
        """Open times, milliseconds."""
        self.now = now
        self.price: dict[int, float] = {}
        """Of a candle, by its open time in seconds, where it is another one than at first."""
        self.asked: list[str] = []
        self.used: int | None = None
        self.latency = 0.0

    def times(self, start: int, stop: int) -> list[int]:
        """The open times on the grid in ``[start, stop)``, newest first."""
        low, high = bisect_left(self.opens, start * 1000), bisect_left(self.opens, stop * 1000)
        return [each // 1000 for each in self.opens[low:high] if each % (MINUTE * 1000) == 0][::-1]

    async def _get(self, path: str, asked: str, *, anew: bool = False, longest: int = 1) -> Answer:
        self.asked.append(path)
        await asyncio.sleep(self.latency)
        address = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path == "/api/v3/exchangeInfo":
            found: Any = {"symbols": [{"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC",
                                       "quoteAsset": "USDT"}]}  # fmt: skip
        elif query["symbol"] != "BTCUSDT":
            body = b'{"code":-1121,"msg":"Invalid symbol."}'
            raise self._failed(Refused(400, body, f"{asked}: memory answered 400", None, time.time()))
        else:
            found = self._found(query)
        headers = {"Date": formatdate(self.now, usegmt=True)}
        if self.used is not None:
            headers["X-MBX-USED-WEIGHT-1M"] = str(self.used)
        return Answer(json.dumps(found).encode(), headers, 0.0)

    def _found(self, query: dict[str, str]) -> list[list[Any]]:
        """As documented: both ends inclusive, the oldest from ``startTime``, else the newest up to ``endTime``."""
        frame = Timeframe.of(_FRAMES.get(query["interval"], query["interval"]))
        assert frame in TIMEFRAMES
        limit = min(int(query.get("limit", 500)), 1000)
        opens = [each for each in self.opens if each <= self.now * 1000]
        if frame.name != "1m":
            opens = sorted({frame.floor(each // 1000) * 1000 for each in opens})
        low = bisect_left(opens, int(query.get("startTime", 0)))
        high = bisect_right(opens, int(query["endTime"])) if "endTime" in query else len(opens)
        found = opens[low:high]
        found = found[:limit] if "startTime" in query else found[-limit:]
        length = frame.seconds * 1000 or 31 * 86_400_000
        return [kline(each, length, self.price.get(each // 1000)) for each in found]
