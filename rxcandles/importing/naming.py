"""Which series the name of a file, and the folders that it lies in, say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rxcandles.importing.markets import frame_called
from rxcandles.importing.said import Said
from rxcandles.importing.tools import binance, cryptodatadownload, freqtrade, ours, pyubcc, tradingview, upbit

__all__ = ["said_by_name", "series_by_name"]

_TOOLS: Final = (upbit, pyubcc, binance, cryptodatadownload, tradingview, freqtrade)


def said_by_name(path: Path, *, folders: bool = True) -> tuple[str | None, list[Said]]:
    """Return the tool that calls files so, if one does, and all that is said by name and folders."""
    said: list[Said] = []
    tool = None
    for each in _TOOLS:
        if found := each.by_name(path.name):
            said.append(found)
            tool = each.NAME
            break
    else:
        if found := ours.by_name(path.name):
            said.append(found)
    if folders and (found := ours.by_path(path.absolute())):
        said.append(found)
    return tool, said


def series_by_name(path: Path) -> tuple[str, str] | None:
    """Return the market and timeframe of a file by its name and folders alone, or None where they don't say both."""
    _, said = said_by_name(path)
    if any(each.unfit for each in said):
        return None
    market = next((each.market for each in said if each.market and not each.elsewhere), None)
    frame = next((found for each in said if each.timeframe and (found := frame_called(each.timeframe))), None)
    return None if market is None or frame is None else (market, frame.name)
