"""DuckDB's SQL over a frame, and over the database itself; over exported files, see ``writing/test_export.py``."""

from __future__ import annotations

import asyncio
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import duckdb

import rxcandles
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.stores import SqliteStore
from tests.support.fakes import row

ROWS = [row(slot * 60) for slot in range(500) if slot % 3]
HIGHEST = max(each.high for each in ROWS)
FIRST = to_datetime(60).replace(tzinfo=None)


def test_a_table(bench: Any) -> None:
    """A table is read where it is, without a file and without an extension."""
    stored = rxcandles.to_arrow(bench.stored(ROWS))
    found = duckdb.sql("SELECT count(*), max(high), min(open_time) AT TIME ZONE 'UTC' FROM stored").fetchall()
    assert found == [(len(stored), HIGHEST, FIRST)]


def test_the_database(tmp_path: Path) -> None:
    """With its SQLite extension, here from a file as it is without a network, DuckDB attaches the database."""

    async def fill() -> None:
        async with SqliteStore(tmp_path / "candles.db") as store:
            await store.write("KRW-BTC", Timeframe.of("1m"), ROWS[::-1], (0, 500 * 60))

    asyncio.run(fill())
    packaged = files("duckdb_extension_sqlite_scanner") / "extensions" / f"v{duckdb.__version__}"
    with duckdb.connect() as connection, as_file(packaged / "sqlite_scanner.duckdb_extension") as extension:
        connection.load_extension(str(extension))
        connection.execute(f"ATTACH '{tmp_path / 'candles.db'}' AS stored (TYPE sqlite, READ_ONLY)")
        found = connection.execute(
            "SELECT symbol, timeframe, count(*), max(high), min(make_timestamp(open_time * 1000000))"
            " FROM stored.candles JOIN stored.series ON id = series GROUP BY ALL"
        ).fetchall()
    assert found == [("KRW-BTC", "1m", len(ROWS), HIGHEST, FIRST)]
