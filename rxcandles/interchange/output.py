"""What an export writes: the contents of a file, the formats, and Arrow's two kinds of files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from rxcandles.interchange.columns import record_batches
from rxcandles.model import row_fields
from rxcandles.modes.sequence import Columns
from rxcandles.util.extras import need

if TYPE_CHECKING:
    import pyarrow

__all__ = ["METADATA_KEY", "Contents", "Format", "Write", "write_feather", "write_parquet"]

METADATA_KEY: Final = "rxcandles"
"""The key under which Parquet and feather files describe themselves, as JSON."""

ROW_GROUP: Final = 50_000
"""Rows of a Parquet row group, or of an Arrow record batch: 3 MB, and a few times that during encoding."""
_REPEATED: Final = ["open", "high", "low", "close"]
"""Columns whose values repeat: prices come in ticks, amounts do not."""


@attrs.frozen
class Contents:
    """The series of a file, and its description."""

    symbol: str
    timeframe: str
    marked: bool = False
    """Whether ``proven`` is the last column."""
    with_trades: bool = False
    """Whether it has the columns of trades that only some exchanges send."""
    about: Mapping[str, Any] = attrs.field(factory=dict)
    """The description that the file gets under ``METADATA_KEY``, if the format has a place for it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        plain = row_fields(self.timeframe, with_trades=self.with_trades)
        return (*plain, *(["proven"] if self.marked else []))

    @property
    def metadata(self) -> dict[str, str]:
        """The description in Arrow's form."""
        return {METADATA_KEY: json.dumps(self.about)}


Write: TypeAlias = Callable[[Path, Contents, Iterable[Columns]], None]
"""Writes pages of columns, oldest first, into a new file."""


@attrs.frozen
class Format:
    """A format that an export can write."""

    write: Write
    needs_arrow: bool = True
    """Whether pyarrow must be installed."""
    keeps_proven: bool = True
    """Whether its files have a column ``proven``."""
    file_name: Callable[[str, str], str] | None = None
    """Returns the file name for a symbol and a timeframe, if the tool names its files itself; then the path is a
    folder."""


def write_parquet(path: Path, schema: pyarrow.Schema, pages: Iterable[Columns]) -> None:
    """Write a Parquet file, compressed with zstd; one row group is in memory at a time."""
    parquet = need("pyarrow.parquet", "export")
    _write(parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=_REPEATED), schema, pages)


def write_feather(path: Path, schema: pyarrow.Schema, pages: Iterable[Columns]) -> None:
    """Write a feather file (version 2), compressed with lz4; one batch is in memory at a time."""
    ipc = need("pyarrow.ipc", "export")
    _write(ipc.new_file(str(path), schema, options=ipc.IpcWriteOptions(compression="lz4")), schema, pages)


def _write(writer: AbstractContextManager[Any], schema: pyarrow.Schema, pages: Iterable[Columns]) -> None:
    with writer as file:
        for batch in record_batches(pages, schema, ROW_GROUP):
            file.write_batch(batch)
