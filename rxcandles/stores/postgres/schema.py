"""The tables in a PostgreSQL database, all in the schema ``rxcandles``, and how older ones become newer ones."""

from __future__ import annotations

from typing import Final

__all__ = ["LOCK", "MIGRATIONS", "SCHEMA", "VERSION", "WRITE_FUNCTION"]

SCHEMA: Final = "rxcandles"
"""The schema of all tables, so that a team's other tables may have the same names."""

LOCK: Final = 1_919_443_556
"""The class of our advisory locks ("rxcd"); the second number is a series, 0 for all of them, -1 for migrations."""

_SPAN: Final = ("series int8 NOT NULL, start int8 NOT NULL", "PRIMARY KEY (series, start)")

_FIRST: Final = (
    """
    CREATE TABLE about (key text PRIMARY KEY, value int8 NOT NULL)
    """,
    """
    CREATE TABLE series (
        id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        exchange text COLLATE "C" NOT NULL,
        symbol text COLLATE "C" NOT NULL,
        timeframe text COLLATE "C" NOT NULL,
        UNIQUE (exchange, symbol, timeframe)
    )
    """,
    # The columns that every candle has come first, so that a row without the others has no gaps between its values.
    """
    CREATE TABLE candles (
        open_time int8 NOT NULL,
        open float8 NOT NULL,
        high float8 NOT NULL,
        low float8 NOT NULL,
        close float8 NOT NULL,
        volume float8 NOT NULL,
        turnover float8 NOT NULL,
        timestamp int8 NOT NULL,
        series int8 NOT NULL,
        prev_closing_price float8,
        change_price float8,
        change_rate float8,
        trades int8,
        taker_volume float8,
        taker_turnover float8
    )
    """,
    # Pages arrive newest first. A primary key can't say so; ascending, the index is left half empty (57 B a candle).
    "CREATE UNIQUE INDEX candles_key ON candles (series, open_time DESC)",
    """
    CREATE TABLE coverage (
        series int8 NOT NULL REFERENCES series (id),
        start int8 NOT NULL,
        stop int8 NOT NULL CHECK (stop > start),
        rows int8 NOT NULL CHECK (rows >= 0),
        PRIMARY KEY (series, start),
        CONSTRAINT coverage_apart EXCLUDE USING gist (series WITH =, int8range(start, stop) WITH &&)
    )
    """,
    """
    CREATE TABLE claims (
        series int8 NOT NULL REFERENCES series (id), kind text NOT NULL, start int8 NOT NULL,
        stop int8 NOT NULL CHECK (stop > start), first_heard int8 NOT NULL, last_heard int8 NOT NULL,
        times int8 NOT NULL, due int8 NOT NULL, final int8 NOT NULL, said int8, PRIMARY KEY (series, start)
    )
    """,
    """
    CREATE TABLE imports (
        id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, series int8 NOT NULL REFERENCES series (id),
        source text NOT NULL, format text NOT NULL, rows int8 NOT NULL, imported_at int8 NOT NULL, sha256 text
    )
    """,
    """
    CREATE TABLE imported (
        series int8 NOT NULL REFERENCES series (id), open_time int8 NOT NULL, open float8 NOT NULL,
        high float8 NOT NULL, low float8 NOT NULL, close float8 NOT NULL, volume float8 NOT NULL, turnover float8,
        timestamp int8, prev_closing_price float8, change_price float8, change_rate float8,
        import int8 NOT NULL REFERENCES imports (id), PRIMARY KEY (series, open_time)
    )
    """,
    f"CREATE TABLE months ({_SPAN[0]}, revision int8 NOT NULL, {_SPAN[1]})",
    "CREATE TABLE absent_slots (series int8 PRIMARY KEY REFERENCES series (id), meaning text NOT NULL)",
    "CREATE TABLE with_trades (series int8 PRIMARY KEY REFERENCES series (id))",
    """
    CREATE TABLE impossible (
        series int8 NOT NULL REFERENCES series (id), open_time int8 NOT NULL, fault text NOT NULL,
        first_heard int8 NOT NULL, last_heard int8 NOT NULL, times int8 NOT NULL, PRIMARY KEY (series, open_time)
    )
    """,
    """
    CREATE TABLE sealed (
        series int8 NOT NULL REFERENCES series (id), start int8 NOT NULL, stop int8 NOT NULL CHECK (stop > start),
        step int8 NOT NULL, rows int8 NOT NULL CHECK (rows >= 0), revision int8 NOT NULL, sha256 text NOT NULL,
        place text NOT NULL, sealed_at int8 NOT NULL, slots bytea NOT NULL, PRIMARY KEY (series, start)
    )
    """,
    """
    CREATE TABLE followed (
        series int8 PRIMARY KEY REFERENCES series (id), start int8 NOT NULL, proven int8 NOT NULL, heard int8 NOT NULL,
        state text NOT NULL, reason text NOT NULL, at float8 NOT NULL
    )
    """,
    """
    CREATE TABLE changes (
        id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, series int8 NOT NULL REFERENCES series (id),
        open_time int8 NOT NULL, before text
    )
    """,
    "CREATE INDEX changes_of_series ON changes (series, id)",
    # Who was told that a transaction is committed, and who was cut off before: see ``session``.
    "CREATE TABLE sessions (id int8 PRIMARY KEY, mark int8 NOT NULL, at timestamptz NOT NULL) WITH (fillfactor = 50)",
    # What a crash may empty: a reservation lasts seconds, and without it a page is asked for twice.
    """
    CREATE UNLOGGED TABLE reservations (
        series int8 NOT NULL, owner int8 NOT NULL, start int8 NOT NULL, stop int8 NOT NULL, until float8 NOT NULL,
        PRIMARY KEY (series, owner, start)
    )
    """,
    f"CREATE TABLE unfinished ({_SPAN[0]}, stop int8 NOT NULL, {_SPAN[1]})",
    f"CREATE TABLE questioned ({_SPAN[0]}, stop int8 NOT NULL, {_SPAN[1]})",
    """
    CREATE VIEW candles_readable AS
        SELECT exchange, symbol, timeframe, to_timestamp(open_time) AT TIME ZONE 'UTC' AS open_time_utc,
            to_timestamp(open_time) AT TIME ZONE 'Asia/Seoul' AS open_time_kst,
            open, high, low, close, volume, turnover
        FROM candles JOIN series ON series.id = candles.series
    """,
    """
    CREATE VIEW coverage_readable AS
        SELECT exchange, symbol, timeframe, to_timestamp(start) AT TIME ZONE 'UTC' AS start_utc,
            to_timestamp(stop) AT TIME ZONE 'UTC' AS stop_utc, rows
        FROM coverage JOIN series ON series.id = coverage.series
    """,
    # The shared SQL asks for types, as SQLite's columns may hold anything; here they can't.
    "CREATE FUNCTION typeof(int8) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''integer'''",
    "CREATE FUNCTION typeof(float8) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''real'''",
    """
    CREATE FUNCTION opens_at(frame text, opened int8) RETURNS bool LANGUAGE sql IMMUTABLE AS $$
        SELECT opened = extract(epoch FROM date_trunc(
            CASE frame WHEN '1M' THEN 'month' WHEN '1y' THEN 'year' END,
            to_timestamp(opened) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')
    $$
    """,
    # gen_random_uuid is as random as the system can be; random() is not.
    """
    CREATE FUNCTION new_revision() RETURNS int8 LANGUAGE sql VOLATILE AS $$
        SELECT (('x' || substr(replace(gen_random_uuid()::text, '-', ''), 18, 15))::bit(60))::int8 | 1
    $$
    """,
    "INSERT INTO months (series, start, revision) VALUES (0, 0, new_revision())",
)

