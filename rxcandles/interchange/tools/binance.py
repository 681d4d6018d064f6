"""Binance: the archives of data.binance.vision, which have no header, and the lists that its API answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from rxcandles.interchange.reading.stated import Said
from rxcandles.interchange.reading.times import unit_of

__all__ = ["NAME", "NAMES", "by_name", "looks_so"]

NAME: Final = "binance"

NAMES: Final = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count", "taker_buy_volume",
    "taker_buy_quote_volume", "ignore",
)  # fmt: skip

_FILE: Final = re.compile(r"([A-Z0-9]+)-(?:(\d+(?:s|m|h|d|w|mo))|(trades|aggTrades))-\d{4}-\d{2}(?:-\d{2})?(?![0-9]).*")


def by_name(name: str) -> Said | None:
    """Return what a file's name says: ``BTCUSDT-1m-2024-01.zip``."""
    found = _FILE.fullmatch(name)
    if not found:
        return None
    unfit = None if found[2] else "trades"
    return Said("by its name", found[1], found[2], unfit=unfit, elsewhere=True)


def looks_so(row: Sequence[Any]) -> bool:
    """Say whether a row is one of these, by its two times."""
    return len(row) == len(NAMES) and unit_of(row[0]) is not None and unit_of(row[0]) == unit_of(row[6])
