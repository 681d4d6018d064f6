"""TradingView's chart export: ``UPBIT_BTCKRW, 60.csv``; minutes as a number, ``1D``, ``1W`` and ``1M`` (months)."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.interchange.tools.tool import Tool
from rxcandles.interchange.vocabulary.statements import Statement

__all__ = ["TOOL"]

_FILE: Final = re.compile(r"([A-Z]+)_(?:DLY_)?([A-Z0-9.]+), (\d+[SDWM]?)(?:_[0-9a-f]{4,8})?(?: \(\d+\))?\.csv.*")
_UNITS: Final = {"S": "s", "D": "d", "W": "w", "M": "M"}


class _TradingView(Tool):
    name = "tradingview"

    def by_name(self, name: str) -> Statement | None:
        """``UPBIT_BTCKRW, 60.csv``."""
        match = _FILE.fullmatch(name)
        if not match:
            return None
        frame = match[3].rstrip("SDWM") + _UNITS.get(match[3][-1], "m")
        return Statement("by its name", match[2], frame, elsewhere=match[1] != "UPBIT")


TOOL: Final = _TradingView()
