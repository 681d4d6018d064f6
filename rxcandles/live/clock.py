"""The server's clock: what its answers say, and the time that has passed since."""

from __future__ import annotations

import asyncio
import time
from math import inf

__all__ = ["ServerClock"]

_AHEAD = 10.0
"""Seconds by which a frame may be ahead of the server's own clock; more than that is a fault of the frame."""
_FAST = (2.0, 15.0)
"""By more than the first and less than the second, in seconds, frames show that the server's ``Date`` is fast: less is
their way here, more is a stream that lags."""
_RECENT = 30.0
"""Seconds in which one frame that came without delay is expected."""
_JUMP = 5.0
"""Seconds by which this machine's clock may move against its monotonic one; more means that it slept, or was set."""


class ServerClock:
    """Tells the server's time, never later than it is: the ``Date`` of its last answer, and the seconds since.

    This machine's own clock may be wrong, so it is used only while the server has said nothing, as servers without a
    ``Date`` never do. After the machine has slept the time is unknown until the next answer.

    A ``Date`` that is fast would close candles early. The stamps of frames show it, as each comes a moment after it was
    made; the slower of the two clocks is believed.
    """

    def __init__(self) -> None:
        self._own = time.time
        self._monotonic = asyncio.get_running_loop().time
        self._said: tuple[float, float] | None = None
        """What the server said last, and when that was."""
        self._apart = self._own() - self._monotonic()
        self._newest = -inf
        """The newest stamp of a frame."""
        self._swift = _Swift()
        self._latest = -inf
        self._mute = False
        """Whether answers say no time."""

    def said(self, date: float | None) -> None:
        """Record the server's time in an answer that has just come; None if it said none."""
        self._mute = date is None and self._said is None
        if date is not None:
            if self.age == inf:
                self._swift = _Swift()  # this machine slept, and its monotonic clock may have stood still
            self._said = (date, self._monotonic())
            self._apart = self._own() - self._monotonic()
            self._latest = -inf

    def framed(self, stamp: float, *, fresh: bool = True) -> None:
        """Record when a frame was made, by the server's clock; ``fresh``: that was a moment ago."""
        if not stamp < self.now() + _AHEAD:
            return
        self._newest = max(self._newest, stamp)
        if fresh:
            self._swift.add(stamp, self._monotonic())

    def now(self) -> float:
        """Return the server's time, UTC seconds; it does not go back between two answers."""
        if self._said is None:
            return max(self._own(), self._newest - 1)
        at = self._monotonic()
        ahead = self._said[0] - self._said[1]
        if _FAST[0] < ahead - self._swift.ahead(at) < _FAST[1]:
            ahead = self._swift.ahead(at)
        self._latest = max(self._latest, ahead + at, self._newest - 1)
        return self._latest

    @property
    def age(self) -> float:
        """Seconds since the server last said its time; infinite if it was not asked, or if this machine slept since.

        It is 0 for a server that says no time: asking again is of no use.
        """
        if self._mute:
            return 0.0
        if self._said is None or abs(self._own() - self._monotonic() - self._apart) > _JUMP:
            return inf
        return self._monotonic() - self._said[1]

    @property
    def offset(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the server's; None if that is unknown."""
        return None if self._said is None else self._own() - self.now()


class _Swift:
    """By how much the stamps of frames are ahead of the monotonic clock, by those that came with the least delay."""

    def __init__(self) -> None:
        self._part = 0.0
        self._best = self._before = -inf
        """Of this part of time, and of the one before."""

    def add(self, stamp: float, at: float) -> None:
        """Record the stamp of a frame that has come now."""
        self._turn(at)
        self._best = max(self._best, stamp - at)

    def ahead(self, at: float) -> float:
        """Return by how much they are; minus infinity if none has come lately."""
        self._turn(at)
        return max(self._best, self._before)

    def _turn(self, at: float) -> None:
        part = at // _RECENT
        if part != self._part:
            self._before = self._best if part == self._part + 1 else -inf
            self._part, self._best = part, -inf
