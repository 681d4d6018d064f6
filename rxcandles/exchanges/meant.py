"""Which of Upbit's codes is meant where a market is written as others do: ``BTC/KRW``, ``KRW_BTC``, ``BTC``."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MONEY", "meant_symbol"]

QUOTES: Final = ("KRW", "USDT", "BTC", "SGD", "IDR", "THB")
"""What markets of Upbit are quoted in, the usual first."""

MONEY: Final = frozenset({"KRW", "SGD", "IDR", "THB"})
"""Of these none is bought for another coin, so ``BTC-KRW`` is the wrong way round."""


def meant_symbol(symbol: str) -> str | None:
    """Return the code that is likely to be meant by ``symbol``; None where it is that code, or no guess is good."""
    parts = re.split(r"[/_:. -]", symbol.strip().upper()) if len(symbol) <= 40 and symbol.isascii() else []
    if not all(re.fullmatch(r"[A-Z0-9]{1,20}", part, re.ASCII) for part in parts):
        return None
    if len(parts) == 1:
        meant = _of_one(parts[0])
    elif len(parts) == 2:
        quote, base = parts
        turned = base in QUOTES and ("/" in symbol or quote not in QUOTES or base in MONEY)
        meant = f"{base}-{quote}" if turned else f"{quote}-{base}" if quote in QUOTES or "-" in symbol else None
    else:
        meant = None
    return None if meant == symbol else meant


def _of_one(word: str) -> str | None:
    for quote in (*(each for each in QUOTES if each != "BTC"), "BTC"):
        if len(word) > len(quote) + 1 and word.startswith(quote):
            return f"{quote}-{word.removeprefix(quote)}"
        if len(word) > len(quote) + 1 and word.endswith(quote):
            return f"{quote}-{word.removesuffix(quote)}"
    return f"KRW-{word}" if len(word) <= 5 and word not in MONEY and not word.isdigit() else None
