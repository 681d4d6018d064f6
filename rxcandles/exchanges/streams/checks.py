"""Whether a frame can be: as strict as the check of a page."""

from __future__ import annotations

from typing import Final

from rxcandles.model.rules import value_fault
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Frame

__all__ = ["frame_fault"]

_SLACK: Final = 60.0
"""Seconds by which a server's clocks may differ; ``Date`` has whole seconds, and our own clock may drift in a day."""
_BEFORE: Final = 5.0
"""Seconds by which a candle may open after it was made, by the clocks of two servers."""


def frame_fault(frame: Frame, timeframe: Timeframe, now: float | None) -> str | None:
    """Return in one word why a frame is impossible, or None. ``now`` is the server's clock, if it is known."""
    row = frame.row
    if value_fault(row) is not None:
        return "values"
    if not timeframe.on_grid(row.open_time):
        return "grid"
    if row.open_time > frame.stamp + _BEFORE or (now is not None and max(row.open_time, frame.stamp) > now + _SLACK):
        return "future"
    return None
