"""What a check has found against the exchange, kept in the file until a repair has dealt with it.

Nothing in a file shows that the exchange has something else, so that whoever looks at it later could not know. The
table is made with the first such finding; a file without it is whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from rxcandles.findings import EXCHANGE_KINDS, Finding, Kind
from rxcandles.stores.conditions import is_span
from rxcandles.stores.transaction import transaction
from rxcandles.timeframe import from_datetime

__all__ = ["Found", "found_in", "keep_findings", "strike_found"]

_MAKE: Final = (
    "CREATE TABLE IF NOT EXISTS found (series INTEGER NOT NULL REFERENCES series (id), kind TEXT NOT NULL,"
    " start INTEGER NOT NULL, stop INTEGER NOT NULL, PRIMARY KEY (series, start, kind)) WITHOUT ROWID"
)
_BUSY: Final = 10.0


class Found(NamedTuple):
    """One finding of a series."""

    kind: Kind
    start: int
    stop: int


def keep_findings(path: str | Path, findings: Iterable[Finding]) -> bool:
    """Write down those that only the exchange can show; say whether that could be done, as where one may only read.

    Raises ``sqlite3.Error`` where the file can't be used for another reason.
    """
    kept = [each for each in findings if each.kind in EXCHANGE_KINDS and each.start and each.stop]
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=rw", _BUSY, uri=True)) as connection:
            connection.isolation_level = None
            with transaction(connection):
                connection.execute(_MAKE)
                for each in kept:
                    assert each.start is not None
                    assert each.stop is not None
                    connection.execute(
                        "INSERT OR IGNORE INTO found SELECT id, ?, ?, ? FROM series"
                        " WHERE exchange = ? AND symbol = ? AND timeframe = ?",
                        (
                            each.kind,
                            int(from_datetime(each.start)),
                            int(from_datetime(each.stop)),
                            each.exchange,
                            each.symbol,
                            each.timeframe,
                        ),
                    )
    except sqlite3.OperationalError:  # read only, or somebody writes for long
        return False
    return True


def found_in(connection: sqlite3.Connection, series: int) -> Iterator[Found]:
    """Yield what is kept of a series and may still be so, oldest first."""
    if not _is_there(connection):
        return
    sql = "SELECT kind, start, stop FROM found WHERE series = ? ORDER BY start, kind"
    for kind, start, stop in connection.execute(sql, (series,)).fetchall():
        if kind not in EXCHANGE_KINDS or not is_span(start, stop):
            continue
        held = connection.execute("SELECT 1 FROM candles WHERE series = ? AND open_time = ?", (series, start))
        if (held.fetchone() is None) == (kind == "missing_candle"):
            yield Found(kind, start, stop)


def strike_found(connection: sqlite3.Connection, series: int, start: int, stop: int) -> None:
    """Strike out what opens in ``[start, stop)``, as it is asked anew; within a transaction of the caller's."""
    if _is_there(connection):
        connection.execute("DELETE FROM found WHERE series = ? AND start >= ? AND start < ?", (series, start, stop))


def _is_there(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'found'").fetchone()[0])
