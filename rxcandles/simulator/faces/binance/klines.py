"""Pages of candles as Binance prints them, a piece of some hundred rows at a time."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Final, NamedTuple

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.dense import DenseSeries
from rxcandles.simulator.market import Market, Served
from rxcandles.simulator.text import DAY, UNIT, Candle

__all__ = ["Klines", "row_text"]

_ROWS: Final = 1440
_LONGEST: Final = 8 * DAY
_DAYS: Final = 128 * DAY


class Piece(NamedTuple):
    """Candles of a stretch of time, oldest first: open times in milliseconds, and their texts."""

    opens: list[int]
    texts: list[str]


class Klines:
    """The candles of one market as Binance sends them. All times here are UTC seconds, to the millisecond."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._piece = lru_cache(16)(self._make_piece)

    def known(self, now: float) -> bool:
        """Whether the market is listed at ``now``."""
        return self.market.known(now)

    @property
    def symbol(self) -> str:
        """The market's code."""
        return self.market.symbol

    @property
    def english_name(self) -> str:
        """The market's English name."""
        return self.market.english_name

    @property
    def korean_name(self) -> str:
        """The market's Korean name."""
        return self.market.korean_name

    def newest(self, timeframe: Timeframe, to: float, count: int, now: float) -> Served:
        """Return the newest ``count`` candles that open before ``to`` and exist at ``now``, oldest first."""
        series, current = self.market.every_slot(timeframe), timeframe.floor(now)
        texts: list[str] = []
        forming = series.at(current, now) if count > 0 and current < to else None
        if forming is not None:
            texts.append(row_text(timeframe, forming))
        stop, begin = round(min(to, current) * 1000), self._begin(series)
        length = _length(timeframe)
        number = -1 if begin is None else (stop - 1) // (length * 1000)
        while begin is not None and len(texts) < count and (number + 1) * length > begin:
            piece = self._piece(timeframe, number)
            last = bisect_left(piece.opens, stop)
            texts[:0] = piece.texts[max(0, last - (count - len(texts))) : last]
            number -= 1
        return Served(f"[{','.join(texts)}]", len(texts))

    def oldest(self, timeframe: Timeframe, since: float, to: float, count: int, now: float) -> Served:
        """Return the oldest ``count`` candles that open in ``[since, to)`` and exist at ``now``, oldest first."""
        series, current = self.market.every_slot(timeframe), timeframe.floor(now)
        texts: list[str] = []
        begin, length = self._begin(series), _length(timeframe)
        if begin is None:
            return Served("[]", 0)
        start, stop = round(max(since, begin) * 1000), round(min(to, current) * 1000)
        number = start // (length * 1000)
        while len(texts) < count and number * length * 1000 < stop:
            piece = self._piece(timeframe, number)
            first, last = bisect_left(piece.opens, start), bisect_left(piece.opens, stop)
            texts += piece.texts[first : min(last, first + count - len(texts))]
            number += 1
        if len(texts) < count and since <= current < to and (forming := series.at(current, now)):
            texts.append(row_text(timeframe, forming))
        return Served(f"[{','.join(texts)}]", len(texts))

    def _begin(self, series: DenseSeries) -> int | None:
        first = series.first_trade
        return None if first is None else series.timeframe.floor(first)

    def _make_piece(self, timeframe: Timeframe, number: int) -> Piece:
        length = _length(timeframe)
        start, stop = number * length, (number + 1) * length
        candles = self.market.every_slot(timeframe).candles(start, stop)
        opens = [candle.open_time * 1000 for candle in candles]
        # A day has some dozens of kinds of minute, so most of the text is printed already.
        tails: dict[tuple[int, ...], tuple[str, str]] = {}
        texts = [row_text(timeframe, candle, tails) for candle in candles]
        for time in self.market.off_grid:
            if start * 1000 <= time < stop * 1000 and (odd := self._off_grid(timeframe, time)):
                index = bisect_left(opens, time)
                opens.insert(index, time)
                texts.insert(index, odd)
        return Piece(opens, texts)

    def _off_grid(self, timeframe: Timeframe, time: int) -> str | None:
        """The flat candle that opens off the grid, at so many milliseconds, where the slot has no other."""
        slot = timeframe.floor(time // 1000)
        series = self.market.every_slot(timeframe)
        close = series.close_in_halt(slot)
        if close is None:
            return None
        end = time + (timeframe.shift(slot, 1) - slot) * 1000 - 1
        return _text(time, _prices(close, close, close, close), end, '"0.00000000",0,"0.00000000","0.00000000","0"')


def row_text(timeframe: Timeframe, candle: Candle, tails: dict[tuple[int, ...], tuple[str, str]] | None = None) -> str:
    """Return one candle as a JSON array; ``tails`` keeps what candles of the same prices and amounts share."""
    values = (*candle[1:7], *candle[8:])
    known = None if tails is None else tails.get(values)
    if known is None:
        first, high, low, last, volume, turnover, trades, taken, cost = values
        known = (
            f'{_prices(first, high, low, last)},"{_fixed(volume)}"',
            f'"{_fixed(turnover)}",{trades},"{_fixed(taken)}","{_fixed(cost)}","0"',
        )
        if tails is not None:
            tails[values] = known
    open_time = candle.open_time
    end = open_time + timeframe.seconds if timeframe.seconds else timeframe.shift(open_time, 1)
    return f"[{open_time * 1000},{known[0]},{end * 1000 - 1},{known[1]}]"


def _text(opened: int, prices: str, closed: int, rest: str) -> str:
    return f'[{opened},{prices},"0.00000000",{closed},{rest}]'


def _prices(first: int, high: int, low: int, last: int) -> str:
    return f'"{_fixed(first)}","{_fixed(high)}","{_fixed(low)}","{_fixed(last)}"'


def _fixed(value: int) -> str:
    return f"{value // UNIT}.{value % UNIT:08}"


def _length(timeframe: Timeframe) -> int:
    """The seconds of a piece: some hundred rows or more, where that takes no more than some days of minutes."""
    if timeframe.months or timeframe.seconds >= DAY:
        return _DAYS
    return min(timeframe.seconds * _ROWS, _LONGEST)
