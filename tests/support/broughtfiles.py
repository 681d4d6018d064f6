"""Candles, and files of them as people write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from rxcandles import ImportReport, MarkedRow, SqliteStore, import_candles

T = 1_704_067_200  # 2024-01-01 00:00 UTC, 09:00 in Korea
NOW = T + 10**8
KST = 9 * 3600
ROWS = [(T + 60 * n, 1000.0 + n, 1010.5 + n, 990.25 + n, 1005.0 + n, 1.5 + n) for n in range(40)]
"""Minutes of KRW-BTC: open time, open, high, low, close, volume."""
DAYS = [(T + 86_400 * n, *row[1:]) for n, row in enumerate(ROWS)]


def said(seconds: float, pattern: str = "%Y-%m-%d %H:%M:%S", *, shift: int = 0) -> str:
    return f"{datetime.fromtimestamp(seconds + shift, UTC):{pattern}}"


def lines(head: str, line: Callable[[tuple[Any, ...]], str], rows: Sequence[tuple[Any, ...]] = ROWS) -> str:
    return "\n".join(([head] if head else []) + [line(row) for row in rows]) + "\n"


def values(row: Sequence[Any], sep: str = ",") -> str:
    return sep.join(map(repr, row[1:6]))


def got(found: list[MarkedRow]) -> list[tuple[Any, ...]]:
    return [tuple(row)[:6] for row in found]


async def take(
    store: SqliteStore, source: Any, frame: str = "1m", symbol: str = "KRW-BTC", **options: Any
) -> tuple[ImportReport, list[MarkedRow]]:
    report = await import_candles(store, symbol, frame, source, now=NOW, **options)
    return report, await store.imported(symbol, frame, 0, NOW, "oldest_first", 10**6)


HEAD = "date,open,high,low,close,volume"
ISO = "%Y-%m-%dT%H:%M:%S"


def upbit_object(row: tuple[Any, ...]) -> dict[str, Any]:
    """A candle as Upbit's API answers it."""
    return {
        "market": "KRW-BTC", "candle_date_time_utc": said(row[0], ISO),
        "candle_date_time_kst": said(row[0], ISO, shift=KST),
        "opening_price": row[1], "high_price": row[2], "low_price": row[3], "trade_price": row[4],
        "timestamp": row[0] * 1000 + 59_123, "candle_acc_trade_price": 12345.5, "candle_acc_trade_volume": row[5],
        "unit": 1,
    }  # fmt: skip


def binance(row: tuple[Any, ...], unit: int) -> str:
    opened = row[0] * unit
    return f"{opened},{values(row)},{opened + 60 * unit - 1},9.5,7,1.0,2.0,0"


def comma(value: float) -> str:
    """A number as Germany writes it."""
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def csv(row: tuple[Any, ...]) -> str:
    return f"{said(row[0])},{values(row)}"


OWN = "market,candle_date_time_utc,opening_price,high_price,low_price,trade_price,candle_acc_trade_volume"
