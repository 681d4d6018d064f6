"""Imported candles that are stored already, some hours earlier or later: the sign of a wrong time zone."""

from __future__ import annotations

from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import time_text
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.staging import Staging

__all__ = ["drop_shifted", "refuse_shifted", "shift_of"]

_VALUES: Final = ("open", "high", "low", "close", "volume")
_SOME: Final = 30
"""Candles compared at either end."""
_HOURS: Final = (9, -9, *(hours for far in range(1, 15) for hours in (far, -far) if far != 9))
"""Possible offsets of time zones from UTC; Korea's first."""
_LIKELY: Final = 0.8

_LISTED: Final = ", ".join(_VALUES)
_SOME_SQL: Final = (
    f"SELECT open_time, {_LISTED} FROM staged WHERE volume > 0 AND low < high AND NOT EXISTS (SELECT 1 FROM imported"
    " WHERE series = :series AND imported.open_time = staged.open_time) AND NOT EXISTS (SELECT 1 FROM candles"
    " WHERE series = :series AND candles.open_time = staged.open_time) ORDER BY open_time"
)
_END_SQL: Final = (f"{_SOME_SQL} ASC LIMIT :some", f"{_SOME_SQL} DESC LIMIT :some")
_AT: Final = "WHERE series = ? AND open_time = ?"
_AT_SQL: Final = {
    "imported": f"SELECT {_LISTED} FROM imported {_AT}",
    "candles": f"SELECT {_LISTED} FROM candles {_AT}",
}
_EQUAL: Final = " AND ".join(f"twin.{name} = staged.{name}" for name in _VALUES)
_TWINS: Final = "imported AS twin WHERE twin.series = :series AND twin.open_time = staged.open_time + :shift"
_TWINS_SQL: Final = (
    "DELETE FROM imported WHERE series = :series AND open_time IN"
    f" (SELECT twin.open_time FROM staged CROSS JOIN {_TWINS} AND {_EQUAL})"
)


def shift_of(connection: Sql, number: int) -> tuple[str, int] | None:
    """Return the table that has the staged candles at another hour, and how many seconds later; None if neither has.

    At least two candles must differ from each other: minutes in which nothing changes are alike everywhere.
    """
    for sql in _END_SQL:
        some = connection.execute(sql, {"series": number, "some": _SOME}).fetchall()
        if len({row[1:] for row in some}) < 2:
            continue
        for hours in _HOURS:
            for table, at_sql in _AT_SQL.items():
                found = [_same(connection, at_sql, number, row, hours * 3600) for row in some]
                matching = {row[1:] for row, is_same in zip(some, found, strict=True) if is_same}
                if len(matching) > 1 and sum(found) >= _LIKELY * len(some):
                    return table, hours * 3600
    return None


def refuse_shifted(staging: Staging, table: str, shift: int, oldest: int) -> RequestError:
    """Return the error for that."""
    held = "were imported before" if table == "imported" else "the exchange has"
    away = f"{abs(shift) // 3600} hours {'later' if shift > 0 else 'earlier'}"
    return RequestError(
        f"{staging.name}: its candles, from {time_text(oldest)} on, are those that {held} {away}, at"
        f" {time_text(oldest + shift)}; say the zone of its times with tz (--tz), or let these take their place with"
        " replace (--replace). Nothing was imported"
    )


def drop_shifted(connection: Sql, number: int, shift: int) -> int:
    """Delete the imported candles that are staged at another hour; return their number."""
    return connection.execute(_TWINS_SQL, {"series": number, "shift": shift}).rowcount


def _same(connection: Sql, sql: str, number: int, row: tuple[Any, ...], shift: int) -> bool:
    return bool(connection.execute(sql, (number, row[0] + shift)).fetchone() == row[1:])
