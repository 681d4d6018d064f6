"""Upbit's archives (crix-data.upbit.com): ``KRW-BTC_candle-1m_20250101.csv``, times in UTC."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.interchange.reading.stated import Said

__all__ = ["NAME", "by_name"]

NAME: Final = "upbit"

_FILE: Final = re.compile(r"([A-Z0-9]+-[A-Z0-9]+)_(?:candle-([0-9A-Za-z]+)|(trade))_\d{6,8}(?![0-9]).*")


def by_name(name: str) -> Said | None:
    """Return what a file's name says."""
    found = _FILE.fullmatch(name)
    return Said("by its name", found[1], found[2], unfit="trades" if found[3] else None) if found else None
