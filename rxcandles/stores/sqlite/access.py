"""How a database file can be opened: for reading and writing, or only for reading.

SQLite's WAL needs ``-shm`` beside the file, even for reading. If none may be made, the file is opened as one that does
not change (``immutable``), provided that all of its content is in the file itself and not in a ``-wal``.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from rxcandles.errors import StoreError
from rxcandles.stores.sqlite.header import file_size

__all__ = ["Access", "access_to", "unreadable"]


class Access(NamedTuple):
    """What may be done with a file."""

    file: str
    writable: bool
    unfinished: bool
    """Whether there is a ``-wal`` or ``-journal`` with content."""

    @property
    def frozen(self) -> bool:
        """Whether it is opened as a file that does not change; the reader checks that it did not."""
        return not self.writable and not self.unfinished

    def uri(self, mode: str) -> str:
        """Return the URI for SQLite to open it by; ``mode`` applies if it may be written to."""
        how = f"mode={mode}" if self.writable else "immutable=1" if self.frozen else "mode=ro"
        return f"{Path(self.file).as_uri()}?{how}"

    def unreadable_by(self, error: sqlite3.Error) -> bool:
        """Return whether the cause of an error is a ``-wal`` or ``-journal`` that can't be read without writing."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return not self.writable and self.unfinished and code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def unreadable(path: str, error: sqlite3.Error) -> StoreError:
    """Return that error in words."""
    return StoreError(
        f"{path}: {error}; part of it is in the file beside it ({path}-wal), which can't be read where nothing may be "
        "written: let whoever writes to it close it, or copy both to a folder of yours and read them there"
    )


def access_to(file: str) -> Access:
    """Return how ``file``, an absolute path, can be opened; a missing file counts as writable."""
    there = os.path.exists(file)
    writable = not there or (_may_write(file) and _may_write(os.path.dirname(file)))
    return Access(file, writable, any(file_size(file + suffix) for suffix in ("-wal", "-journal")))


def _may_write(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
