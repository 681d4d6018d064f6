"""The formats of exported files: a function and a line each; formats of tools are in the tools' files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from rxcandles.interchange.columns import schema_of
from rxcandles.interchange.output import Contents, Format, write_feather, write_parquet
from rxcandles.interchange.tools import known_tools, tool_called
from rxcandles.interchange.writing.lines import csv_lines, json_lines
from rxcandles.modes.sequence import Columns
from rxcandles.util.extras import need

__all__ = ["FORMATS", "check_installed", "format_called", "formats", "names_files", "write_file"]


def _parquet(path: Path, contents: Contents, pages: Iterable[Columns]) -> None:
    write_parquet(path, schema_of(contents.names, contents.metadata), pages)


def _feather(path: Path, contents: Contents, pages: Iterable[Columns]) -> None:
    write_feather(path, schema_of(contents.names, contents.metadata), pages)


def _csv(path: Path, contents: Contents, pages: Iterable[Columns]) -> None:
    _text(path, csv_lines(contents.symbol, pages, marked=contents.marked, with_trades=contents.with_trades))


def _jsonl(path: Path, contents: Contents, pages: Iterable[Columns]) -> None:
    _text(path, json_lines(contents.symbol, pages, marked=contents.marked, with_trades=contents.with_trades))


def _text(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


_FORMATS: Final[Mapping[str, Format]] = {
    "parquet": Format(_parquet),
    "feather": Format(_feather),
    "csv": Format(_csv, needs_arrow=False),
    "jsonl": Format(_jsonl, needs_arrow=False),
}


def formats() -> tuple[str, ...]:
    """Return the names of all formats, those of tools last."""
    return (*_FORMATS, *(each.name for each in known_tools() if each.export is not None))


FORMATS: Final = formats()
"""The formats of this package; ``freqtrade`` is feather with freqtrade's columns and file names."""


def format_called(name: str) -> Format:
    """Return the format of that name, one of ``formats()``."""
    tool = tool_called(name)
    found = _FORMATS.get(name) if tool is None else tool.export
    if found is None:
        raise KeyError(name)
    return found


def names_files(name: str | None) -> bool:
    """Return whether the tool of a format names its files itself, so that they are written into a folder."""
    return name in formats() and format_called(str(name)).file_name is not None


def check_installed(name: str) -> None:
    """Raise ``ExtraMissingError`` if a format needs a package that is not installed."""
    if format_called(name).needs_arrow:
        need("pyarrow", "export")


def write_file(path: Path, name: str, contents: Contents, pages: Iterable[Columns]) -> int:
    """Write all ``pages`` into a new file and return the number of candles; one batch is in memory at a time."""
    counted = _Counted(pages)
    format_called(name).write(path, contents, counted)
    return counted.rows


class _Counted:
    """Counts the candles of the pages that pass through."""

    def __init__(self, pages: Iterable[Columns]) -> None:
        self._pages = pages
        self.rows = 0

    def __iter__(self) -> Iterator[Columns]:
        for page in self._pages:
            self.rows += len(page[0])
            yield page
