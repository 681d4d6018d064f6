"""Find the series of a file by its name and its folders."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from rxcandles.interchange.tools import known_tools, ours
from rxcandles.interchange.vocabulary.market_names import frame_called
from rxcandles.interchange.vocabulary.name_words import read_words
from rxcandles.interchange.vocabulary.statements import Statement, timeframe_of_word
from rxcandles.interchange.vocabulary.zones import zone_in_words
from rxcandles.model.naming import EXCHANGES

__all__ = ["series_of_name", "statements_of_name"]

_BY_NAME: Final = "by its name"


def statements_of_name(path: Path, *, folders: bool = True) -> tuple[str | None, list[Statement]]:
    """Return everything that the name and the folders of a file state, and the tool that names files so, if it is a
    format.
    """
    named = next(((each, found) for each in known_tools() if (found := each.by_name(path.name))), None)
    statements = [] if named is None else [named[1]]
    statements += _by_words(path.name, is_named=named is not None)
    if folders:
        absolute = path.absolute()
        by_folder = [ours.by_folder(absolute), *(each.by_folder(absolute) for each in known_tools())]
        statements += [each for each in by_folder if each is not None]
    return named[0].name if named is not None and named[0].is_format else None, statements


def series_of_name(path: Path, exchange: str = EXCHANGES[0]) -> tuple[str, str] | None:
    """Return the market and timeframe of a file by its name and folders alone; None if one of the two is missing.

    A name with a market of another exchange than ``exchange`` does not count.
    """
    _, statements = statements_of_name(path)
    own = any(each.name == exchange and each.by_name(path.name) for each in known_tools())
    if any(each.unfit for each in statements):
        return None
    market = next((each.market for each in statements if each.market and (own or not each.elsewhere)), None)
    frame = next((frame for each in statements if each.timeframe and (frame := frame_called(each.timeframe))), None)
    if market is None and not any(each.market for each in statements):
        markets = {market for each in statements for market in each.markets}
        market = next(iter(markets)) if len(markets) == 1 and "-" in next(iter(markets)) else None
    if frame is None and not any(each.timeframe for each in statements):
        frames = {timeframe_of_word(word) for each in statements for word in each.frames}
        frame = next(iter(frames)) if len(frames) == 1 else None
    return None if market is None or frame is None else (market, frame.name)


def _by_words(name: str, *, is_named: bool) -> list[Statement]:
    """Return what the words of a name state, beside what a tool reads in it."""
    words, zoned = read_words(name), zone_in_words(name)
    statement = Statement(_BY_NAME, exchanges=words.exchanges, zone=zoned.zone, unclear=zoned.unclear)
    if not is_named:
        statement = attrs.evolve(statement, markets=words.markets, frames=words.frames)
    statements = [] if statement == Statement(_BY_NAME) else [statement]
    if not is_named and not words.markets and (of_ours := ours.by_name(name)):
        statements.append(of_ours)
    return statements