WRITE_FUNCTION: Final = f"""
CREATE OR REPLACE FUNCTION rx_write(
    me int8, own int8, s int8, a int8, b int8, counted bool, absent text, t int8[], o float8[], h float8[],
    l float8[], c float8[], v float8[], u float8[], m int8[], p float8[], q float8[], r float8[], n int8[], w float8[],
    x float8[]
) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE lo int8; hi int8; held int8;
BEGIN
    PERFORM pg_advisory_xact_lock_shared({LOCK}, 0), pg_advisory_xact_lock({LOCK}, s::int4);
    -- A statement of its own from here on: it sees what was committed while this one waited.
    IF EXISTS (SELECT 1 FROM coverage WHERE series = s AND start < b AND stop > a AND start >= coalesce(
            (SELECT max(start) FROM coverage WHERE series = s AND start <= a), 0))
        OR EXISTS (SELECT 1 FROM claims WHERE series = s AND start <= b AND stop >= a)
        OR EXISTS (SELECT 1 FROM followed WHERE series = s)
        OR EXISTS (SELECT 1 FROM imported WHERE series = s AND open_time >= a AND open_time < b)
        OR EXISTS (SELECT 1 FROM impossible WHERE series = s AND open_time >= a AND open_time < b)
    THEN
        RETURN NULL;
    END IF;
    INSERT INTO sessions (id, mark, at) VALUES (me, own, now())
        ON CONFLICT (id) DO UPDATE SET mark = excluded.mark, at = excluded.at;
    IF counted THEN
        INSERT INTO with_trades VALUES (s) ON CONFLICT DO NOTHING;
    END IF;
    INSERT INTO candles (series, open_time, open, high, low, close, volume, turnover, timestamp,
            prev_closing_price, change_price, change_rate, trades, taker_volume, taker_turnover)
        SELECT s, * FROM unnest(t, o, h, l, c, v, u, m, p, q, r, n, w, x)
        ON CONFLICT (series, open_time) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low,
            close = excluded.close, volume = excluded.volume, turnover = excluded.turnover,
            timestamp = excluded.timestamp, prev_closing_price = excluded.prev_closing_price,
            change_price = excluded.change_price, change_rate = excluded.change_rate, trades = excluded.trades,
            taker_volume = excluded.taker_volume, taker_turnover = excluded.taker_turnover;
    INSERT INTO months (series, start, revision)
        SELECT s, start, new_revision() FROM (SELECT DISTINCT extract(epoch FROM
            date_trunc('month', to_timestamp(opened) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')::int8 AS start
            FROM unnest(t) AS opened) AS each
        ON CONFLICT (series, start) DO UPDATE SET revision = excluded.revision;
    -- At most one span ends where this one begins, and one begins where it ends.
    WITH beside AS (
        DELETE FROM coverage WHERE series = s
            AND (start = b OR (stop = a AND start = (SELECT max(start) FROM coverage WHERE series = s AND start < a)))
        RETURNING start, stop, rows
    ) SELECT least(a, min(start)), greatest(b, max(stop)), coalesce(sum(rows), 0) INTO lo, hi, held FROM beside;
    INSERT INTO coverage (series, start, stop, rows) SELECT s, lo, hi, held + count(*) FROM candles
        WHERE series = s AND open_time >= a AND open_time < b;
    IF absent <> 'no_trade' OR EXISTS (SELECT 1 FROM absent_slots WHERE series = s) THEN
        INSERT INTO absent_slots (series, meaning) SELECT s, absent WHERE absent IS NOT NULL
            ON CONFLICT (series) DO UPDATE SET meaning = excluded.meaning
            WHERE absent_slots.meaning <> excluded.meaning;
    END IF;
    RETURN cardinality(t);
END $$
"""
"""Writes a page of a span of which nothing is known yet, as most pages are; NULL if something is.

That case is left to the shared functions, which compare what is stored with what has come.
"""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = ((*_FIRST, WRITE_FUNCTION),)
"""The statements that lead from each version to the next; ``about`` counts those applied."""

VERSION: Final = len(MIGRATIONS)
