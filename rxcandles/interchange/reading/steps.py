"""Find out whether the times of a source are those of its timeframe, or of a longer one."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Final

from rxcandles.model.timeframe import TIMEFRAMES, Timeframe

__all__ = ["Steps"]

_IMPOSSIBLE: Final = -6.0
"""The chance, as a power of ten, below which times do not lie on a longer grid by accident."""
_ODD: Final = -2.0
_HARDLY: Final = -1.6
"""The same for days and longer, which always have a trade: three weeks in a row are not days."""
_DAY: Final = 86_400
_MONTH: Final = 30.4 * 86_400
_YEAR: Final = 365.25 * 86_400


class Steps:
    """Counts how many open times lie on the grids of longer timeframes.

    A quiet market lacks minutes, so the distance of two candles proves nothing. But the chance that each of n minute
    candles opens on the hour is 1/60 to the power of n.
    """

    def __init__(self, frame: Timeframe) -> None:
        self.rows = 0
        self._frame = frame
        self._ratios = {
            each: _length(frame) / _length(each)
            for each in TIMEFRAMES
            if _length(each) > _length(frame) and frame.divides(each)
        }
        self._off = dict.fromkeys(self._ratios, 0)
        self._last: int | None = None

    def add(self, times: Sequence[int]) -> None:
        """Add the open times of some rows."""
        if not self._off or not times:
            self.rows += len(times)
            return
        # A repeated time adds nothing.
        fresh = [time for time, before in zip(times, (self._last, *times[:-1]), strict=True) if time != before]
        self._last = times[-1]
        self.rows += len(fresh)
        for frame, off in list(self._off.items()):
            if frame.seconds:
                length, start = frame.seconds, frame.offset
                off += sum(1 for time in fresh if (time - start) % length)
            else:
                off += sum(1 for time in fresh if frame.floor(time) != time)
            self._off[frame] = off
            if off > 200 and off * 10 > self.rows:
                del self._off[frame]

    def off(self, frame: Timeframe) -> int:
        """Return how many times are not on the grid of a longer timeframe."""
        return self._off[frame]

    def longer(self) -> tuple[Timeframe, bool] | None:
        """Return the longest timeframe whose grid has nearly all times, and whether that can't be an accident."""
        for frame in reversed(self._off):
            off, on = self._off[frame], self.rows - self._off[frame]
            if off * 20 > self.rows:
                continue
            # Leave out the first time, which may have been chosen: files begin with a day or a year.
            chance = (on - 1) * log10(self._ratios[frame]) + off * log10(max(self.rows, 2))
            is_long = _length(self._frame) >= _DAY
            if chance < (_HARDLY if is_long else _ODD):
                return frame, chance < (_HARDLY if is_long else _IMPOSSIBLE)
        return None


def _length(frame: Timeframe) -> float:
    return frame.seconds or (_MONTH if frame.months == 1 else _YEAR)
