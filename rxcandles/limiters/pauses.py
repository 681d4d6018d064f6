"""What 429s, 418s and the server's clock change in the state of a limiter."""

from __future__ import annotations

import math
from typing import Final

from rxcandles.errors import BannedError, ExchangeError, RateLimitedError
from rxcandles.limiters.state import LimiterState
from rxcandles.model import LONGEST_WAIT
from rxcandles.util.arguments import check_number

__all__ = ["block", "learn_clock", "pause", "refusal", "seconds_told"]

_LONGEST_PAUSE: Final = 86_400.0
"""Cap on what a server asks for, so that a bogus ``Retry-After`` can't stop us for ever."""
_LONGEST_DOUBLING: Final = 5
"""Most times that a pause after a 429 doubles: 32 windows."""
_BLOCK_SECONDS: Final = 60.0
"""First block that is assumed if a 418 gives no time; no recorded 418 of Upbit does (2026-11)."""
_LONGEST_BLOCK_DOUBLING: Final = 6
_QUIET_AFTER_BLOCK: Final = 3600.0


def seconds_told(name: str, value: float | None) -> float | None:
    """Return the seconds that a server has asked for, up to a day."""
    return None if value is None else min(check_number(name, value), _LONGEST_PAUSE)


def pause(
    state: LimiterState, now: float, asked: float, first: float, window: float, retry_after: float | None
) -> float:
    """Pause after a 429 to a request of ``asked``; return until when.

    A first 429 stops everything for ``first`` seconds. One that follows on it stops everything for twice as long, or
    for as long as the server asks.
    """
    if now >= state.paused_until:
        state.streak = state.streak + 1 if asked < state.calm_at else 0
    wait = max(first * 2 ** min(state.streak, _LONGEST_DOUBLING), first if retry_after is None else retry_after)
    state.paused_until = max(state.paused_until, now + wait)
    state.calm_at = state.paused_until + window
    return state.paused_until


def block(state: LimiterState, now: float, seconds: float | None) -> float:
    """Record that this address is blocked; return until when."""
    blocks = state.blocks
    if now >= blocks.until:
        blocks.streak = blocks.streak + 1 if now < blocks.forgotten_at else 0
    if seconds is None:
        seconds = _BLOCK_SECONDS * 2 ** min(blocks.streak, _LONGEST_BLOCK_DOUBLING)
    blocks.until = max(blocks.until, now + seconds)
    blocks.forgotten_at = blocks.until + _QUIET_AFTER_BLOCK
    return blocks.until


def learn_clock(state: LimiterState, given: float, now: float, server_time: float) -> None:
    """Narrow down how far the server's clock is ahead, from a date in whole seconds that it gave since ``given``.

    If dates contradict each other, since clocks drift apart, begin anew.
    """
    least, most = server_time - now, server_time + 1.0 - given
    if least > state.ahead_most or most < state.ahead_least:
        state.ahead_least, state.ahead_most = -math.inf, math.inf
    state.ahead_least, state.ahead_most = max(state.ahead_least, least), min(state.ahead_most, most)


def refusal(state: LimiterState, now: float) -> ExchangeError | None:
    """Return the error for callers whose wait would exceed ``LONGEST_WAIT``, or None."""
    blocked, paused = state.blocks.until - now, state.paused_until - now
    longest = max(blocked, paused)
    if longest <= LONGEST_WAIT:
        return None
    rest = f"for another {longest / 3600:.1f} hours, longer than is waited for here; ask again after that"
    if blocked >= paused:
        return BannedError(f"the exchange has blocked this address {rest}", blocked)
    return RateLimitedError(f"the exchange has asked for no requests {rest}", paused)
