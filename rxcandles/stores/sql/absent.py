"""What an empty slot means for a series, if not that nobody traded; the exchange declares it.

The table is made with the first series that needs it. A file without it has none, and older versions can read a file
with it. It runs in the thread of the store's connection.
"""

from __future__ import annotations

from typing import Any, Final, get_args

from rxcandles.model.absent import AbsentSlot
from rxcandles.stores.sql.connection import Sql, has_table, make_table

__all__ = ["ABSENT_COLUMNS", "has_absent", "keep_absent", "read_absent"]

ABSENT_COLUMNS: Final = ("series", "meaning")
_MAKE: Final = (
    "CREATE TABLE IF NOT EXISTS absent_slots (series INTEGER PRIMARY KEY REFERENCES series (id), meaning TEXT NOT NULL)"
)
_KEEP: Final = (
    "INSERT INTO absent_slots (series, meaning) VALUES (?, ?) ON CONFLICT (series)"
    " DO UPDATE SET meaning = excluded.meaning WHERE absent_slots.meaning <> excluded.meaning"
)


def has_absent(connection: Sql) -> bool:
    """Return whether the file has the table."""
    return has_table(connection, "absent_slots")


def keep_absent(connection: Sql, series: int, meaning: AbsentSlot) -> None:
    """Record what an empty slot of a series means, within the caller's transaction."""
    if meaning != "no_trade":
        make_table(connection, "absent_slots", _MAKE)
    elif not has_absent(connection):
        return
    connection.execute(_KEEP, (series, meaning))


def read_absent(connection: Sql, series: int) -> AbsentSlot:
    """Return what an empty slot of a series means; ``no_trade`` if nothing else is recorded."""
    if not has_absent(connection):
        return "no_trade"
    found: list[tuple[Any]] = connection.execute(
        "SELECT meaning FROM absent_slots WHERE series = ?", (series,)
    ).fetchall()
    known: dict[Any, AbsentSlot] = {each: each for each in get_args(AbsentSlot)}
    return known.get(found[0][0], "either") if found else "no_trade"
