"""Candles that no exchange has sent: imported ones, and ones that are computed and never stored."""

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
    """A candle of an imported file: not proven, since it does not come from the exchange.

    ``turnover`` and ``timestamp`` are None if the file does not have them.

    >>> report = await import_candles(store, "KRW-BTC", "1m", "btc.csv")
    >>> newest = await provider.get_candles("KRW-BTC", "1m", until="2024-01-01T03:00", count=1, include_imported=True)
    >>> newest[0].candle_date_time_utc, newest[0].proven, newest[0].turnover
    ('2024-01-01T02:59:00', False, None)
    """

    @property
    def proven(self) -> bool:
        """Always False."""
        return False


def candles_of(symbol: str, timeframe: str, rows: Sequence[Row]) -> list[CandleData]:
    """Return rows of a store as candles, in their order; imported rows as ``ImportedCandle``."""
    if not rows or not isinstance(rows[0], MarkedRow):
        return CandleData.of(symbol, timeframe, rows)
    marked = cast("Sequence[MarkedRow]", rows)
    return [(CandleData if row.proven else ImportedCandle)(symbol, timeframe, *cast("Row", row[:-1])) for row in marked]


@attrs.frozen(repr=False)
class ResampledCandle(CandleData):
    """A candle made of shorter ones, by ``ops.resample`` with ``partial="mark"``.

    ``complete`` is False if the slot may be cut at an edge of the request. ``proven`` is False if one of the shorter
    candles was imported.

    >>> stream = provider.stream_candles("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01T02:00")
    >>> hours = await run(ops.from_stream(stream).pipe(ops.resample("60m", partial="mark"), ops.to_list(10)))
    >>> [(hour.candle_date_time_utc, hour.complete) for hour in hours]
    [('2024-01-01T01:00:00', True), ('2024-01-01T00:00:00', True)]
    """

    complete: bool = True
    proven: bool = True


@attrs.frozen(repr=False)
class FilledCandle(CandleData):
    """A slot without a trade as a flat candle: all prices are the close before it, volume and turnover are 0.

    ``timestamp`` is that of the last trade before the slot. ``ops.fill_gaps`` makes them.

    >>> stream = provider.stream_candles("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01T02:00")
    >>> filled = await run(ops.from_stream(stream).pipe(ops.fill_gaps(), ops.to_list(200)))
    >>> [candle for candle in filled if candle.filled]
    []
    """

    @property
    def filled(self) -> bool:
        """Always True."""
        return True


@attrs.frozen
class NoCandle:
    """A slot without a candle, if the exchange does not tell why; all values are None.

    >>> slot = NoCandle("KRW-BTC", "1m", 1_704_067_200)
    >>> slot.traded, slot.close
    (False, None)
    """

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
    """A slot without a trade, as ``ops.fill_gaps("null")`` emits it: all prices are None, volume and turnover are 0.

    >>> slot = NoTrade("KRW-BTC", "1m", 1_704_067_200)
    >>> slot.close is None, slot.volume, slot.traded
    (True, 0.0, False)
    """

    volume: ClassVar[float | None] = 0.0
    turnover: ClassVar[float | None] = 0.0


@attrs.frozen
class Outage(NoCandle):
    """A slot in which the exchange was out, since it would have a candle even without a trade; all values are None.

    >>> Outage("BTCUSDT", "1m", 1_704_067_200).volume is None
    True
    """
