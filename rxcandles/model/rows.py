"""Rows: candles without their market, as exchanges send them and stores keep them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

__all__ = ["TRADE_FIELDS", "MarkedRow", "Row", "RowWithTrades", "row_fields"]


class Row(NamedTuple):
    """One candle as the exchange sends it and the store keeps it, without its market.

    * ``open_time``: UTC seconds.
    * ``open``, ``high``, ``low``, ``close``: in the quote currency. All numbers are float64.
    * ``volume``: in the base currency.
    * ``turnover``: in the quote currency; more than 15 digits are rounded.
    * ``timestamp``: milliseconds; when the exchange stored the last trade, which may be after the candle's end.
    * ``prev_closing_price``, ``change_price``, ``change_rate``: only for day candles.

    >>> row = Row(1_704_067_200, 100.0, 110.0, 90.0, 105.0, 2.5, 250.0, 1_704_067_259_000)
    >>> CandleData.of("KRW-BTC", "1m", [row])[0].close
    105.0
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
        """Number of trades; None unless the exchange sends it, see :class:`RowWithTrades`."""
        return None

    @property
    def taker_volume(self) -> float | None:
        """The part of ``volume`` that takers have bought; None unless the exchange sends it."""
        return None

    @property
    def taker_turnover(self) -> float | None:
        """The part of ``turnover`` that takers have paid; None unless the exchange sends it."""
        return None


class MarkedRow(NamedTuple):
    """A row that knows whether it is proven (stored from the exchange) or imported from elsewhere.

    It has the columns of :class:`Row`. A value that an imported file does not have is None.

    >>> span = (1_704_067_200, 1_704_067_260)
    >>> rows = await store.rows_with_imported("KRW-BTC", Timeframe.of("1m"), *span, "oldest_first", 1)
    >>> [row.proven for row in rows]
    [True]
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
"""The fields that a :class:`RowWithTrades` has beyond those of a :class:`Row`."""


class RowWithTrades(Row):
    """A :class:`Row` of an exchange that also sends the number of trades, and what takers have bought.

    ``RowWithTrades(*row, trades, taker_volume, taker_turnover)``. Each of the three may be None.

    >>> row = Row(1_704_067_200, 100.0, 110.0, 90.0, 105.0, 2.5, 250.0, 1_704_067_259_000)
    >>> RowWithTrades(*row, 12, 1.5, 150.0).trades
    12
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
        """Number of trades."""
        values: tuple[Any, ...] = self
        return values[11]  # type: ignore[no-any-return]

    @property
    def taker_volume(self) -> float | None:
        """The part of ``volume`` that takers have bought."""
        values: tuple[Any, ...] = self
        return values[12]  # type: ignore[no-any-return]

    @property
    def taker_turnover(self) -> float | None:
        """The part of ``turnover`` that takers have paid."""
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
    """Return the names of the fields of rows of a timeframe: all eleven for day candles, otherwise the first eight.

    Rows ``with_trades`` have three more.
    """
    plain = Row._fields if timeframe == "1d" else Row._fields[:8]
    return (*plain, *TRADE_FIELDS) if with_trades else plain
