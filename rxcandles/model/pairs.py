"""The two parts of a market's code: what is traded, and its currency."""

from __future__ import annotations

from typing import Final

__all__ = ["QUOTES", "base_and_quote"]

QUOTES: Final = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "JPY", "KRW")
"""Currencies in which markets are priced; if both parts of a code are listed, the earlier one is the currency."""


def base_and_quote(symbol: str) -> tuple[str, str] | None:
    """Return what is traded and its currency, for ``KRW-BTC`` or ``BTCKRW``; None for a code of neither form.

    >>> [base_and_quote(each) for each in ("KRW-BTC", "BTCUSDT", "ETHBTC", "BTC")]
    [('BTC', 'KRW'), ('BTC', 'USDT'), ('ETH', 'BTC'), None]
    """
    quote, dash, base = symbol.partition("-")
    if dash:
        return (base, quote) if base and quote else None
    ends = [each for each in QUOTES if symbol.endswith(each) and symbol != each]
    return (symbol.removesuffix(ends[0]), ends[0]) if ends else None
