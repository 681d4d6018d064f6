"""Draw the coverage of a series as one line of characters, and a time axis under it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from rich.text import Text

from rxcandles.cli.times import home
from rxcandles.model.absent import AbsentSlot
from rxcandles.stores.cells import CoverageCell

__all__ = ["LEGEND", "axis", "legend", "strip"]


class _Mark(NamedTuple):
    what: str
    block: str
    plain: str
    style: str


_STORED: Final = _Mark("stored", "█", "#", "green")
_THIN: Final = _Mark("fewer than half traded", "▄", "+", "cyan")
_NO_TRADE: Final = _Mark("no trade", "▁", "_", "blue")
_OUTAGE: Final = _Mark("outage", "▂", "o", "blue")
_EITHER: Final = _Mark("no trade or outage", "▁", "-", "blue")
_PROVISIONAL: Final = _Mark("empty by one answer", "░", "~", "magenta")
_PARTLY: Final = _Mark("partly missing", "▒", "?", "yellow")
_IMPORTED: Final = _Mark("imported", "▓", "i", "bright_black")
_MISSING: Final = _Mark("missing", "·", ".", "red")
_IMPOSSIBLE: Final = _Mark("impossible", "╳", "!", "bold red")

LEGEND: Final = (_STORED, _THIN, _NO_TRADE, _OUTAGE, _EITHER, _PROVISIONAL, _PARTLY, _IMPORTED, _MISSING, _IMPOSSIBLE)
"""The characters and their meaning.

If a cell has several, the first of these is shown: impossible, missing, provisional, the rest.
"""


_EMPTY: Final[Mapping[AbsentSlot, _Mark]] = {"no_trade": _NO_TRADE, "outage": _OUTAGE, "either": _EITHER}


def _mark(cell: CoverageCell) -> _Mark:
    if cell.impossible:
        return _IMPOSSIBLE
    if cell.missing:
        if cell.imported:
            return _IMPORTED
        return _MISSING if cell.missing == cell.slots else _PARTLY
    if cell.provisional:
        return _PROVISIONAL
    if not cell.stored:
        return _EMPTY[cell.absent]
    return _STORED if cell.stored * 2 >= cell.slots else _THIN


def strip(cells: Sequence[CoverageCell], width: int, *, blocks: bool) -> Text:
    """Return ``width`` characters, oldest first; if there are fewer cells than that, a cell takes several."""
    marks = [_mark(each) for each in cells]
    text = Text()
    for mark, same in groupby(marks[at * len(cells) // width] for at in range(width)):
        text.append((mark.block if blocks else mark.plain) * len(list(same)), style=mark.style)
    return text


def legend(cells: Iterable[CoverageCell] | None = None, *, blocks: bool, width: int = 1000) -> Text:
    """Return the meaning of the characters (only of those in ``cells``, if given) in lines of at most ``width``."""
    text, line = Text(), 0
    shown = LEGEND if cells is None else {_mark(each) for each in cells}
    for mark in (each for each in LEGEND if each in shown):
        length = len(mark.what) + 2
        if line and line + 3 + length > width:
            text.append("\n")
            line = 0
        elif line:
            text.append("   ")
            line += 3
        text.append(mark.block if blocks else mark.plain, style=mark.style)
        text.append(f" {mark.what}")
        line += length
    return text


def axis(start: int, stop: int, width: int) -> str:
    """Return a line with times, each behind a ``|`` under its slot; it may be a little wider than ``width``."""
    form = "%Y-%m-%d" if stop - start >= 4 * 86_400 else "%m-%d %H:%M" if stop - start >= 600 else "%H:%M:%S"
    length = len(f"{home(start):{form}}") + 1
    number = max(1, width // (length + 4))
    line = ""
    for at in range(number):
        column = width * at // number
        line = line.ljust(column) + f"|{home(start + (stop - start) * column // width):{form}}"
    end = f"{home(stop):{form}}|"
    return line.ljust(width - len(end)) + end if len(line) + 2 + len(end) <= width else line
