"""What exporting costs: every kind of file, each in a fresh process, with its peak memory; and many series."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from profiling.support.harness import machine, measured, table
from profiling.support.stored import filled

FILES = {
    "Parquet": ("candles.parquet", None, None),
    "Parquet by month": ("months", None, "month"),
    "feather": ("candles.feather", None, None),
    "freqtrade": (".", "freqtrade", None),
    "CSV": ("candles.csv", None, None),
    "JSON lines": ("candles.jsonl", None, None),
}


async def _exported(database: str, path: str, file_format: str | None, by: Any) -> None:
    from rxcandles import SqliteStore, export_candles

    async with SqliteStore(database) as store:
        await export_candles(store, "KRW-BTC", "1m", path, file_format=file_format, by=by)


def _together(series: int, candles: int) -> None:
    """Print what many series cost together, beside as many rows in one file."""
    from rxcandles.__main__ import main as command

    with tempfile.TemporaryDirectory() as folder:
        one, many = str(Path(folder, "one.db")), str(Path(folder, "many.db"))
        asyncio.run(_filled(one, ["KRW-A0"], series * candles))
        asyncio.run(_filled(many, [f"KRW-A{number}" for number in range(series)], candles))
        rows = []
        for kind in ("csv", "parquet"):
            seconds = []
            for db in (one, many):
                output = f"{folder}/{{symbol}}-{{timeframe}}.{kind}"
                began = time.perf_counter()
                assert command(["export", "KRW-*", "1m", "-o", output, "--db", db, "--force", "--quiet"]) == 0
                seconds.append(time.perf_counter() - began)
            rows.append({"file": kind, "one, s": seconds[0], "all, s": seconds[1], "times": seconds[1] / seconds[0]})
    print(table(f"{series} series of {candles:,} candles by one command, beside one of as many rows", rows))


async def _filled(database: str, symbols: list[str], candles: int) -> None:
    from rxcandles import SqliteStore
    from rxcandles.model import Row
    from rxcandles.model.timeframe import Timeframe

    start, frame = 1_704_067_200, Timeframe.of("1m")
    async with SqliteStore(database) as store:
        for symbol in symbols:
            for first in range(0, candles, 10_000):
                here = range(min(first + 10_000, candles) - 1, first - 1, -1)
                rows = [
                    Row(
                        start + 60 * at,
                        1.0 + at,
                        2.0 + at,
                        1.0,
                        1.5 + at,
                        0.25 * at,
                        0.5 * at,
                        1_000 * (start + 60 * at),
                    )
                    for at in here
                ]
                await store.write(symbol, frame, rows, (start + 60 * here[-1], start + 60 * (here[0] + 1)))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling export")
    parser.add_argument("--candles", type=int, default=10_000_000)
    parser.add_argument("--series", type=int, default=14, help="series that are exported by one command")
    options = parser.parse_args(arguments)
    _together(options.series, min(options.candles, 50_000))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "candles.db")
        filled(database, options.candles)
        for name, asked in FILES.items():
            with tempfile.TemporaryDirectory(dir=folder) as there:
                done = measured(_exported, str(database), str(Path(there, asked[0])), *asked[1:])
                size = sum(path.stat().st_size for path in Path(there).rglob("*") if path.is_file())
            rows.append(
                {
                    "file": name,
                    "seconds": done["seconds"],
                    "CPU s": done["cpu"],
                    "candles/s": round(options.candles / done["seconds"]),
                    "peak RSS MB": done["rss_mb"],
                    "MB": size / 1e6,
                }
            )
    print(table(f"{options.candles:,} stored candles into files. {machine()}", rows))
    return 0
