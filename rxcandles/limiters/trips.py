"""What round trips show of how far requests are spread on their way."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Trips"]

_TRIPS: Final = 100
_FIRST_TRIPS: Final = 20
"""Round trips that are measured before the guard is fitted to them."""
_LEAST_GUARD: Final = 0.2
"""Part of the guard that is always kept."""


class Trips:
    """Fits the guard to the newest round trips: twice their spread, ``full_guard`` at most, a fifth of it at least."""

    def __init__(self, full_guard: float) -> None:
        self.guard = self.full_guard = full_guard
        self.least_guard = full_guard * _LEAST_GUARD
        self._trips: deque[float] = deque(maxlen=_TRIPS)

    def took(self, seconds: float, delay: float) -> float:
        """Record a round trip; return how late its request may have arrived, compared with the quickest."""
        trip = seconds - delay
        late = delay + trip - min(self._trips, default=trip)
        self._trips.append(trip)
        if len(self._trips) >= _FIRST_TRIPS:
            trips = sorted(self._trips)
            spread = trips[len(trips) * 9 // 10] - trips[0]
            self.guard = min(self.full_guard, max(2 * spread, self.least_guard))
        return late

    def begin_anew(self) -> None:
        """Use the whole guard again until enough round trips have been measured."""
        self.guard = self.full_guard
        self._trips.clear()
