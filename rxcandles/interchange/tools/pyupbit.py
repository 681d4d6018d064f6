"""pyupbit: frames whose index has no name and holds Korean time; after ``reset_index()`` a column ``index`` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rxcandles.interchange.reading.stated import Said
from rxcandles.model.moments import KST

__all__ = ["KOREAN", "NAME", "looks_so"]

NAME: Final = "pyupbit"

KOREAN: Final = Said("as pyupbit's frames have them", zone=KST)

_COLUMNS: Final = frozenset({"open", "high", "low", "close", "volume", "value"})
_INDEXES: Final = ("", "index", "Unnamed: 0", "level_0")


def looks_so(names: Sequence[str]) -> bool:
    """Say whether the columns are those of its frames."""
    rest = names[1:]
    return len(names) > len(_COLUMNS) and names[0] in _INDEXES and set(rest) >= _COLUMNS and not _has_time(rest)


def _has_time(names: Sequence[str]) -> bool:
    return any(name.casefold() in ("date", "datetime", "time", "timestamp", "open_time") for name in names)
