"""Candles on their way into a store, in a temporary file until all of them are known to be valid."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, TypeAlias

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import time_text
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sqlite.errors import store_error
from rxcandles.util.files import temporary_folder

__all__ = ["StagedRow", "Staging", "same_sql", "values_sql"]

StagedRow: TypeAlias = tuple[Any, ...]
"""The columns of a ``Row`` (None if the source has no such value), and the number of its line or row."""

_SURE: Final = COLUMNS[1 : COLUMNS.index("volume") + 1]
"""Columns that every candle has; the others are compared if both have them."""


def same_sql(one: str, other: str) -> str:
    """Return the condition that two rows agree on a candle, as far as both have values."""
    return " AND ".join(
        f"{one}.{name} = {other}.{name}" if name in _SURE else f"coalesce({one}.{name} = {other}.{name}, true)"
        for name in COLUMNS[1:]
    )


def values_sql(row: str) -> str:
    """Return the expression that shows the values of a row to people."""
    return " || ', ' || ".join(f"'{name} ' || {row}.{name}" for name in _SURE)


class Staging:
    """A temporary database for the rows of one source: ``with Staging(...) as staging``, in one thread at a time.

    Rows may come in any order; of rows that agree on a candle the first is kept. Memory does not depend on their
    number: the file, in the system's temporary folder, takes about 100 bytes a row and is deleted with the block.
    """

    def __init__(self, name: str, word: str) -> None:
        self.name = name
        """Name of the source in errors."""
        self.word = word
        """What the source calls its rows: line, or row."""
        self.added = 0
        """Rows added, including repeated ones."""

    def __enter__(self) -> Staging:
        self._folder = ExitStack()
        self.path = str(self._folder.enter_context(temporary_folder()) / "staged.db")
        """The file, whose table is ``staged``."""
        try:
            self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            # The file is temporary, so nothing in it need survive a crash.
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(
                f"CREATE TABLE staged (open_time INTEGER PRIMARY KEY, {', '.join(COLUMNS[1:])}, place, other)"
            )
        except sqlite3.Error as error:
            self._folder.close()
            raise store_error(self.path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._folder.close()

    def add(self, rows: Sequence[StagedRow]) -> None:
        """Add rows; raise :class:`StoreError` if there is no room for them."""
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany(_ADD, rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        self.added += len(rows)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield what is staged, oldest first, for a database that can't read the file."""
        try:
            yield from self._connection.execute("SELECT * FROM staged ORDER BY open_time")
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error

    def finish(self) -> None:
        """Complete the file; raise :class:`RequestError` if two rows contradict each other."""
        try:
            found = self._connection.execute(
                f"SELECT open_time, place, {values_sql('staged')}, other FROM staged WHERE other IS NOT NULL"
                " ORDER BY place LIMIT 1"
            ).fetchone()
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        if found:
            opened, place, mine, other = found
            raise RequestError(
                f"{self.name}, {self.word} {place}: the candle of {time_text(opened)} is {mine} here, but in"
                f" {self.word} {other}; keep one of the two. Nothing was imported"
            )


_ADD: Final = (
    f"INSERT INTO staged VALUES ({', '.join('?' * (len(COLUMNS) + 1))}, NULL) ON CONFLICT (open_time) DO UPDATE"
    f" SET other = excluded.place || ': ' || {values_sql('excluded')}"
    f" WHERE other IS NULL AND NOT ({same_sql('staged', 'excluded')})"
)
