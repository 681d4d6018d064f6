"""pyubcc: ``KRW-BTC_minute1_20250217_1200.csv``; its times are Korean, which the file does not state."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.interchange.tools.tool import Tool
from rxcandles.interchange.vocabulary.statements import Statement
from rxcandles.model.moments import KST

__all__ = ["TOOL"]

_FILE: Final = re.compile(r"([A-Z0-9]+-[A-Z0-9]+)_(minute\d{1,3}|day|week|month)(?:_\d{8}_\d{4,6})?(?![A-Za-z0-9]).*")


class _Pyubcc(Tool):
    name = "pyubcc"

    def by_name(self, name: str) -> Statement | None:
        """``KRW-BTC_minute1_20250217_1200.csv``."""
        match = _FILE.fullmatch(name)
        return Statement("by its name, which is pyubcc's", match[1], match[2], zone=KST) if match else None


TOOL: Final = _Pyubcc()
