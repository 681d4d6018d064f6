"""Pages of which not every value is a number that can be: the others are of use all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf, isfinite
from typing import Any, Final

import msgspec

__all__ = ["UNREADABLE", "as_sent", "odd_list"]

_VALUE: Final = 40
"""Characters of a value that is no number."""
_DIGITS: Final = 60
"""Characters of a number that is none of a candle's."""
UNREADABLE: Final = (msgspec.DecodeError, json.JSONDecodeError, UnicodeDecodeError, RecursionError)
"""What the decoders raise; the last for text that is nested too deeply."""


def odd_list(body: bytes) -> list[Any]:
    """Return the JSON array of a body, numbers that no candle has as text; raise one of ``UNREADABLE`` for no array."""
    found = json.loads(body.decode(), parse_int=_number(int), parse_float=_number(float), parse_constant=str)
    if not isinstance(found, list):
        raise msgspec.ValidationError("no array")
    return found


def as_sent(value: object) -> Any:
    """Return a number, or None, as it is, and what else there may be in words, which no check takes for a number."""
    if isinstance(value, int | float | None) and not isinstance(value, bool):
        return value
    return (value if isinstance(value, str) else json.dumps(value))[:_VALUE]


def _number(kind: type[int | float]) -> Callable[[str], int | float | str]:
    """Return what reads a number, and leaves one that no candle has as it is written."""

    def read(text: str) -> int | float | str:
        number = kind(text) if len(text) < _DIGITS else inf
        return number if isfinite(number) else text[:_VALUE]

    return read
