"""Where rows come from, and the simplest: lists and objects in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final, Protocol, TypeAlias

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.asides import texts_among
from rxcandles.interchange.reading.columns import NEEDED
from rxcandles.interchange.reading.numbers import Comma
from rxcandles.interchange.reading.stated import Said
from rxcandles.interchange.tools import binance
from rxcandles.util.arguments import shown

__all__ = ["BATCH", "Batch", "Listed", "Objects", "Source", "in_lists"]

BATCH: Final = 5000
"""Rows in memory at a time."""

Batch: TypeAlias = list[tuple[int, Sequence[Any]]]
"""Rows with the numbers of their lines, or of themselves."""


class Source(Protocol):
    """Rows of something."""

    names: Sequence[str]
    """What its columns are called."""
    word: str
    """What its rows are called: line, or row."""
    said: Sequence[Said]
    """What it says of itself."""
    notes: Sequence[str]
    """What is worth telling of how it was read."""
    comma: Comma
    """What a comma in its numbers means."""
    blanks: bool
    """Whether a row may have a time and nothing else, for a slot in which nobody traded."""
    texts: Sequence[str]
    """Those of its columns that have words."""
    tool: str | None
    """The tool whose shape it has."""

    def batches(self, wanted: Sequence[str], where: str, loose: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield the values of the columns ``wanted``, at least two, in that order.

        Raises :class:`RequestError` for what can't be read; ``where`` is what it calls the source. Of the
        columns ``loose``, a value that is too long to be read is None.
        """
        ...


class Listed:
    """Lists of milliseconds, open, high, low, close and volume, as ccxt has them; or Binance's of twelve values."""

    word = "row"
    comma: Comma = "thousands"
    blanks = False
    notes: Sequence[str] = ()
    texts: Sequence[str] = ()
    said: Sequence[Said] = ()

    def __init__(self, rows: Iterator[Any]) -> None:
        first = next(rows, None)
        self._rows = rows if first is None else chain((first,), rows)
        is_binance = isinstance(first, list | tuple) and binance.looks_so(first)
        self.names: Sequence[str] = binance.NAMES if is_binance else NEEDED
        self.tool: str | None = binance.NAME if is_binance else "ccxt"

    def batches(self, wanted: Sequence[str], where: str, loose: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield them."""
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
            taken = rows if whole else [[row[at] for at in places] for row in rows]
            yield list(enumerate(taken, number - len(rows) + 1))


class Objects:
    """Objects that name their values, as Upbit answers and as our own ``.jsonl`` has them."""

    word = "row"
    comma: Comma = "thousands"
    blanks = True
    notes: Sequence[str] = ()
    said: Sequence[Said] = ()
    tool: str | None = None

    def __init__(self, rows: Iterator[Any]) -> None:
        first = next(rows, None)
        self._rows = rows if first is None else chain((first,), rows)
        self.names: Sequence[str] = [str(name) for name in first] if isinstance(first, Mapping) else []
        values = list(first.values()) if isinstance(first, Mapping) else []
        self.texts: Sequence[str] = texts_among(self.names, [values])

    def batches(self, wanted: Sequence[str], where: str, loose: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield them; what an object does not have is None."""
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


def in_lists(rows: Iterator[Any]) -> Listed | Objects:
    """Return the source for lists, or for objects, by the first of them."""
    first = next(rows, None)
    everything = rows if first is None else chain((first,), rows)
    return Objects(everything) if isinstance(first, Mapping) else Listed(everything)
