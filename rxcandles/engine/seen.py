"""What a run knows of its market: how dense its candles are, and where its history begins."""

from __future__ import annotations

from typing import Final

import attrs

from rxcandles.model.density import Trend, is_unlikely

__all__ = ["Seen"]

SEAMLESS: Final = 0.995
"""Density from which the candle at a seam is not read again: a gap behind it is unlikely, so it is doubtful anyway."""


@attrs.define(eq=False)
class Seen:
    """What the store had of a market when the run began, and what the run's pages have shown since."""

    page: int
    """Candles of a page; the density counts as known after a quarter of that."""
    trend: Trend = attrs.field(factory=Trend)
    """How dense the market's candles are, by those looked up and fetched so far."""
    places: int = 0
    """Candles fetched so far: the places where a gap could have been seen."""
    oldest_held: int | None = None
    """Open time of the oldest candle in the store when the run began."""
    begins: int | None = None
    """Where the market's history begins, as far as answers have shown; None if unknown."""
    likely: float = 1.0
    """The share of slots that is assumed to have a candle."""
    is_known: bool = False
    """Whether that share was observed."""

    @property
    def density(self) -> float | None:
        """The share of slots that have a candle, as observed of late; None before that."""
        return self.likely if self.is_known else None

    @property
    def is_sparse(self) -> bool:
        """Whether empty slots are common; if they are rare, one at the end of a page is noticed without the seam."""
        return self.is_known and self.likely < SEAMLESS and not is_unlikely(1, self.trend)

    def begin(self, trend: Trend, oldest: int | None, begins: int | None) -> None:
        """Record what the store knows: density, oldest candle, and its open time if it is the market's first one."""
        self.trend, self.oldest_held, self.begins = trend, oldest, begins
        if trend.rows >= self.page / 4:
            self.likely, self.is_known = trend.rows / (trend.rows + trend.empty), True

    def fetched(self, rows: int, slots: int) -> None:
        """Record a page that had ``rows`` candles in ``slots`` slots."""
        self.likely += (rows / max(1, slots) - self.likely) * (0.3 if self.is_known else 1.0)
        self.is_known = True
        self.places += rows
