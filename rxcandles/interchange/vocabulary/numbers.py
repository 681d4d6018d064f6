"""Numbers as people and programs write them: read exactly, or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

__all__ = ["Comma", "absent", "meaning_of_commas", "number"]

Comma: TypeAlias = Literal["thousands", "decimal", "unclear"]
"""The meaning of a comma in a number."""

_LONGEST: Final = 60
"""The most digits of a number; a float has 17."""

_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+),\d+", re.ASCII)
_POINTS: Final = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+", re.ASCII)
_UNCLEAR: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_POINT: Final = re.compile(r"[+-]?\d+\.\d+", re.ASCII)

_NOTHING: Final = frozenset({"", "nan", "na", "n/a", "#n/a", "<na>", "null", "none", "nat", "-"})


def absent(value: Any) -> bool:
    """Return whether a value is missing: None, NaN, ``pd.NA``, an empty text, or what programs write for these."""
    kind = type(value)
    if kind is float:
        return bool(value != value)
    if kind is str:
        return len(value) < 8 and value.strip().casefold() in _NOTHING
    return value is None or kind.__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)


def number(value: Any, comma: Comma = "thousands") -> float:
    """Return a number; raise ``ValueError`` that says what to write instead."""
    kind = type(value)
    if kind is float or kind is int:
        return float(value)
    if kind is str:
        if comma == "thousands" and len(value) < _LONGEST and value.isascii() and "_" not in value and "," not in value:
            try:  # the usual case
                return float(value)
            except ValueError:
                pass
        return _of_text(value, comma)
    if isinstance(value, bool | bytes | bytearray) or kind.__name__ in ("bool", "bool_"):
        raise ValueError("take a number, with a point")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("take a number, with a point") from None


def meaning_of_commas(cells: Iterable[str], delimiter: str) -> Comma:
    """Return what commas in numbers mean, judged by all ``cells`` at the beginning of a file.

    If commas separate the cells, a comma in a number can only group thousands, and a number like ``0,500``, which can't
    be grouped, is refused where it is read. Otherwise a number that can be read in only one way decides: ``0,5``,
    ``1,25`` and ``0,500`` have decimals, since no group of thousands begins with 0 or has another length than three;
    ``1,234,567`` has groups, and so have all numbers beside ``100.5``. Raise ``ValueError`` that names two numbers that
    contradict each other.
    """
    if delimiter == ",":
        return "thousands"
    meanings: dict[Comma, str] = {}
    pointed = ""
    commas = False
    for text in map(str.strip, cells):
        if "," in text:
            if _UNCLEAR.fullmatch(text):
                commas = True
            elif _GROUPED.fullmatch(text):
                meanings.setdefault("thousands", text)
            elif _DECIMAL.fullmatch(text):
                meanings.setdefault("decimal", text)
        elif not pointed and _POINT.fullmatch(text) and not _POINTS.fullmatch(text):
            pointed = text
    if pointed and commas and not meanings:
        meanings["thousands"] = pointed
    if len(meanings) > 1:
        raise ValueError(
            f"{meanings['decimal']!r} has decimals after its comma, and beside {meanings['thousands']!r} a comma can"
            " only divide thousands; write all of them alike, with a point"
        )
    return next(iter(meanings), "unclear")


def _of_text(text: str, comma: Comma) -> float:
    text = text.strip()
    if len(text) > _LONGEST or not text.isascii() or "_" in text:
        raise ValueError(f"take a number of plain digits, at most {_LONGEST}, with a point")
    if "," in text:
        if comma == "unclear":
            raise ValueError("its comma may stand before decimals or between thousands; write it with a point, or none")
        if not (_GROUPED if comma == "thousands" else _DECIMAL).fullmatch(text):
            raise ValueError("take a number, with a point")
        text = text.replace(",", "") if comma == "thousands" else text.replace(".", "").replace(",", ".")
    elif comma == "decimal" and "." in text:
        if not _POINTS.fullmatch(text):
            raise ValueError("it has a point where the others have a comma; write all of them alike")
        text = text.replace(".", "")
    try:
        return float(text)
    except ValueError:
        raise ValueError("take a number, with a point") from None
