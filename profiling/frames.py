"""Stored candles into frames and files, in turn with the same by ``sqlite3`` and by hand, as many write it."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import rxcandles
from profiling.support.harness import machine, table
from profiling.support.stored import filled
from rxcandles.model.timeframe import to_datetime

COLUMNS = ["open_time", "open", "high", "low", "close", "volume", "turnover", "timestamp"]
SQL = f"SELECT {', '.join(COLUMNS)} FROM candles WHERE series = 1 ORDER BY open_time"


async def _sequence(database: Path, candles: int) -> rxcandles.CandleSequence:
    async with rxcandles.SqliteStore(database) as store:
        beginning = to_datetime(0)
        return rxcandles.stored_candles(store, "KRW-BTC", "1m", beginning, beginning + timedelta(minutes=candles))


async def _export(database: Path, path: Path) -> None:
    async with rxcandles.SqliteStore(database) as store:
        await rxcandles.export_candles(store, "KRW-BTC", "1m", path, force=True)


def _pandas_by_hand(connection: sqlite3.Connection) -> Any:
    import pandas

    frame = pandas.DataFrame(connection.execute(SQL).fetchall(), columns=COLUMNS)
    frame["open_time"] = pandas.to_datetime(frame["open_time"], unit="s", utc=True)
    return frame.set_index("open_time")


def _polars_by_hand(connection: sqlite3.Connection) -> Any:
    import polars

    frame = polars.DataFrame(connection.execute(SQL).fetchall(), schema=COLUMNS, orient="row")
    return frame.with_columns(polars.from_epoch("open_time", time_unit="s").dt.replace_time_zone("UTC"))


def _arrow_by_hand(connection: sqlite3.Connection) -> Any:
    import pyarrow

    columns = dict(zip(COLUMNS, zip(*connection.execute(SQL).fetchall(), strict=True), strict=True))
    return pyarrow.table({**columns, "open_time": pyarrow.array(columns["open_time"], pyarrow.timestamp("s", "UTC"))})


def _parquet_by_hand(connection: sqlite3.Connection, path: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(_arrow_by_hand(connection), path, compression="zstd")


def _csv_by_hand(connection: sqlite3.Connection, path: Path) -> None:
    import csv

    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["market", *COLUMNS[:-1]])
        for seconds, *prices, _ in connection.execute(SQL):
            lines.writerow(["KRW-BTC", to_datetime(seconds).isoformat()[:19], *prices])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling frames")
    parser.add_argument("--candles", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        database, parquet, text = (Path(folder, name) for name in ("candles.db", "candles.parquet", "candles.csv"))
        filled(database, options.candles)
        candles = asyncio.run(_sequence(database, options.candles))
        connection = sqlite3.connect(database)
        kinds: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "pandas": (lambda: rxcandles.to_pandas(candles), lambda: _pandas_by_hand(connection)),
            "polars": (lambda: rxcandles.to_polars(candles), lambda: _polars_by_hand(connection)),
            "Arrow": (lambda: rxcandles.to_arrow(candles), lambda: _arrow_by_hand(connection)),
            "Parquet": (
                lambda: asyncio.run(_export(database, parquet)),
                lambda: _parquet_by_hand(connection, parquet),
            ),
            "CSV": (lambda: asyncio.run(_export(database, text)), lambda: _csv_by_hand(connection, text)),
        }
        for name, both in kinds.items():
            spent: tuple[list[float], list[float]] = ([], [])
            for _ in range(options.rounds):
                for work, seconds in zip(both, spent, strict=True):
                    began = time.process_time()
                    work()
                    seconds.append(time.process_time() - began)
            ours, theirs = map(median, spent)
            rows.append({"into": name, "CPU s": ours, "by hand, CPU s": theirs, "speed / by hand": theirs / ours})
        connection.close()
    print(table(f"{options.candles:,} stored candles, median of {options.rounds} turns. {machine()}", rows))
    return 0
