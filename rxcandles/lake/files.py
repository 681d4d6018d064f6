"""The Parquet files of a lake: write one from a store, and compare one with a store, a batch in memory at a time."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rxcandles.interchange.columns import record_batches, schema_of
from rxcandles.interchange.output import ROW_GROUP, Contents
from rxcandles.interchange.writing import formats
from rxcandles.lake.held import Held
from rxcandles.lake.manifest import LakeFile
from rxcandles.lake.names import file_name, folder_of
from rxcandles.lake.target import Target
from rxcandles.model import TRADE_FIELDS
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import time_text
from rxcandles.modes.sequence import Columns, read_columns
from rxcandles.ports import RowReader
from rxcandles.util.extras import need
from rxcandles.version import VERSION

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Stopped", "difference", "rows_in", "write_file"]


class Stopped(Exception):
    """Raised in a thread when nobody waits for it any more."""


def write_file(target: Target, held: Held, span: Span, revision: str, stopped: threading.Event) -> LakeFile | None:
    """Write the candles of one file's span; return None, and write nothing, if there are none."""
    if not held.reader.columns(*span, 1):
        return None
    symbol, timeframe = held.series.symbol, held.series.timeframe
    about = {**held.series._asdict(), "span": [time_text(each) for each in span], "version": VERSION}
    contents = Contents(symbol, timeframe, with_trades=TRADE_FIELDS[0] in held.columns, about=about)
    name = file_name(held.timeframe, span[0])
    path = f"{folder_of(held.series)}/{name}"
    with target.writing(path) as temporary:
        rows = formats.write_file(temporary, "parquet", contents, _pages(held.reader, span, stopped))
        digest = _sha256(temporary)
    stat = target.stat(path)
    assert stat is not None
    return LakeFile(name, *span, rows, revision, digest, stat)


def _pages(reader: RowReader, span: Span, stopped: threading.Event) -> Iterator[Columns]:
    for page in read_columns(reader, *span):
        if stopped.is_set():
            raise Stopped
        yield page


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def difference(
    target: Target, path: str, columns: Sequence[str], reader: RowReader, span: Span, stopped: threading.Event
) -> str | None:
    """Return the first difference between the candles of a file and those of a store, in words; None if none."""
    schema = schema_of(columns)
    theirs = _Batches(target, path, schema)
    for mine in record_batches(_pages(reader, span, stopped), schema, ROW_GROUP):
        found = theirs.take(mine.num_rows)
        if found is None:
            return f"its columns are not {', '.join(columns)}, or not of the types that an export has"
        if not found.equals(_table(mine)):
            return _first(_table(mine), found)
    more = theirs.take(1)
    return None if more is not None and more.num_rows == 0 else "it has candles that the store does not have"


def rows_in(target: Target, path: str) -> int:
    """Return the number of candles in a file."""
    parquet = need("pyarrow.parquet", "export")
    with target.open(path) as file, target.failing(path):
        return int(parquet.ParquetFile(file).metadata.num_rows)


def _table(batch: Any) -> pyarrow.Table:
    return need("pyarrow", "export").Table.from_batches([batch])


def _first(mine: pyarrow.Table, theirs: pyarrow.Table) -> str:
    """Return where two pieces of candles differ."""
    ours, others = mine.column("open_time").to_pylist(), theirs.column("open_time").to_pylist()
    for at, (one, other) in enumerate(zip(ours, others, strict=False)):
        if one != other:
            return f"it has a candle of {_shown(min(one, other))} more or less than the store"
        if mine.slice(at, 1) != theirs.slice(at, 1):
            return f"the candle of {_shown(one)} has other values"
    return f"it ends before the candle of {_shown(ours[len(others)])}"


def _shown(moment: Any) -> str:
    return time_text(moment.timestamp())


class _Batches:
    """The candles of a file, as many at a time as are wanted."""

    def __init__(self, target: Target, path: str, schema: pyarrow.Schema) -> None:
        self._pa = need("pyarrow", "export")
        self._schema = schema
        self._target, self._path = target, path
        parquet = need("pyarrow.parquet", "export")
        with target.failing(path):
            file = parquet.ParquetFile(target.open(path))
            self._fits = file.schema_arrow.equals(schema)
            self._left = file.iter_batches(ROW_GROUP)
        self._held = schema.empty_table()

    def take(self, number: int) -> pyarrow.Table | None:
        """Return the next ``number`` candles, or as many as are left; None if the columns are others."""
        if not self._fits:
            return None
        with self._target.failing(self._path):
            while self._held.num_rows < number and (more := next(self._left, None)) is not None:
                table = self._pa.Table.from_batches([more]).replace_schema_metadata(None)
                self._held = self._pa.concat_tables([self._held, table])
        taken, self._held = self._held.slice(0, number), self._held.slice(number)
        return taken.combine_chunks()
