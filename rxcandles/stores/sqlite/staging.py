"""Candles from elsewhere on their way into a store: in a file of their own, until all of them are known to be good."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, TypeAlias

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import time_text
from rxcandles.stores.sqlite.errors import store_error
from rxcandles.stores.sqlite.schema import COLUMNS
from rxcandles.util.files import temporary_folder

__all__ = ["StagedRow", "Staging", "same_sql", "values_sql"]

StagedRow: TypeAlias = tuple[Any, ...]
"""The columns of a ``Row``, those that a file does not have None, and the number of its line or row."""

_SURE: Final = COLUMNS[1 : COLUMNS.index("volume") + 1]
"""What every candle has; the rest is compared where both have it."""


def same_sql(one: str, other: str) -> str:
    """Return the condition that two rows say the same of a candle, as far as both say it."""
    return " AND ".join(
        f"{one}.{name} = {other}.{name}" if name in _SURE else f"coalesce({one}.{name} = {other}.{name}, 1)"
        for name in COLUMNS[1:]
    )


def values_sql(row: str) -> str:
    """Return the expression for what a row says, for people."""
    return " || ', ' || ".join(f"'{name} ' || {row}.{name}" for name in _SURE)


class Staging:
    """A temporary database for the rows of one source; ``with Staging(...) as staging``, in any thread, one at a time.

    Rows come in any order; of those that say the same of a candle the first is kept. Memory does not depend on how
    many there are: the file has about 100 bytes for each, in the system's folder for such, and goes with the block.
    """

    def __init__(self, name: str, word: str) -> None:
        self.name = name
        """What errors call the source."""
        self.word = word
        """What its rows are called there: line, or row."""
        self.added = 0
        """Rows that came, repeated ones too."""

    def __enter__(self) -> Staging:
        self._folder = ExitStack()
        self.path = str(self._folder.enter_context(temporary_folder()) / "staged.db")
        """The file, whose table is ``staged``."""
        try:
            self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            # It is thrown away whatever happens: nothing of it need be safe.
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
        """Add rows; :class:`StoreError` where there is no room for them."""
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany(_ADD, rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        self.added += len(rows)

    def finish(self) -> None:
        """Raise :class:`RequestError` where two rows contradict each other; the file is complete afterwards."""
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
