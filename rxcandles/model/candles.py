"""Candles: ``Row``, as an exchange sends it and a store keeps it, and ``CandleData``, as code is given it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

import attrs

from rxcandles.model.timeframe import Timeframe, to_datetime

__all__ = [
    "ORDERS",
    "TRADE_FIELDS",
    "CandleData",
    "CandleWithTrades",
    "Candles",
    "MarkedRow",
    "Order",
    "Row",
    "RowWithTrades",
    "row_fields",
]

Order: TypeAlias = Literal["newest_first", "oldest_first"]
"""Which candle comes first."""

ORDERS: Final = get_args(Order)

_KST: Final = 9 * 3600


class Row(NamedTuple):
    """One candle as the exchange sends it and the store keeps it, without its market.

    ``open_time`` in UTC seconds, prices in the quote currency, ``volume`` in the base currency, ``turnover`` in
    the quote currency, ``timestamp`` in milliseconds (when the last trade was stored; it may pass the candle's
    end). Prices and amounts are float64: a turnover of more than 15 digits is rounded there. The last three are
    sent for day candles only.
    """

    open_time: int
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

    @property
    def trades(self) -> int | None:
        """How many trades there were, where the exchange says it: see :class:`RowWithTrades`."""
        return None

    @property
    def taker_volume(self) -> float | None:
        """The part of ``volume`` that takers have bought, where the exchange says it."""
        return None

    @property
    def taker_turnover(self) -> float | None:
        """The part of ``turnover`` that takers have bought for, where the exchange says it."""
        return None


class MarkedRow(NamedTuple):
    """A candle with whether it is proven: stored from the exchange, or imported from elsewhere.

    The columns of :class:`Row`. What a file that was imported does not have is None.
    """

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float | None
    timestamp: int | None
    prev_closing_price: float | None
    change_price: float | None
    change_rate: float | None
    proven: bool


TRADE_FIELDS: Final = ("trades", "taker_volume", "taker_turnover")
"""What a :class:`RowWithTrades` has beyond a :class:`Row`."""


class RowWithTrades(Row):
    """A :class:`Row` of an exchange that says besides how many trades there were, and what takers have bought.

    ``RowWithTrades(*row, trades, taker_volume, taker_turnover)``. Each of the three may be None.
    """

    __slots__ = ()
    _fields = (*Row._fields, *TRADE_FIELDS)  # type: ignore[assignment]

    def __new__(cls, *values: Any, **named: Any) -> RowWithTrades:
        """Return a row of up to 14 values, in the order of ``_fields`` or by name."""
        names = cls._fields[len(values) :]
        if len(values) > len(cls._fields) or not named.keys() <= set(names):
            raise TypeError(f"a row has {', '.join(cls._fields)}")
        plain = {name: value for name, value in named.items() if name not in TRADE_FIELDS}
        rest = [*values[len(Row._fields) :], *(named.get(name) for name in names if name in TRADE_FIELDS)]
        return tuple.__new__(cls, (*Row(*values[: len(Row._fields)], **plain), *rest))

    @property
    def trades(self) -> int | None:
        """How many trades there were."""
        values: tuple[Any, ...] = self
        return values[11]  # type: ignore[no-any-return]

    @property
    def taker_volume(self) -> float | None:
        """The part of ``volume`` that takers have bought."""
        values: tuple[Any, ...] = self
        return values[12]  # type: ignore[no-any-return]

    @property
    def taker_turnover(self) -> float | None:
        """The part of ``turnover`` that takers have bought for."""
        values: tuple[Any, ...] = self
        return values[13]  # type: ignore[no-any-return]

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> RowWithTrades:  # type: ignore[override]
        values = tuple(iterable)
        if len(values) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(values)}")
        return tuple.__new__(cls, values)

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **changes: Any) -> RowWithTrades:
        return RowWithTrades(**{**self._asdict(), **changes})

    def __repr__(self) -> str:
        return f"RowWithTrades({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"


def row_fields(timeframe: str, *, with_trades: bool = False) -> tuple[str, ...]:
    """Return the names of the fields that rows of a timeframe have: all eleven of day candles, else the first eight.

    Those of an exchange that tells of trades have three more.
    """
    plain = Row._fields if timeframe == "1d" else Row._fields[:8]
    return (*plain, *TRADE_FIELDS) if with_trades else plain


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

    ``open_seconds`` is the open time in UTC seconds since the epoch. The fields have short names; Upbit's own names
    read the same values. Prices are in the quote currency (KRW for ``KRW-BTC``), ``volume`` in the base currency,
    ``turnover`` in the quote currency. All are float64, so a turnover of more than 15 digits is rounded there.
    ``timestamp`` is in milliseconds: when the exchange stored the last trade, which may be after the candle's end.
    ``prev_closing_price``, ``change_price`` and ``change_rate`` come with day candles only.
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
        """Whether there was a trade: False of volume 0, which some exchanges send and ``ops.fill_gaps`` adds."""
        return self.volume > 0

    @property
    def filled(self) -> bool:
        """Whether ``ops.fill_gaps`` has made it: False of all that an exchange sends."""
        return False

    @property
    def proven(self) -> bool:
        """Whether the exchange has sent it: True, but of an ``ImportedCandle``."""
        return True

    @property
    def trades(self) -> int | None:
        """How many trades there were, where the exchange says it: see :class:`CandleWithTrades`."""
        return None

    @property
    def taker_volume(self) -> float | None:
        """The part of ``volume`` that takers have bought, where the exchange says it."""
        return None

    @property
    def taker_turnover(self) -> float | None:
        """The part of ``turnover`` that takers have bought for, where the exchange says it."""
        return None

    def __repr__(self) -> str:
        times = f"{self.symbol!r}, {self.timeframe!r}, {self.candle_date_time_utc!r}"
        own = [field.name for field in attrs.fields(type(self))][3:]
        values = [f"{name}={value!r}" for name in own if (value := getattr(self, name)) is not None]
        return f"{type(self).__name__}({times}, {', '.join(values)})"

    @property
    def row(self) -> Row:
        """The same candle without its market."""
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
        """Minutes in a minute candle, as Upbit sends with minute candles; otherwise None."""
        return int(self.timeframe[:-1]) if self.timeframe.endswith("m") else None

    @property
    def first_day_of_period(self) -> str | None:
        """First day of a week, month or year, as Upbit sends with those; otherwise None."""
        return f"{to_datetime(self.open_seconds):%Y-%m-%d}" if self.timeframe in ("1w", "1M", "1y") else None


@attrs.frozen(repr=False)
class CandleWithTrades(CandleData):
    """A candle of an exchange that says besides how many trades there were, and what takers have bought.

    A taker is who trades at once with what others have offered. Binance says all three; ``taker_volume`` is the part
    of ``volume`` that takers have bought, and ``taker_turnover`` the part of ``turnover``. All other candles have the
    same names, which are None.
    """

    trades: int | None = None
    taker_volume: float | None = None
    taker_turnover: float | None = None

    @property
    def row(self) -> Row:
        """The same candle without its market."""
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
"""What operators hand on: candles in order, in a list or another sequence."""
