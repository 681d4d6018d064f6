"""Check that a file is a whole database of candles, before its contents are read."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Final

from rxcandles.integrity.findings import Kind
from rxcandles.stores.sql.columns import CLAIM_COLUMNS, COLUMNS, IMPORTS_COLUMNS
from rxcandles.stores.sqlite.header import file_size, read_header
from rxcandles.stores.sqlite.schema import CLAIMS_SINCE, MONTHS_SINCE

__all__ = ["damages", "is_damage"]

_MOST_MESSAGES: Final = 1000

_ABOUT_CONTENTS: Final = re.compile(r"CHECK constraint failed in |[A-Z]+ value in ")
"""Messages of SQLite's own check about values, not pages; ``examine`` finds these with their place."""

_TABLES: Final = {
    "series": {"id": 1, "exchange": 0, "symbol": 0, "timeframe": 0},
    "candles": {"series": 1, "open_time": 2} | dict.fromkeys(COLUMNS[1:], 0),
    "coverage": {"series": 1, "start": 2, "stop": 0, "rows": 0},
    "imports": {"id": 1} | dict.fromkeys(IMPORTS_COLUMNS, 0),
    "imported": {"series": 1, "open_time": 2} | dict.fromkeys((*COLUMNS[1:], "import"), 0),
    "claims": dict.fromkeys(CLAIM_COLUMNS, 0) | {"series": 1, "start": 2},
    "months": {"series": 1, "start": 2, "revision": 0},
}
"""The columns of each table, and their position in its key."""

_SINCE: Final = {"imports": 3, "imported": 3, "claims": CLAIMS_SINCE, "months": MONTHS_SINCE}
"""The schema version that added a table, if it was not the first."""


def damages(connection: sqlite3.Connection, path: str) -> Iterator[tuple[Kind, str]]:
    """Yield what is wrong with the file, up to a thousand things; nothing for an empty database.

    Raise ``SchemaError`` if the file belongs to another program or a newer version. Errors of ``sqlite3`` pass through.
    """
    header = read_header(connection, path, "name one with candles")
    if header.empty:
        return
    if header.is_cut_short(path):
        yield "damaged_file", f"it has been cut short: {file_size(path):,} bytes of {header.size:,}"
        return
    for (message,) in connection.execute(f"PRAGMA integrity_check({_MOST_MESSAGES})"):
        for line in message.splitlines():
            if line != "ok" and not line.startswith("***") and not _ABOUT_CONTENTS.match(line):
                yield "damaged_file", line
    for table, columns in _TABLES.items():
        if header.version < _SINCE.get(table, 0):
            continue
        there = {name: key for _, name, _, _, _, key in connection.execute(f"PRAGMA table_info({table})")}
        lacking = [name for name, key in columns.items() if there.get(name) != key]
        if lacking:
            what = f"lacks {', '.join(lacking)}, or has another key" if there else "is not there"
            yield "wrong_schema", f"the table {table} {what}"


def is_damage(error: Exception) -> bool:
    """Return whether an error of ``sqlite3`` is caused by damaged pages."""
    # Garbled names make a message that can't be decoded; garbled lengths ask for more memory than SQLite allows.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    garbled = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG) or isinstance(error, UnicodeDecodeError)
    return garbled or "unsupported file format" in str(error)
