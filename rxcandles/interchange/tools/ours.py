"""Our own files: their names, the folders of a lake, and their description of themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from rxcandles.interchange.output import METADATA_KEY
from rxcandles.interchange.vocabulary.statements import Statement

__all__ = ["about", "by_folder", "by_metadata", "by_name", "month_folder"]

_FILE: Final = re.compile(r"(?:.*?(?<![A-Za-z0-9]))?(KRW-[A-Z0-9]+)(?:[-_ ](\d+[smhdwMy]))?(?![A-Za-z0-9]).*")
_PARTS: Final = ("symbol", "timeframe", "exchange")
_LONGEST: Final = 1 << 24
"""The most bytes of a description."""


def by_name(name: str) -> Statement | None:
    """Return what a name such as ``KRW-BTC.csv`` or ``KRW-BTC_60m.parquet`` states."""
    match = _FILE.fullmatch(name)
    return Statement("by its name", match[1], match[2]) if match else None


def month_folder(path: Path, symbol: str, timeframe: str) -> Path:
    """Return the folder of a series in a lake, with a file for each month: ``symbol=KRW-BTC/timeframe=60m``."""
    return path / f"symbol={quote(symbol, safe='')}" / f"timeframe={timeframe}"


def by_folder(path: Path) -> Statement | None:
    """Return what the folders of a lake state: ``symbol=KRW-BTC/timeframe=60m/2024-01.parquet``."""
    parts = dict(part.split("=", 1) for part in path.parts[:-1] if part.startswith(tuple(f"{key}=" for key in _PARTS)))
    if not parts:
        return None
    symbol, timeframe, exchange = (parts.get(key) for key in _PARTS)
    symbol, exchange = (None if each is None else unquote(each) for each in (symbol, exchange))
    return Statement("by its folders", symbol, timeframe, exchange)


def about(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, Any] | None:
    """Return the description in the metadata of a Parquet or feather file, or None if none can be read."""
    text = (metadata or {}).get(METADATA_KEY.encode())
    if text is None or len(text) > _LONGEST:
        return None
    try:
        description: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return description if isinstance(description, dict) else None


def by_metadata(metadata: Mapping[bytes, bytes] | None) -> Statement | None:
    """Return what a description states about the series."""
    description = about(metadata)
    if description is None:
        return None
    symbol, timeframe, exchange = (
        value if isinstance(value := description.get(key), str) and value else None for key in _PARTS
    )
    return Statement("by its metadata", symbol, timeframe, exchange)
