"""Names of one market and of one timeframe, as different tools write them."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.errors import RequestError
from rxcandles.model.pairs import base_and_quote
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe, meant_by

__all__ = ["frame_called", "names_market", "same_coin", "same_exchange", "same_market"]

_QUOTES: Final = frozenset({"KRW", "USDT", "USDC", "USD", "EUR", "JPY"})
"""Currencies in which others are priced; if one is in a name, the other part is the coin."""
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MONTHS: Final = {"mo": 1, "M": 1, "y": 12}


def same_market(text: str, symbol: str) -> bool:
    """Return whether ``text`` (``BTC/KRW``, ``BTC_KRW``, ``UPBIT:BTCKRW``, ``BTC``) names the market ``symbol``."""
    plain = re.sub(r"^(?:CRIX\.)?UPBIT[.:]", "", text.strip().upper())
    return plain == symbol.upper() or plain in _spellings(symbol)


def names_market(text: str, symbol: str) -> bool:
    """Return whether ``text``, a market such as ``KRW-BTC`` or a coin alone, names the market ``symbol``."""
    quote, _, coin = text.rpartition("-")
    spelt = (text, f"{coin}-{quote}", coin + quote) if quote else (text,)
    alone = not quote and not re.search(r"[-_/]", symbol) and symbol.upper().startswith(coin)
    return alone or any(same_market(each, symbol) for each in spelt)


def same_coin(text: str, symbol: str) -> bool:
    """Return whether ``text`` names a market of the same coin, in any currency: ``BTCUSDT``, ``KRW-BTC``."""
    parts = re.split(r"[-_/]", symbol.upper())
    coin = _coin_and_quote(parts[0], parts[1])[0] if len(parts) == 2 else parts[0]
    return same_market(text, symbol) or text.strip().upper().startswith(coin)


def same_exchange(one: str, other: str) -> bool:
    """Return whether two names are of one exchange; the simulated one stands for any."""
    return one.casefold() == other.casefold() or "simulated" in (one, other)


def frame_called(text: str) -> Timeframe | None:
    """Return the timeframe that ``text`` names (``1h``, ``1Mo``, ``minute60``, ``day``, ``1440``), or None."""
    text = text.strip().removesuffix(".0")
    if re.fullmatch(r"\d{1,5}", text, re.ASCII):
        text += "m"
    try:
        return Timeframe.of(meant_by(text) or text)
    except RequestError:
        pass
    match = re.fullmatch(r"(\d{1,5})([A-Za-z]+)", text, re.ASCII)
    if not match:
        return None
    length, unit = int(match[1]), match[2] if match[2] == "M" else match[2].lower()
    seconds, months = length * _SECONDS.get(unit, 0), length * _MONTHS.get(unit, 0)
    return next((each for each in TIMEFRAMES if (each.seconds, each.months) == (seconds, months)), None)


def _spellings(symbol: str) -> set[str]:
    parts = re.split(r"[-_/]", symbol.upper())
    if len(parts) != 2:
        pair = base_and_quote(symbol.upper())
        return {f"{pair[0]}{mark}{pair[1]}" for mark in "-_/"} | {f"{pair[1]}-{pair[0]}"} if pair else set()
    coin, quote = _coin_and_quote(*parts)
    names = {coin, coin + quote, *(f"{coin}{mark}{quote}" for mark in "-_/")}
    if quote in _QUOTES:
        names |= {quote + coin, *(f"{quote}{mark}{coin}" for mark in "-_/")}
    return names


def _coin_and_quote(first: str, second: str) -> tuple[str, str]:
    """Return both parts of a market; Upbit writes the quote first, most others last."""
    return (first, second) if second in _QUOTES and first not in _QUOTES else (second, first)
