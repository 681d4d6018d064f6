"""Which series the name of a file, and the folders that it lies in, say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from rxcandles.interchange.reading.markets import frame_called
from rxcandles.interchange.reading.namewords import read_words
from rxcandles.interchange.reading.stated import Said, frame_said
from rxcandles.interchange.reading.zones import zone_in_words
from rxcandles.interchange.tools import binance, cryptodatadownload, freqtrade, ours, pyubcc, tradingview, upbit
from rxcandles.model.naming import EXCHANGES

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
    said += _by_words(path.name, tool)
    if folders and (found := ours.by_path(path.absolute())):
        said.append(found)
    return tool, said


def series_by_name(path: Path, exchange: str = EXCHANGES[0]) -> tuple[str, str] | None:
    """Return the market and timeframe of a file by its name and folders alone, or None where they don't say both.

    A market of another exchange than the one that the file is imported for is not said by it.
    """
    tool, said = said_by_name(path)
    own = tool == exchange
    if any(each.unfit for each in said):
        return None
    market = next((each.market for each in said if each.market and (own or not each.elsewhere)), None)
    frame = next((found for each in said if each.timeframe and (found := frame_called(each.timeframe))), None)
    if market is None and not any(each.market for each in said):
        named = {each for some in said for each in some.markets}
        market = next(iter(named)) if len(named) == 1 and "-" in next(iter(named)) else None
    if frame is None and not any(each.timeframe for each in said):
        meant = {frame_said(each) for some in said for each in some.frames}
        frame = next(iter(meant)) if len(meant) == 1 else None
    return None if market is None or frame is None else (market, frame.name)


def _by_words(name: str, tool: str | None) -> list[Said]:
    """What the words of a name say, beside what it says in the way of a tool."""
    words, named = read_words(name), zone_in_words(name)
    said = Said("by its name", exchanges=words.exchanges, zone=named.zone, unclear=named.unclear)
    if tool is None:
        said = attrs.evolve(said, markets=words.markets, frames=words.frames)
    found = [] if said == Said("by its name") else [said]
    if tool is None and not words.markets and (ours_says := ours.by_name(name)):
        found.append(ours_says)
    return found
