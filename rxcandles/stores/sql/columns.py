"""The columns of the tables, and how a series is found by its names."""

from __future__ import annotations

from typing import Final

__all__ = ["ADD_SERIES_SQL", "CLAIM_COLUMNS", "COLUMNS", "IMPORTS_COLUMNS", "SERIES_ID_SQL"]

COLUMNS: Final = (
    "open_time", "open", "high", "low", "close", "volume", "turnover", "timestamp",
    "prev_closing_price", "change_price", "change_rate",
)  # fmt: skip
"""The columns of a candle, in the order of ``Row``."""

CLAIM_COLUMNS: Final = ("kind", "start", "stop", "first_heard", "last_heard", "times", "due", "final", "said")
"""The columns of a claim, in the order of ``Claim``."""

IMPORTS_COLUMNS: Final = ("series", "source", "format", "rows", "imported_at", "sha256")
"""The columns of an import, without its id."""

SERIES_ID_SQL: Final = "SELECT id FROM series WHERE exchange = ? AND symbol = ? AND timeframe = ?"
"""The number of a series, by its names."""

ADD_SERIES_SQL: Final = (
    "INSERT INTO series (exchange, symbol, timeframe) VALUES (?, ?, ?)"
    " ON CONFLICT (exchange, symbol, timeframe) DO NOTHING"
)
"""Gives a series a number, if it has none."""
