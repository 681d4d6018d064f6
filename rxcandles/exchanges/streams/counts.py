"""What a stream has heard and sent."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["StreamCounts"]


@attrs.define
class StreamCounts:
    """Counters of one connection.

    >>> counts = StreamCounts()
    >>> counts.drop("price")
    >>> counts.to_dict()["dropped"]
    {'price': 1}
    """

    messages: int = 0
    """Messages that have come, pings of the protocol included."""
    bytes: int = 0
    """Their length, unpacked."""
    frames: int = 0
    """Candles that were given."""
    beats: int = 0
    """Beats that were given."""
    unwanted: int = 0
    """Candles of markets that were asked for earlier; they come for a moment after a change."""
    dropped: dict[str, int] = attrs.field(factory=dict)
    """Messages or candles that make no sense, by reason."""
    sent: int = 0
    """Messages sent; answers to pings are not among them."""
    resubscribes: int = 0
    """Lists of markets that were sent after the first."""

    def drop(self, reason: str) -> None:
        """Count something that is dropped."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        """Return the counters as plain values."""
        return attrs.asdict(self)
