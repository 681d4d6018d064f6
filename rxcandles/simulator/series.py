"""The candles of one market on one timeframe, made in blocks and kept a while."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import compress, pairwise
from typing import Final, NamedTuple

from rxcandles.simulator.contents import BLOCK, Contents, Shape, forming, trading
from rxcandles.simulator.text import (
    DAY,
    KST,
    Candle,
    Memo,
    candle_text,
    change_text,
    clock_text,
    day_text,
    decimal_text,
    tail_text,
)
from rxcandles.spans import Span
from rxcandles.timeframe import Timeframe

__all__ = ["END", "PIECES", "Printed", "Series"]

END: Final = 4_102_444_800
"""2100-01-01: no candle opens from here on."""


PIECES: Final = 8
"""Pieces of text that a candle is printed in."""


class Columns(NamedTuple):
    """A block of candles column by column, oldest first: ``shape`` are indexes into the shapes of its group."""

    open_time: Sequence[int]
    shape: Sequence[int]
    timestamp: Sequence[int]


class Printed(NamedTuple):
    """A block of candles as text: their open times, oldest first, and the pieces to join, newest first."""

    opens: Sequence[int]
    pieces: list[str]


class Series:
    """The candles of one market on one timeframe.

    A block is a run of slots of which exactly :data:`BLOCK` trade, so that its length follows from the density and
    quiet markets cost no more than busy ones. Open times lie in ``[start, stop)``; ``halts`` are disjoint and
    ascending.
    """

    def __init__(
        self,
        symbol: str,
        timeframe: Timeframe,
        contents: Contents,
        density: float,
        start: int,
        stop: int,
        halts: Sequence[Span],
    ) -> None:
        self.symbol = symbol
        self.timeframe = timeframe
        self.contents = contents
        self.share = Fraction(density).limit_denominator(1_000_000)
        self.start = start
        self.stop = stop
        self.halts = halts
        self.shapes = lru_cache(4)(self._shapes)
        self.columns = lru_cache(4)(self._columns)
        self.printed = lru_cache(16)(self._printed)
        self._shape_texts = lru_cache(4)(self._make_shape_texts)
        self._utc = Memo(lambda second: f'{clock_text(second)}","candle_date_time_kst":"')
        self._kst = Memo(lambda second: f'{clock_text((second + KST) % DAY)}","opening_price":')

    def blocks(self, start: float, stop: float) -> range:
        """Return the blocks that may hold candles of ``[start, stop)``, oldest first."""
        start, stop = max(start, self.start), min(stop, self.stop)
        if not self.share or start >= stop:
            return range(0)
        return range(self._block(self.timeframe.floor(start)), self._block(self.timeframe.ceil(stop)) + 1)

    def at(self, open_time: int, now: float) -> Candle | None:
        """Return the candle of one slot as it stands at ``now``, or None where the slot does not trade."""
        for block in self.blocks(open_time, open_time + 1):
            columns = self.columns(block)
            index = bisect_left(columns.open_time, open_time)
            if index < len(columns.open_time) and columns.open_time[index] == open_time:
                candle, end = self._candle(block, columns, index), self.timeframe.shift(open_time, 1)
                return candle if end <= now else forming(candle, end, now, self.contents.tick)
        return None

    def candles(self, start: float, stop: float) -> Iterator[Candle]:
        """Iterate over the final candles that open in ``[start, stop)``, oldest first."""
        for block in self.blocks(start, stop):
            columns = self.columns(block)
            opens = columns.open_time
            for index in range(bisect_left(opens, start), bisect_left(opens, stop)):
                yield self._candle(block, columns, index)

    def previous_close(self, candle: Candle) -> int:
        """Return the close of the candle before, or the candle's own opening price where it is the first."""
        for block in reversed(self.blocks(self.start, candle.open_time)):
            columns = self.columns(block)
            if index := bisect_left(columns.open_time, candle.open_time):
                return self._candle(block, columns, index - 1).close
        return candle.open

    def text(self, candle: Candle) -> str:
        """Return one candle as a JSON object."""
        previous = self.previous_close(candle) if self.timeframe.name == "1d" else None
        return candle_text(self.symbol, self.timeframe, candle, previous)

    def _candle(self, block: int, columns: Columns, index: int) -> Candle:
        shape = self.shapes(block // self.contents.group)[columns.shape[index]]
        return Candle(columns.open_time[index], *shape, columns.timestamp[index])

    def _printed(self, block: int) -> Printed:
        columns = self.columns(block)
        opens, chosen, stamps = (column[::-1] for column in columns)
        seconds = [time % DAY for time in opens]
        prices, amounts = self._shape_texts(block // self.contents.group)
        # Column by column: an object or a format for each candle would take most of the time of a page.
        pieces = [""] * (PIECES * len(opens))
        pieces[0::PIECES] = _days(opens, 0, f',{{"market":"{self.symbol}","candle_date_time_utc":"')
        pieces[1::PIECES] = map(self._utc.__getitem__, seconds)
        pieces[2::PIECES] = _days(opens, KST)
        pieces[3::PIECES] = map(self._kst.__getitem__, seconds)
        pieces[4::PIECES] = map(prices.__getitem__, chosen)
        pieces[5::PIECES] = map(str, stamps)
        pieces[6::PIECES] = map(amounts.__getitem__, chosen)
        pieces[7::PIECES] = self._tails(block, columns)
        return Printed(columns.open_time, pieces)

    def _make_shape_texts(self, group: int) -> tuple[list[str], list[str]]:
        """What stands before the timestamps of a group's shapes, and what stands after it."""
        numbers = [[decimal_text(number) for number in shape] for shape in self.shapes(group)]
        return [
            f'{first},"high_price":{high},"low_price":{low},"trade_price":{last},"timestamp":'
            for first, high, low, last, _, _ in numbers
        ], [
            f',"candle_acc_trade_price":{turnover},"candle_acc_trade_volume":{volume}'
            for *_, volume, turnover in numbers
        ]

    def _tails(self, block: int, columns: Columns) -> list[str]:
        """The ends of the candles' texts, newest first."""
        opens = columns.open_time
        if self.timeframe.name in ("1w", "1M", "1y"):
            return [tail_text(self.timeframe, time) + "}" for time in reversed(opens)]
        if self.timeframe.name != "1d" or not opens:
            return [tail_text(self.timeframe, 0) + "}"] * len(opens)
        candles = [self._candle(block, columns, index) for index in range(len(opens))]
        closes = [self.previous_close(candles[0]), *(candle.close for candle in candles)]
        return [change_text(close, before) + "}" for before, close in pairwise(closes)][::-1]

    def _columns(self, block: int) -> Columns:
        first, last = self._first(block), self._first(block + 1)
        numbers: Sequence[int] = range(first, last)
        if last - first > BLOCK:
            numbers = [first + number for number in trading(f"{self.contents.key}|{block}", last - first, BLOCK)]
        opens, ends = self._times(numbers)
        # A block is filled whole before anything is left out, so that a listing or a halt changes no other candle.
        columns = Columns(opens, *self.contents.choose(block, ends))
        if not opens or (self.start <= opens[0] and opens[-1] < self.stop and not self._halted(opens[0], ends[-1])):
            return columns
        kept = [self._open(time, end) for time, end in zip(opens, ends, strict=True)]
        return Columns(*(list(compress(column, kept)) for column in columns))

    def _shapes(self, group: int) -> list[Shape]:
        group *= self.contents.group
        first, last = self._first(group), self._first(group + self.contents.group)
        numbers = [first + (last - first) * index // BLOCK for index in range(self.contents.shapes_count)]
        if not self.timeframe.seconds:
            most = self._number(END)
            numbers = [min(max(number, 0), most) for number in numbers]
        return self.contents.shapes(group, self._times(numbers)[0])

    def _times(self, numbers: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
        """The open times and ends of the slots of these numbers."""
        seconds, offset, shift = self.timeframe.seconds, self.timeframe.offset, self.timeframe.shift
        if isinstance(numbers, range) and seconds:
            start, stop = offset + numbers.start * seconds, offset + numbers.stop * seconds
            return range(start, stop, seconds), range(start + seconds, stop + seconds, seconds)
        if seconds:
            opens = [offset + number * seconds for number in numbers]
            return opens, [time + seconds for time in opens]
        most = self._number(END)
        opens = [shift(0, number) for number in numbers if 0 <= number <= most]
        return opens, [shift(time, 1) for time in opens]

    def _halted(self, start: int, stop: int) -> bool:
        """Whether a halt touches this span."""
        index = bisect_left(self.halts, stop, key=lambda halt: halt[0])
        return index > 0 and start < self.halts[index - 1][1]

    def _open(self, start: int, stop: int) -> bool:
        """Whether the market is open in this slot: listed, and not halted all through it."""
        index = bisect_right(self.halts, start, key=lambda halt: halt[0])
        return self.start <= start < self.stop and not (index > 0 and stop <= self.halts[index - 1][1])

    def _number(self, open_time: int) -> int:
        if self.timeframe.seconds:
            return (open_time - self.timeframe.offset) // self.timeframe.seconds
        return self.timeframe.slots(0, open_time)

    def _first(self, block: int) -> int:
        """The first slot of a block."""
        return block * BLOCK * self.share.denominator // self.share.numerator

    def _block(self, open_time: int) -> int:
        """The block of the slot that opens then; its inverse is :meth:`_first`."""
        share = self.share
        return -(-(self._number(open_time) + 1) * share.numerator // (BLOCK * share.denominator)) - 1


def _days(opens: Sequence[int], ahead: int, before: str = "") -> list[str]:
    """The date of each open time in a zone that is ``ahead`` of UTC, with ``before`` in front."""
    newest, oldest = ((time + ahead) // DAY for time in (opens[0], opens[-1])) if opens else (0, 0)
    if newest == oldest:
        return [before + day_text(newest)] * len(opens)
    return [before + day_text((time + ahead) // DAY) for time in opens]
