"""TradingView's chart export: ``UPBIT_BTCKRW, 60.csv``; minutes as a number, ``1D``, ``1W`` and ``1M`` (months)."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.interchange.reading.stated import Said

__all__ = ["NAME", "by_name"]

NAME: Final = "tradingview"

_FILE: Final = re.compile(r"([A-Z]+)_(?:DLY_)?([A-Z0-9.]+), (\d+[SDWM]?)(?:_[0-9a-f]{4,8})?(?: \(\d+\))?\.csv.*")
_UNITS: Final = {"S": "s", "D": "d", "W": "w", "M": "M"}


def by_name(name: str) -> Said | None:
    """Return what a file's name says."""
    found = _FILE.fullmatch(name)
    if not found:
        return None
    length = found[3].rstrip("SDWM")
    frame = length + _UNITS.get(found[3][-1], "m")
    return Said("by its name", found[2], frame, elsewhere=found[1] != "UPBIT")
