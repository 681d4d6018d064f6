"""Sources of text: CSV, and the lists of ccxt in JSON. Read piece by piece; memory does not depend on their size."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from rxcandles.errors import RequestError
from rxcandles.importing.shapes import NEEDED

__all__ = ["BATCH", "Batch", "CcxtFile", "CcxtList", "CsvFile", "Source", "csv_source", "json_source"]

BATCH: Final = 5000
"""Rows in memory at a time."""

Batch: TypeAlias = list[tuple[int, Sequence[Any]]]
"""Rows with the numbers of their lines, or of themselves."""

_PIECE: Final = 1 << 18


class Source(Protocol):
    """Rows of something."""

    names: Sequence[str]
    """What its columns are called."""
    word: str
    """What its rows are called: line, or row."""

    def batches(self, wanted: Sequence[str], where: str) -> Iterator[Batch]:
        """Yield the values of the columns ``wanted``, at least two, in that order.

        Raises :class:`RequestError` for what can't be read; ``where`` is what it calls the source.
        """
        ...


class CsvFile:
    """A CSV file with a header, separated by commas, semicolons or tabs."""

    word = "line"

    def __init__(self, file: Any, where: str) -> None:
        head = file.readline()
        if not head.strip():
            raise RequestError(f"{where} has no header in its first line; the columns must have names")
        delimiter = max(",;\t", key=head.count)
        self.names: Sequence[str] = next(csv.reader([head], delimiter=delimiter, strict=True))
        self._rows = csv.reader(file, delimiter=delimiter, strict=True)

    def batches(self, wanted: Sequence[str], where: str) -> Iterator[Batch]:
        """Yield them; empty lines are none."""
        pick = itemgetter(*(self.names.index(name) for name in wanted))
        width = len(self.names)
        batch: Batch = []
        for row in self._rows:
            if not row:
                continue
            line = self._rows.line_num + 1
            if len(row) != width:
                raise RequestError(
                    f"{where}, line {line}: it has {len(row)} values, its header {width}. Nothing was imported"
                )
            batch.append((line, pick(row)))
            if len(batch) == BATCH:
                yield batch
                batch = []
        yield batch


@contextmanager
def csv_source(path: Path, where: str) -> Iterator[CsvFile]:
    """Open a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            yield CsvFile(file, where)
        except (UnicodeDecodeError, csv.Error) as error:
            raise RequestError(f"{where} is no CSV in UTF-8: {error}. Nothing was imported") from error


class CcxtList:
    """What ccxt's ``fetch_ohlcv`` returns: lists of milliseconds, open, high, low, close and volume."""

    word = "row"
    names: Sequence[str] = NEEDED

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows: Iterator[Any] = iter(rows)

    def batches(self, wanted: Sequence[str], where: str) -> Iterator[Batch]:
        """Yield them, all columns."""
        number = 0
        while rows := list(islice(self._rows, BATCH)):
            for row in rows:
                number += 1
                if not isinstance(row, list | tuple) or len(row) != len(NEEDED):
                    raise RequestError(
                        f"{where}, row {number} is {row!r:.80}; give [milliseconds, open, high, low, close, volume]."
                        " Nothing was imported"
                    )
            yield list(enumerate(rows, number - len(rows) + 1))


class CcxtFile(CcxtList):
    """The same in a JSON file."""

    def __init__(self, file: Any, where: str) -> None:
        self._rows = _rows_of(file, where)


def _rows_of(file: Any, where: str) -> Iterator[Any]:
    """Read ``[[…],[…]]`` a piece at a time, each cut after a row: rows have no brackets inside."""
    held = file.read(_PIECE).lstrip(b"\xef\xbb\xbf \t\r\n")
    if held[:1] != b"[":
        raise RequestError(f"{where} is no JSON list of lists, as ccxt's fetch_ohlcv returns; it begins {held[:20]!r}")
    held, first = held[1:], True
    try:
        while piece := file.read(_PIECE):
            held += piece
            cut = held.rfind(b"],") + 1
            if cut:
                yield from _decoded(held[:cut], first=first)
                held, first = held[cut:], False
        held = held.rstrip()
        if held[-1:] != b"]":
            raise RequestError(f"{where} ends in the middle of its list; it is not whole. Nothing was imported")
        if held[:-1].strip():
            yield from _decoded(held[:-1], first=first)
    except msgspec.DecodeError as error:
        raise RequestError(f"{where} is no JSON list of lists: {error}. Nothing was imported") from error


def _decoded(rows: bytes, *, first: bool) -> Any:
    if not first:
        rows = rows.lstrip()
        if rows[:1] != b",":
            raise msgspec.DecodeError("a comma is missing between two rows")
        rows = rows[1:]
    return msgspec.json.decode(b"[" + rows + b"]")


@contextmanager
def json_source(path: Path, where: str) -> Iterator[CcxtFile]:
    """Open a JSON file."""
    with path.open("rb") as file:
        yield CcxtFile(file, where)
