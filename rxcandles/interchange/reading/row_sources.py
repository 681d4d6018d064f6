"""The interface of a source of rows, and the two simplest sources: lists and objects in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final, TypeAlias

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.other_columns import texts_among
from rxcandles.interchange.tools import ccxt, tool_of_row
from rxcandles.interchange.vocabulary.numbers import Comma
from rxcandles.interchange.vocabulary.statements import Statement
from rxcandles.util.arguments import shown

__all__ = ["BATCH", "Batch", "ListSource", "ObjectSource", "Source", "list_source"]

BATCH: Final = 5000
"""Rows in memory at a time."""

Batch: TypeAlias = list[tuple[int, Sequence[Any]]]
"""Rows with the numbers of their lines, or of themselves."""


class Source(ABC):
    """A source of rows."""

    names: Sequence[str]
    """Names of its columns."""
    word: str = "row"
    """What its rows are called: line, or row."""
    statements: Sequence[Statement] = ()
    """What it states about itself."""
    notes: Sequence[str] = ()
    """Remarks on how it was read."""
    comma: Comma = "thousands"
    """The meaning of a comma in its numbers."""
    blanks: bool = True
    """Whether a row may have only a time, for a slot in which nobody traded."""
    texts: Sequence[str] = ()
    """Columns that contain words."""
    tool: str | None = None
    """The tool that its form belongs to."""

    @abstractmethod
    def batches(self, wanted: Sequence[str], where: str, loose: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield the values of the columns ``wanted``, at least two, in that order.

        * ``where``: the name of the source in errors.
        * ``loose``: columns in which a value that is too long to read becomes None.

        Raise :class:`RequestError` for anything else that can't be read.
        """


class ListSource(Source):
    """Lists of milliseconds, open, high, low, close and volume, as ccxt has them, or lists of another tool."""

    blanks = False

    def __init__(self, rows: Iterator[Any]) -> None:
        first = next(rows, None)
        self._rows = rows if first is None else chain((first,), rows)
        of_tool = tool_of_row(first) if isinstance(first, list | tuple) else None
        tool, self.names = of_tool or (ccxt.TOOL, ccxt.COLUMNS)
        self.tool = tool.name

    def batches(self, wanted: Sequence[str], where: str, loose: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield batches of rows."""
        width, number = len(self.names), 0
        places = [self.names.index(name) for name in wanted]
        whole = places == list(range(width))
        while rows := list(islice(self._rows, BATCH)):
            for row in rows:
                number += 1
                if not isinstance(row, list | tuple) or len(row) != width:
                    raise RequestError(
                        f"{where}, row {number} is {shown(row)}; give [milliseconds, open, high, low, close, volume]."
                        " Nothing was imported"
                    )
            picked = rows if whole else [[row[at] for at in places] for row in rows]
            yield list(enumerate(picked, number - len(rows) + 1))


class ObjectSource(Source):
    """Objects that name their values, as in Upbit's answers and our own ``.jsonl``."""

    def __init__(self, rows: Iterator[Any]) -> None:
        first = next(rows, None)
        self._rows = rows if first is None else chain((first,), rows)
        self.names = [str(name) for name in first] if isinstance(first, Mapping) else []
        values = list(first.values()) if isinstance(first, Mapping) else []
        self.texts = texts_among(self.names, [values])

    def batches(self, wanted: Sequence[str], where: str, loose: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield batches of rows; a value that an object does not have is None."""
        number = 0
        while rows := list(islice(self._rows, BATCH)):
            batch: Batch = []
            for row in rows:
                number += 1
                if not isinstance(row, Mapping):
                    raise RequestError(
                        f"{where}, row {number} is {shown(row)}, no object as the first. Nothing was imported"
                    )
                batch.append((number, [row.get(name) for name in wanted]))
            yield batch


def list_source(rows: Iterator[Any]) -> ListSource | ObjectSource:
    """Return the source for lists, or for objects, judged by the first of them."""
    first = next(rows, None)
    everything = rows if first is None else chain((first,), rows)
    return ObjectSource(everything) if isinstance(first, Mapping) else ListSource(everything)
