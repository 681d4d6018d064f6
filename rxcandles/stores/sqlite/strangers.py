"""Code in a database file that is not ours: such a file is refused before anything is read.

A trigger changes what is written; a view or a generated column computes what is read; a check, a default or an index on
an expression computes whenever a row is written or the file is verified. So a file from somebody else may do what
nobody asked for. Other tables and indexes that only hold data do no harm.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Final

from rxcandles.errors import SchemaError
from rxcandles.stores.sqlite.schema import APPLICATION_ID, MIGRATIONS

__all__ = ["refuse_strangers"]

_OURS: Final = {
    "".join(statement.split()) for statements in MIGRATIONS for statement in statements if "VIEW" in statement
}
"""Our own views, without spaces."""

_OUR_CHECKS: Final = {"stop>start", "rows>=0"}

_QUIET: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/""", re.DOTALL)
"""The parts of a statement that are names, texts or comments."""

_COMPUTES: Final = re.compile(r"\bCHECK\s*\(([^()]*)\)?|\bDEFAULT\s*\(", re.IGNORECASE)


def refuse_strangers(connection: sqlite3.Connection, path: str) -> None:
    """Raise ``SchemaError`` if the file contains code that is not ours; only its schema is read.

    A file of another program passes here; it is refused as a whole elsewhere.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    [version] = connection.execute("PRAGMA user_version").fetchone()
    [owner] = connection.execute("PRAGMA application_id").fetchone()
    if owner != APPLICATION_ID:
        return
    before = connection.text_factory
    connection.text_factory = lambda text: text.decode("utf-8", "replace")  # a damaged file may have garbled names
    try:
        found = next(_strangers(connection, version), None)
    finally:
        connection.text_factory = before
    if found is not None:
        what, name = found
        raise SchemaError(
            f"{path} has {what}, {name!r}, which is none of rxcandles' own and would run when the file is used; nothing"
            " was read. If the file is yours, take it out with another program (such as sqlite3) and try again"
        )


def _strangers(connection: sqlite3.Connection, version: int) -> Iterator[tuple[str, str]]:
    for kind, name, table, page, sql in connection.execute(
        "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master"
    ).fetchall():
        if version == 1 and table == "page" and kind in ("view", "trigger"):
            continue  # ours in version 1; no longer used, and dropped by the migration
        if kind == "trigger":
            yield "a trigger", name
        elif kind == "view":
            if "".join(str(sql).split()) not in _OURS:
                yield "a view", name
        elif kind == "table":
            if not page:
                yield "a virtual table", name
            elif connection.execute("SELECT 1 FROM pragma_table_xinfo(?) WHERE hidden", (name,)).fetchone():
                yield "a table with a generated column", name
            elif any(not _is_our_check(found) for found in _COMPUTES.finditer(_QUIET.sub('""', sql or ""))):
                yield "a table with a check or a default that computes", name
        elif sql and _computes(connection, name, sql):
            yield "an index on an expression", name


def _is_our_check(found: re.Match[str]) -> bool:
    return found[1] is not None and "".join(found[1].split()) in _OUR_CHECKS


def _computes(connection: sqlite3.Connection, index: str, sql: str) -> bool:
    partial = re.search(r"\bWHERE\b", _QUIET.sub('""', sql), re.IGNORECASE)
    return bool(
        partial or connection.execute("SELECT 1 FROM pragma_index_xinfo(?) WHERE cid = -2", (index,)).fetchone()
    )
