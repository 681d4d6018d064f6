"""Codes of Binance's markets, and what is meant by what is written otherwise."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["meant"]

_QUOTES: Final = (
    "USDT",
    "USDC",
    "FDUSD",
    "TUSD",
    "BUSD",
    "USD",
    "BTC",
    "ETH",
    "BNB",
    "EUR",
    "TRY",
    "BRL",
    "JPY",
    "KRW",
)
"""What markets are priced in; where both parts of a code are such, the earlier one is."""
_ABROAD: Final = {"USD": "USDT", "KRW": "USDT"}
"""What nothing is priced in there, and what is meant by it."""
_SPLIT: Final = re.compile(r"[A-Z0-9]+(?:[-_/:.][A-Z0-9]+)?", re.ASCII)


def meant(symbol: str) -> str | None:
    """Return Binance's code for what is written otherwise, or None.

    >>> [meant(each) for each in ("btcusdt", "BTC/USDT", "KRW-BTC", "usdt_btc", "BTC", "ETH-BTC")]
    ['BTCUSDT', 'BTCUSDT', 'BTCUSDT', 'BTCUSDT', 'BTCUSDT', 'ETHBTC']
    """
    written = symbol.upper()
    if not _SPLIT.fullmatch(written):
        return None
    base, *rest = re.split("[-_/:.]", written)
    if not rest:
        ends = [each for each in _QUOTES if written.endswith(each) and written != each]
        return f"{written.removesuffix(ends[0])}{_ABROAD.get(ends[0], ends[0])}" if ends else f"{written}{_QUOTES[0]}"
    [quote] = rest
    if base in _QUOTES and (quote not in _QUOTES or _QUOTES.index(base) < _QUOTES.index(quote)):
        base, quote = quote, base
    # `KRW` is last of all: what is priced in won elsewhere is there in Tether.
    if base in _ABROAD:
        base, quote = quote, base
    return f"{base}{_ABROAD.get(quote, quote)}"
