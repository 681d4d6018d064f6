"""How many messages a connection may send."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rxcandles.model.limit import Limit

__all__ = ["Budget"]


class Budget:
    """What is left of several limits that hold together, by the times at which messages were sent.

    >>> budget = Budget([Limit(2)])
    >>> budget.spend(0.0), budget.spend(0.1), budget.free_at(0.2)
    (None, None, 1.0)
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._sent = [(limit.window, deque[float](maxlen=int(limit.capacity))) for limit in limits]

    def free_at(self, now: float) -> float:
        """Return when one more message may be sent, at the earliest ``now``."""
        return max([now, *(sent[0] + window for window, sent in self._sent if len(sent) == sent.maxlen)])

    def spend(self, now: float) -> None:
        """Count a message that is sent ``now``."""
        for _, sent in self._sent:
            sent.append(now)
