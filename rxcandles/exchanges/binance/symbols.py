"""Codes of Binance's markets, and suggestions for other spellings."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.model.pairs import QUOTES, base_and_quote

__all__ = ["joined", "meant"]

_ABROAD: Final = {"USD": "USDT", "KRW": "USDT"}
"""Currencies in which nothing is priced there, and what to suggest for each."""
_SPLIT: Final = re.compile(r"[A-Z0-9]+(?:[-_/:.][A-Z0-9]+)?", re.ASCII)


def meant(symbol: str) -> str | None:
    """Return Binance's code for another spelling, or None.

    >>> [meant(each) for each in ("btcusdt", "BTC/USDT", "KRW-BTC", "usdt_btc", "BTC", "ETH-BTC")]
    ['BTCUSDT', 'BTCUSDT', 'BTCUSDT', 'BTCUSDT', 'BTCUSDT', 'ETHBTC']
    """
    written = symbol.upper()
    if not _SPLIT.fullmatch(written):
        return None
    base, *rest = re.split("[-_/:.]", written)
    if not rest:
        parts = base_and_quote(written)
        return f"{written}{QUOTES[0]}" if parts is None else f"{parts[0]}{_ABROAD.get(parts[1], parts[1])}"
    [quote] = rest
    if base in QUOTES and (quote not in QUOTES or QUOTES.index(base) < QUOTES.index(quote)):
        base, quote = quote, base
    # `KRW` comes last: a market in won elsewhere is in Tether here.
    if base in _ABROAD:
        base, quote = quote, base
    return f"{base}{_ABROAD.get(quote, quote)}"


def joined(symbol: str) -> str:
    """Return ``USDT-BTC``, as the names of files are read, as Binance's code; all else, and a market in won, as it is.

    >>> [joined(each) for each in ("USDT-BTC", "BTC-ETH", "TRY-USDT", "BTCUSDT", "KRW-BTC")]
    ['BTCUSDT', 'ETHBTC', 'USDTTRY', 'BTCUSDT', 'KRW-BTC']
    """
    parts = base_and_quote(symbol)
    return symbol if parts is None or parts[1] in _ABROAD else "".join(parts)
