"""The columns of trades: their number, and what takers have bought, for exchanges that send them.

They are added with the first candle that has them. A table records which series have them, so that all others are read
and written as before. Older versions can read a file with them. It runs in the thread of the store's connection, within
the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from rxcandles.model import TRADE_FIELDS, Row, RowWithTrades
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sql.connection import Sql, has_table

__all__ = ["ALL_COLUMNS", "has_trades", "keep_trades", "rows_of", "with_trades"]

ALL_COLUMNS: Final = (*COLUMNS, *TRADE_FIELDS)
"""The columns of a candle with trades, in the order of ``RowWithTrades``."""

_TYPES: Final = dict(zip(TRADE_FIELDS, ("INTEGER", "REAL", "REAL"), strict=True))
_MAKE: Final = "CREATE TABLE IF NOT EXISTS with_trades (series INTEGER PRIMARY KEY REFERENCES series (id))"
_ADD: Final = "INSERT INTO with_trades VALUES (?) ON CONFLICT (series) DO NOTHING"
_PADDING: Final = (None,) * len(TRADE_FIELDS)


def has_trades(connection: Sql, series: int) -> bool:
    """Return whether candles of a series have these columns."""
    if not has_table(connection, "with_trades"):
        return False
    return connection.execute("SELECT 1 FROM with_trades WHERE series = ?", (series,)).fetchone() is not None


def keep_trades(connection: Sql, series: int) -> None:
    """Add these columns to the candles of a series."""
    if has_trades(connection, series):
        return
    if not isinstance(connection, sqlite3.Connection):
        connection.execute(_ADD, (series,))
        return
    there = {name for _, name, *_ in connection.execute("PRAGMA table_info(candles)").fetchall()}
    for name, kind in _TYPES.items():
        if name not in there:
            connection.execute(f"ALTER TABLE candles ADD COLUMN {name} {kind}")
    connection.execute(_MAKE)
    connection.execute(_ADD, (series,))


def with_trades(rows: Iterable[Row]) -> list[Row]:
    """Return rows that all have these columns; None where a row had no value."""
    return [row if isinstance(row, RowWithTrades) else RowWithTrades._make((*row, *_PADDING)) for row in rows]


def rows_of(found: Iterable[tuple[Any, ...]], counted: bool) -> list[Row]:
    """Return the rows that were read, with or without these columns."""
    make = RowWithTrades._make if counted else Row._make
    return [make(row) for row in found]
