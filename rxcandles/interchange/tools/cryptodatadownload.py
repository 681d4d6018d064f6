"""CryptoDataDownload: its address above the header, and names such as ``Upbit_BTCKRW_minute.csv``."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from rxcandles.interchange.tools.tool import Names, Tool
from rxcandles.interchange.vocabulary.statements import Statement

__all__ = ["TOOL"]

_FILE: Final = re.compile(r"([A-Za-z]+)_([A-Z0-9]+)_(?:\d{4}_)?(minute|1min|1h|1hr|hour|1hour|d|1d|day)\.csv.*")
_FRAMES: Final = {"minute": "1m", "1min": "1m", "hour": "1h", "1hr": "1h", "1hour": "1h", "d": "1d", "day": "1d"}


class _CryptoDataDownload(Tool):
    name = "cryptodatadownload"
    columns: ClassVar[Names] = {"volume": ("volumefrom",), "turnover": ("volumeto",)}

    def by_name(self, name: str) -> Statement | None:
        """``Upbit_BTCKRW_minute.csv``."""
        match = _FILE.fullmatch(name)
        if not match:
            return None
        frame = _FRAMES.get(match[3], match[3])
        return Statement("by its name", match[2], frame, elsewhere=match[1].casefold() != "upbit")

    def title(self, line: str) -> bool:
        """``https://www.CryptoDataDownload.com``."""
        return self.name in line.casefold()


TOOL: Final = _CryptoDataDownload()
