"""Tell an outage of the exchange from a quiet market: almost all markets that usually trade are empty in one slot.

This is a report and no truth: the slots are proven empty, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from rxcandles.model.density import Trend
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe

__all__ = ["Outages"]

_USUAL = 0.5
"""A market with a smaller share of empty slots trades usually."""
_LEAST = 5
"""Fewer markets that trade usually say nothing about the exchange."""
_SHARE = 0.9
"""The share of them that is empty in an outage."""
_SLOTS = 120
"""The latest slots that are remembered."""


class Outages:
    """Remembers, for the latest slots, which markets that usually trade have not."""

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._empty: dict[int, dict[str, bool]] = {}
        """By open time: the markets of which pages have answered, and whether they are empty."""
        self._told = SpanSet()

    def note(self, symbol: str, trend: Trend, start: int, stop: int, traded: Iterable[int]) -> None:
        """Record that pages have answered about ``[start, stop)`` of a market, and which of its slots have traded."""
        if not trend.rows or trend.empty_share > _USUAL:
            return
        opens, opened = set(traded), max(start, self._timeframe.shift(stop, -_SLOTS))
        while opened < stop:
            self._empty.setdefault(opened, {})[symbol] = opened not in opens
            opened = self._timeframe.shift(opened, 1)
        while len(self._empty) > _SLOTS:
            del self._empty[min(self._empty)]

    def spans(self) -> list[Span]:
        """Return the outages among the latest slots, oldest first."""
        return list(self._found())

    def new(self) -> list[Span]:
        """Return the parts of them that were not returned before."""
        found = self._found()
        fresh = list(found.subtract(self._told))
        self._told = found
        return fresh

    def _found(self) -> SpanSet:
        empty = [
            opened
            for opened, markets in self._empty.items()
            if len(markets) >= _LEAST and sum(markets.values()) >= _SHARE * len(markets)
        ]
        return SpanSet((opened, self._timeframe.shift(opened, 1)) for opened in empty)
