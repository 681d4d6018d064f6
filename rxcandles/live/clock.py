"""The server's clock: what its answers say, and the time that has passed since."""

from __future__ import annotations

import asyncio
import time
from math import inf

__all__ = ["ServerClock"]

_AHEAD = 60.0
"""Seconds by which a frame may be ahead of the server's own clock; more than that is a fault of the frame."""
_JUMP = 5.0
"""Seconds by which this machine's clock may move against its monotonic one; more means that it slept, or was set."""


class ServerClock:
    """Tells the server's time, never later than it is: the ``Date`` of its last answer, and the seconds since.

    This machine's own clock may be wrong, so it is used only while the server has said nothing, as servers without a
    ``Date`` never do. After the machine has slept the time is unknown until the next answer.
    """

    def __init__(self) -> None:
        self._own = time.time
        self._monotonic = asyncio.get_running_loop().time
        self._said: tuple[float, float] | None = None
        """What the server said last, and when that was."""
        self._apart = self._own() - self._monotonic()
        self._newest = -inf
        """The newest stamp of a frame."""
        self._latest = -inf
        self._mute = False
        """Whether answers say no time."""

    def said(self, date: float | None) -> None:
        """Record the server's time in an answer that has just come; None if it said none."""
        self._mute = date is None and self._said is None
        if date is not None:
            self._said = (date, self._monotonic())
            self._apart = self._own() - self._monotonic()
            self._latest = -inf

    def framed(self, stamp: float) -> None:
        """Record when a frame was made, by the server's clock."""
        if self._newest < stamp < self.now() + _AHEAD:
            self._newest = stamp

    def now(self) -> float:
        """Return the server's time, UTC seconds; it does not go back between two answers."""
        if self._said is None:
            return max(self._own(), self._newest - 1)
        date, at = self._said
        self._latest = max(self._latest, date + self._monotonic() - at, self._newest - 1)
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
