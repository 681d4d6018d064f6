"""What a run knows of its market: how densely it trades, and where its history begins."""

from __future__ import annotations

from typing import Final

import attrs

from rxcandles.model.density import Trend, is_unlikely

__all__ = ["Seen"]

SEAMLESS: Final = 0.995
"""Density from which the candle at a seam is not read again: a gap behind it is so unlikely that it is doubtful."""


@attrs.define(eq=False)
class Seen:
    """What the store held of a market when the run began, and what its pages have shown since."""

    page: int
    """Candles of a page: with a quarter of that the density is taken for known."""
    trend: Trend = attrs.field(factory=Trend)
    """How densely the market trades, by the candles looked up and fetched so far."""
    places: int = 0
    """Candles fetched so far: the places where a gap could have been seen."""
    oldest_held: int | None = None
    """Open time of the oldest candle that the store held."""
    begins: int | None = None
    """Where the market's history begins, as far as that has been heard; None for unknown."""
    likely: float = 1.0
    """The share of slots that is taken to trade."""
    is_known: bool = False
    """Whether that share was seen."""

    @property
    def density(self) -> float | None:
        """The share of slots that trade, by what was seen of late; None before anything was."""
        return self.likely if self.is_known else None

    @property
    def is_sparse(self) -> bool:
        """Whether an empty slot is nothing unusual; else a page that lacks its newest candle shows that by itself."""
        return self.is_known and self.likely < SEAMLESS and not is_unlikely(1, self.trend)

    def begin(self, trend: Trend, oldest: int | None, begins: int | None) -> None:
        """Take what the store knows: the density, its oldest candle, and when that is the market's first."""
        self.trend, self.oldest_held, self.begins = trend, oldest, begins
        if trend.rows >= self.page / 4:
            self.likely, self.is_known = trend.rows / (trend.rows + trend.empty), True

    def fetched(self, rows: int, slots: int) -> None:
        """Take a page that had so many candles in so many slots."""
        self.likely += (rows / max(1, slots) - self.likely) * (0.3 if self.is_known else 1.0)
        self.is_known = True
        self.places += rows
