"""The same frame asked for again and again, from copies of its months, beside a Parquet file of the same candles.

Each turn has a database and a process of its own, so that the first frame is a first one; all in one turn share the
machine's mood, so ratios are taken within a turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from profiling.support.harness import machine, run_program, table
from profiling.support.stored import filled


async def _turn(database: str, candles: int) -> dict[str, Any]:
    import gc
    import shutil
    import time
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path
    from typing import Any

    import pandas

    import rxcandles
    from rxcandles.interchange.columns import columns_of, record_batches, schema_of
    from rxcandles.model.timeframe import to_datetime

    async def opened(cache: bool) -> rxcandles.CandleSequence:
        async with rxcandles.SqliteStore(database, cache=cache) as store:
            beginning = to_datetime(0)
            return rxcandles.stored_candles(store, "KRW-BTC", "1m", beginning, beginning + timedelta(minutes=candles))

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        made = work()
        seconds[name] = min(seconds.get(name, 1e9), time.perf_counter() - began)
        return made

    seconds: dict[str, float] = {}
    copied, plain = await opened(True), await opened(False)
    schema = schema_of(copied.fields)
    list(record_batches(columns_of(plain[:2000]), schema, 1000))
    rxcandles.to_pandas(plain[:2000])

    frame = timed("to_pandas, first", lambda: rxcandles.to_pandas(copied))
    size = sum(each.stat().st_size for each in Path(f"{database}.cache").iterdir())
    again = timed("to_pandas, second", lambda: rxcandles.to_pandas(copied))
    assert again.equals(frame)
    parquet = Path(database).with_suffix(".parquet")
    frame.reset_index().to_parquet(parquet)
    del frame, again
    for _ in range(3):
        timed("pandas.read_parquet", lambda: pandas.read_parquet(parquet))
        timed("to_pandas, later", lambda: rxcandles.to_pandas(copied))
        began = time.perf_counter()
        rxcandles.to_pandas(await opened(True))
        name = "opening, stored_candles and to_pandas, later"
        seconds[name] = min(seconds.get(name, 1e9), time.perf_counter() - began)
        timed("to_polars, later", lambda: rxcandles.to_polars(copied))
        timed("to_arrow, later", lambda: rxcandles.to_arrow(copied))
    for _ in range(2):
        timed("SQLite, a page a statement", lambda: list(record_batches(columns_of(plain), schema, 100_000)))
        timed("SQLite, one statement for 50,000", lambda: rxcandles.to_arrow(plain))
        gc.disable()
        timed("the same without gc", lambda: rxcandles.to_arrow(plain))
        gc.enable()
    shutil.rmtree(f"{database}.cache")
    return {
        "took": seconds,
        "bytes": {"copies": size, "Parquet": parquet.stat().st_size, "database": Path(database).stat().st_size},
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling frames_cache")
    parser.add_argument("--candles", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "candles.db")
        filled(database, options.candles)
        turns = [
            run_program([sys.executable, "-c"], _turn, str(database), options.candles) for _ in range(options.turns)
        ]
    rows = []
    for name in turns[0]["took"]:
        took = [each["took"] for each in turns]
        rows.append(
            {
                "what": name,
                "s": median(each[name] for each in took),
                "first / it": median(each["to_pandas, first"] / each[name] for each in took),
                "it / read_parquet": median(each[name] / each["pandas.read_parquet"] for each in took),
            }
        )
    sizes = ", ".join(f"{name} {size / options.candles:.1f}" for name, size in turns[0]["bytes"].items())
    title = f"{options.candles:,} stored candles, median of {options.turns} turns; bytes a candle: {sizes}. {machine()}"
    print(table(title, rows))
    return 0
