"""Binance's names of timeframes."""

from __future__ import annotations

from typing import Final

__all__ = ["INTERVALS"]

INTERVALS: Final = {
    **{name: name for name in ("1s", "1m", "3m", "5m", "15m", "30m")},
    **{"60m": "1h", "240m": "4h", "1d": "1d", "1w": "1w", "1M": "1M"},
}
"""Binance's name for each timeframe. Days, weeks (from Monday) and months are those of UTC."""
