"""A database full of candles, made in SQL: how they came there is not what is measured."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from rxcandles import SqliteStore, Timeframe

__all__ = ["filled"]

_CANDLES = """
    INSERT INTO candles (series, open_time, open, high, low, close, volume, turnover, timestamp)
    WITH RECURSIVE slots (n, price) AS (
        SELECT 0, 50000000.0
        UNION ALL SELECT n + 1, price + 1000.0 * (n * 7919 % 7 - 3) FROM slots WHERE n < ? - 1
    )
    SELECT 1, n * 60, price, price + 5000, price - 5000, price + 1000, n * 104729 % 1000003 / 7919.0,
        n * 104729 % 1000003 * price / 7919.0, n * 60000 + 59123 FROM slots
"""


def filled(path: Path, candles: int) -> None:
    """Make the file ``path`` with so many minutes of KRW-BTC, from 1970 on, all of them proven."""

    async def make() -> None:
        async with SqliteStore(path) as store:
            await store.write("KRW-BTC", Timeframe.of("1m"), [], (0, candles * 60))

    asyncio.run(make())
    with sqlite3.connect(path) as file:
        file.execute(_CANDLES, (candles,))
        file.execute("UPDATE coverage SET rows = ?", (candles,))
    file.close()
