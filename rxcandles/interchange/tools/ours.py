"""What our own files say of themselves: in their metadata, in the folders of a lake, in their names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from rxcandles.interchange.reading.stated import Said

__all__ = ["by_metadata", "by_name", "by_path"]

_FILE: Final = re.compile(r"(?:.*?(?<![A-Za-z0-9]))?(KRW-[A-Z0-9]+)(?:[-_ ](\d+[smhdwMy]))?(?![A-Za-z0-9]).*")


def by_name(name: str) -> Said | None:
    """Return what a name such as ``KRW-BTC.csv`` or ``KRW-BTC_60m.parquet`` says."""
    found = _FILE.fullmatch(name)
    return Said("by its name", found[1], found[2]) if found else None


def by_path(path: Path) -> Said | None:
    """Return what the folders of a lake say: ``symbol=KRW-BTC/timeframe=60m/2024-01.parquet``."""
    found = dict(
        part.split("=", 1) for part in path.parts[:-1] if part.startswith(("exchange=", "symbol=", "timeframe="))
    )
    if not found:
        return None
    market, frame, exchange = (found.get(key) for key in ("symbol", "timeframe", "exchange"))
    return Said("by its folders", None if market is None else unquote(market), frame, exchange)


def by_metadata(metadata: Mapping[bytes, bytes] | None) -> Said | None:
    """Return what is under our key in a schema's metadata."""
    text = (metadata or {}).get(b"rxcandles")
    if text is None or len(text) > 1 << 24:
        return None
    try:
        about: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(about, dict):
        return None
    market, frame, exchange = (
        found if isinstance(found := about.get(key), str) and found else None
        for key in ("symbol", "timeframe", "exchange")
    )
    return Said("by its metadata", market, frame, exchange)
