"""Who may open a WebSocket: an exchange's limit of connections, its block, and refusals on demand."""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

import attrs

from rxcandles.simulator.limit import Window

__all__ = ["CUT", "Gate", "Passed"]

CUT: Final = 0
"""In place of a status: the connection is cut in the middle of the answer."""

_ORIGIN_SECONDS: Final = 10.0


class Passed(NamedTuple):
    """What becomes of an upgrade: its ``status``, 101 if it passes, and how many more could have passed."""

    status: int
    remaining: int = 0


@attrs.define
class _Refusal:
    status: int
    until: float
    times: float


class Gate:
    """Lets upgrades pass: ``limit`` of them within so many seconds (None: all), with an Origin one in ten seconds.

    ``block`` are the seconds for which an address is refused altogether once it has gone over the limit: 0 for Upbit,
    which has no such block; Bithumb has one of 600.
    """

    def __init__(self, limit: Window | None, origin: bool = False) -> None:
        self.limit = limit
        self.block = 0.0
        self._origin = Window(1, _ORIGIN_SECONDS) if origin and limit is not None else None
        self._refusals: list[_Refusal] = []

    def refuse(self, status: int, until: float = inf, times: float = inf) -> None:
        """Refuse the next ``times`` upgrades before ``until`` with this ``status``."""
        self._refusals.append(_Refusal(status, until, times))

    def clear(self) -> None:
        """Refuse nothing any more but what is over the limit."""
        self._refusals.clear()

    def ask(self, now: float, time: float, origin: bool = False) -> Passed:
        """Return what becomes of an upgrade at ``now``, by the exchange's clock; ``time`` is that of a steady one."""
        self._refusals = [each for each in self._refusals if now < each.until and each.times > 0]
        if self._refusals:
            self._refusals[0].times -= 1
            return Passed(self._refusals[0].status)
        window = self._origin if origin and self._origin is not None else self.limit
        remaining = 0 if window is None else window.take(time)
        if remaining is None:
            if self.block:
                self.refuse(429, now + self.block)
            return Passed(429)
        return Passed(101, remaining)
