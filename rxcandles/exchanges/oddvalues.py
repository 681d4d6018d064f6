"""Pages with some values that are not possible numbers; their other values are still used."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf, isfinite
from typing import Any, Final

import msgspec

__all__ = ["UNREADABLE", "as_sent", "odd_list"]

_VALUE: Final = 40
"""The most characters kept of a value that is not a number."""
_DIGITS: Final = 60
"""The most characters of a number; no candle has a longer one."""
UNREADABLE: Final = (msgspec.DecodeError, json.JSONDecodeError, UnicodeDecodeError, RecursionError)
"""Errors of the decoders; the last one comes of text that is nested too deeply."""


def odd_list(body: bytes) -> list[Any]:
    """Return the JSON array of a body, impossible numbers as text; raise one of ``UNREADABLE`` if it is none."""
    found = json.loads(body.decode(), parse_int=_number(int), parse_float=_number(float), parse_constant=str)
    if not isinstance(found, list):
        raise msgspec.ValidationError("no array")
    return found


def as_sent(value: object) -> Any:
    """Return a number or None as it is, and anything else in words, which no check accepts as a number."""
    if isinstance(value, int | float | None) and not isinstance(value, bool):
        return value
    return (value if isinstance(value, str) else json.dumps(value))[:_VALUE]


def _number(kind: type[int | float]) -> Callable[[str], int | float | str]:
    """Return a function that reads a number, and leaves an impossible one as text."""

    def read(text: str) -> int | float | str:
        number = kind(text) if len(text) < _DIGITS else inf
        return number if isfinite(number) else text[:_VALUE]

    return read
