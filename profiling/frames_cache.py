"""The same frame asked for again and again, from copies of its months, beside a Parquet file of the same candles.

Each turn has a process of its own and begins without copies, so that the first frame is a first one. Ratios are taken
within a turn. The first and the second frame are measured once, into memory that the process has not used before; the
rest is the best of some.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from statistics import median

from profiling.support.harness import machine, measured, table
from profiling.support.stored import filled


async def _turn(database: str, parquet: str, candles: int) -> dict[str, float]:
    import gc
    import time
    from collections.abc import Callable
    from datetime import timedelta

    import pandas

    import rxcandles
    from rxcandles.interchange.columns import columns_of, record_batches, schema_of
    from rxcandles.model.timeframe import to_datetime

    async def opened(cache: bool) -> rxcandles.CandleSequence:
        async with rxcandles.SqliteStore(database, cache=cache) as store:
            beginning = to_datetime(0)
            return rxcandles.stored_candles(store, "KRW-BTC", "1m", beginning, beginning + timedelta(minutes=candles))

    def timed(name: str, work: Callable[[], object]) -> None:
        began = time.process_time()
        made.append(work())
        took[name] = min(took.get(name, 1e9), time.process_time() - began)
        del made[:-2]  # the one before is there, too, as in a notebook

    took: dict[str, float] = {}
    made: list[object] = []
    copied, plain = await opened(True), await opened(False)
    schema = schema_of(copied.fields)
    rxcandles.to_pandas(plain[:2000]).reset_index().to_parquet(parquet)
    pandas.read_parquet(parquet)  # now all is imported

    timed("to_pandas, first", lambda: rxcandles.to_pandas(copied))
    timed("to_pandas, second", lambda: rxcandles.to_pandas(copied))
    rxcandles.to_pandas(copied).reset_index().to_parquet(parquet)
    for _ in range(3):
        timed("pandas.read_parquet", lambda: pandas.read_parquet(parquet))
        timed("to_pandas, later", lambda: rxcandles.to_pandas(copied))
        timed("to_polars, later", lambda: rxcandles.to_polars(copied))
        timed("to_arrow, later", lambda: rxcandles.to_arrow(copied))
        began = time.process_time()
        again = await opened(True)
        timed("to_pandas, later", lambda: rxcandles.to_pandas(again))  # noqa: B023
        name = "the same with opening the store and counting the candles"
        took[name] = min(took.get(name, 1e9), time.process_time() - began)
    for _ in range(2):
        timed("SQLite, a page a statement", lambda: list(record_batches(columns_of(plain), schema, 100_000)))
        timed("SQLite, a statement for 50,000", lambda: rxcandles.to_arrow(plain))
        gc.disable()
        timed("the same without the garbage collector", lambda: rxcandles.to_arrow(plain))
        gc.enable()
    return took


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling frames_cache")
    parser.add_argument("--candles", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        database, parquet, copies = (Path(folder, f"candles.{kind}") for kind in ("db", "parquet", "db.cache"))
        filled(database, options.candles)
        turns = []
        for _ in range(options.turns):
            turns.append(measured(_turn, str(database), str(parquet), options.candles))
            files = {"copies": list(copies.iterdir()), "Parquet": [parquet], "database": [database]}
            sizes = ", ".join(
                f"{name} {sum(each.stat().st_size for each in paths) / options.candles:.1f}"
                for name, paths in files.items()
            )
            shutil.rmtree(copies)
    rows = [
        {
            "what": name,
            "CPU s": median(each[name] for each in turns),
            "first / it": median(each["to_pandas, first"] / each[name] for each in turns),
            "it / read_parquet": median(each[name] / each["pandas.read_parquet"] for each in turns),
        }
        for name in turns[0]
        if name not in ("seconds", "cpu", "rss_mb")
    ]
    title = f"{options.candles:,} stored candles, median of {options.turns} turns; bytes a candle: {sizes}. {machine()}"
    print(table(title, rows))
    return 0
