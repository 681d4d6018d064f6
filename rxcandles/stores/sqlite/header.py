"""The header of a database file, read before its tables."""

from __future__ import annotations

import os
import sqlite3
from typing import NamedTuple

from rxcandles.errors import SchemaError
from rxcandles.stores.sqlite.schema import APPLICATION_ID, VERSION

__all__ = ["Header", "file_size", "read_header"]


class Header(NamedTuple):
    """The header of one of our files, or of an empty one."""

    version: int
    """Version of its schema; 0 if it has none yet."""
    empty: bool
    """Whether it has no table."""
    size: int
    """Bytes that it should have."""

    def is_cut_short(self, file: str) -> bool:
        """Return whether the end is missing; SQLite itself does not notice if part of the last page is missing."""
        # Content of a -wal need not be in the file yet.
        return not self.empty and not file_size(f"{file}-wal") and file_size(file) < self.size


def read_header(connection: sqlite3.Connection, path: str, instead: str) -> Header:
    """Return the header; raise ``SchemaError`` for a file of a newer version or of another program (``instead``: what
    to do).
    """
    # One statement sees one moment: another process may be making the file just now.
    version, owner, objects, size = connection.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master), page_count * page_size"
        " FROM pragma_user_version, pragma_application_id, pragma_page_count, pragma_page_size"
    ).fetchone()
    if owner != APPLICATION_ID and (objects or version):
        raise SchemaError(f"{path} is another program's database; {instead}")
    if version > VERSION:
        raise SchemaError(f"{path} has schema version {version}, this rxcandles knows {VERSION}; upgrade rxcandles")
    return Header(version, not objects, size)


def file_size(path: str) -> int:
    """Return the size of a file in bytes; 0 if there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
