"""What a lake costs: syncs, each in a fresh process with its peak memory; the same questions to it and to the file."""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from profiling.support.harness import machine, measured, table
from profiling.support.stored import filled

YEARS = "SELECT {year} AS year, count(*), max(high), min(low), sum(volume) FROM {table} GROUP BY 1 ORDER BY 1"
DAY = "SELECT count(*), max(high) FROM {table} WHERE open_time >= {start} AND open_time < {stop}"


async def _synced(database: str, folder: str) -> dict[str, Any]:
    from rxcandles import SqliteStore, lake

    async with SqliteStore(database) as store:
        [done] = await lake.sync(store, folder)
        return {"files": done.files, "written": done.written, "mb": done.size / 1e6}


async def _changed(database: str, folder: str) -> dict[str, Any]:
    from rxcandles import SqliteStore, Timeframe, lake

    async with SqliteStore(database) as store:
        minute = Timeframe.of("1m")
        [row] = await store.rows("KRW-BTC", minute, 0, 10**10, "newest_first", 1)
        later = row._replace(timestamp=row.timestamp + 1)
        await store.write("KRW-BTC", minute, [later], (row.open_time, row.open_time + 60))
        [done] = await lake.sync(store, folder)
        return {"files": done.files, "written": done.written, "mb": done.size / 1e6}


async def _verified(database: str, folder: str) -> dict[str, Any]:
    from rxcandles import SqliteStore, lake

    async with SqliteStore(database) as store:
        report = await lake.verify(store, folder)
        assert report.clean, report.findings
        return {"files": report.files, "written": 0}


async def _sealed(database: str, folder: str) -> dict[str, Any]:
    from rxcandles import SqliteStore, lake

    async with SqliteStore(database) as store:
        [done] = await lake.seal(store, folder, older_than="24M")
        return {"files": done.months, "written": 0}


async def _unsealed(database: str, folder: str) -> dict[str, Any]:
    from rxcandles import SqliteStore, lake

    async with SqliteStore(database) as store:
        [done] = await lake.unseal(store, folder)
        return {"files": done.months, "written": 0}


STEPS = {
    "first sync": _synced,
    "second sync, nothing has changed": _synced,
    "sync after one candle has changed": _changed,
    "verify, candle by candle": _verified,
    "seal all but two years": _sealed,
    "unseal": _unsealed,
}


def _asked(database: Path, folder: Path, start: int) -> list[dict[str, Any]]:
    """Return seconds of the same questions, asked of SQLite and of the files."""
    import duckdb

    rows = []
    with sqlite3.connect(database) as file, duckdb.connect() as duck:
        file.execute("SELECT count(*) FROM series").fetchall()
        duck.execute("SET TimeZone = 'UTC'")
        files = f"'{folder}/**/*.parquet'"
        year = "CAST(strftime('%Y', open_time, 'unixepoch') AS INTEGER)"
        times = (f"to_timestamp({start})", f"to_timestamp({start + 86_400})")
        asked = {
            "high, low and volume of each year": (
                YEARS.format(year=year, table="candles"),
                YEARS.format(year="year(open_time)", table=files),
            ),
            "candles and high of one day": (
                DAY.format(table="candles", start=start, stop=start + 86_400).replace("WHERE", "WHERE series = 1 AND"),
                DAY.format(table=files, start=times[0], stop=times[1]),
            ),
        }
        for what, (theirs, ours) in asked.items():
            took, found = [], []
            for connection, sql in ((file, theirs), (duck, ours)):
                best = float("inf")
                for _ in range(3):
                    began = time.perf_counter()
                    found.append(connection.execute(sql).fetchall())
                    best = min(best, time.perf_counter() - began)
                took.append(best)
            assert [row[:2] for row in found[0]] == [row[:2] for row in found[-1]], what
            rows.append({"question": what, "SQLite, s": took[0], "DuckDB, s": took[1], "times": took[0] / took[1]})
    return rows


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling lake")
    parser.add_argument("--candles", type=int, default=10_000_000)
    options = parser.parse_args(arguments)
    rows, answers = [], list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as folder:
        database, there = Path(folder, "candles.db"), Path(folder, "lake")
        filled(database, options.candles)
        for name, work in STEPS.items():
            done = measured(work, str(database), str(there))
            rows.append(
                {
                    "what": name,
                    "files": done["files"],
                    "written": done["written"],
                    "seconds": done["seconds"],
                    "CPU s": done["cpu"],
                    "peak RSS MB": done["rss_mb"],
                }
            )
            if work is _verified:
                answers = _asked(database, there, options.candles * 30 // 86_400 * 86_400)
        size = sum(path.stat().st_size for path in there.rglob("*.parquet"))
        print(table(f"{options.candles:,} candles of one minute as a lake, {size / 1e6:,.0f} MB. {machine()}", rows))
        print(table(f"\nThe same questions; the database has {database.stat().st_size / 1e6:,.0f} MB", answers))
    return 0
