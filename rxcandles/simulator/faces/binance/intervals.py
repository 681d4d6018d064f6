"""The lengths that Binance has, and their grids in another zone than UTC."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import attrs

from rxcandles.model.timeframe import TIMEFRAMES, Timeframe

__all__ = ["INTERVALS", "interval", "zone_seconds"]

INTERVALS: Final = {
    "1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14_400,
    "6h": 21_600, "8h": 28_800, "12h": 43_200, "1d": 86_400, "3d": 259_200, "1w": 604_800, "1M": 0,
}  # fmt: skip
"""Seconds by name; a month has no fixed length. Three days are counted from the epoch, which no record tells."""

_ZONE: Final = re.compile(r"([+-]?)(\d{1,2})(?::(\d{2}))?", re.ASCII)


@attrs.frozen(order=False, eq=False, repr=False)
class _ZonedMonth(Timeframe):
    """Months that begin at midnight of another zone, so many seconds ahead of UTC."""

    ahead: int = 0

    def floor(self, time: float) -> int:
        return super().floor(time + self.ahead) - self.ahead

    def shift(self, open_time: int, slots: int) -> int:
        return super().shift(open_time + self.ahead, slots) - self.ahead

    def slots(self, start: float, stop: float) -> int:
        first, last = self.ceil(start), self.ceil(stop)
        return 0 if last <= first else super().slots(first + self.ahead, last + self.ahead)


@lru_cache(256)
def interval(name: str, ahead: int = 0) -> Timeframe | None:
    """Return the timeframe of Binance's name for it, on the grid of a zone ``ahead`` of UTC; None where it has none."""
    seconds = INTERVALS.get(name)
    if seconds is None:
        return None
    for each in TIMEFRAMES:
        if (each.seconds, each.months) == (seconds, 0 if seconds else 1):
            if ahead == 0:
                return each
            if not seconds:
                return _ZonedMonth(name, 0, months=1, ahead=ahead)
            return Timeframe(name, seconds, offset=(each.offset - ahead) % seconds)
    return Timeframe(name, seconds, offset=-ahead % seconds)


def zone_seconds(text: str) -> int | None:
    """Return how far a zone is ahead of UTC: ``9``, ``-1:00``, ``05:45``; None beyond -12:00 to +14:00."""
    found = _ZONE.fullmatch(text)
    if found is None:
        return None
    sign, hours, minutes = found[1], int(found[2]), int(found[3] or 0)
    seconds = (-1 if sign == "-" else 1) * (hours * 3600 + minutes * 60)
    return seconds if minutes < 60 and -12 * 3600 <= seconds <= 14 * 3600 else None
