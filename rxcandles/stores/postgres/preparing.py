"""Make the tables in a database, or bring them up to date, while no other process does."""

from __future__ import annotations

import logging
from typing import Any, Final

from rxcandles.errors import SchemaError, StoreError
from rxcandles.events import MigrateEvent, log_event
from rxcandles.stores.postgres.block import WRITING
from rxcandles.stores.postgres.schema import LOCK, MIGRATIONS, SCHEMA, VERSION
from rxcandles.stores.postgres.session import Session

__all__ = ["prepare", "version_of"]

_log: Final = logging.getLogger("rxcandles.store")

_STATE: Final = (
    "SELECT to_regnamespace(%s) IS NOT NULL, EXISTS (SELECT 1 FROM pg_class JOIN pg_namespace ON"
    " pg_namespace.oid = relnamespace WHERE nspname = %s), EXISTS (SELECT 1 FROM pg_class JOIN pg_namespace ON"
    " pg_namespace.oid = relnamespace WHERE nspname = %s AND relname = 'about'),"
    " to_regnamespace(%s) IS NULL OR has_schema_privilege(%s, 'USAGE'),"
    " current_setting('server_version_num')::int8, current_database()::text, current_user::text"
)
_OLDEST: Final = 130_000
"""PostgreSQL 13: the first with ``xid8``, and with an extension btree_gist that the owner of a database may add."""


def prepare(session: Session) -> None:
    """Make the tables, or bring them to the current version; nothing is written if they are of it.

    Raises:

    * ``SchemaError`` if they are of a newer version, or the schema is another program's.
    * ``StoreError`` if this role may not make them, or the server is too old.
    """
    if version_of(session) < VERSION:
        _migrate(session)


def version_of(session: Session) -> int:
    """Return the version of its tables; 0 if there are none."""
    there, full, ours, allowed, server, database, role = session.native(_STATE, (SCHEMA,) * 5).fetchone()
    if server < _OLDEST:
        raise StoreError(f"{session.name}: the server is PostgreSQL {server // 10_000}; rxcandles needs 13 or later")
    if there and not allowed:
        raise StoreError(
            f"{session.name}: the role {role} may not use the schema {SCHEMA} of {database}; let its owner grant it: "
            f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role} (the guide has the rest)"
        )
    if not ours:
        if full:
            raise SchemaError(
                f"{session.name}: the schema {SCHEMA} of this database is another program's; name another database"
            )
        return 0
    [version] = session.native("SELECT value FROM about WHERE key = 'version'").fetchone()
    if version > VERSION:
        raise SchemaError(
            f"{session.name} has schema version {version}, this rxcandles knows {VERSION}; upgrade rxcandles"
        )
    return int(version)


def _migrate(session: Session) -> None:
    lock = f"SELECT pg_advisory_xact_lock({LOCK}, -1)"
    with session.block(lock, kind=WRITING):
        # Read again, since another process may have migrated it meanwhile.
        before = version_of(session)
        if before == 0:
            session.native(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            _extend(session)
        for number in range(before, VERSION):
            event = MigrateEvent(event="migrate", path=session.name, before=number, after=number + 1)
            level = logging.INFO if number else logging.DEBUG  # a new database is not worth a message
            log_event(_log, level, event, "%s: schema version %d to %d", session.name, number, number + 1)
            for statement in MIGRATIONS[number]:
                session.native(statement)
            session.native(
                "INSERT INTO about VALUES ('version', %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (number + 1,),
            )


def _extend(session: Session) -> None:
    found: Any = session.native("SELECT 1 FROM pg_extension WHERE extname = 'btree_gist'").fetchone()
    if found is None:
        session.native(f"CREATE EXTENSION btree_gist WITH SCHEMA {SCHEMA}")
