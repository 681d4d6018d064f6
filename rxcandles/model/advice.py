"""Commands that a message recommends, with the options that they need."""

from __future__ import annotations

import shlex
from typing import Final

from rxcandles.model.naming import EXCHANGES

__all__ = ["USUAL_DB", "check_advice", "db_option", "source_options", "where_options"]

USUAL_DB: Final = "candles.db"
"""The database of a command that names none."""


def db_option(db: str) -> str:
    """Return the option that names a database; nothing for the usual one."""
    return "" if db == USUAL_DB else f" --db {shlex.quote(db)}"


def source_options(exchange: str) -> str:
    """Return the options that name the exchange of these candles; for another address, the user fills in the URL."""
    if exchange == EXCHANGES[0]:
        return ""
    return f" --exchange {exchange}" if exchange in EXCHANGES else f" --base-url URL --name {shlex.quote(exchange)}"


def where_options(db: str, exchange: str) -> str:
    """Return the options that name a database and the exchange of its candles; defaults are left out."""
    return db_option(db) + source_options(exchange)


def check_advice(db: str, exchange: str) -> str:
    """Return what to do about an impossible row: the commands that show it and mend it."""
    where = where_options(db, exchange)
    return f"`rxcandles verify{db_option(db)}` says what is wrong, `rxcandles repair{where}` mends it"
