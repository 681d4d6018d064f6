"""The tables of a candle database, and how older files become newer ones."""

from __future__ import annotations

from typing import Final

__all__ = [
    "APPLICATION_ID",
    "CLAIMS_SINCE",
    "MIGRATIONS",
    "MONTHS_SINCE",
    "VERSION",
]

APPLICATION_ID: Final = 0x52784364
"""``PRAGMA application_id`` of our files ("RxCd"), so that the database of another program is never written to."""

_FIRST: Final = (
    """
    CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        exchange TEXT NOT NULL,
        symbol TEXT NOT NULL,
        timeframe TEXT NOT NULL,
        UNIQUE (exchange, symbol, timeframe)
    )
    """,
    """
    CREATE TABLE candles (
        series INTEGER NOT NULL REFERENCES series (id),
        open_time INTEGER NOT NULL,
        open REAL NOT NULL,
        high REAL NOT NULL,
        low REAL NOT NULL,
        close REAL NOT NULL,
        volume REAL NOT NULL,
        turnover REAL NOT NULL,
        timestamp INTEGER NOT NULL,
        prev_closing_price REAL,
        change_price REAL,
        change_rate REAL,
        PRIMARY KEY (series, open_time DESC)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE coverage (
        series INTEGER NOT NULL REFERENCES series (id),
        start INTEGER NOT NULL,
        stop INTEGER NOT NULL CHECK (stop > start),
        rows INTEGER NOT NULL CHECK (rows >= 0),
        PRIMARY KEY (series, start)
    ) WITHOUT ROWID
    """,
    """
    CREATE VIEW candles_readable AS
        SELECT exchange, symbol, timeframe, datetime(open_time, 'unixepoch') AS open_time_utc,
            datetime(open_time + 32400, 'unixepoch') AS open_time_kst,
            open, high, low, close, volume, turnover
        FROM candles JOIN series ON series.id = candles.series
    """,
    """
    CREATE VIEW coverage_readable AS
        SELECT exchange, symbol, timeframe, datetime(start, 'unixepoch') AS start_utc,
            datetime(stop, 'unixepoch') AS stop_utc, rows
        FROM coverage JOIN series ON series.id = coverage.series
    """,
)

_SECOND: Final = ("DROP VIEW IF EXISTS page",)  # version 1 wrote through its triggers, which took twice as long

_THIRD: Final = (
    """
    CREATE TABLE imports (
        id INTEGER PRIMARY KEY,
        series INTEGER NOT NULL REFERENCES series (id),
        source TEXT NOT NULL,
        format TEXT NOT NULL,
        rows INTEGER NOT NULL,
        imported_at INTEGER NOT NULL,
        sha256 TEXT
    )
    """,
    """
    CREATE TABLE imported (
        series INTEGER NOT NULL REFERENCES series (id),
        open_time INTEGER NOT NULL,
        open REAL NOT NULL,
        high REAL NOT NULL,
        low REAL NOT NULL,
        close REAL NOT NULL,
        volume REAL NOT NULL,
        turnover REAL,
        timestamp INTEGER,
        prev_closing_price REAL,
        change_price REAL,
        change_rate REAL,
        import INTEGER NOT NULL REFERENCES imports (id),
        PRIMARY KEY (series, open_time DESC)
    ) WITHOUT ROWID
    """,
    """
    CREATE VIEW imported_readable AS
        SELECT exchange, symbol, timeframe, datetime(open_time, 'unixepoch') AS open_time_utc,
            datetime(open_time + 32400, 'unixepoch') AS open_time_kst,
            open, high, low, close, volume, turnover, imports.source, imports.format
        FROM imported JOIN series ON series.id = imported.series JOIN imports ON imports.id = imported.import
    """,
)
"""Imported candles: never in ``candles``, never in covered spans."""

_FOURTH: Final = (
    # One line each: SQLite stores the text, and all of it should fit the file's first page.
    "CREATE TABLE claims (series INTEGER NOT NULL REFERENCES series (id), kind TEXT NOT NULL, start INTEGER NOT NULL,"
    " stop INTEGER NOT NULL CHECK (stop > start), first_heard INTEGER NOT NULL, last_heard INTEGER NOT NULL,"
    " times INTEGER NOT NULL, due INTEGER NOT NULL, final INTEGER NOT NULL, said INTEGER,"
    " PRIMARY KEY (series, start)) WITHOUT ROWID",
)
"""Absences that are covered provisionally; ``sqlite.doubtful`` finds those of older files."""

_FIFTH: Final = (
    "CREATE TABLE months (series INTEGER NOT NULL, start INTEGER NOT NULL, revision INTEGER NOT NULL,"
    " PRIMARY KEY (series, start)) WITHOUT ROWID",
    # Half of it: the absolute value of the least number is no number.
    "INSERT INTO months (series, start, revision) VALUES (0, 0, abs(random() / 2) | 1)",
)
"""Revisions of months (``sql.months``), and the file's own number, as the month 0 of the series 0.

A version of its own: a program that does not know them would change candles and leave their numbers as they are.
"""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH)
"""The statements that lead from each version to the next; ``PRAGMA user_version`` counts those applied."""

CLAIMS_SINCE: Final = 4
"""The version that added claims."""

MONTHS_SINCE: Final = 5
"""The version that added the revisions of months."""

VERSION: Final = len(MIGRATIONS)
