"""How the clients of Binance are asked for candles, each in its own words, and what they must have found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

__all__ = ["BINANCE_CLIENTS", "binance_rows"]

SYMBOL: Final = "BTCUSDT"
TO: Final = 1_606_752_000
"""2020-11-30T16:00:00Z, the newer end of what is read; an hour of that day is missing."""
PAGES: Final = 3
LIMIT: Final = 1000
BEGIN: Final = TO - 60 * LIMIT * PAGES

Rows: TypeAlias = dict[int, tuple[float, ...]]
"""Open, high, low, close, volume by the time of opening; of python-binance the other columns as well."""


def binance_rows() -> Rows:
    """Return the truth, with all columns; clients show the first five or all."""
    from rxcandles.model.timeframe import Timeframe
    from rxcandles.simulator.faces.binance import BINANCE_MARKETS

    found = BINANCE_MARKETS[0].candles(Timeframe.of("1m"), BEGIN, TO)
    return {
        each.open_time: (
            *(value / 10**8 for value in (*each[1:7], each.taker_volume, each.taker_turnover)),
            float(each.trades),
        )
        for each in found
    }


def _ccxt_rows(pages: list[list[list[float]]]) -> Rows:
    rows = (each for page in pages for each in page)
    return {int(each[0]) // 1000: tuple(map(float, each[1:6])) for each in rows if each[0] < TO * 1000}


def _begins() -> Iterator[int]:
    return ((BEGIN + 60 * LIMIT * page) * 1000 for page in range(PAGES))


def _opened(client: Any, url: str) -> Any:
    exchange = client.binance({"enableRateLimit": True, "options": {"fetchMarkets": {"types": ["spot"]}}})
    exchange.urls["api"] = {**exchange.urls["api"], "public": f"{url}/api/v3"}
    return exchange


def ccxt(url: str) -> Rows:
    import ccxt as client  # type: ignore[import-not-found, unused-ignore]

    exchange = _opened(client, url)
    exchange.load_markets()
    return _ccxt_rows([exchange.fetch_ohlcv("BTC/USDT", "1m", since=begin, limit=LIMIT) for begin in _begins()])


def ccxt_paginated(url: str) -> Rows:
    import ccxt as client  # type: ignore[import-not-found, unused-ignore]

    exchange = _opened(client, url)
    exchange.load_markets()
    params = {"paginate": True, "until": TO * 1000 - 1}
    return _ccxt_rows([exchange.fetch_ohlcv("BTC/USDT", "1m", since=BEGIN * 1000, params=params)])


def ccxt_async(url: str) -> Rows:
    import ccxt.async_support as client  # type: ignore[import-not-found, unused-ignore]

    async def ask() -> Rows:
        exchange = _opened(client, url)
        try:
            await exchange.load_markets()
            return _ccxt_rows(
                [await exchange.fetch_ohlcv("BTC/USDT", "1m", since=begin, limit=LIMIT) for begin in _begins()]
            )
        finally:
            await exchange.close()

    return asyncio.run(ask())


def python_binance(url: str) -> Rows:
    from binance.client import Client  # type: ignore[import-not-found, unused-ignore]

    client = Client()
    assert client.get_symbol_info(SYMBOL)["quoteAsset"] == "USDT"
    found = client.get_historical_klines(SYMBOL, "1m", BEGIN * 1000, TO * 1000 - 1)
    return {
        int(each[0]) // 1000: tuple(map(float, (*each[1:6], each[7], each[9], each[10], each[8]))) for each in found
    }


def python_binance_newest(url: str) -> Rows:
    from binance.client import Client  # type: ignore[import-not-found, unused-ignore]

    rows: Rows = {}
    to = TO
    for _ in range(PAGES):
        for each in Client().get_klines(symbol=SYMBOL, interval="1m", endTime=to * 1000 - 1, limit=LIMIT):
            rows[int(each[0]) // 1000] = tuple(map(float, each[1:6]))
        to = min(rows)
    return {at: row for at, row in rows.items() if at >= BEGIN}


BINANCE_CLIENTS: Final[dict[str, tuple[str, Callable[[str], Rows]]]] = {
    "ccxt, binance": ("ccxt", ccxt),
    "ccxt, binance, paginated": ("ccxt", ccxt_paginated),
    "ccxt, binance, asynchronous": ("ccxt", ccxt_async),
    "python-binance": ("python-binance", python_binance),
    "python-binance, newest": ("python-binance", python_binance_newest),
}
"""Where each is installed, and what asks it for the same minutes."""
