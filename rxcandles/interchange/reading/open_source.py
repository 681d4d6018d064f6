"""Open a source of any kind: find out what it is, how it is read, and what its name states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.arrow_files import feather_source, parquet_source
from rxcandles.interchange.reading.csv_files import csv_source
from rxcandles.interchange.reading.encodings import encoding_of
from rxcandles.interchange.reading.file_names import statements_of_name
from rxcandles.interchange.reading.json_files import json_source
from rxcandles.interchange.reading.row_sources import Source, list_source
from rxcandles.interchange.reading.tables import frame_source
from rxcandles.interchange.reading.unpack import KINDS, PACKED, OpenedFile, kind_by_content, kind_of, open_file
from rxcandles.interchange.tools import known_tools, tool_called, tool_of_columns
from rxcandles.interchange.vocabulary.statements import Statement
from rxcandles.util.arguments import check_choice, check_path, refusal

__all__ = ["FORMATS", "Check", "OpenSource", "formats", "open_source"]

_KINDS: Final[Mapping[str, str]] = {
    "csv": "csv", "parquet": "parquet", "feather": "feather", "json": "json", "jsonl": "json",
}  # fmt: skip
"""How a file is read, by its format, for formats that belong to no tool."""


def formats() -> tuple[str, ...]:
    """Return the names of all formats, including those of tools."""
    tools = (each.name for each in known_tools() if each.is_format)
    return ("csv", "parquet", "feather", *tools, "json", "jsonl")


FORMATS: Final = formats()
"""The formats of this package."""

Check: TypeAlias = Callable[[Statement, str], None]
"""Raises if a statement of a source is of another series; the second argument is the name of the source in errors."""


@attrs.frozen
class OpenSource:
    """An open source, and what is known of it from outside."""

    rows: Source
    where: str
    format: str
    """Its format, or the kind of object."""
    sha256: str | None = None
    statements: tuple[Statement, ...] = ()
    encoding: str | None = None


@contextmanager
def open_source(
    source: Any, format: str | None, encoding: str | None, columns: Mapping[str, str], symbol: str, check: Check
) -> Iterator[OpenSource]:
    """Open a source of any kind; what its name states is checked before a file is opened."""
    if isinstance(source, str | Path):
        with _open_file(check_path("source", source), format, encoding, columns, symbol, check) as file:
            yield file
    elif rows := frame_source(source, symbol):
        format = format or rows.tool or _tool_name(rows) or "frame"
        yield OpenSource(rows, "the frame", format, statements=_of_tool(format))
    elif isinstance(source, list | tuple):
        lists = list_source(iter(source))
        if format is not None:
            check_choice("format", format, ("ccxt", "json"))
        yield OpenSource(lists, "the list", format or lists.tool or "json")
    else:
        raise refusal("source", source, "give the path of a file, lists as ccxt returns them, or a DataFrame")


@contextmanager
def _open_file(
    where: str, format: str | None, encoding: str | None, columns: Mapping[str, str], symbol: str, check: Check
) -> Iterator[OpenSource]:
    path = Path(where)
    if not path.is_file():
        raise RequestError(f"there is no file {where!r}; name the one that is to be imported")
    tool, statements = statements_of_name(path)
    for each in statements:
        check(each, where)
    kind = _kind_of_format(format) or kind_of(path)
    if kind is None and path.suffix.lower() not in PACKED:
        raise RequestError(
            f"{where}: its name does not say what it is; end it with one of {' '.join((*KINDS, *PACKED))}"
        )
    try:
        with ExitStack() as kept:
            file = kept.enter_context(open_file(path, where))
            if file.name != path.name:
                _, inside = statements_of_name(Path(file.name), folders=False)
                inside = [each for each in inside if each not in statements]
                for each in inside:
                    check(each, f"{where} ({file.name})")
                statements += inside
            kind = kind_by_content(file.head) or kind or kind_of(Path(file.name))
            if kind is None:
                raise RequestError(f"{where}: {file.name!r} does not say what it is; give its format (--format)")
            if kind != "csv" and encoding is not None:
                raise refusal("encoding", encoding, f"leave it out, {where} is no text of lines")
            if kind == "csv":
                encoding = encoding or encoding_of(file.path, where)
            rows = kept.enter_context(_rows(file, kind, where, encoding or "", columns, symbol))
            is_lines = path.suffix.lower() in (".jsonl", ".ndjson")
            format = format or tool or _tool_name(rows) or rows.tool or ("jsonl" if is_lines else kind)
            yield OpenSource(rows, where, format, file.sha256, (*statements, *_of_tool(format)), encoding)
    except OSError as error:
        raise RequestError(f"{where} can't be read: {error.strerror or error}. Nothing was imported") from error


def _rows(
    file: OpenedFile, kind: str, where: str, encoding: str, columns: Mapping[str, str], symbol: str
) -> AbstractContextManager[Source]:
    if kind == "csv":
        return csv_source(file.path, where, encoding, columns, symbol)
    if kind == "json":
        return json_source(file.path, where)
    return parquet_source(file.path, where) if kind == "parquet" else feather_source(file.path, where)


def _kind_of_format(format: str | None) -> str | None:
    """Return how files of a format are read; None for a format whose files may be of several kinds."""
    tool = tool_called(format)
    return _KINDS.get(format or "") if tool is None else tool.kind


def _tool_name(rows: Source) -> str | None:
    tool = tool_of_columns(rows.names)
    return None if tool is None else tool.name


def _of_tool(format: str) -> tuple[Statement, ...]:
    """Return what is true of all files of a tool."""
    tool = tool_called(format)
    return () if tool is None or tool.statement is None else (tool.statement,)
