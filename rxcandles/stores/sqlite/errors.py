"""What SQLite's errors mean, and what to do about each."""

from __future__ import annotations

import sqlite3
from typing import Final

from rxcandles.errors import StoreError

__all__ = ["DAMAGED", "is_busy", "store_error"]

DAMAGED: Final = (
    "it is damaged; restore a copy, or move it away (with its -wal, if any) and ask again:"
    " `rxcandles repair --db FILE --into NEW` saves what can still be read"
)
"""What to do with a damaged file."""

_DENIED: Final = "the file or its folder may not be written to; check the permissions, or name a file elsewhere"
_BUSY: Final = "another process is writing to it; wait until it is done, or raise busy_timeout"
_HINTS: Final = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_READONLY: _DENIED,
    sqlite3.SQLITE_PERM: _DENIED,
    sqlite3.SQLITE_CANTOPEN: "name a file, not a folder; check that its folder exists and may be written to",
    sqlite3.SQLITE_FULL: "what was stored before is whole: make room and ask again",
    sqlite3.SQLITE_IOERR: (
        "the disk is full, failing or gone; what was stored before is whole: make room or mend the disk and ask again"
    ),
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: "it is no SQLite database, or a damaged one; name another file, or restore a copy",
    sqlite3.SQLITE_NOMEM: "the memory is used up; what was stored before is whole: ask again with more of it",
    sqlite3.SQLITE_ERROR: "its tables are not as this program makes them; restore a copy, or name another file",
}
"""What to do, by SQLite's primary result code."""


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether a lock of another connection was in the way."""
    return _code(error) & 0xFF == sqlite3.SQLITE_BUSY


def store_error(path: str, error: sqlite3.Error) -> StoreError:
    """Return an error of SQLite as a ``StoreError`` that says what to do."""
    code = _code(error)
    # The extended code is more precise than the text, which belongs to the primary code.
    name = f" ({error.sqlite_errorname})" if code > 0xFF else ""
    hint = _HINTS.get(code & 0xFF, "SQLite's result codes are explained at https://sqlite.org/rescode.html")
    return StoreError(f"{path}: {error}{name}; {hint}")


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's extended result code; 0 for an error of Python's own module."""
    return getattr(error, "sqlite_errorcode", 0)
