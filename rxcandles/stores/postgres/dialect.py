"""The shared SQL as PostgreSQL wants it: other marks for parameters, and two words that only SQLite knows."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["translate"]

_PARTS: Final = re.compile(
    r"'(?:[^']|'')*'"  # a text
    r"|\?"
    r"|(?<![:\w]):([a-z_]+)"
    r"|%"
    r"|\b9e999\b",
    re.DOTALL,
)


@lru_cache(512)
def translate(sql: str) -> str:
    """Return a statement with psycopg's marks for its parameters.

    >>> translate("SELECT open_time % 60 FROM candles WHERE series = ? AND close < 9e999")
    "SELECT open_time %% 60 FROM candles WHERE series = %s AND close < 'Infinity'::float8"
    """
    return _PARTS.sub(_part, sql)


def _part(found: re.Match[str]) -> str:
    text = found[0]
    if text == "?":
        return "%s"
    if text == "%":
        return "%%"
    if text == "9e999":  # infinity to SQLite, which has no word for it
        return "'Infinity'::float8"
    if found[1]:
        return f"%({found[1]})s"
    return text.replace("%", "%%")
