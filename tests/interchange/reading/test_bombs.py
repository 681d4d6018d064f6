"""Files that unpack, or go on, without bound are refused within seconds, and in the memory of any import."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

T = 1_704_067_200  # 2024-01-01
HEAD = b"open_time,open,high,low,close,volume\n"
COLUMNS = ("date", "open", "high", "low", "close", "volume")
MB = 1 << 20

PROGRAM = textwrap.dedent(
    """
    import asyncio, sys
    from rxcandles import RequestError, SqliteStore, import_candles

    async def main():
        async with SqliteStore(":memory:") as store:
            try:
                await import_candles(store, "KRW-BTC", "1m", sys.argv[1])
            except RequestError as error:
                return str(error)

    print(asyncio.run(main()))
    # What resource says of a process that was forked is at least what its parent had.
    print(next(int(line.split()[1]) >> 10 for line in open("/proc/self/status") if line.startswith("VmHWM")))
    """
)


def ones(rows: int, **others: object) -> pyarrow.Table:
    columns: dict[str, object] = dict.fromkeys(COLUMNS, numpy.ones(rows))
    return pyarrow.table({**columns, "date": numpy.full(rows, T * 1000), **others})


def gz(path: Path, head: bytes, piece: bytes, count: int) -> None:
    with gzip.open(path, "wb", 9) as file:
        file.write(head)
        for _ in range(count):
            file.write(piece)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as file:
        for _ in range(100):
            file.write(bytes(MB))


def feather(path: Path, table: pyarrow.Table, codec: str) -> None:
    pyarrow.feather.write_feather(table, path, codec, chunksize=table.num_rows)


def texts(path: Path) -> None:
    """A long text that each row repeats, and that is there once."""
    table = ones(5000, date=pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 5000), ["x" * MB]))
    (feather(path, table, "zstd") if path.suffix == ".feather" else pyarrow.parquet.write_table(table, path))


BOMBS: list[tuple[str, str, Callable[[Path], object]]] = [
    ("a.csv.gz", "unpacks to more than", lambda path: gz(path, HEAD, bytes(MB), 100)),
    ("lines.csv.gz", "unpacks to more than|lines without", lambda path: gz(path, HEAD, b"\n" * MB, 100)),
    ("rows.csv.gz", "unpacks to|repeats itself", lambda path: gz(path, HEAD, b"1704067200,1,1,1,1,1\n" * 50_000, 80)),
    ("a.zip", "unpacks to more than", zipped),
    ("rows.csv", "repeats itself", lambda path: path.write_bytes(HEAD + b"1704067200,1,1,1,1,1\n" * 500_000)),
    ("blank.csv", "lines without a value", lambda path: path.write_bytes(HEAD + b",,,,,\n" * 500_000)),
    ("line.csv", "line that does not end|line of more than", lambda path: path.write_bytes(b"date,open" * 4 * MB)),
    (
        "line2.csv",
        "line of more than",
        lambda path: path.write_bytes(HEAD + b"1704067200,1,1,1,1,1\n" * 9999 + b"1" * 20 * MB),
    ),
    (
        "quote.csv",
        "no CSV|line of more",
        lambda path: path.write_bytes(HEAD + b'"' + b"1704067200,1,1,1,1,1\n" * 900_000),
    ),
    (
        "digits.csv",
        "number of plain digits",
        lambda path: path.write_bytes(HEAD + b"1704067200,1,1,1,1," + b"9" * 60_000),
    ),
    ("time.csv", "write ISO 8601", lambda path: path.write_bytes(HEAD + b"9" * 60_000 + b",1,1,1,1,1\n")),
    ("row.json", "does not end within 1 MB", lambda path: path.write_bytes(b"[[" + b"1," * 20 * MB)),
    ("text.json", "does not end within 1 MB", lambda path: path.write_bytes(b'[["' + b"x" * 20 * MB)),
    ("object.json", "does not end within 1 MB", lambda path: path.write_bytes(b'[{"a":"' + b"x" * 20 * MB)),
    ("line.jsonl", "does not end within 1 MB", lambda path: path.write_bytes(b'{"a":"' + b"x" * 20 * MB)),
    ("deep.json", "no JSON|does not end", lambda path: path.write_bytes(b"[" * 20 * MB)),
    ("digits.json", "no JSON", lambda path: path.write_bytes(b"[[" + b"9" * 100_000 + b",1,1,1,1,1]]")),
    ("rows.json", "repeats itself", lambda path: path.write_text(json.dumps([[T * 1000, 1, 1, 1, 1, 1]] * 300_000))),
    ("a.feather", "unpacks to", lambda path: feather(path, ones(5_000_000), "zstd")),
    ("b.feather", "unpacks to", lambda path: feather(path, ones(1_000, note=[b"x" * MB] * 100 + [b""] * 900), "lz4")),
    ("texts.feather", "a text of 1,048,576 bytes", texts),
    ("a.parquet", "as candles can't be|unpacks to", lambda path: pyarrow.parquet.write_table(ones(5_000_000), path)),
    (
        "b.parquet",
        "as candles can't be|unpacks to",
        lambda path: pyarrow.parquet.write_table(ones(5_000_000), path, compression="zstd", use_dictionary=False),
    ),
    ("texts.parquet", "a text of 1,048,576 bytes", texts),
    ("nested.parquet", "values of list", lambda path: pyarrow.parquet.write_table(ones(9, date=[[[1]] * 9] * 9), path)),
]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process's peak")
@pytest.mark.parametrize(("name", "says", "make"), BOMBS, ids=[name for name, *_ in BOMBS])
def test_refused(tmp_path: Path, name: str, says: str, make: Callable[[Path], object]) -> None:
    """It ends with one sentence, in seconds and in less than 300 MB."""
    path = tmp_path / name
    make(path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, memory = done.stdout.splitlines()
    assert any(each in said for each in says.split("|")), said
    assert int(memory) < 300
