"""The tools whose files are read and written: one file each here, and a line in the list below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.interchange.tools import (
    binance,
    ccxt,
    cryptodatadownload,
    freqtrade,
    pyubcc,
    pyupbit,
    tradingview,
    upbit,
    yfinance,
)
from rxcandles.interchange.tools.tool import Header, Tool
from rxcandles.interchange.vocabulary.column_names import VALUES
from rxcandles.util.arguments import refusal

__all__ = ["Header", "Tool", "known_tools", "register", "tool_called", "tool_of_columns", "tool_of_row"]

_TOOLS: Final[dict[str, Tool]] = {}


def register(tool: Tool) -> None:
    """Add a tool to those that imports and exports know; if several recognise a file, the first one added counts.

    Raise :class:`RequestError` if there is a tool of that name, or if its columns have names that are not ours.

    >>> from rxcandles.interchange.vocabulary.statements import Statement
    >>> class Mine(Tool):
    ...     name = "mine"
    ...
    ...     def by_name(self, name: str) -> Statement | None:
    ...         return Statement("by its name", "KRW-BTC", "1m") if name == "mine.csv" else None
    >>> register(Mine())
    """
    if tool.name in _TOOLS:
        raise RequestError(f"there is a tool {tool.name!r} already; give it another name")
    for field in tool.columns:
        if field not in ("open_time", *VALUES):
            raise refusal("columns", field, f"name columns of ours: open_time, {', '.join(VALUES)}")
    _TOOLS[tool.name] = tool


def known_tools() -> tuple[Tool, ...]:
    """Return all tools, in the order in which they are asked."""
    return tuple(_TOOLS.values())


def tool_called(name: str | None) -> Tool | None:
    """Return the tool of that name, or None."""
    return _TOOLS.get(name or "")


def tool_of_columns(names: Sequence[str]) -> Tool | None:
    """Return the tool whose format has these columns, or None."""
    return next((each for each in known_tools() if each.is_format and each.has_columns(names)), None)


def tool_of_row(row: Sequence[Any]) -> tuple[Tool, Sequence[str]] | None:
    """Return the tool that writes rows like this without a header, and its columns, or None."""
    for each in known_tools():
        if columns := each.row_columns(row):
            return each, columns
    return None


for _tool in (
    upbit.TOOL,
    pyubcc.TOOL,
    binance.TOOL,
    cryptodatadownload.TOOL,
    tradingview.TOOL,
    freqtrade.TOOL,
    ccxt.TOOL,
    pyupbit.TOOL,
    yfinance.TOOL,
):
    register(_tool)
