"""Upbit: its archives (crix-data.upbit.com), ``KRW-BTC_candle-1m_20250101.csv``, and the columns of its answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from rxcandles.interchange.tools.tool import Names, Tool
from rxcandles.interchange.vocabulary.column_names import plain
from rxcandles.interchange.vocabulary.statements import Statement

__all__ = ["TOOL"]

_FILE: Final = re.compile(r"([A-Z0-9]+-[A-Z0-9]+)_(?:candle-([0-9A-Za-z]+)|(trade))_\d{6,8}(?![0-9]).*")
_TELLING: Final = frozenset({"openingprice", "tradeprice", "candleacctradeprice", "candleacctradevolume"})
"""Column names that nobody else uses."""


class _Upbit(Tool):
    name = "upbit"
    columns: ClassVar[Names] = {
        "open": ("opening_price",),
        "high": ("high_price",),
        "low": ("low_price",),
        "close": ("trade_price",),
        "volume": ("candle_acc_trade_volume", "acc_trade_volume", "accumulated_trade_volume"),
        "turnover": ("candle_acc_trade_price", "acc_trade_price", "accumulated_trade_price"),
    }
    timeframe_columns = frozenset({"unit"})
    stamp_is_trade = True

    def by_name(self, name: str) -> Statement | None:
        """``KRW-BTC_candle-1m_20250101.csv``."""
        match = _FILE.fullmatch(name)
        if not match:
            return None
        return Statement("by its name", match[1], match[2], unfit="trades" if match[3] else None)

    def has_columns(self, names: Sequence[str]) -> bool:
        """One of the column names that nobody else uses."""
        return any(plain(name) in _TELLING for name in names)


TOOL: Final = _Upbit()
