"""Binance: the archives of data.binance.vision, which have no header, and the lists that its API returns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from rxcandles.interchange.tools.tool import Names, Tool
from rxcandles.interchange.vocabulary.statements import Statement
from rxcandles.interchange.vocabulary.times import unit_of

__all__ = ["TOOL"]

_COLUMNS: Final = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count", "taker_buy_volume",
    "taker_buy_quote_volume", "ignore",
)  # fmt: skip

_FILE: Final = re.compile(r"([A-Z0-9]+)-(?:(\d+(?:s|m|h|d|w|mo))|(trades|aggTrades))-\d{4}-\d{2}(?:-\d{2})?(?![0-9]).*")


class _Binance(Tool):
    name = "binance"
    archives = "Binance's archives"
    columns: ClassVar[Names] = {"turnover": ("quote_volume", "quote_asset_volume")}

    def by_name(self, name: str) -> Statement | None:
        """``BTCUSDT-1m-2024-01.zip``."""
        match = _FILE.fullmatch(name)
        if not match:
            return None
        unfit = None if match[2] else "trades"
        return Statement("by its name", match[1], match[2], unfit=unfit, elsewhere=True)

    def row_columns(self, row: Sequence[Any]) -> Sequence[str] | None:
        """Rows of twelve values, recognised by their two times."""
        is_theirs = len(row) == len(_COLUMNS) and unit_of(row[0]) is not None and unit_of(row[0]) == unit_of(row[6])
        return _COLUMNS if is_theirs else None


TOOL: Final = _Binance()
