"""Candles: ``Row``, as an exchange sends it and a store keeps it, and ``CandleData``, as the library returns it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

import attrs

from rxcandles.model.rows import TRADE_FIELDS, Row, RowWithTrades
from rxcandles.model.timeframe import Timeframe, to_datetime

__all__ = [
    "ORDERS",
    "CandleData",
    "CandleWithTrades",
    "Candles",
    "Order",
]

Order: TypeAlias = Literal["newest_first", "oldest_first"]
"""Which candle comes first."""

ORDERS: Final = get_args(Order)

_KST: Final = 9 * 3600


@attrs.define(eq=False, repr=False)
class _Filling:
    """A candle while it is filled in: setting the fields of a frozen object takes three times as long."""

    symbol: str
    timeframe: str
    open_seconds: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float
    timestamp: int
    prev_closing_price: float | None = None
    change_price: float | None = None
    change_rate: float | None = None


@attrs.frozen(repr=False)
class CandleData(_Filling):
    """One candle of one market.

    The fields have short names; properties with Upbit's names return the same values. All numbers are float64.

    * ``open_seconds``: open time in UTC seconds.
    * ``open``, ``high``, ``low``, ``close``: in the quote currency (KRW for ``KRW-BTC``).
    * ``volume``: in the base currency.
    * ``turnover``: in the quote currency; more than 15 digits are rounded.
    * ``timestamp``: milliseconds; when the exchange stored the last trade, which may be after the candle's end.
    * ``prev_closing_price``, ``change_price``, ``change_rate``: only for day candles.

    >>> candle = (await provider.get_candles("KRW-BTC", "1m", until="2024-01-01T02:00", count=1))[0]
    >>> candle.candle_date_time_utc, candle.candle_date_time_kst
    ('2024-01-01T01:59:00', '2024-01-01T10:59:00')
    >>> candle.trade_price == candle.close
    True
    """

    @staticmethod
    def of(symbol: str, timeframe: str, rows: Iterable[Row]) -> list[CandleData]:
        """Return ``rows`` as candles of a market, in their order; much faster than one by one."""
        rows = rows if isinstance(rows, Sequence) else list(rows)
        if rows and isinstance(rows[0], RowWithTrades):
            return _with_trades(symbol, timeframe, rows)
        candles: list[CandleData] = []
        keep, filled, frozen = candles.append, _Filling, CandleData
        for row in rows:
            candle = filled(symbol, timeframe, *row)
            candle.__class__ = frozen  # both have the same slots
            keep(candle)  # type: ignore[arg-type]
        return candles

    @property
    def traded(self) -> bool:
        """Whether there was a trade. False for volume 0, which some exchanges send and ``ops.fill_gaps`` adds."""
        return self.volume > 0

    @property
    def filled(self) -> bool:
        """Whether ``ops.fill_gaps`` has made it. False for every candle of an exchange."""
        return False

    @property
    def proven(self) -> bool:
        """Whether the exchange has sent it. False for an ``ImportedCandle``."""
        return True

    @property
    def trades(self) -> int | None:
        """Number of trades; None unless the exchange sends it, see :class:`CandleWithTrades`."""
        return None

    @property
    def taker_volume(self) -> float | None:
        """The part of ``volume`` that takers have bought; None unless the exchange sends it."""
        return None

    @property
    def taker_turnover(self) -> float | None:
        """The part of ``turnover`` that takers have paid; None unless the exchange sends it."""
        return None

    def __repr__(self) -> str:
        times = f"{self.symbol!r}, {self.timeframe!r}, {self.candle_date_time_utc!r}"
        own = [field.name for field in attrs.fields(type(self))][3:]
        values = [f"{name}={value!r}" for name in own if (value := getattr(self, name)) is not None]
        return f"{type(self).__name__}({times}, {', '.join(values)})"

    @property
    def row(self) -> Row:
        """The candle as a row, without its market."""
        return Row(
            self.open_seconds, self.open, self.high, self.low, self.close, self.volume, self.turnover,
            self.timestamp, self.prev_closing_price, self.change_price, self.change_rate,
        )  # fmt: skip

    @property
    def open_time(self) -> datetime:
        """Open time, aware, UTC."""
        return to_datetime(self.open_seconds)

    @property
    def close_time(self) -> datetime:
        """Open time of the next slot, aware, UTC."""
        return to_datetime(Timeframe.of(self.timeframe).shift(self.open_seconds, 1))

    @property
    def market(self) -> str:
        """Upbit's name for ``symbol``."""
        return self.symbol

    @property
    def candle_date_time_utc(self) -> str:
        """Open time as Upbit writes it: UTC without a zone, ``2026-03-11T14:40:00``."""
        return f"{to_datetime(self.open_seconds):%Y-%m-%dT%H:%M:%S}"

    @property
    def candle_date_time_kst(self) -> str:
        """Open time as Upbit writes it: Korean time (UTC+9) without a zone."""
        return f"{to_datetime(self.open_seconds + _KST):%Y-%m-%dT%H:%M:%S}"

    @property
    def opening_price(self) -> float:
        """Upbit's name for ``open``."""
        return self.open

    @property
    def high_price(self) -> float:
        """Upbit's name for ``high``."""
        return self.high

    @property
    def low_price(self) -> float:
        """Upbit's name for ``low``."""
        return self.low

    @property
    def trade_price(self) -> float:
        """Upbit's name for ``close``."""
        return self.close

    @property
    def candle_acc_trade_price(self) -> float:
        """Upbit's name for ``turnover``."""
        return self.turnover

    @property
    def candle_acc_trade_volume(self) -> float:
        """Upbit's name for ``volume``."""
        return self.volume

    @property
    def unit(self) -> int | None:
        """Minutes of a minute candle, as Upbit sends with these; otherwise None."""
        return int(self.timeframe[:-1]) if self.timeframe.endswith("m") else None

    @property
    def first_day_of_period(self) -> str | None:
        """First day of a week, month or year, as Upbit sends with these; otherwise None."""
        return f"{to_datetime(self.open_seconds):%Y-%m-%d}" if self.timeframe in ("1w", "1M", "1y") else None


