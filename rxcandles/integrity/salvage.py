"""Copy what can be read of a damaged file into a new one.

Each series is read from its newest candle down to the first page that can't be read, then from its oldest candle up;
its coverage likewise. Everything is copied as it is. A check of the new file shows what is missing, and whether its
coverage is still right.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.integrity.damage import is_damage
from rxcandles.integrity.snapshot import Snapshot
from rxcandles.stores.sql.absent import keep_absent
from rxcandles.stores.sql.columns import CLAIM_COLUMNS, COLUMNS, IMPORTS_COLUMNS
from rxcandles.stores.sql.sealing import SEALED_COLUMNS, make_sealed
from rxcandles.stores.sql.transaction import transaction
from rxcandles.stores.sql.with_trades import ALL_COLUMNS, has_trades, keep_trades
from rxcandles.stores.sqlite.connection import open_connection
from rxcandles.stores.sqlite.doubtful import find_doubtful
from rxcandles.stores.sqlite.errors import store_error

__all__ = ["salvage"]

_TABLES: Final = {
    "candles": COLUMNS,
    "coverage": ("start", "stop", "rows"),
    "imported": (*COLUMNS, "import"),
    "imports": ("id", *IMPORTS_COLUMNS[1:]),
    "claims": CLAIM_COLUMNS,
    "sealed": SEALED_COLUMNS,
}


async def salvage(path: str | Path, into: str | Path) -> None:
    """Copy what can be read of the database ``path`` into the new file ``into``; one row is in memory at a time.

    Raises:

    * ``RequestError`` if ``into`` exists or ``path`` does not.
    * ``StoreError`` if even the names of the series can't be read, or if the new file can't be written; then it is
      empty.
    """
    if _is_there(into):
        raise RequestError(f"into is {str(into)!r}, which is there already; name a new file")
    async with Snapshot(path) as snapshot:
        series = await snapshot.call(_series)
        await (await open_connection(str(into), str(into), 10.0, "normal")).close()
        await snapshot.call(partial(_copy, path=str(path), into=str(into), series=series))


def _is_there(path: str | Path) -> bool:
    return Path(path).exists()


def _series(source: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return source.execute("SELECT id, exchange, symbol, timeframe FROM series").fetchall()


def _copy(source: sqlite3.Connection, path: str, into: str, series: list[tuple[Any, ...]]) -> None:
    try:
        with closing(sqlite3.connect(into, isolation_level=None)) as target, transaction(target):
            target.executemany("INSERT INTO series (id, exchange, symbol, timeframe) VALUES (?, ?, ?, ?)", series)
            there = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for number, *_ in series:
                counted = "with_trades" in there and has_trades(source, number)
                if counted:
                    keep_trades(target, number)
                for table, usual in _TABLES.items():
                    if table not in there:
                        continue
                    if table == "sealed":
                        make_sealed(target)
                    columns = ALL_COLUMNS if counted and table == "candles" else usual
                    names = f"series, {', '.join(columns)}"
                    sql = f"INSERT OR IGNORE INTO {table} ({names}) VALUES (?{', ?' * len(columns)})"
                    for order in ("DESC", "ASC"):
                        rows = _Readable(
                            source, f"SELECT {names} FROM {table} WHERE series = ? ORDER BY 2 {order}", number, path
                        )
                        target.executemany(sql, rows)
                        if rows.whole:
                            break
                if "absent_slots" in there:
                    sql = "SELECT series, meaning FROM absent_slots WHERE series = ?"
                    for _, meaning in _Readable(source, sql, number, path):
                        keep_absent(target, number, meaning)
            if "claims" not in there:
                find_doubtful(target)  # a file of an older version has no claims yet
    except sqlite3.Error as error:
        raise store_error(into, error) from error


class _Readable(Iterator[tuple[Any, ...]]):
    """The rows of a statement, up to the first that can't be read."""

    def __init__(self, source: sqlite3.Connection, sql: str, number: int, path: str) -> None:
        self._rows: Iterator[tuple[Any, ...]] | None = None
        self._start = partial(source.execute, sql, (number,))
        self._path = path
        self.whole = True

    def __next__(self) -> tuple[Any, ...]:
        try:
            if self._rows is None:
                self._rows = self._start()
            return next(self._rows)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # SQLITE_ERROR: the table or a column is missing, so nothing of it can be read.
            gone = is_damage(error) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
            if isinstance(error, sqlite3.Error) and not gone:
                raise store_error(self._path, error) from error
            self.whole = False
            raise StopIteration from error
