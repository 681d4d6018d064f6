"""What the script of a page must know of a chart besides its candles."""

from __future__ import annotations

from typing import Any, Final

import attrs

from rxcandles.charts.levels import ladder
from rxcandles.charts.reading import ChartData
from rxcandles.model.absent import ABSENT_WORDS
from rxcandles.model.spans import runs

__all__ = ["FLOAT_DECIMALS", "about", "decimals_of"]

_MOST_DECIMALS: Final = 10
FLOAT_DECIMALS: Final = 8
"""Decimals shown of prices that are not decimal numbers."""


def about(data: ChartData, slots: int | None = None) -> dict[str, Any]:
    """Return it as plain values; the levels are those of a chart with ``slots`` slots, by default its own."""
    return {
        "symbol": data.symbol,
        "first": data.first,
        "seconds": data.timeframe.seconds,
        # Months differ in length.
        "months": data.timeframe.months,
        "slots": data.slots,
        "levels": [attrs.asdict(level) for level in ladder(data.timeframe, data.first, slots or data.slots)],
        "proven": data.proven,
        "absent": ABSENT_WORDS[data.absent],
        "provisional": data.provisional,
        "impossible": data.impossible,
        "imported": runs(data.imported),
    }


def decimals_of(data: ChartData) -> int | None:
    """Return the fewest decimals with which all prices are exact; None if they are not decimal numbers."""
    decimals, scale = 0, 1
    for column in (data.open, data.high, data.low, data.close):
        for price in column:
            while round(price * scale) / scale != price or abs(price) * scale >= 2**53:
                decimals, scale = decimals + 1, scale * 10
                if decimals > _MOST_DECIMALS:
                    return None
    return decimals
