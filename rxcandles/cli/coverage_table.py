"""The table of ``rxcandles coverage``: a line for each series with its strip, and one time axis below."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Final

import attrs
from rich.text import Text

from rxcandles.cli.coverage_data import Drawn, cells_of_all
from rxcandles.cli.provisional import impossible_text
from rxcandles.cli.runner import run_async
from rxcandles.cli.strip import LEGEND, axis, legend, strip
from rxcandles.cli.terminal import Terminal
from rxcandles.cli.text import printable
from rxcandles.cli.times import ZONE, headed, minute_shown, said_apart, zone_name
from rxcandles.model.naming import EXCHANGES
from rxcandles.model.spans import Span
from rxcandles.stores.cells import CoverageCell
from rxcandles.stores.overview import SeriesOverview

__all__ = ["Layout", "show_coverage"]

WIDEST: Final = 160
"""Most characters of a line, on a terminal that is wider."""

LEAST: Final = 24
"""Fewest characters of a strip, so that two dates fit under it; a narrow terminal gives it a third of its width."""
MOST: Final = 100
"""Most characters of a strip."""
GAP: Final = 2
TIGHT: Final = 1
"""Spaces between two columns; ``TIGHT`` if there is not enough room."""


@attrs.frozen
class _Column:
    name: str
    rank: int
    """If there is not enough room, the column with the highest rank is left out first; ``--json`` has all."""
    text: Callable[[SeriesOverview], str]
    left: bool = False
    time: bool = False


def _count(of: Callable[[SeriesOverview], int]) -> Callable[[SeriesOverview], str]:
    return lambda each: f"{of(each):,}"


def _date_of(text: Callable[[SeriesOverview], str]) -> Callable[[SeriesOverview], str]:
    return lambda each: text(each)[:10]


def _size(each: SeriesOverview) -> str:
    # Without dbstat, the size is an estimate from the size of the file and the number of rows.
    return ("" if each.size_source == "dbstat" else "~") + f"{each.size:,}"


_COLUMNS: Final = (
    _Column("exchange", 9, lambda each: each.series.exchange, left=True),
    _Column("series", 0, lambda each: f"{each.series.symbol} {each.series.timeframe}", left=True),
    _Column("from", 4, lambda each: minute_shown(each.start), time=True),
    _Column("to", 5, lambda each: minute_shown(each.stop), time=True),
    _Column("candles", 3, _count(lambda each: each.candles)),
    _Column("no trade", 7, _count(lambda each: each.no_trade)),
    _Column("outage", 7, _count(lambda each: each.outage)),
    _Column("either", 7, _count(lambda each: each.either)),
    _Column("provisional", 2, _count(lambda each: each.provisional)),
    _Column("gaps", 8, _count(lambda each: each.holes)),
    _Column("missing", 1, _count(lambda each: each.missing)),
    _Column("impossible", 2, _count(lambda each: each.impossible)),
    _Column("imported", 2, _count(lambda each: each.imported)),
    _Column("sealed", 2, _count(lambda each: each.sealed)),
    _Column("bytes", 10, _size),
)
_WHERE_THERE: Final = ("outage", "either", "provisional", "impossible", "imported", "sealed")
"""Columns that are shown only if one of their counts is not 0."""


@attrs.frozen
class _Filled:
    """A column with its text for each series, made only once: a table may have ten thousand lines."""

    column: _Column
    texts: Sequence[str]
    width: int

    @staticmethod
    def of(column: _Column, found: Sequence[SeriesOverview]) -> _Filled:
        texts = [printable(column.text(each)) for each in found]
        return _Filled(column, texts, max(len(column.name), *map(len, texts)))

    def padded(self, text: str) -> str:
        return text.ljust(self.width) if self.column.left else text.rjust(self.width)


class Layout:
    """The columns that fit into ``width`` characters, and the place of each series' strip."""

    def __init__(self, spans: Mapping[SeriesOverview, Span], width: int) -> None:
        """Lay out the series, each with the span of its strip."""
        self._spans, found = spans, [*spans]
        self._found = found
        named = (attrs.evolve(each, name=headed(each.name)) if each.time else each for each in _COLUMNS)
        filled = [
            each
            for each in (_Filled.of(column, found) for column in named)
            if each.column.name not in _WHERE_THERE or any(text != "0" for text in each.texts)
        ]
        least = max(LEAST // 2, min(LEAST, width // 3))
        if {each.series.exchange for each in found} != {EXCHANGES[0]}:
            # Never leave out the exchange if it is not the usual one; shorten a long name in its middle.
            room = max(12, width - least - filled[1].width - 2 * TIGHT)
            kept = attrs.evolve(filled[0].column, rank=0, text=lambda each: _shortened(each.series.exchange, room))
            filled[0] = _Filled.of(kept, found)
        self._columns, self._gap = _fitting(filled, found, width - least)
        self._offset = sum(each.width + self._gap for each in self._columns)
        self.strip = max(least, min(MOST, width - self._offset))
        """Width of the strips in characters."""
        self._start = min(start for start, _ in spans.values())
        self._stop = max(stop for _, stop in spans.values())

    def place(self, series: SeriesOverview) -> tuple[int, int]:
        """Return the first character of a series' strip, and the one after its last."""
        start, stop = self._spans[series]
        scale = self.strip / (self._stop - self._start)
        first = min(int((start - self._start) * scale), self.strip - 1)
        return first, max(first + 1, min(self.strip, -int((self._start - stop) * scale // 1)))

    def lines(self, cells: Sequence[Sequence[CoverageCell]], *, blocks: bool, width: int) -> Iterator[Text]:
        """Yield the table with each series' strip, the time axis, and the legend."""
        yield Text(self._line([each.column.name for each in self._columns]).rstrip())
        texts = zip(*(each.texts for each in self._columns), strict=True)
        for series, pieces, line in zip(self._found, cells, texts, strict=True):
            first, stop = self.place(series)
            yield Text(self._line(line) + " " * first).append_text(
                strip(pieces, stop - first, blocks=blocks) if pieces else Text("")
            )
        there = said_apart() is None and any(each.column.time for each in self._columns)
        said = "" if there or ZONE.get() is UTC else zone_name()
        beside = said if len(said) < self._offset else ""
        yield Text(f"{beside} ".rjust(self._offset) + axis(self._start, self._stop, self.strip))
        yield Text("" if said == beside else f"times in {said}")
        yield legend((cell for pieces in cells for cell in pieces), blocks=blocks, width=width)

    def _line(self, texts: Sequence[str]) -> str:
        gap = " " * self._gap
        return "".join(each.padded(text) + gap for text, each in zip(texts, self._columns, strict=True))


def _fitting(columns: list[_Filled], found: Sequence[SeriesOverview], room: int) -> tuple[list[_Filled], int]:
    """Return the columns that fit, and the space between them.

    If not all fit: use less space, then dates without times, then leave out columns.
    """
    dates = [
        _Filled.of(attrs.evolve(each.column, text=_date_of(each.column.text)), found) if each.column.time else each
        for each in columns
    ]
    for some, gap in ((columns, GAP), (columns, TIGHT), (dates, GAP), (dates, TIGHT)):
        if _needed(some, gap) <= room:
            return some, gap
    while any(each.column.rank for each in dates) and _needed(dates, TIGHT) > room:
        dates.remove(max(dates, key=lambda each: each.column.rank))
    return dates, TIGHT


def _needed(columns: Sequence[_Filled], gap: int) -> int:
    return sum(each.width + gap for each in columns)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - most // 2 - 1) :]}"


def show_coverage(db: str, found: Sequence[Drawn], *, no_color: bool) -> None:
    """Print the table, and a line for each series with impossible candles."""
    # A file or pipe has the usual width of a terminal, unless COLUMNS says otherwise.
    width = min(Terminal().width, WIDEST)
    terminal = Terminal(width=width, no_color=no_color)
    layout = Layout({each.series: each.span for each in found}, width)
    cells = run_async(cells_of_all(db, found, layout.place))
    blocks = _can_show("".join(mark.block for mark in LEGEND))
    for line in layout.lines(cells, blocks=blocks, width=width):
        terminal.print(line, soft_wrap=True)
    for each in found:
        if each.impossible:
            text = Text(printable(f"{' '.join(each.series.series)}: {impossible_text(each.impossible)}"))
            terminal.print(text, soft_wrap=True)


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
