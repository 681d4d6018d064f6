"""Opening a source of any kind: what it is, how it is read, and what its name says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.arrowfiles import feather_source, parquet_source
from rxcandles.interchange.reading.csvs import csv_source
from rxcandles.interchange.reading.encodings import encoding_of
from rxcandles.interchange.reading.filenames import said_by_name
from rxcandles.interchange.reading.jsons import json_source
from rxcandles.interchange.reading.sources import Source, in_lists
from rxcandles.interchange.reading.stated import Said
from rxcandles.interchange.reading.tables import frame_source
from rxcandles.interchange.reading.unpack import KINDS, PACKED, kind_by_content, kind_of, opened
from rxcandles.interchange.tools import pyupbit
from rxcandles.util.arguments import check_choice, check_path, refusal

__all__ = ["FORMATS", "Found", "open_source"]

FORMATS: Final = ("csv", "parquet", "feather", "freqtrade", "ccxt", "pyupbit", "json", "jsonl")
"""The formats that have a name."""

_BY_SUFFIX: Final = (None, "freqtrade", "pyupbit")
"""Formats that come in files of several kinds."""


Check: TypeAlias = Callable[[Said, str], None]
"""Raises where what is said, of what errors call the source, is of another series."""


@attrs.frozen
class Found:
    """A source that is open, and what is known of it from outside."""

    rows: Source
    where: str
    style: str
    sha256: str | None = None
    said: tuple[Said, ...] = ()
    encoding: str | None = None


@contextmanager
def open_source(
    source: Any, style: str | None, encoding: str | None, columns: Mapping[str, str], symbol: str, check: Check
) -> Iterator[Found]:
    """Open a source of any kind; what a name says is checked before a file is opened."""
    if isinstance(source, str | Path):
        with _opened_file(check_path("source", source), style, encoding, columns, symbol, check) as found:
            yield found
    elif rows := frame_source(source, symbol):
        style = style or rows.tool or "frame"
        yield Found(rows, "the frame", style, said=_korean(style))
    elif isinstance(source, list | tuple):
        lists = in_lists(iter(source))
        style = check_choice("format", style or lists.tool or "json", ("ccxt", "json", "binance"))
        yield Found(lists, "the list", style)
    else:
        raise refusal("source", source, "give the path of a file, lists as ccxt returns them, or a DataFrame")


@contextmanager
def _opened_file(
    where: str, style: str | None, encoding: str | None, columns: Mapping[str, str], symbol: str, check: Check
) -> Iterator[Found]:
    path = Path(where)
    if not path.is_file():
        raise RequestError(f"there is no file {where!r}; name the one that is to be imported")
    tool, said = said_by_name(path)
    for each in said:
        check(each, where)
    by_style = style if style not in _BY_SUFFIX else None
    kind = {"ccxt": "json", "jsonl": "json"}.get(by_style, by_style) if by_style else kind_of(path)
    if kind is None and path.suffix.lower() not in PACKED:
        raise RequestError(
            f"{where}: its name does not say what it is; end it with one of {' '.join((*KINDS, *PACKED))}"
        )
    try:
        with ExitStack() as kept:
            file = kept.enter_context(opened(path, where))
            if file.name != path.name:
                inside = [each for each in said_by_name(Path(file.name), folders=False)[1] if each not in said]
                for each in inside:
                    check(each, f"{where} ({file.name})")
                said += inside
            kind = kind_by_content(file.head) or kind or kind_of(Path(file.name))
            if kind is None:
                raise RequestError(f"{where}: {file.name!r} does not say what it is; give its format (--format)")
            read: str | None = None
            if kind == "csv":
                read = encoding or encoding_of(file.path, where)
                rows: Source = kept.enter_context(csv_source(file.path, where, read, columns, symbol))
            elif encoding is not None:
                raise refusal("encoding", encoding, f"leave it out, {where} is no text of lines")
            elif kind == "json":
                rows = kept.enter_context(json_source(file.path, where))
            else:
                opener = parquet_source if kind == "parquet" else feather_source
                rows = kept.enter_context(opener(file.path, where))
            if style is None and tool == "freqtrade":
                style = tool
            if style is None and pyupbit.looks_so(rows.names):
                style = pyupbit.NAME
            style = style or rows.tool or ("jsonl" if path.suffix.lower() in (".jsonl", ".ndjson") else kind)
            yield Found(rows, where, style, file.sha256, (*said, *_korean(style)), read)
    except OSError as error:
        raise RequestError(f"{where} can't be read: {error.strerror or error}. Nothing was imported") from error


def _korean(style: str) -> tuple[Said, ...]:
    return (pyupbit.KOREAN,) if style == pyupbit.NAME else ()
