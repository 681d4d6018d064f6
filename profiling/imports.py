"""How long an import takes by the rows of a file: a row must cost the same however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from profiling.support.harness import machine, measured, table

KINDS = ("csv", "csv.gz", "json", "jsonl", "parquet", "feather")


async def import_rows(kind: str, rows: int) -> dict[str, Any]:
    """Write a file of so many rows, import it, and say how long that took and what memory it needed beyond."""
    import gzip
    import json
    import time
    from pathlib import Path

    import pyarrow
    import pyarrow.feather
    import pyarrow.parquet

    import rxcandles

    start, path = 1_500_000_000 // 60 * 60, Path(f"rows.{kind}")

    def write() -> None:
        times = range(start, start + 60 * rows, 60)
        values = [(open_time, 5.0, 6.5, 4.25, 5.5, 1.0 + open_time % 977) for open_time in times]
        names = ("open_time", "open", "high", "low", "close", "volume")
        if kind.startswith("csv"):
            text = "\n".join((",".join(names), *(",".join(map(repr, row)) for row in values)))
            path.write_bytes(gzip.compress(text.encode(), 6) if kind.endswith("gz") else text.encode())
        elif kind == "json":
            path.write_text(json.dumps([[row[0] * 1000, *row[1:]] for row in values]))
        elif kind == "jsonl":
            path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in values))
        else:
            made = pyarrow.table(dict(zip(names, map(list, zip(*values, strict=True)), strict=True)))
            if kind == "parquet":
                pyarrow.parquet.write_table(made, path, row_group_size=50_000)
            else:
                pyarrow.feather.write_feather(made, path, chunksize=50_000)

    write()
    async with rxcandles.SqliteStore("candles.db") as store:
        began = time.perf_counter()
        report = await rxcandles.import_candles(store, "KRW-BTC", "1m", path)
        assert report.new == rows
        return {"seconds": time.perf_counter() - began}


def main(arguments: Sequence[str] = ()) -> int:
    """Print a table: microseconds a row for 50,000 and 500,000 rows of each kind."""
    few, many = 50_000, 500_000
    found = []
    for kind in KINDS:
        seconds = {rows: measured(import_rows, kind, rows)["seconds"] for rows in (few, many)}
        each = {rows: 1e6 * took / rows for rows, took in seconds.items()}
        found.append({
            "kind": kind, f"µs a row of {few:,}": each[few], f"of {many:,}": each[many],
            "ratio": each[many] / each[few], "seconds": seconds[many],
        })  # fmt: skip
    print(table(f"imports ({machine()})", found))
    return int(any(row["ratio"] > 2 for row in found))
