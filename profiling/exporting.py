"""What exporting costs: every kind of file, each in a fresh process, with its peak memory."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from profiling.harness import machine, measured, table
from profiling.stored import filled

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


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling export")
    parser.add_argument("--candles", type=int, default=10_000_000)
    options = parser.parse_args(arguments)
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
