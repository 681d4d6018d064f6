"""Which store a path or an address means: a file is SQLite's, ``postgresql://…`` a server's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.model.moments import Zone
from rxcandles.stores.postgres.address import Address, is_postgres
from rxcandles.stores.sql.connection import Durability
from rxcandles.stores.sql.store import SqlStore
from rxcandles.stores.sqlite.file import cache_size
from rxcandles.stores.sqlite.store import SqliteStore
from rxcandles.util.arguments import check_path

__all__ = ["check_database", "store_at"]

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+)://", re.ASCII | re.IGNORECASE)
_WORDS: Final = re.compile(r"\s*(?:host|hostaddr|port|dbname|user|password|service|sslmode)\s*=")
"""An address in PostgreSQL's other form: ``host=… password=…``."""


def check_database(name: str, value: str | Path) -> str:
    """Return ``value`` as it may be shown (an address without its password, which it keeps in ``url``).

    Raise ``RequestError`` if it can't be the path of a file, and is no address of PostgreSQL.
    """
    if is_postgres(value):
        return Address.of(value)
    if isinstance(value, str) and (scheme := _SCHEME.match(value.lstrip())):
        raise RequestError(
            f"{name} is an address ({scheme[1]}://…), and candles are kept in files, such as ./candles.db, or in "
            "PostgreSQL: postgresql://user@host/database"
        )
    if isinstance(value, str) and _WORDS.match(value):
        raise RequestError(
            f"{name} is given as words of libpq (it is not shown, since it may contain a password); write it as an "
            "address: postgresql://user@host:port/database"
        )
    return check_path(name, value)


def store_at(
    path: str | Path,
    *,
    exchange: str = "upbit",
    busy_timeout: float = 10.0,
    durability: Durability | None = None,
    tz: Zone | None = None,
    cache: bool | int = True,
) -> SqlStore:
    """Return the store of a path or an address, not open yet.

    * ``durability``: None for the store's own: ``"normal"`` for a file, ``"full"`` for a server.
    * ``cache``: whether frames may keep copies of months beside a file; a server has none.

    Raise ``RequestError`` for an invalid argument, and ``ExtraMissingError`` for an address without psycopg.
    """
    how: dict[str, Any] = {"exchange": exchange, "busy_timeout": busy_timeout, "tz": tz}
    if durability is not None:
        how["durability"] = durability
    size = cache_size(cache)
    if is_postgres(path):
        from rxcandles.stores.postgres.store import PostgresStore

        return PostgresStore(Address.of(path), **how)
    return SqliteStore(check_database("path", path), **how, cache=size or False)
