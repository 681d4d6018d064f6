"""A file of an older version that may not be written to: the tables that it lacks are kept in memory beside it."""

from __future__ import annotations

import sqlite3

from rxcandles.stores.sqlite.schema import MIGRATIONS, VERSION

__all__ = ["lay_beside"]


def lay_beside(connection: sqlite3.Connection) -> None:
    """Add the tables that the file lacks to the connection, empty and temporary, so that all statements find them.

    The file is read as it is: absences that a newer version would doubt are not looked for.
    """
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version >= VERSION:
        return
    connection.execute("PRAGMA temp_store = MEMORY")
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            if statement.split()[:2] == ["CREATE", "TABLE"]:
                connection.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
    connection.execute("PRAGMA query_only = ON")  # writes to these tables would be lost silently
