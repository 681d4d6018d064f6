"""The exchange's limits: requests a second by group, and the block for those who go on regardless.

Times are seconds of any steady clock. Nothing here waits.
"""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import Final, NamedTuple

import attrs

from rxcandles.util.arguments import check_count, check_rate

__all__ = ["Limit", "Verdict", "Window"]

_REFUSED_SECONDS: Final = 10.0
_BLOCK_SECONDS: Final = 60.0


class Verdict(NamedTuple):
    """What becomes of a request: ``status`` 200, 429 or 418.

    ``remaining_req`` is what the exchange's header about its limit says: Upbit's has that name, and is None where the
    request did not pass. ``blocked`` are the seconds that a block still lasts.
    """

    status: int
    remaining_req: str | None = None
    blocked: float = 0.0


class Window:
    """A strict sliding window: a request passes if fewer than ``limit`` passed within the last ``seconds``."""

    def __init__(self, limit: float, seconds: float = 1.0) -> None:
        self.limit = limit
        self.seconds = seconds
        self._passed: deque[float] = deque()

    def take(self, now: float) -> int | None:
        """Let a request pass and return how many more could at ``now``, or return None where it does not pass."""
        while self._passed and now - self._passed[0] >= self.seconds:
            self._passed.popleft()
        if len(self._passed) >= self.limit:
            return None
        self._passed.append(now)
        return ceil(self.limit) - len(self._passed)


@attrs.define(init=False)
class Limit:
    """The limits of one address, that is of all clients of a simulator together.

    ``rate`` requests a second pass in each of the groups ``candles`` (all kinds share it) and ``market`` (Upbit, seen
    2026-03-11); with an ``Origin`` header one in ten seconds (documented 2024-07-17). None: all pass, and the header
    says each time that nothing was used yet, as there are clients that need one (pyupbit 0.2.34). More than
    ``ban_after`` refusals within ten seconds are answered by a block of everything for 60 seconds, the next one twice
    as long, and so on; the exchange documents that it grows, not how. None: never. :class:`RequestError` for arguments
    that can't be meant.
    """

    rate: float | None
    ban_after: int | None
    _windows: dict[str, Window]
    _refused: deque[float]
    _blocked_until: float
    _block: float

    def __init__(self, rate: float | None, ban_after: int | None) -> None:
        self.rate = check_rate("rate", rate)
        self.ban_after = None if ban_after is None else check_count("ban_after", ban_after)
        self._windows = {}
        self._refused = deque()
        self._blocked_until = float("-inf")
        self._block = _BLOCK_SECONDS

    def ask(self, group: str, now: float, origin: bool = False) -> Verdict:
        """Return what becomes of a request of ``group`` that arrives at ``now``."""
        if now < self._blocked_until:
            return Verdict(418, blocked=self._blocked_until - now)
        if self.rate is None:
            return Verdict(200, f"group={group}; min=600; sec=9")
        name = "origin" if origin else group
        if name not in self._windows:
            self._windows[name] = _window(self.rate, origin)
        remaining = self._windows[name].take(now)
        if remaining is not None:
            # `min` is a dead constant at Upbit: the limit a second times 60.
            minute = 6 if origin else ceil(self.rate * 60)
            return Verdict(200, f"group={name}; min={minute}; sec={remaining}")
        return self._refuse(now)

    def _refuse(self, now: float) -> Verdict:
        self._refused.append(now)
        while now - self._refused[0] >= _REFUSED_SECONDS:
            self._refused.popleft()
        if self.ban_after is None or len(self._refused) <= self.ban_after:
            return Verdict(429)
        blocked, self._block = self._block, self._block * 2
        self._blocked_until = now + blocked
        self._refused.clear()
        return Verdict(418, blocked=blocked)


def _window(rate: float, origin: bool) -> Window:
    if origin:
        return Window(1, 10.0)
    return Window(rate) if rate >= 1 else Window(1, 1 / rate)
