"""Words for markets, exchanges and timeframes, in names, lines and cells."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.interchange.vocabulary.coins import CODES, COMMON, NAMES, NO_COINS
from rxcandles.interchange.vocabulary.market_names import frame_called
from rxcandles.model.timeframe import Timeframe

__all__ = ["QUOTES", "coin_called", "exchange_called", "frame_word", "joined_pair", "pair_of"]

QUOTES: Final = ("KRW", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD", "EUR", "JPY", "GBP", "BTC", "ETH")
"""Currencies in which others are priced, the most certain first: in ``KRW-BTC`` it is KRW."""
_PRICED: Final = frozenset({"BTC", "ETH"})
"""Those of them that are coins, too, so they count only beside a known coin."""

_EXCHANGES: Final = {
    **{name: name for name in (
        "upbit", "bithumb", "coinone", "korbit", "gopax", "binance", "bybit", "okx", "kraken", "coinbase", "bitstamp",
        "kucoin", "gateio", "huobi", "htx", "bitfinex", "bitget", "mexc", "bitmex", "deribit", "ftx", "poloniex",
        "bittrex", "bitflyer", "hyperliquid", "bitvavo", "lbank", "bingx", "phemex", "coincheck", "liquid",
    )},
    "okex": "okx", "binanceus": "binance", "binanceusdm": "binance", "coinbasepro": "coinbase", "gdax": "coinbase",
    "gate": "gateio", "업비트": "upbit", "빗썸": "bithumb", "코인원": "coinone", "코빗": "korbit", "고팍스": "gopax",
    "바이낸스": "binance", "바이비트": "bybit", "코인베이스": "coinbase", "크라켄": "kraken",
}  # fmt: skip

_UNITS: Final = {"분": "m", "시": "h", "일": "d", "주": "w", "초": "s"}
_KOREAN: Final = {"일봉": "1d", "주봉": "1w", "월봉": "1M", "년봉": "1y", "연봉": "1y", "시간봉": "60m", "분봉": "1m"}
_ALONE: Final = {
    "minute": "1m", "minutes": "1m", "minutely": "1m", "hour": "60m", "hourly": "60m", "day": "1d", "days": "1d",
    "daily": "1d", "week": "1w", "weekly": "1w", "month": "1M", "monthly": "1M", "year": "1y", "yearly": "1y",
}  # fmt: skip
_LENGTH: Final = re.compile(
    r"(\d{1,4})(s|sec|secs|seconds?|m|mins?|minutes?|t|h|hrs?|hours?|d|days?|w|wks?|weeks?|M|mo|mon|months?|y|years?)",
    re.ASCII | re.IGNORECASE,
)
_TURNED: Final = re.compile(r"(s|sec|second|m|min|minute|h|hr|hour|d|day|w|week)s?(\d{1,4})", re.ASCII | re.IGNORECASE)


def frame_word(text: str, *, alone: bool) -> tuple[str, Timeframe | None] | None:
    """Return what a word states about a timeframe, and which of ours that is; None if it states none.

    * ``alone``: also accept a word without a number, such as ``daily``.
    """
    if text in _KOREAN:
        return text, frame_called(_KOREAN[text])
    if alone and text.casefold() in _ALONE:
        return text, frame_called(_ALONE[text.casefold()])
    if match := re.fullmatch(r"(\d{1,4})\s?(분봉?|시간봉?|일봉?|주봉?|초봉?)", text, re.ASCII):
        unit = _UNITS[match[2][0]]
    elif match := re.fullmatch(r"(\d{1,2})(개월|월봉)", text, re.ASCII):
        unit = "M"
    elif match := _LENGTH.fullmatch(text):
        unit = "M" if match[2] == "M" or match[2].casefold().startswith("mo") else match[2][0].casefold()
        unit = "m" if unit == "t" else unit
    elif match := _TURNED.fullmatch(text):
        match = re.fullmatch(r"(\d+)([a-z]).*", f"{match[2]}{match[1]}".casefold())
        assert match is not None
        unit = match[2]
    else:
        return None
    count = int(match[1])
    if count == 0 or (count > 1 and unit in "dwMy") or (count > 12 and unit == "h"):
        return None  # the last 30 days, the last 24 hours
    frame = frame_called(f"{count}{unit}")
    return text, frame


def exchange_called(text: str) -> str | None:
    """Return the exchange that a word names, in any case, or None."""
    return _EXCHANGES.get(re.sub(r"[\s_.\-]", "", text).casefold())


def coin_called(text: str, *, any_case: bool = False) -> str | None:
    """Return the code of the coin that a word names, by code or name, or None."""
    if code := NAMES.get(text.casefold()):
        return code
    upper = text.upper()
    known = CODES if any_case or text == upper else COMMON
    return upper if upper in known else None


def pair_of(first: str, second: str, *, sure: bool = False) -> tuple[str, str] | None:
    """Return quote and coin if two words are a market (``KRW ETH``, ``eth krw``), or None.

    An unknown coin counts only if both words are in upper case, or with ``sure``.
    """
    for quote in QUOTES:
        for one, other in ((first, second), (second, first)):
            if one.upper() != quote:
                continue
            coin = _coin(other, strict=quote in _PRICED, any_case=sure or one.isupper())
            if coin is not None and coin != quote:
                return quote, coin
    return None


def joined_pair(word: str) -> tuple[str, str] | None:
    """Return quote and coin if one word is a market (``ETHKRW``, ``btcusdt``), or None."""
    upper = word.upper()
    if not re.fullmatch(r"[A-Z0-9]{5,16}", upper, re.ASCII):
        return None
    for quote in QUOTES:
        rest = upper.removesuffix(quote)
        if rest == upper and quote == "KRW":
            rest = upper.removeprefix(quote)
        if rest != upper and len(rest) >= 2:
            strict = quote in _PRICED or word != upper
            if coin := _coin(rest if word == upper else rest.lower(), strict=strict, any_case=True):
                return quote, coin
    return None


def _coin(text: str, *, strict: bool, any_case: bool) -> str | None:
    known = coin_called(text, any_case=True)
    if known is not None or strict:
        return known
    upper = text.upper()
    if not re.fullmatch(r"(?=[A-Z0-9]*[A-Z])[A-Z0-9]{1,10}", upper, re.ASCII) or upper in NO_COINS:
        return None
    if exchange_called(text) or frame_word(text, alone=True):
        return None
    return upper if any_case or text == upper else None
