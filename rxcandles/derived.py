"""Candles that are made here and that no exchange has sent; each says so of itself, and none is ever stored."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import attrs

from rxcandles.model import CandleData
from rxcandles.timeframe import Timeframe, to_datetime

__all__ = ["FilledCandle", "NoTrade", "ResampledCandle"]


@attrs.frozen(repr=False)
class ResampledCandle(CandleData):
    """A candle made of shorter ones; ``complete`` is False where the slot may be cut at the edge of what was asked."""

    complete: bool = True


@attrs.frozen(repr=False)
class FilledCandle(CandleData):
    """A slot without a trade as a flat candle: all prices are the close before it, volume and turnover 0.

    ``timestamp`` is that of the last trade before the slot.
    """

    @property
    def traded(self) -> bool:
        """Always False: nobody traded in this slot."""
        return False


@attrs.frozen
class NoTrade:
    """A slot without a trade: it has a time, a volume and turnover of 0, and None for all prices."""

    symbol: str
    timeframe: str
    open_seconds: int

    traded: ClassVar[bool] = False
    open: ClassVar[None] = None
    high: ClassVar[None] = None
    low: ClassVar[None] = None
    close: ClassVar[None] = None
    volume: ClassVar[float] = 0.0
    turnover: ClassVar[float] = 0.0
    timestamp: ClassVar[None] = None

    @property
    def open_time(self) -> datetime:
        """Open time, aware, UTC."""
        return to_datetime(self.open_seconds)

    @property
    def close_time(self) -> datetime:
        """Open time of the next slot, aware, UTC."""
        return to_datetime(Timeframe.of(self.timeframe).shift(self.open_seconds, 1))
