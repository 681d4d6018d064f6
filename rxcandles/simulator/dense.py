"""The candles of a market whose exchange has one for every slot, as most do: where nobody traded it is a flat one.

A slot that lies wholly in a halt has none: there the exchange was out.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.series import Series
from rxcandles.simulator.text import Candle

__all__ = ["DenseSeries"]


class DenseSeries:
    """Every slot of a :class:`Series`, from the one in which the first trade lies.

    A flat candle has the close before it as its four prices, and nothing else.
    """

    def __init__(self, traded: Series) -> None:
        self.traded = traded
        self.timeframe: Timeframe = traded.timeframe
        self._base = traded.base

    @cached_property
    def first_trade(self) -> int | None:
        """The second in which the market first trades, None where it never does."""
        for day in self._base.days(self._base.start, self._base.stop):
            for minute in self._base.minutes(day).opens[:1]:
                return self.traded.seconds(minute)[0].open_time
        return None

    def candles(self, start: float, stop: float) -> list[Candle]:
        """Return the final candles that open in ``[start, stop)``, oldest first."""
        if self.first_trade is None:
            return []
        frame = self.timeframe
        low = frame.ceil(max(start, frame.floor(self.first_trade)))
        high = frame.ceil(min(stop, self._base.stop))
        if low >= high:
            return []
        found = list(self.traded.candles(low, high))
        slots = frame.slots(low, high)
        if len(found) == slots:
            return found
        close, index, filled = None, 0, list[Candle]()
        for number in range(slots):
            open_time = frame.shift(low, number)
            if index < len(found) and found[index].open_time == open_time:
                filled.append(found[index])
                close, index = found[index].close, index + 1
            elif self._base.open_spans(open_time, frame.shift(open_time, 1)):
                close = self._close_before(open_time) if close is None else close
                filled.append(self._flat(open_time, close))
        return filled

    def at(self, open_time: int, now: float) -> Candle | None:
        """Return the candle of one slot as it stands at ``now``; None where the exchange has not come to it."""
        if self.timeframe.shift(open_time, 1) <= now:
            return next(iter(self.candles(open_time, open_time + 1)), None)
        if self.first_trade is None or not self.first_trade <= now or open_time >= self._base.stop:
            return None
        traded = self.traded.at(open_time, now)
        if traded is not None or not self._base.open_spans(open_time, int(now) + 1):
            return traded
        return self._flat(open_time, self._close_before(open_time))

    def close_in_halt(self, open_time: int) -> int | None:
        """Return the last price before a slot that has no candle although the market is listed; None where it has."""
        end = self.timeframe.shift(open_time, 1)
        begun = self.first_trade is not None and self.timeframe.floor(self.first_trade) < open_time
        out = begun and end <= self._base.stop and not self._base.open_spans(open_time, end)
        return self._close_before(open_time) if out else None

    def _flat(self, open_time: int, close: int) -> Candle:
        end = self.timeframe.shift(open_time, 1)
        return Candle(open_time, close, close, close, close, 0, 0, end * 1000 - 1)

    def _close_before(self, time: int) -> int:
        """The price of the last trade before ``time``, before which there was one."""
        minute = time // 60 * 60
        seconds = self.traded.seconds(minute) if minute < time else []
        for second in reversed(seconds):
            if second.open_time < time:
                return second.close
        for day in self._base.days(self._base.start, minute, backwards=True):
            minutes = self._base.minutes(day)
            index = bisect_left(minutes.opens, minute) - 1
            if index >= 0:
                return minutes.shapes[minutes.kinds[index]].close
        raise AssertionError("the first slot is the one of the first trade")
