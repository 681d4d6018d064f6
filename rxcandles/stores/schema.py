"""The tables of a candle database, and how older files become newer ones.

One page is stored by one statement: an INSERT into the view ``page``, whose triggers write the candles and merge
what they prove into the ledger. So candles and coverage are one transaction, which a cancelled task can't leave open
half way, and which waits for other writers as SQLite's busy timeout says.

The rows of such an INSERT are the candles, between two marks: rows without prices whose ``open_time`` is the start of
the proven span, and whose ``timestamp`` is its end. The first mark merges the spans and takes what they counted inside
the new span off; the last one, when the candles are in, adds what is there now. So ``coverage.rows`` stays exact also
where a page brings a candle that the exchange did not have the first time.
"""

from __future__ import annotations

from typing import Final

__all__ = ["APPLICATION_ID", "COLUMNS", "MIGRATIONS", "VERSION"]

APPLICATION_ID: Final = 0x52784364
"""``PRAGMA application_id`` of our files ("RxCd"), so that another program's database is never written to."""

COLUMNS: Final = (
    "open_time", "open", "high", "low", "close", "volume", "turnover", "timestamp",
    "prev_closing_price", "change_price", "change_rate",
)  # fmt: skip
"""The columns of a candle, in the order of ``Row``."""

_NAMES: Final = ", ".join(COLUMNS)
_NEW: Final = ", ".join(f"NEW.{name}" for name in COLUMNS)
_SET: Final = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
_TOUCHING: Final = "series = NEW.series AND start <= NEW.timestamp AND stop >= NEW.open_time"

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
    f"CREATE VIEW page AS SELECT series, {_NAMES}, 0 AS last FROM candles WHERE 0",
    f"""
    CREATE TRIGGER page_candle INSTEAD OF INSERT ON page WHEN NEW.open IS NOT NULL BEGIN
        INSERT INTO candles (series, {_NAMES}) VALUES (NEW.series, {_NEW})
        ON CONFLICT (series, open_time) DO UPDATE SET {_SET};
    END
    """,
    f"""
    CREATE TRIGGER page_begin INSTEAD OF INSERT ON page WHEN NEW.open IS NULL AND NEW.last = 0 BEGIN
        INSERT INTO coverage (series, start, stop, rows)
            SELECT NEW.series, -1 - min(NEW.open_time, ifnull(min(start), NEW.open_time)),
                max(NEW.timestamp, ifnull(max(stop), NEW.timestamp)),
                ifnull(sum(rows - (
                    SELECT count(*) FROM candles WHERE candles.series = NEW.series
                    AND open_time >= max(coverage.start, NEW.open_time)
                    AND open_time < min(coverage.stop, NEW.timestamp)
                )), 0)
            FROM coverage WHERE {_TOUCHING} AND start >= 0;
        DELETE FROM coverage WHERE {_TOUCHING} AND start >= 0;
        UPDATE coverage SET start = -1 - start WHERE series = NEW.series AND start < 0;
    END
    """,
    """
    CREATE TRIGGER page_end INSTEAD OF INSERT ON page WHEN NEW.open IS NULL AND NEW.last = 1 BEGIN
        UPDATE coverage SET rows = rows + (
            SELECT count(*) FROM candles WHERE series = NEW.series
            AND open_time >= NEW.open_time AND open_time < NEW.timestamp
        ) WHERE series = NEW.series AND start <= NEW.open_time AND stop >= NEW.timestamp;
    END
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

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST,)
"""The statements that lead from each version to the next; ``PRAGMA user_version`` counts those applied."""

VERSION: Final = len(MIGRATIONS)
