"""CryptoDataDownload: their address above the header, and ``Upbit_BTCKRW_minute.csv``."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.interchange.reading.stated import Said

__all__ = ["NAME", "by_name"]

NAME: Final = "cryptodatadownload"

_FILE: Final = re.compile(r"([A-Za-z]+)_([A-Z0-9]+)_(?:\d{4}_)?(minute|1min|1h|1hr|hour|1hour|d|1d|day)\.csv.*")
_FRAMES: Final = {"minute": "1m", "1min": "1m", "hour": "1h", "1hr": "1h", "1hour": "1h", "d": "1d", "day": "1d"}


def by_name(name: str) -> Said | None:
    """Return what a file's name says."""
    found = _FILE.fullmatch(name)
    if not found:
        return None
    frame = _FRAMES.get(found[3], found[3])
    return Said("by its name", found[2], frame, elsewhere=found[1].casefold() != "upbit")
