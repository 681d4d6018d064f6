"""Imported candles: stored apart from the exchange's, never covered, and deleted when the exchange's own come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from rxcandles.errors import RequestError
from rxcandles.model import Order
from rxcandles.model.timeframe import time_text
from rxcandles.ports import Series
from rxcandles.stores.sql.columns import ADD_SERIES_SQL, COLUMNS, SERIES_ID_SQL
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.shifted import drop_shifted, refuse_shifted, shift_of
from rxcandles.stores.sql.staging import Staging, same_sql, values_sql
from rxcandles.stores.sql.transaction import Transacting, transaction

__all__ = [
    "IMPORTED_COUNT_SQL",
    "IMPORTED_SERIES_SQL",
    "IMPORTS_OF_SQL",
    "IMPORTS_SQL",
    "NTH_NEWEST_SQL",
    "ROWS_OF_IMPORT_SQL",
    "SAMPLE_SQL",
    "SHOWN_COUNT_SQL",
    "STRETCHES_SQL",
    "Import",
    "Taken",
    "marked_sql",
    "take_in",
]

_COLUMNS: Final = ", ".join(COLUMNS)
_WHERE: Final = "WHERE series = ? AND open_time >= ? AND open_time < ?"

_SHOWN: Final = (
    f"{_WHERE} AND NOT EXISTS (SELECT 1 FROM candles"
    " WHERE candles.series = imported.series AND candles.open_time = imported.open_time)"
)
"""Imported candles in whose slot there is no candle of the exchange, covered or not."""

IMPORTED_COUNT_SQL: Final = f"SELECT count(*) FROM imported {_WHERE}"
IMPORTED_SERIES_SQL: Final = (
    "SELECT id, exchange, symbol, timeframe FROM series WHERE EXISTS (SELECT 1 FROM imported WHERE series = id)"
    " ORDER BY exchange, symbol, timeframe"
)
IMPORTS_SQL: Final = (
    "SELECT exchange, symbol, timeframe, source, format, rows, imported_at, sha256,"
    " (SELECT count(*) FROM imported WHERE imported.series = imports.series AND import = imports.id)"
    " FROM imports JOIN series ON series.id = imports.series ORDER BY imports.id"
)


SHOWN_COUNT_SQL: Final = f"SELECT count(*) FROM imported {_SHOWN}"
STRETCHES_SQL: Final = (
    # Each candle that begins a run of candles, with the one before it; then the newest of all.
    "SELECT before, open_time FROM (SELECT open_time, lag(open_time) OVER (ORDER BY open_time) AS before"
    " FROM imported WHERE series = :series) AS each WHERE before IS NULL OR open_time - before > :apart"
    " UNION ALL SELECT max(open_time), NULL FROM imported WHERE series = :series"
)
"""Where runs of imported candles begin and end, oldest first, given ``series`` and the least distance ``apart``."""
NTH_NEWEST_SQL: Final = (
    f"SELECT open_time FROM (SELECT open_time FROM candles {_WHERE} UNION ALL SELECT open_time FROM imported {_SHOWN})"
    " AS both ORDER BY open_time DESC LIMIT 1 OFFSET ?"
)
IMPORTS_OF_SQL: Final = "SELECT id, source, format, sha256 FROM imports WHERE series = ? ORDER BY id"
ROWS_OF_IMPORT_SQL: Final = (
    f"SELECT {_COLUMNS} FROM imported WHERE series = ? AND import = ? AND open_time > ? ORDER BY open_time LIMIT ?"
)
SAMPLE_SQL: Final = f"SELECT open_time FROM imported {_WHERE} ORDER BY random() LIMIT ?"


class Import(NamedTuple):
    """One import, as ``store.imports()`` lists them.

    >>> report = await import_candles(store, "KRW-BTC", "1m", "btc.csv")
    >>> [(each.source, each.rows, each.left) for each in await store.imports()]
    [('btc.csv', 60, 60)]
    """

    exchange: str
    symbol: str
    timeframe: str
    source: str
    """Path of the file, or the name that the caller gave."""
    format: str
    rows: int
    """Candles that it brought."""
    imported_at: int
    """UTC seconds."""
    sha256: str | None
    """Hash of the file, in hexadecimal; None if it came from memory."""
    left: int
    """Candles of it that are still there: those in slots that are not covered."""


class Taken(NamedTuple):
    """What has become of the rows of a source."""

    new: int
    """Candles stored as imported, including those that replaced others."""
    same: int
    """Candles that were imported before with the same values."""
    replaced: int
    """Candles imported before with other values; only with ``replace``."""
    repeated: int
    """Rows that repeat an earlier row."""
    covered: int
    """Candles left out because the exchange has answered for their slots."""
    differing: int
    """Candles of ``covered`` that the exchange does not have, or has with other values."""


def marked_sql(order: Order, *, proven: bool) -> str:
    """Return the statement that reads imported rows; with ``proven``, covered rows too.

    Its parameters are series, start and stop (twice with ``proven``), then limit and offset.
    """
    parts = [f"SELECT {_COLUMNS}, 0 AS proven FROM imported {_SHOWN if proven else _WHERE}"]
    if proven:
        parts.insert(0, f"SELECT {_COLUMNS}, 1 AS proven FROM candles {_WHERE}")
    direction = "DESC" if order == "newest_first" else "ASC"
    return f"{' UNION ALL '.join(parts)} ORDER BY open_time {direction} LIMIT ? OFFSET ?"


def take_in(connection: Sql, series: Series, staging: Staging, style: str, sha256: str | None, replace: bool) -> Taken:
    """Store what is staged as imported, all or nothing; it waits for other writers, and they wait for it.

    Raise :class:`RequestError` if it contradicts what was imported before; with ``replace``, it replaces that.
    """
    with staged(connection, staging):
        return _take_in(connection, series, staging, style, sha256, replace)


@contextmanager
def staged(connection: Sql, staging: Staging) -> Iterator[None]:
    """Let the block see what is staged as the table ``staged``, in a transaction."""
    if isinstance(connection, Transacting):
        with transaction(connection):
            connection.stage(staging.rows())
            yield
        return
    connection.execute("ATTACH ? AS staging", (staging.path,))
    try:
        with transaction(connection):
            yield
    finally:
        connection.execute("DETACH staging")


def _take_in(connection: Sql, series: Series, staging: Staging, style: str, sha256: str | None, replace: bool) -> Taken:
    brought = _one(connection, "SELECT count(*) FROM staged")
    if not brought:
        return Taken(0, 0, 0, 0, 0, 0)
    connection.execute(ADD_SERIES_SQL, series)
    number = _one(connection, SERIES_ID_SQL, *series)
    covered = differing = replaced = 0
    if found := shift_of(connection, number):
        if not replace:
            raise refuse_shifted(staging, *found, _one(connection, "SELECT min(open_time) FROM staged"))
        replaced = drop_shifted(connection, number, found[1])
    for span in connection.execute("SELECT start, stop FROM coverage WHERE series = ?", (number,)).fetchall():
        differing += _one(connection, f"SELECT count(*) {_DIFFERING}", *span, number)
        covered += connection.execute("DELETE FROM staged WHERE open_time >= ? AND open_time < ?", span).rowcount
    if replace:
        replaced += connection.execute(_DROP_OTHERS, (number, number)).rowcount
    else:
        _refuse_others(connection, number, staging)
    connection.execute(
        "INSERT INTO imports (series, source, format, rows, imported_at, sha256) VALUES (?, ?, ?, 0, ?, ?)",
        (number, staging.name, style, int(time.time()), sha256),
    )
    key = _one(connection, "SELECT max(id) FROM imports WHERE series = ?", number)
    new = connection.execute(
        f"INSERT INTO imported (series, {_COLUMNS}, import) SELECT CAST(? AS BIGINT), {_COLUMNS}, CAST(? AS BIGINT)"
        " FROM staged WHERE true ORDER BY open_time DESC ON CONFLICT (series, open_time) DO NOTHING",
        (number, key),
    ).rowcount
    if new:
        connection.execute("UPDATE imports SET rows = ? WHERE id = ?", (new, key))
    else:  # importing the same again leaves no trace
        connection.execute("DELETE FROM imports WHERE id = ?", (key,))
    return Taken(new, brought - covered - new, replaced, staging.added - brought, covered, differing)


_DIFFERING: Final = (
    "FROM staged WHERE open_time >= ? AND open_time < ? AND NOT EXISTS (SELECT 1 FROM candles"
    f" WHERE series = ? AND candles.open_time = staged.open_time AND {same_sql('staged', 'candles')})"
)
_OTHERS: Final = (
    # CROSS JOIN fixes the order, so that imported rows are looked up by key.
    "FROM staged CROSS JOIN imported WHERE imported.series = ? AND imported.open_time = staged.open_time"
    f" AND NOT ({same_sql('staged', 'imported')})"
)
_DROP_OTHERS: Final = f"DELETE FROM imported WHERE series = ? AND open_time IN (SELECT staged.open_time {_OTHERS})"


def _refuse_others(connection: Sql, number: int, staging: Staging) -> None:
    found = connection.execute(
        f"SELECT place, staged.open_time, {values_sql('staged')}, {values_sql('imported')},"
        f" (SELECT source FROM imports WHERE id = import) {_OTHERS} ORDER BY place LIMIT 1",
        (number,),
    ).fetchone()
    if found:
        place, opened, mine, theirs, source = found
        raise RequestError(
            f"{staging.name}, {staging.word} {place}: the candle of {time_text(opened)} is {mine} here, but {theirs} in"
            f" what was imported from {source}; replace (--replace) lets the newer import win. Nothing was imported"
        )


def _one(connection: Sql, sql: str, *parameters: object) -> int:
    return int(connection.execute(sql, parameters).fetchone()[0])
