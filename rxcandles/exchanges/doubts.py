"""What a page claims by leaving out, and the second question that shows whether it may be believed.

A page proves that there is nothing where it has nothing. An answer to another question (a cache in the way that does
not look at the query, a copy of the exchange's data that lags behind) has nothing in the wrong places, and is in order
all the same. Two such claims are worth a second request, which asks for another number of candles, so that no cache
gives the same answer: that the history ends, which would never be asked for again, and that nobody traded for much
longer than the page's own density lets one expect. What remains is an answer to another question that is in order,
does not say that a cache kept it, and ends within a gap that chance could have made: nothing tells it from the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from rxcandles.errors import InvalidResponseError
from rxcandles.model import Row
from rxcandles.spans import Span
from rxcandles.timeframe import Timeframe, time_text

__all__ = ["Doubt", "doubt"]

UNLIKELY: Final = 1e-6
"""A gap before `to` that chance makes more seldom than this is asked about again."""


@attrs.frozen
class Doubt:
    """A claim, and the question to be asked about it: the newest ``count`` candles before ``to``."""

    to: int
    count: int
    newest: int | None
    """Open time of the newest candle that the answer must have; None where it must have none."""
    claim: str

    def settle(self, rows: Sequence[Row]) -> None:
        """Raise ``InvalidResponseError`` where the answer to the question contradicts the claim."""
        found = rows[0].open_time if rows else None
        if found != self.newest:
            seen = "none" if found is None else f"one of {time_text(found)}"
            raise InvalidResponseError(f"{self.claim}, but asked again there is {seen}; nothing of it is stored")


def doubt(rows: Sequence[Row], full: bool, *, timeframe: Timeframe, to: int, count: int, unknown: Span) -> Doubt | None:
    """Return what is to be asked before the page ``rows`` is believed, or None where it may be at once.

    The page was asked for with ``to`` and ``count`` and has passed ``check_page``. It is to tell of ``unknown``, from
    where the store knows already to where nothing is over yet by the exchange's clock. A page that is not ``full``
    claims that nothing older exists. A full one claims that nobody traded in the part of ``unknown`` that is newer than
    its newest candle; with a share d of its own slots traded, chance leaves g of them empty in (1 - d)^g of all cases.
    """
    again = 2 if count != 2 else 3
    if not full:
        oldest = rows[-1].open_time if rows else to
        claim = (
            f"a page of {len(rows)} where {count} were asked for says that nothing is older than {time_text(oldest)}"
        )
        return Doubt(oldest, again, None, claim)
    if not rows:
        return None
    newest = rows[0].open_time
    gap = timeframe.slots(max(newest + 1, unknown[0]), unknown[1])
    density = len(rows) / (timeframe.slots(rows[-1].open_time, newest) + 3)
    if gap <= 0 or (1 - density) ** gap > UNLIKELY:
        return None
    return Doubt(
        to,
        again,
        newest,
        f"a page leaves {gap} slots before {time_text(unknown[1])} empty and begins at {time_text(newest)}",
    )
