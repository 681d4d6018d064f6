"""Decide by the market's own density which absences of a page are doubtful.

If a share d of the slots is traded, chance leaves g slots in a row empty in (1 - d)^g of all places. A gap is doubtful
if chance makes one so long less than once in a hundred times: at one place (before the page's newest candle), or at any
place where a gap can be (between its candles and those of the pages before). The density is that of the page and of the
known candles around it, without the longest gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf, log
from typing import Final

import attrs

from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe

__all__ = ["UNLIKELY", "Trend", "doubtful_gaps", "is_unlikely"]

UNLIKELY: Final = 0.01
"""A gap that chance makes less often than this is doubtful."""

_REMEMBERED: Final = 400
"""Candles that a trend remembers, since a market's density changes over the years."""


@attrs.frozen
class Trend:
    """How densely a market has traded lately: ``rows`` candles, and ``empty`` slots between them."""

    rows: float = 0.0
    empty: float = 0.0

    def add(self, rows: int, empty: int) -> Trend:
        """Return the trend with more of both; the oldest fade away."""
        total = self.rows + rows
        keep = min(1.0, _REMEMBERED / total) if total else 1.0
        return Trend(total * keep, (self.empty + empty) * keep)

    @property
    def empty_share(self) -> float:
        """The share of slots without a trade; never quite 0, since what was never seen may still happen (Laplace's
        rule).
        """
        return (self.empty + 1) / (self.rows + self.empty + 2)


def is_unlikely(slots: int, trend: Trend, places: float = 1) -> bool:
    """Return whether chance makes a gap of ``slots`` at any of ``places`` less than once in a hundred times."""
    return slots > 0 and places * trend.empty_share**slots < UNLIKELY


def doubtful_gaps(opens: Sequence[int], timeframe: Timeframe, trend: Trend, places: float) -> tuple[list[Span], Trend]:
    """Return the doubtful gaps between candles, newest first, and the trend with these candles.

    * ``opens``: open times, newest first.
    * ``places``: number of places where a gap could have been.
    """
    if len(opens) < 2:
        return [], trend
    empty = timeframe.slots(opens[-1], opens[0]) + 1 - len(opens)
    if not empty:
        return [], trend.add(len(opens), 0)
    step = timeframe.seconds
    if step:
        gaps = [(newer - older) // step - 1 for newer, older in pairwise(opens)]
    else:
        gaps = [timeframe.slots(older, newer) - 1 for newer, older in pairwise(opens)]
    usual = trend.add(len(opens), empty - max(gaps))
    least = _least_unlikely(usual, places)
    found = [(timeframe.shift(opens[index + 1], 1), opens[index]) for index, gap in enumerate(gaps) if gap >= least]
    return found, trend.add(len(opens), empty - sum(timeframe.slots(*span) for span in found))


def _least_unlikely(trend: Trend, places: float) -> float:
    """Return the shortest gap that is unlikely, in slots."""
    share = trend.empty_share
    if share >= 1:
        return inf
    least = max(1, int(log(UNLIKELY / max(places, 1)) / log(share)))
    while not is_unlikely(least, trend, places):
        least += 1
    return least
