"""Levels of a chart: how many slots one bar shows, and the bars of a level.

The page makes the same bars in the browser (``assets/series.js``), so that it contains each candle once.
"""

from __future__ import annotations

from typing import Final

import attrs

from rxcandles.charts.reading import ChartData
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.util.arguments import check_count, check_kind
from rxcandles.util.showing import Brief

__all__ = ["Bars", "Level", "bars", "fitting", "ladder"]

_DAY: Final = 86_400
_MONDAY: Final = 4 * _DAY
_LENGTHS: Final = (
    ("1s", 1), ("5s", 5), ("15s", 15), ("30s", 30), ("1m", 60), ("3m", 180), ("5m", 300), ("15m", 900), ("30m", 1800),
    ("1h", 3600), ("4h", 14_400), ("12h", 43_200), ("1d", _DAY), ("3d", 3 * _DAY), ("1w", 7 * _DAY), ("4w", 28 * _DAY),
)  # fmt: skip
_MONTHS: Final = (("1M", 1), ("3M", 3), ("1y", 12), ("10y", 120))
_FEW: Final = 40
"""Bars that fit any window and are still wide enough to see; the first level with so few is the coarsest."""


@attrs.frozen
class Level:
    """One resolution: bar ``k`` shows the ``factor`` slots from ``k * factor - phase`` on."""

    name: str
    factor: int
    phase: int


@attrs.frozen(eq=False, repr=False)
class Bars(Brief):
    """The bars of a level that have a candle, oldest first, with the true open, high, low and close of their candles.

    * ``bar``: numbers of the bars.
    * ``volume``: sums, in the base currency.
    * ``stored``: candles in each bar; ``imported``: how many of those were imported.
    """

    bar: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    stored: list[int]
    imported: list[int]


def ladder(timeframe: str | Timeframe, first: int, slots: int) -> list[Level]:
    """Return the levels for ``slots`` slots from the open time ``first`` (UTC seconds) on, the finest first.

    The finest level has a bar for each slot. Bars open where candles of that length open: hours at full hours, weeks on
    Mondays.

    >>> [level.name for level in charts.ladder("1m", 1_704_067_200, 240)]
    ['1m', '3m', '5m', '15m']
    """
    frame = Timeframe.of(timeframe)
    check_count("first", first, 0)
    check_count("slots", slots)
    levels = [Level(frame.name, 1, 0)]
    for name, length in _MONTHS if frame.months else _LENGTHS:
        unit = frame.months or frame.seconds
        if length <= unit or length % unit:
            continue
        if slots <= _FEW * levels[-1].factor:
            break
        if frame.months:
            moment = to_datetime(first)
            since = moment.year * 12 + moment.month - 1
        else:
            since = first - (_MONDAY if length >= 7 * _DAY else 0)
        levels.append(Level(name, length // unit, since % length // unit))
    return levels


def fitting(data: ChartData, most: int) -> Level:
    """Return the finest level that has at most ``most`` bars, or the coarsest."""
    levels = ladder(data.timeframe, data.first, data.slots)
    return next((level for level in levels if data.slots <= most * level.factor), levels[-1])


def bars(data: ChartData, level: Level) -> Bars:
    """Return the bars of one ``level`` of ``data``, oldest first; takes a microsecond a candle.

    >>> data = await charts.read_chart(store, "KRW-BTC", "1m")
    >>> charts.bars(data, charts.Level("1h", 60, 0)).stored
    [60, 60]
    """
    check_kind("data", data, ChartData)
    check_kind("level", level, Level)
    found, foreign = Bars([], [], [], [], [], [], [], []), set(data.imported)
    last = -1
    rows = zip(data.slot, data.open, data.high, data.low, data.close, data.volume, strict=True)
    for at, (slot, first, high, low, close, volume) in enumerate(rows):
        bar = (slot + level.phase) // level.factor
        if bar != last:
            last = bar
            found.bar.append(bar)
            found.open.append(first)
            found.high.append(high)
            found.low.append(low)
            found.close.append(close)
            found.volume.append(volume)
            found.stored.append(1)
            found.imported.append(int(at in foreign))
        else:
            found.high[-1] = max(found.high[-1], high)
            found.low[-1] = min(found.low[-1], low)
            found.close[-1] = close
            found.volume[-1] += volume
            found.stored[-1] += 1
            found.imported[-1] += at in foreign
    return found
