"""Read stored candles, in the thread of a connection."""

from __future__ import annotations

from typing import Any, Final

from rxcandles.model import ORDERS, TRADE_FIELDS, Order
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.sealing import read_unsealed
from rxcandles.stores.sql.with_trades import has_trades
from rxcandles.util.arguments import check_choice, check_count

__all__ = ["COUNT_SQL", "NO_LIMIT", "check_reading", "read_rows", "rows_sql"]

NO_LIMIT: Final = 2**62
"""More rows than there are."""

COUNT_SQL: Final = "SELECT count(*) FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"


def rows_sql(order: Order, width: int = len(COLUMNS), counted: bool = False) -> str:
    """Return the statement that reads rows, given series, start, stop, limit and offset.

    It reads the first ``width`` columns, and those of trades if ``counted``.
    """
    columns = [*COLUMNS[:width], *(TRADE_FIELDS if counted else ())]
    # Made only of column names and keywords of this package.
    return (
        f"SELECT {', '.join(columns)} FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
        f" ORDER BY open_time {'DESC' if order == 'newest_first' else 'ASC'} LIMIT ? OFFSET ?"
    )


def read_rows(
    connection: Sql, series: int, start: int, stop: int, order: Order, limit: int, offset: int = 0
) -> tuple[list[tuple[Any, ...]], bool]:
    """Return rows as they are stored, and whether they have the columns of trades.

    Raise ``SealedError`` if some of them are in a lake.
    """
    counted = has_trades(connection, series)
    sql = rows_sql(order, counted=counted)
    given = (series, start, stop, limit, offset)
    return read_unsealed(connection, series, start, stop, order, limit, sql, given), counted


def check_reading(start: int, stop: int, order: Order = "newest_first", limit: int = 0) -> None:
    """Raise :class:`RequestError` if the arguments of a read are invalid; an empty span and a limit of 0 are valid."""
    check_count("start", start, 0)
    check_count("stop", stop, 0)
    check_choice("order", order, ORDERS)
    check_count("limit", limit, 0)
