"""Read the frames of pandas and polars, and Arrow's tables and record batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.row_sources import BATCH, Batch, Source
from rxcandles.interchange.tools import ours, yfinance
from rxcandles.util.extras import need

__all__ = ["ArrowSource", "PandasSource", "frame_source"]

_UNNAMED: Final = "__index_level_0__"
"""Arrow's name for a pandas index without a name."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)

_LONGEST: Final = 1000
"""The most bytes of a text with a time, a number or the name of a market."""


class ArrowSource(Source):
    """Arrow's record batches; ``read`` yields those of the columns that it is given."""

    def __init__(self, schema: Any, read: Callable[[Sequence[str]], Iterator[Any]]) -> None:
        # pandas puts an index last; for everybody else it is the first column.
        self._names = {("" if name == _UNNAMED else name): name for name in sorted(schema.names, key=_index_last)}
        self.names = list(self._names) if len(self._names) == len(schema.names) else schema.names
        statement = ours.by_metadata(schema.metadata)
        self.statements = () if statement is None else (statement,)
        self.texts = [
            name for name in self.names if name in self._names and _has_text(schema.field(self._names[name]).type)
        ]
        self._read = read

    def batches(self, wanted: Sequence[str], where: str, loose: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield batches of rows."""
        arrow = need("pyarrow", "arrow")
        numbers = count(1)
        names = [self._names[name] for name in wanted]
        loose = [self._names[name] for name in loose]
        try:
            for table in self._read(names):
                for start in range(0, table.num_rows, BATCH):
                    part = table.slice(start, BATCH)
                    columns = [
                        _values(arrow, part.column(part.schema.get_field_index(name)), name, loose=name in loose)
                        for name in names
                    ]
                    # Zip the numbers last, otherwise the end of each batch would consume one.
                    yield [(number, row) for row, number in zip(zip(*columns, strict=True), numbers, strict=False)]
        except (arrow.ArrowException, ValueError, OverflowError, OSError, MemoryError) as error:
            raise RequestError(f"{where} can't be read: {error}. Nothing was imported") from error


def _has_text(kind: Any) -> bool:
    types = need("pyarrow", "arrow").types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _index_last(name: str) -> bool:
    return name != _UNNAMED


def _values(arrow: Any, column: Any, name: str, *, loose: bool) -> Any:
    kind = column.type
    if arrow.types.is_timestamp(kind):
        # Python's times have microseconds, so nanoseconds are an error. Arrow's own conversion would import all of
        # pandas.
        ticks = column.cast(arrow.timestamp("us", kind.tz)).cast(arrow.int64()).to_pylist()
        epoch = _EPOCH if kind.tz is None else _EPOCH.replace(tzinfo=UTC)
        return [None if tick is None else epoch + timedelta(microseconds=tick) for tick in ticks]
    texts = column.dictionary if arrow.types.is_dictionary(kind) and not hasattr(column, "chunks") else column
    if arrow.types.is_nested(texts.type) or arrow.types.is_binary(texts.type):
        raise ValueError(f"column {name!r} has values of {kind}, no times, numbers or names")
    if arrow.types.is_string(texts.type) or arrow.types.is_large_string(texts.type):
        longest = need("pyarrow.compute", "arrow").max(need("pyarrow.compute", "arrow").binary_length(texts)).as_py()
        if longest is not None and longest > _LONGEST:
            if loose:
                return [None] * len(column)
            raise ValueError(f"column {name!r} has a text of {longest:,} bytes")
    return column.to_pylist()


class PandasSource(Source):
    """A pandas DataFrame; an index that is more than a numbering becomes its first columns."""

    def __init__(self, frame: Any, symbol: str) -> None:
        given = list(frame.columns)
        if getattr(frame.columns, "nlevels", 1) > 1:
            levels = [tuple(map(str, each)) for each in given]
            kept, names, statement = yfinance.one_level(levels, "the frame", symbol)
            chosen = [at for at, each in enumerate(levels) if each in set(kept)]
            self.statements = (statement,)
            self.tool = yfinance.TOOL.name
        else:
            names, chosen = [str(name) for name in given], list(range(len(given)))
        columns = [(name, frame.iloc[:, at]) for name, at in zip(names, chosen, strict=True)]
        if type(frame.index).__name__ != "RangeIndex":
            levels_of = range(getattr(frame.index, "nlevels", 1))
            index = [
                ("" if frame.index.names[at] is None else str(frame.index.names[at]), frame.index.get_level_values(at))
                for at in levels_of
            ]
            columns = [*index, *columns]
        self.names = [name for name, _ in columns]
        self._columns = dict(reversed(columns))
        self._length = len(frame)
        self.texts = [name for name, column in columns if str(column.dtype) in ("object", "str", "string", "category")]

    def batches(self, wanted: Sequence[str], where: str, loose: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield batches of rows."""
        for start in range(0, self._length, BATCH):
            columns = [self._columns[name][start : start + BATCH].tolist() for name in wanted]
            yield list(enumerate(zip(*columns, strict=True), start + 1))


def frame_source(frame: Any, symbol: str) -> Source | None:
    """Return the source for a frame of pandas or polars, or a table of Arrow; None for anything else."""
    if isinstance(frame, type):
        return None
    if hasattr(frame, "iloc") and hasattr(frame, "columns"):
        return PandasSource(frame, symbol)
    if hasattr(frame, "to_arrow") and hasattr(frame, "columns"):
        frame = frame.to_arrow()
    if hasattr(frame, "to_batches") and hasattr(frame, "schema"):
        return ArrowSource(frame.schema, lambda names: iter(frame.select(list(names)).to_batches()))
    return None
