"""pyubcc: ``KRW-BTC_minute1_20250217_1200.csv``, whose times are Korean without saying so."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.interchange.reading.stated import Said
from rxcandles.model.moments import KST

__all__ = ["NAME", "by_name"]

NAME: Final = "pyubcc"

_FILE: Final = re.compile(r"([A-Z0-9]+-[A-Z0-9]+)_(minute\d{1,3}|day|week|month)(?:_\d{8}_\d{4,6})?(?![A-Za-z0-9]).*")


def by_name(name: str) -> Said | None:
    """Return what a file's name says."""
    found = _FILE.fullmatch(name)
    return Said("by its name, which is pyubcc's", found[1], found[2], zone=KST) if found else None
