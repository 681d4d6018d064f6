"""Writing columns of candles into a file of a format, a batch in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from rxcandles.interchange.columns import record_batches, schema_of
from rxcandles.interchange.tools.shapes import FREQTRADE_COLUMNS
from rxcandles.interchange.writing.lines import csv_lines, json_lines
from rxcandles.model import row_fields
from rxcandles.modes.sequence import Columns
from rxcandles.util.extras import need

if TYPE_CHECKING:
    import pyarrow

__all__ = ["FORMATS", "FileOf", "check_installed", "write_file"]

ROW_GROUP: Final = 50_000
"""Rows of a Parquet row group, or of an Arrow record batch: 3 MB, and a few times that while it is encoded."""
_REPEATED: Final = ["open", "high", "low", "close"]
"""Columns that have the same values again and again: prices come in ticks, amounts don't."""


@attrs.frozen
class FileOf:
    """What a file is of: the series, and what is said about it in the file."""

    symbol: str
    timeframe: str
    marked: bool = False
    """Whether ``proven`` is the last column."""
    with_trades: bool = False
    """Whether there are the columns that the candles of some exchanges have besides."""
    about: Mapping[str, Any] = attrs.field(factory=dict)
    """Goes into the file as JSON, under ``rxcandles``, where the format has a place for it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        plain = row_fields(self.timeframe, with_trades=self.with_trades)
        return (*plain, *(["proven"] if self.marked else []))

    @property
    def metadata(self) -> dict[str, str]:
        """The same as Arrow keeps it."""
        return {"rxcandles": json.dumps(self.about)}


def write_file(path: Path, file_format: str, of: FileOf, pages: Iterable[Columns]) -> int:
    """Write all ``pages`` into a new file; return how many candles they were. Holds one batch at a time."""
    counted = _Counted(pages)
    _WRITERS[file_format](path, of, counted)
    return counted.rows


def check_installed(file_format: str) -> None:
    """Raise ``ExtraMissingError`` where a format needs a package that isn't there."""
    if file_format not in _TEXT:
        need("pyarrow", "export")


class _Counted:
    def __init__(self, pages: Iterable[Columns]) -> None:
        self._pages = pages
        self.rows = 0

    def __iter__(self) -> Iterator[Columns]:
        for page in self._pages:
            self.rows += len(page[0])
            yield page


def _parquet(path: Path, of: FileOf, pages: Iterable[Columns]) -> None:
    schema = schema_of(of.names, of.metadata)
    writer = need("pyarrow.parquet", "export").ParquetWriter(path, schema, compression="zstd", use_dictionary=_REPEATED)
    _batches(writer, schema, pages)


def _feather(path: Path, of: FileOf, pages: Iterable[Columns]) -> None:
    schema = schema_of(of.names, of.metadata)
    _batches(_feather_writer(path, schema), schema, pages)


def _freqtrade(path: Path, of: FileOf, pages: Iterable[Columns]) -> None:
    names = row_fields(of.timeframe)[: len(FREQTRADE_COLUMNS)]
    schema = schema_of(names, of.metadata)
    theirs = schema_of(FREQTRADE_COLUMNS, of.metadata).set(0, schema.field(0).with_name(FREQTRADE_COLUMNS[0]))
    _batches(_feather_writer(path, theirs), theirs, (page[: len(FREQTRADE_COLUMNS)] for page in pages))


def _feather_writer(path: Path, schema: pyarrow.Schema) -> Any:
    ipc = need("pyarrow.ipc", "export")
    return ipc.new_file(str(path), schema, options=ipc.IpcWriteOptions(compression="lz4"))


def _batches(writer: AbstractContextManager[Any], schema: pyarrow.Schema, pages: Iterable[Columns]) -> None:
    with writer as opened:
        for batch in record_batches(pages, schema, ROW_GROUP):
            opened.write_batch(batch)


def _csv(path: Path, of: FileOf, pages: Iterable[Columns]) -> None:
    _text(path, csv_lines(of.symbol, pages, marked=of.marked, with_trades=of.with_trades))


def _jsonl(path: Path, of: FileOf, pages: Iterable[Columns]) -> None:
    _text(path, json_lines(of.symbol, pages, marked=of.marked, with_trades=of.with_trades))


def _text(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


_TEXT: Final = {"csv": _csv, "jsonl": _jsonl}
_WRITERS: Final = {"parquet": _parquet, "feather": _feather, **_TEXT, "freqtrade": _freqtrade}

FORMATS: Final = tuple(_WRITERS)
"""What a file may be; ``freqtrade`` is feather in freqtrade's layout and under its name."""
