"""Read JSON: a list of lists or of objects, or an object a line, piece by piece, in time linear in its size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import msgspec

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.row_sources import ListSource, ObjectSource, list_source

__all__ = ["json_source"]

_PIECE: Final = 1 << 18
_LONGEST: Final = 1 << 20
"""The most bytes of a row."""

_Value: TypeAlias = int | float | str | bool | None
_LISTS: Final = msgspec.json.Decoder(list[list[_Value] | _Value])
_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, _Value] | _Value])
_OBJECT: Final = msgspec.json.Decoder(dict[str, _Value])
_SPACE: Final = b"\xef\xbb\xbf \t\r\n"


@contextmanager
def json_source(path: Path, where: str) -> Iterator[ListSource | ObjectSource]:
    """Open a JSON file."""
    with path.open("rb") as file:
        head = file.read(_PIECE)
        start = head.lstrip(_SPACE)
        if start[:1] == b"{":
            rows = list_source(_lines(start, file, where))
            if not rows.names:
                raise RequestError(f"{where} is no JSON list of lists, nor of objects that name their values")
            yield rows
        elif start[:1] == b"[" or not start:
            yield list_source(_rows(start, file, where))
        else:
            raise RequestError(
                f"{where} is no JSON list of lists, as ccxt's fetch_ohlcv returns, nor of objects; it begins"
                f" {start[:20]!r}"
            )


def _rows(held: bytes, file: IO[bytes], where: str) -> Iterator[Any]:
    """Yield the rows of ``[[…],[…]]`` or ``[{…},{…}]``; each piece is cut after a row, since rows have no brackets."""
    inner = held[1:].lstrip()[:1]
    end, decoder = (b"}", _OBJECTS) if inner == b"{" else (b"]", _LISTS)
    what = "a list of objects" if inner == b"{" else "JSON list of lists, as ccxt's fetch_ohlcv returns"
    first = True
    try:
        if held[:1] != b"[":
            raise msgspec.DecodeError("it is empty")
        held = held[1:]
        while piece := file.read(_PIECE):
            held += piece
            cut = held.rfind(end + b",") + 1
            if cut:
                yield from _decoded(decoder, held[:cut], first=first)
                held, first = held[cut:], False
            if len(held) > _LONGEST:
                raise RequestError(f"{where} has a row that does not end within 1 MB. Nothing was imported")
        held = held.rstrip()
        if held[-1:] != b"]":
            raise RequestError(f"{where} ends in the middle of its list; it is not whole. Nothing was imported")
        if held[:-1].strip():
            yield from _decoded(decoder, held[:-1], first=first)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"{where} is no {what}: {error}. Nothing was imported") from error


def _decoded(decoder: Any, rows: bytes, *, first: bool) -> Any:
    if not first:
        rows = rows.lstrip()
        if rows[:1] != b",":
            raise msgspec.DecodeError("a comma is missing between two rows")
        rows = rows[1:]
    return decoder.decode(b"[" + rows + b"]")


def _lines(held: bytes, file: IO[bytes], where: str) -> Iterator[Any]:
    """Yield rows that are an object a line."""
    number = 0
    while True:
        *lines, held = held.split(b"\n")
        for line in lines:
            number += 1
            if line.strip():
                yield _object(line, number, where)
        if len(held) > _LONGEST:
            raise RequestError(f"{where} has a line that does not end within 1 MB. Nothing was imported")
        piece = file.read(_PIECE)
        if not piece:
            break
        held += piece
    if held.strip():
        yield _object(held, number + 1, where)


def _object(line: bytes, number: int, where: str) -> Any:
    try:
        return _OBJECT.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(
            f"{where} is no JSON list of lists, nor an object of plain values a line; line {number}: {error}."
            " Nothing was imported"
        ) from error
