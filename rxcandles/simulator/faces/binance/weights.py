"""Binance's limit: a weight for each request, so much of it a minute by the server's clock, and the bans.

Times are UTC seconds of that clock. Nothing here waits.
"""

from __future__ import annotations

from typing import Final

import attrs

from rxcandles.simulator.limit import Verdict
from rxcandles.util.arguments import check_count

__all__ = ["Weights"]

_MINUTE: Final = 60
_SHORTEST_BAN: Final = 120.0
_LONGEST_BAN: Final = 3 * 86_400.0


@attrs.define(init=False)
class Weights:
    """The limit of one address, that is of all clients of a simulator together.

    Each minute has ``allowed`` of weight, and begins anew when the clock's minute does (Binance, documented
    2026-07-21). None: no limit. Whoever asks for more is refused with 429 until the minute is over, and after more than
    ``ban_after`` refusals of one minute banned for two minutes, next time for twice as long, up to three days; the
    exchange documents these ends, not what lies between. None: never. :class:`RequestError` for arguments out of
    bounds.
    """

    allowed: int | None
    ban_after: int | None
    used: int
    _minute: int
    _refused: int
    _banned_until: float
    _ban: float

    def __init__(self, allowed: int | None, ban_after: int | None) -> None:
        self.allowed = None if allowed is None else check_count("rate", allowed, 1, 10**9)
        self.ban_after = None if ban_after is None else check_count("ban_after", ban_after)
        self.used = 0
        self._minute = -1
        self._refused = 0
        self._banned_until = float("-inf")
        self._ban = _SHORTEST_BAN

    def ask(self, weight: int, now: float) -> Verdict:
        """Return what becomes of a request of ``weight`` that arrives at ``now``; its header says what was used."""
        if now < self._banned_until:
            return Verdict(418, blocked=self._banned_until - now)
        minute = int(now // _MINUTE)
        if minute != self._minute:
            self._minute, self.used, self._refused = minute, 0, 0
        if self.allowed is None or self.used + weight <= self.allowed:
            self.used += weight
            return Verdict(200, str(self.used))
        self._refused += 1
        if self.ban_after is None or self._refused <= self.ban_after:
            return Verdict(429, str(self.used))
        banned, self._ban = self._ban, min(2 * self._ban, _LONGEST_BAN)
        self._banned_until = now + banned
        return Verdict(418, blocked=banned)
