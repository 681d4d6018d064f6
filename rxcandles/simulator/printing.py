"""Pages of minutes, printed a day at a time: whoever asks for one page goes on through the day."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.base import STAMPS, Base
from rxcandles.simulator.series import Series
from rxcandles.simulator.text import DAY, KST, Candle, Memo, clock_text, day_text, decimal_text

__all__ = ["MinuteSeries"]

_PIECES: Final = 7
"""Pieces of text that a candle is printed in."""


class Printed(NamedTuple):
    """A day of candles as text: their open times, oldest first, and the pieces to join, newest first."""

    opens: Sequence[int]
    pieces: list[str]


class MinuteSeries(Series):
    """The minutes of a market, taken from the base series as they are, with quick pages.

    A format for each candle would take most of the time of a page.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, base: Base) -> None:
        super().__init__(symbol, timeframe, base)
        self.printed = lru_cache(8)(self._printed)
        self._utc = Memo(lambda second: f'{clock_text(second)}","candle_date_time_kst":"')
        self._kst = Memo(lambda second: f'{clock_text((second + KST) % DAY)}","opening_price":')

    def candles(self, start: float, stop: float, backwards: bool = False) -> Iterator[Candle]:
        """Iterate over what :meth:`Series.candles` does; nothing is kept, as a minute is there to be taken."""
        for day in self.base.days(start, stop, backwards):
            minutes = self.base.minutes(day)
            some = range(bisect_left(minutes.opens, start), bisect_left(minutes.opens, stop))
            yield from map(minutes.candle, reversed(some) if backwards else some)

    def page(self, start: float, stop: float, count: int) -> tuple[str, int]:
        """Return what :meth:`Series.page` does."""
        pieces: list[str] = []
        rows = 0
        for day in self.base.days(start, stop, backwards=True):
            opens, found = self.printed(day)
            skipped = len(opens) - bisect_left(opens, stop)
            some = min(count - rows, len(opens) - skipped - bisect_left(opens, start))
            if some > 0:
                pieces += found[skipped * _PIECES : (skipped + some) * _PIECES]
                rows += some
            if rows == count:
                break
        return "".join(pieces), rows

    def _printed(self, day: int) -> Printed:
        minutes = self.base.minutes(day)
        opens, kinds, luck = (column[::-1] for column in minutes[:3])
        ends = [60_000 + 1000 * time for time in opens]
        begin = day * DAY
        seconds = [time - begin for time in opens]
        # The Korean date is the next one from 15:00 on.
        early = bisect_left(minutes.opens, begin + DAY - KST)
        numbers = [[decimal_text(number) for number in shape[:6]] for shape in minutes.shapes]
        prices = [
            f'{first},"high_price":{high},"low_price":{low},"trade_price":{last},"timestamp":'
            for first, high, low, last, _, _ in numbers
        ]
        amounts = [
            f',"candle_acc_trade_price":{turnover},"candle_acc_trade_volume":{volume},"unit":1}}'
            for *_, volume, turnover in numbers
        ]
        pieces = [f',{{"market":"{self.symbol}","candle_date_time_utc":"{day_text(day)}'] * (_PIECES * len(opens))
        pieces[1::_PIECES] = map(self._utc.__getitem__, seconds)
        pieces[2::_PIECES] = [day_text(day + 1)] * (len(opens) - early) + [day_text(day)] * early
        pieces[3::_PIECES] = map(self._kst.__getitem__, seconds)
        pieces[4::_PIECES] = map(prices.__getitem__, kinds)
        pieces[5::_PIECES] = [str(end + STAMPS[byte]) for end, byte in zip(ends, luck, strict=True)]
        pieces[6::_PIECES] = map(amounts.__getitem__, kinds)
        return Printed(minutes.opens, pieces)
