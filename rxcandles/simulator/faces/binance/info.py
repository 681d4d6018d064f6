"""``/api/v3/exchangeInfo``: the markets with all that clients read of them before they ask for candles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from json import JSONDecodeError, dumps, loads
from typing import Any, Final

from rxcandles.simulator.answers import Answer
from rxcandles.simulator.faces.binance.form import BINANCE, refusal
from rxcandles.simulator.faces.binance.query import parameters
from rxcandles.simulator.market import Market, parts
from rxcandles.simulator.text import UNIT

__all__ = ["exchange_info"]

_ORDER_TYPES: Final = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"]


def exchange_info(query: str, markets: Mapping[str, Market], now: float, allowed: int) -> Answer:
    """Return the answer to a query for all markets, for one (``symbol``) or for some (``symbols``, a JSON array)."""
    values = parameters(query)
    if isinstance(values, Answer):
        return values
    there = {symbol: market for symbol, market in markets.items() if market.known(now)}
    wanted = _wanted(values, there)
    if wanted is None or any(symbol not in there for symbol in wanted):
        return refusal(-1121, "Invalid symbol.")
    body = {
        "timezone": "UTC",
        "serverTime": int(now * 1000),
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": allowed},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
        ],
        "exchangeFilters": [],
        "symbols": [_market(there[symbol]) for symbol in wanted],
    }
    return Answer(body=dumps(body, separators=(",", ":")), form=BINANCE)


def _wanted(values: Mapping[str, str], there: Iterable[str]) -> list[str] | None:
    if "symbol" in values:
        return [values["symbol"]]
    if "symbols" not in values:
        return list(there)
    try:
        symbols = loads(values["symbols"])
    except JSONDecodeError:
        return None
    return symbols if isinstance(symbols, list) and all(isinstance(each, str) for each in symbols) else None


def _market(market: Market) -> dict[str, Any]:
    base, quote = parts(market.symbol)
    tick, lot = (f"{step // UNIT}.{step % UNIT:08}" for step in market.steps)
    return {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": _ORDER_TYPES,
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00000000", "stepSize": lot},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "9000.00000000", "stepSize": lot},
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }
