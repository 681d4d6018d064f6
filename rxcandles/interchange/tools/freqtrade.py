"""freqtrade: ``BTC_KRW-1h.feather``, in a folder for each exchange."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.interchange.reading.stated import Said

__all__ = ["NAME", "by_name"]

NAME: Final = "freqtrade"

_FILE: Final = re.compile(
    r"([A-Za-z0-9]+)_([A-Za-z0-9]+)(?:_([A-Za-z0-9]+))?-(?:(\d+(?:Mo|[smhdwMy]))(?:-([A-Za-z_]+))?|(trades))(?![A-Za-z0-9]).*"
)
_OTHERS: Final = {
    "futures": "the candles of a futures contract",
    "mark": "mark prices",
    "index": "index prices",
    "premiumIndex": "premiums",
    "funding_rate": "funding rates",
}


def by_name(name: str) -> Said | None:
    """Return what a file's name says, futures and what is no candles at all included."""
    found = _FILE.fullmatch(name)
    if not found:
        return None
    base, quote, settled, frame, kind, trades = found.groups()
    market = f"{quote}-{base}"
    unfit = "trades" if trades else _OTHERS.get(kind, kind) if kind else _OTHERS["futures"] if settled else None
    return Said("by its name", market, frame, unfit=unfit and f"{unfit} ({market})")
