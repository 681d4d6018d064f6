"""Candles that no exchange has sent: made here, and never stored, or imported. Each says so of itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, cast

import attrs

from rxcandles.model import CandleData, MarkedRow, Row
from rxcandles.model.timeframe import Timeframe, to_datetime

__all__ = ["FilledCandle", "ImportedCandle", "NoCandle", "NoTrade", "Outage", "ResampledCandle", "candles_of"]


@attrs.frozen(repr=False)
class ImportedCandle(CandleData):
    """A candle of a file that was imported: not proven, as the exchange was not asked for it.

    ``turnover`` and ``timestamp`` are None where the file had none.
    """

    @property
    def proven(self) -> bool:
        """Always False: it is not the exchange's."""
        return False


def candles_of(symbol: str, timeframe: str, rows: Sequence[Row]) -> list[CandleData]:
    """Return rows of a store as candles, in their order; those that were imported as ``ImportedCandle``."""
    if not rows or not isinstance(rows[0], MarkedRow):
        return CandleData.of(symbol, timeframe, rows)
    marked = cast("Sequence[MarkedRow]", rows)
    return [(CandleData if row.proven else ImportedCandle)(symbol, timeframe, *cast("Row", row[:-1])) for row in marked]


@attrs.frozen(repr=False)
class ResampledCandle(CandleData):
    """A candle made of shorter ones; ``complete`` is False where the slot may be cut at the edge of what was asked.

    ``proven`` is False where one of them was imported.
    """

    complete: bool = True
    proven: bool = True


@attrs.frozen(repr=False)
class FilledCandle(CandleData):
    """A slot without a trade as a flat candle: all prices are the close before it, volume and turnover 0.

    ``timestamp`` is that of the last trade before the slot.
    """

    @property
    def filled(self) -> bool:
        """Always True: no exchange has sent it."""
        return True


@attrs.frozen
class NoCandle:
    """A slot without a candle, of which the exchange leaves open why: it has a time, and None for all values."""

    symbol: str
    timeframe: str
    open_seconds: int

    traded: ClassVar[bool] = False
    filled: ClassVar[bool] = True
    open: ClassVar[None] = None
    high: ClassVar[None] = None
    low: ClassVar[None] = None
    close: ClassVar[None] = None
    volume: ClassVar[float | None] = None
    turnover: ClassVar[float | None] = None
    timestamp: ClassVar[None] = None

    @property
    def open_time(self) -> datetime:
        """Open time, aware, UTC."""
        return to_datetime(self.open_seconds)

    @property
    def close_time(self) -> datetime:
        """Open time of the next slot, aware, UTC."""
        return to_datetime(Timeframe.of(self.timeframe).shift(self.open_seconds, 1))


@attrs.frozen
class NoTrade(NoCandle):
    """A slot without a trade: it has a time, a volume and turnover of 0, and None for all prices."""

    volume: ClassVar[float | None] = 0.0
    turnover: ClassVar[float | None] = 0.0


@attrs.frozen
class Outage(NoCandle):
    """A slot in which the exchange was out, as it has a candle where nobody traded too: None for all values."""
