"""A file of an older version that may not be written to: what it has no place for stands beside it, in memory."""

from __future__ import annotations

import sqlite3

from rxcandles.stores.sqlite.schema import MIGRATIONS, VERSION

__all__ = ["lay_beside"]


def lay_beside(connection: sqlite3.Connection) -> None:
    """Give a connection the tables that its file lacks, empty and of its own, so that all statements find them.

    It reads the file as it is: absences that a newer version would doubt are not looked for.
    """
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version >= VERSION:
        return
    connection.execute("PRAGMA temp_store = MEMORY")
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            if statement.split()[:2] == ["CREATE", "TABLE"]:
                connection.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
    connection.execute("PRAGMA query_only = ON")  # what is written there would be lost without a word
