"""The candles of one market on one timeframe, all of them made of the market's base series."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import Final

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.base import Base
from rxcandles.simulator.minutes import joined
from rxcandles.simulator.seconds import forming, split
from rxcandles.simulator.text import DAY, Candle, candle_text

__all__ = ["END", "Series"]

END: Final = 4_102_444_800
"""2100-01-01: no candle opens from here on."""


class Series:
    """The candles of one market on one timeframe.

    They come in pieces that are made at once and named by a time: the seconds of a minute, all minutes of a day, or one
    day, week, month or year.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, base: Base) -> None:
        self.symbol = symbol
        self.timeframe = timeframe
        self.base = base
        kind: tuple[Callable[[int], list[Candle]], Callable[[float, float, bool], Iterator[int]], int]
        # Counted in another zone, slots may reach from one day into the next.
        in_days = timeframe.seconds and timeframe.offset % timeframe.seconds == 0
        if timeframe.seconds == 1:
            kind = self.seconds, self._minutes, 16
        elif in_days and timeframe.seconds < DAY:
            kind = self._slots, self._days, 4
        else:
            kind = self._slot, self._days if in_days and timeframe.seconds == DAY else self._opens, 512
        make, self._pieces, kept = kind
        self.piece = lru_cache(kept)(make)
        # A stream looks at the minute that runs every second.
        self._running = lru_cache(1)(self.seconds)

    def candles(self, start: float, stop: float, backwards: bool = False) -> Iterator[Candle]:
        """Iterate over the final candles that open in ``[start, stop)``, oldest first, or newest first."""
        for time in self._pieces(start, stop, backwards):
            some = _between(self.piece(time), start, stop)
            yield from reversed(some) if backwards else some

    def page(self, start: float, stop: float, count: int) -> tuple[str, int]:
        """Return the newest ``count`` of them as text, newest first, each after a comma, and how many they are."""
        texts = [f",{self.text(candle)}" for candle in islice(self.candles(start, stop, backwards=True), count)]
        return "".join(texts), len(texts)

    def at(self, open_time: int, now: float) -> Candle | None:
        """Return the candle of one slot as it stands at ``now``, or None where nothing has traded by then."""
        if self.timeframe.shift(open_time, 1) <= now:
            return next(self.candles(open_time, open_time + 1), None)
        minute = int(now // 60) * 60
        seconds = self._so_far(minute, now)
        if self.timeframe.seconds == 1:
            return next(iter(_between(seconds, open_time, open_time + 1)), None)
        closed = self.base.over(open_time, minute) if open_time < minute else None
        return joined(open_time, [each for each in (closed, joined(minute, seconds)) if each])

    def previous_close(self, day: Candle) -> int:
        """Return the close of the day candle before, or the candle's own opening price where it is the first."""
        for time in self._days(self.base.start, day.open_time, backwards=True):
            if before := self.piece(time):
                return before[0].close
        return day.open

    def text(self, candle: Candle) -> str:
        """Return one candle as a JSON object."""
        previous = self.previous_close(candle) if self.timeframe.name == "1d" else None
        return candle_text(self.symbol, self.timeframe, candle, previous)

    def _so_far(self, minute: int, now: float) -> list[Candle]:
        """The seconds of a minute that have traded by ``now``; the last may still run."""
        seconds = [second for second in self._running(minute) if second.open_time <= now]
        if seconds and now < seconds[-1].open_time + 1:
            seconds[-1] = forming(seconds[-1], now, self.base.prices.tick, self.base.prices.lot)
        return seconds

    def seconds(self, minute: int) -> list[Candle]:
        """Return the seconds of a minute that trade, oldest first."""
        final = self.base.minute(minute)
        return split(self.base.key, final, self.base.prices.tick, self.base.prices.lot) if final else []

    def _slots(self, day: int) -> list[Candle]:
        """The slots of a day."""
        minutes, length = self.base.minutes(day // DAY), self.timeframe.seconds
        opens, first, candles = minutes.opens, 0, []
        while first < len(opens):
            open_time = opens[first] // length * length
            last = bisect_left(opens, open_time + length, first)
            candles.append(minutes.joined(open_time, first, last))
            first = last
        return candles

    def _slot(self, open_time: int) -> list[Candle]:
        candle = self.base.over(open_time, self.timeframe.shift(open_time, 1))
        return [candle] if candle else []

    def _minutes(self, start: float, stop: float, backwards: bool) -> Iterator[int]:
        """The minutes in which the seconds of ``[start, stop)`` lie."""
        for day in self.base.days(start, stop, backwards):
            opens = self.base.minutes(day).opens
            some = opens[bisect_left(opens, start - 59) : bisect_left(opens, stop)]
            yield from reversed(some) if backwards else some

    def _days(self, start: float, stop: float, backwards: bool) -> Iterator[int]:
        return (day * DAY for day in self.base.days(start, stop, backwards))

    def _opens(self, start: float, stop: float, backwards: bool) -> Iterator[int]:
        """The open times of the slots of ``[start, stop)``."""
        frame, base = self.timeframe, self.base
        first, last = frame.ceil(max(start, frame.floor(base.start))), frame.ceil(min(stop, base.stop))
        numbers = range(frame.slots(first, last))
        return (frame.shift(first, number) for number in (reversed(numbers) if backwards else numbers))


def _between(candles: list[Candle], start: float, stop: float) -> list[Candle]:
    """Those that open in ``[start, stop)``."""
    first, last = (bisect_left(candles, time, key=itemgetter(0)) for time in (start, stop))
    return candles[first:last]
