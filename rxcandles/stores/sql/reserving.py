"""Reservations: what processes with one file are about to fetch, so that none fetches what another has begun.

A reservation is a span of a series that somebody is fetching. It ends by itself after a few seconds, so a killed
process delays nobody for longer. Its table exists only while there are reservations, and is not part of the schema: a
version without it fetches too much, and that is all.
"""

from __future__ import annotations

from typing import Final

from rxcandles.model.spans import Span
from rxcandles.ports import Reserved
from rxcandles.stores.sql.connection import Sql, drop_table, has_table, make_table
from rxcandles.stores.sql.transaction import transaction

__all__ = ["LONGEST", "release", "reserve"]

LONGEST: Final = 3.0
"""The most seconds that a reservation lasts, whatever the file says."""

_MAKE: Final = (
    # The key's columns come first: SQLite 3.40's integrity check reports errors for another order.
    "CREATE TABLE IF NOT EXISTS reservations (series INTEGER NOT NULL, owner INTEGER NOT NULL, start INTEGER NOT NULL,"
    " stop INTEGER NOT NULL, until REAL NOT NULL, PRIMARY KEY (series, owner, start)) WITHOUT ROWID"
)
_OTHERS: Final = "SELECT max(until) FROM reservations WHERE series = ? AND owner <> ? AND start < ? AND stop > ?"
_OVER: Final = (
    "DELETE FROM reservations WHERE until <= ? OR until > ? OR (owner = ? AND series = ? AND start < ? AND stop > ?)"
)
_ADD: Final = (
    "INSERT INTO reservations VALUES (?, ?, ?, ?, ?) ON CONFLICT (series, owner, start)"
    " DO UPDATE SET stop = excluded.stop, until = excluded.until"
)
_HELD: Final = "SELECT EXISTS (SELECT 1 FROM coverage WHERE series = ? AND start < ? AND stop > ?)"
_GIVE_UP: Final = "DELETE FROM reservations WHERE owner = ? OR until <= ? OR until > ?"
_LEFT: Final = "SELECT EXISTS (SELECT 1 FROM reservations)"
_DROP: Final = "DROP TABLE reservations"


def reserve(
    connection: Sql, series: int, owner: int, wanted: Span, ahead: Span, now: float, seconds: float
) -> Reserved:
    """Reserve ``ahead`` for ``seconds`` from ``now``, unless another owner has reserved part of ``wanted``."""
    with transaction(connection, series):
        make_table(connection, "reservations", _MAKE)
        until = connection.execute(_OTHERS, (series, owner, wanted[1], wanted[0])).fetchone()[0]
        if until is not None and now < until <= now + LONGEST:
            return Reserved(float(until - now), True)
        connection.execute(_OVER, (now, now + LONGEST, owner, series, ahead[1], ahead[0]))
        connection.execute(_ADD, (series, owner, *ahead, now + min(seconds, LONGEST)))
        held = bool(connection.execute(_HELD, (series, ahead[1], ahead[0])).fetchone()[0])
    return Reserved(0.0, held)


def release(connection: Sql, owner: int, now: float) -> None:
    """Give up all reservations of ``owner``; the table is dropped with the last one."""
    with transaction(connection):
        if has_table(connection, "reservations"):
            connection.execute(_GIVE_UP, (owner, now, now + LONGEST))
            if not connection.execute(_LEFT).fetchone()[0]:
                drop_table(connection, _DROP)
