"""What a stream says of the latest candles of one market, and what that is worth.

Frames may come twice, late, and out of order. Within one candle, time and volume only grow, so the later of two frames
is the one with the later ``timestamp``, or with more volume. A snapshot repeats what was, so it closes nothing.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from rxcandles.model.rows import Row
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports.stream import Frame

__all__ = ["Frames", "Streamed", "Why"]

Why: TypeAlias = Literal["flag", "next", "clock"]
"""What closes a candle: the exchange's own word, a frame of a later one, or the clock."""


@attrs.define
class Streamed:
    """A candle as the stream has shown it last."""

    row: Row
    snapshot: bool
    why: Why | None = None
    """What has closed it; None while it forms."""
    missed: int = 0
    """How many pages have lacked it, or had less of it."""

    @property
    def rank(self) -> tuple[int, float, bool]:
        """The later of two frames of a candle has the higher rank."""
        return (self.row.timestamp, self.row.volume, not self.snapshot)


class Frames:
    """The candles that a stream has shown and no page has confirmed, at most ``most``; the oldest fall out."""

    def __init__(self, timeframe: Timeframe, most: int) -> None:
        self._timeframe = timeframe
        self._most = most
        self._held: dict[int, Streamed] = {}
        self.duplicates = 0
        """Frames that said nothing new."""
        self.older = 0
        """Frames that were older than what was known."""
        self.differ = 0
        """Closed candles of which a page had other values."""
        self.dropped = 0
        """Unconfirmed candles that fell out."""

    def take(self, frame: Frame, proven: int) -> Streamed | None:
        """Take a frame in, and return its candle if that has changed; older than ``proven`` says nothing new."""
        opened = frame.row.open_time
        if opened < proven:
            self.older += 1
            return None
        coming, held = Streamed(frame.row, frame.snapshot), self._held.get(opened)
        if held is not None and coming.rank <= held.rank and not (frame.closed and held.why is None):
            if coming.rank == held.rank:
                self.duplicates += 1
            else:
                self.older += 1
            return None
        if held is not None:
            if coming.rank < held.rank:
                coming.row, coming.snapshot = held.row, held.snapshot
            coming.why, coming.missed = held.why, held.missed
        if frame.closed:
            coming.why = "flag"
        elif not frame.snapshot and frame.closed is None:
            self._close_before(opened)
            if any(other > opened and not each.snapshot for other, each in self._held.items()):
                coming.why = coming.why or "next"
        self._held[opened] = coming
        while len(self._held) > self._most:
            self.dropped += self._held.pop(min(self._held)).why is not None
        return coming

    def _close_before(self, opened: int) -> None:
        for other, each in self._held.items():
            if other < opened and each.why is None:
                each.why = "next"

    def pass_time(self, edge: int) -> None:
        """Close what the clock closes: candles that open before ``edge``."""
        for opened, each in self._held.items():
            if opened < edge and each.why is None:
                each.why = "clock"

    def confirm(self, proven: int) -> None:
        """Forget what pages have confirmed: everything before ``proven``."""
        for opened in [each for each in self._held if each < proven]:
            del self._held[opened]

    def forget(self, opened: int) -> None:
        """Forget one candle, which pages never had."""
        self._held.pop(opened, None)

    def closed(self, after: int) -> list[tuple[int, Streamed]]:
        """Return the closed candles that open after ``after``, oldest first."""
        return [(opened, each) for opened, each in sorted(self._held.items()) if opened > after and each.why]

    def between(self, start: int, stop: int) -> list[tuple[int, Streamed]]:
        """Return the candles that open in ``[start, stop)``, oldest first."""
        return [(opened, self._held[opened]) for opened in sorted(self._held) if start <= opened < stop]

    @property
    def newest(self) -> Streamed | None:
        """The newest candle."""
        return self._held[max(self._held)] if self._held else None

    def __len__(self) -> int:
        return len(self._held)
