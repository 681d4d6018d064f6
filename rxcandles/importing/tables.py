"""Sources with columns: Parquet and feather files, and the frames of pandas, polars and Arrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.extras import need
from rxcandles.importing.sources import BATCH, Batch, Source

__all__ = ["ArrowSource", "PandasSource", "feather_source", "frame_source", "parquet_source"]

_UNNAMED: Final = "__index_level_0__"
"""What a pandas index without a name is called in Arrow."""


_EPOCH: Final = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)


class ArrowSource:
    """Arrow's record batches; ``read`` yields those of the columns it is given."""

    word = "row"

    def __init__(self, schema: Any, read: Callable[[Sequence[str]], Iterator[Any]]) -> None:
        # pandas puts an index last; it is the first column to everybody else.
        self._names = {("" if name == _UNNAMED else name): name for name in sorted(schema.names, key=_index_last)}
        self.names: Sequence[str] = list(self._names) if len(self._names) == len(schema.names) else schema.names
        self._read = read

    def batches(self, wanted: Sequence[str], where: str) -> Iterator[Batch]:
        """Yield them."""
        arrow = need("pyarrow", "arrow")
        numbers = count(1)
        names = [self._names[name] for name in wanted]
        try:
            for table in self._read(names):
                for start in range(0, table.num_rows, BATCH):
                    part = table.slice(start, BATCH)
                    columns = [_values(arrow, part.column(part.schema.get_field_index(name))) for name in names]
                    # The numbers last, or the end of each batch would take one.
                    yield [(number, row) for row, number in zip(zip(*columns, strict=True), numbers, strict=False)]
        except (arrow.ArrowException, ValueError, OverflowError, OSError) as error:
            raise RequestError(f"{where} can't be read: {error}. Nothing was imported") from error


def _index_last(name: str) -> bool:
    return name != _UNNAMED


def _values(arrow: Any, column: Any) -> Any:
    kind = column.type
    if not arrow.types.is_timestamp(kind):
        return column.to_pylist()
    # Python's times have microseconds; a nanosecond too many is an error. Arrow itself would import all of pandas here.
    ticks = column.cast(arrow.timestamp("us", kind.tz)).cast(arrow.int64()).to_pylist()
    epoch = _EPOCH if kind.tz is None else _EPOCH.replace(tzinfo=UTC)
    return [None if tick is None else epoch + timedelta(microseconds=tick) for tick in ticks]


@contextmanager
def parquet_source(path: Path, where: str) -> Iterator[ArrowSource]:
    """Open a Parquet file."""
    arrow = need("pyarrow", "arrow")
    parquet = need("pyarrow.parquet", "arrow")
    try:
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16)
    except arrow.ArrowException as error:
        raise RequestError(f"{where} is no Parquet file: {error}") from error
    with file:
        yield ArrowSource(
            file.schema_arrow, lambda names: file.iter_batches(BATCH, columns=list(names), use_threads=False)
        )


@contextmanager
def feather_source(path: Path, where: str) -> Iterator[ArrowSource]:
    """Open a feather file (version 2, which is Arrow's own format)."""
    arrow = need("pyarrow", "arrow")
    ipc = need("pyarrow.ipc", "arrow")
    with arrow.OSFile(str(path)) as file:
        try:
            reader = ipc.open_file(file)
        except arrow.ArrowException as error:
            raise RequestError(f"{where} is no feather file (version 2): {error}") from error
        yield ArrowSource(
            reader.schema, lambda names: (reader.get_batch(number) for number in range(reader.num_record_batches))
        )


class PandasSource:
    """A pandas DataFrame; an index that is no mere numbering is its first column."""

    word = "row"

    def __init__(self, frame: Any) -> None:
        self._columns = {str(name): frame[name] for name in frame.columns if list(frame.columns).count(name) == 1}
        self.names: Sequence[str] = [str(name) for name in frame.columns]
        if type(frame.index).__name__ != "RangeIndex":
            name = "" if frame.index.name is None else str(frame.index.name)
            self._columns[name] = frame.index.to_series()
            self.names = [name, *self.names]
        self._length = len(frame)

    def batches(self, wanted: Sequence[str], where: str) -> Iterator[Batch]:
        """Yield them."""
        for start in range(0, self._length, BATCH):
            columns = [self._columns[name].iloc[start : start + BATCH].tolist() for name in wanted]
            yield list(enumerate(zip(*columns, strict=True), start + 1))


def frame_source(frame: Any) -> Source | None:
    """Return the source for a frame of pandas or polars, or a table of Arrow; None for anything else."""
    if isinstance(frame, type):
        return None
    if hasattr(frame, "iloc") and hasattr(frame, "columns"):
        return PandasSource(frame)
    if hasattr(frame, "to_arrow") and hasattr(frame, "columns"):
        frame = frame.to_arrow()
    if hasattr(frame, "to_batches") and hasattr(frame, "schema"):
        return ArrowSource(frame.schema, lambda names: iter(frame.select(list(names)).to_batches()))
    return None
