"""What a store tells: what it covers, what it has written, which series it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rxcandles.model.candles import Row
from rxcandles.model.spans import Span

__all__ = ["IMPORTED", "Covered", "Impossible", "Series", "Written"]


class Covered(NamedTuple):
    """A span, UTC seconds, that is proven: all candles that exist in ``[start, stop)`` are stored, ``rows`` of them."""

    start: int
    stop: int
    rows: int

    @property
    def span(self) -> Span:
        """``(start, stop)``, without the number of rows."""
        return (self.start, self.stop)

    @property
    def imported(self) -> bool:
        """Whether imported candles reach over some of it, of which nothing is proven: see :func:`with_imported`."""
        return self.rows == IMPORTED


IMPORTED: Final = -2
"""Rows of what imported candles reach over: they are to be counted."""


class Impossible(NamedTuple):
    """A candle that the exchange has with values that can't be. Times are UTC seconds, of hearing by our clock."""

    open_time: int
    fault: str
    """In words, with the values."""
    first_heard: int
    last_heard: int
    times: int
    """How many runs have had it so."""


class Written(int):
    """How many of the rows written lie where nothing was covered before, and which replaced others or are deleted."""

    revised: Sequence[tuple[Row, Row]]
    """Each row that was stored with other values, and the one that has replaced it."""
    removed: Sequence[Row]
    """The rows that were deleted."""
    void: Sequence[Span]
    """What is no longer covered: an answer before was wrong about it."""

    def __new__(
        cls,
        new: int,
        revised: Sequence[tuple[Row, Row]] = (),
        removed: Sequence[Row] = (),
        void: Sequence[Span] = (),
    ) -> Written:
        """Return the number with what was revised and removed."""
        written = super().__new__(cls, new)
        written.revised = revised
        written.removed = removed
        written.void = void
        return written


class Series(NamedTuple):
    """One series of a store: the candles of one length of one market of an exchange, each by its name."""

    exchange: str
    symbol: str
    timeframe: str