@attrs.frozen(repr=False)
class CandleWithTrades(CandleData):
    """A candle of an exchange that also sends the number of trades, and what takers have bought.

    A taker trades at once, with an offer that somebody else has made. Binance sends all three values. ``taker_volume``
    is the part of ``volume`` that takers have bought, ``taker_turnover`` the part of ``turnover`` that they have paid.
    Other candles have the same names with None.

    >>> row = RowWithTrades(1_704_067_200, 100.0, 110.0, 90.0, 105.0, 2.5, 250.0, 1_704_067_259_000, trades=12)
    >>> [(type(candle).__name__, candle.trades) for candle in CandleData.of("BTCUSDT", "1m", [row])]
    [('CandleWithTrades', 12)]
    """

    trades: int | None = None
    taker_volume: float | None = None
    taker_turnover: float | None = None

    @property
    def row(self) -> Row:
        """The candle as a row, without its market."""
        return RowWithTrades(*super().row, self.trades, self.taker_volume, self.taker_turnover)


class _FillingWithTrades(CandleData):
    """The same for a candle with trades."""

    __slots__ = TRADE_FIELDS
    __setattr__ = object.__setattr__

    def __init__(self, *values: Any) -> None:
        me: Any = self
        (
            me.symbol, me.timeframe, me.open_seconds, me.open, me.high, me.low, me.close, me.volume, me.turnover,
            me.timestamp, me.prev_closing_price, me.change_price, me.change_rate, me.trades, me.taker_volume,
            me.taker_turnover,
        ) = values  # fmt: skip


def _with_trades(symbol: str, timeframe: str, rows: Iterable[Row]) -> list[CandleData]:
    candles: list[CandleData] = []
    keep, filled, frozen = candles.append, _FillingWithTrades, CandleWithTrades
    for row in rows:
        candle: Any = filled(symbol, timeframe, *row)
        candle.__class__ = frozen  # both have the same slots
        keep(candle)
    return candles


Candles: TypeAlias = Sequence[CandleData]
"""Candles in order, in a list or another sequence, as operators pass them on."""
