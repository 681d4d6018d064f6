"""The minutes of a day that trade, and the candles that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rxcandles.simulator.text import Candle

__all__ = ["STAMPS", "Minutes", "Shape", "joined"]

_LATE: Final = (13, 54, 170, 700, 1900)
"""How many milliseconds after its end a candle's last trade may be stored: 2 % of 256 (Upbit, 1.5 to 3 % seen 2026)."""

STAMPS: Final = (*(-1 - byte * 4999 // 255 for byte in range(256 - len(_LATE))), *_LATE)
"""Milliseconds from a minute's end to its ``timestamp``, by a byte of luck."""


class Shape(NamedTuple):
    """All of a candle but its times: what is sent by every exchange in 10^-8, and the rest of a :class:`Candle`."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int = 0
    taker_volume: int = 0
    taker_turnover: int = 0


class Minutes(NamedTuple):
    """The minutes of a day that trade, column by column, oldest first.

    ``kinds`` are indexes into ``shapes``; ``luck`` is a byte each, for the time of the last trade.
    ``with_trades`` is that of the base series.
    """

    opens: Sequence[int]
    kinds: bytes
    luck: bytes
    shapes: Sequence[Shape]
    with_trades: bool

    def stamp(self, index: int) -> int:
        """Return the ``timestamp`` of one minute."""
        return (self.opens[index] + 60) * 1000 + STAMPS[self.luck[index]]

    def candle(self, index: int) -> Candle:
        """Return one minute."""
        shape = self.shapes[self.kinds[index]]
        return Candle(self.opens[index], *shape[:6], self.stamp(index), *shape[6:])

    def joined(self, open_time: int, first: int, last: int) -> Candle:
        """Return the candle of the minutes from index ``first`` to before ``last``, which are some."""
        kinds, shapes = self.kinds[first:last], self.shapes
        counted = [(shapes[kind], kinds.count(kind)) for kind in set(kinds)]
        candle = Candle(
            open_time,
            shapes[kinds[0]].open,
            max([shape.high for shape, _ in counted]),
            min([shape.low for shape, _ in counted]),
            shapes[kinds[-1]].close,
            sum([shape.volume * count for shape, count in counted]),
            sum([shape.turnover * count for shape, count in counted]),
            self.stamp(last - 1),
        )
        if not self.with_trades:
            return candle
        return candle._replace(
            trades=sum([shape.trades * count for shape, count in counted]),
            taker_volume=sum([shape.taker_volume * count for shape, count in counted]),
            taker_turnover=sum([shape.taker_turnover * count for shape, count in counted]),
        )


def joined(open_time: int, candles: Sequence[Candle]) -> Candle | None:
    """Return the candle that these make, oldest first, as the exchange makes it; None of none."""
    if not candles:
        return None
    _, opens, highs, lows, closes, volumes, turnovers, stamps, *more = zip(*candles, strict=True)
    return Candle(
        open_time, opens[0], max(highs), min(lows), closes[-1], sum(volumes), sum(turnovers), stamps[-1],
        *map(sum, more),
    )  # fmt: skip
