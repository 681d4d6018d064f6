"""What a simulator counts."""

from __future__ import annotations

from collections import Counter

import attrs

__all__ = ["Stats"]


@attrs.define
class Stats:
    """What a simulator has done since it was made, or since ``reset_stats``.

    ``pages`` and ``candles`` were served with status 200. ``by_status`` has 0 for connections that were cut.
    ``peak`` is the most requests at once, ``simultaneous`` those in the house now.
    """

    requests: int = 0
    by_status: Counter[int] = attrs.field(factory=Counter)
    pages: int = 0
    candles: int = 0
    simultaneous: int = 0
    peak: int = 0
