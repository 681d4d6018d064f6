"""What is asked for and what comes back: ``Request``, ``Row``, ``CandleData``."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import attrs

from rxcandles.errors import RequestError
from rxcandles.spans import Span
from rxcandles.timeframe import Timeframe, from_datetime, to_datetime

__all__ = [
    "LONGEST_WAIT",
    "SETTLE_SECONDS",
    "CandleData",
    "Order",
    "Request",
    "Row",
    "check_count",
    "check_order",
    "check_symbol",
]

Order: TypeAlias = Literal["newest_first", "oldest_first"]

SETTLE_SECONDS: Final = 3
"""How long after its end a candle counts as final. Upbit stores a slot's last trades late: 1.9 s were seen."""

LONGEST_WAIT: Final = 7200.0
"""Seconds that anything here waits because a server asks for it; what is longer is an error, which says so."""

_SYMBOL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,39}", re.ASCII)
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


@attrs.frozen
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
        candles: list[CandleData] = []
        keep, filled, frozen = candles.append, _Filling, CandleData
        for row in rows:
            candle = filled(symbol, timeframe, *row)
            candle.__class__ = frozen  # both have the same slots
            keep(candle)  # type: ignore[arg-type]
        return candles

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


def check_symbol(symbol: str) -> str:
    """Return ``symbol``, or raise :class:`RequestError` where no exchange could have a market of that name."""
    if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
        raise RequestError(f"symbol {symbol!r} is malformed; write a market's code, such as 'KRW-BTC'")
    return symbol


def check_count(name: str, value: int, least: int = 1, most: int = 10**12) -> int:
    """Return ``value``, or raise :class:`RequestError` naming the argument where it is no whole number in bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RequestError(f"{name} is {value!r}; take a whole number from {least} to {most}")
    return value


def check_order(order: Order) -> Order:
    """Return ``order``, or raise :class:`RequestError`."""
    if order not in get_args(Order):
        raise RequestError(f"order is {order!r}; take 'newest_first' or 'oldest_first'")
    return order


def _instant(name: str, value: datetime) -> float:
    if not isinstance(value, datetime):
        raise RequestError(f"{name} is {value!r}; give a datetime (a naive one means UTC)")
    try:
        seconds = from_datetime(value)
    except (OverflowError, ValueError, OSError) as error:
        raise RequestError(f"{name} is {value!r}, out of range: {error}") from None
    if seconds < 0:
        raise RequestError(f"{name} is {value.isoformat()}; time begins with 1970 here")
    return seconds


def span_between(timeframe: Timeframe, one_end: datetime, other_end: datetime) -> Span:
    """Return the span of open times between two instants in either order; an empty one is a :class:`RequestError`."""
    older, newer = sorted((_instant("one end of the span", one_end), _instant("the other end", other_end)))
    start, stop = timeframe.ceil(older), timeframe.ceil(newer)
    if start >= stop:
        raise RequestError(f"the span is empty: no {timeframe} candle opens in [{_text(older)}, {_text(newer)})")
    return start, stop


@attrs.frozen(init=False)
class Request:
    """What is asked for: ``count``, ``to``+``count``, ``to``+``end``, or ``end``.

    ``to`` and ``end`` are the two ends of a span in either order: the older is included, the newer excluded.
    ``count`` means candles that exist, counted from ``to`` (or now) backwards. Now is read once, here, and a
    ``to`` after it is cut to it, so that only candles whose slot has ended (and settled, 3 seconds) are meant.
    Anything else is a :class:`RequestError`.

    ``start`` and ``stop`` are the resulting span of open times; ``start`` is None where ``count`` decides.
    """

    symbol: str
    timeframe: Timeframe
    start: int | None
    stop: int
    count: int | None
    order: Order

    def __init__(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        count: int | None = None,
        to: datetime | None = None,
        end: datetime | None = None,
        *,
        order: Order = "newest_first",
        now: float | None = None,
    ) -> None:
        check_symbol(symbol)
        frame = Timeframe.of(timeframe)
        check_order(order)
        if count is not None:
            check_count("count", count)
            if end is not None:
                raise RequestError(
                    "count and end are both given; count candles back from `to`, or name the span's ends"
                )
        elif end is None:
            what = "neither count nor end is given" if to is None else "`to` is given alone"
            raise RequestError(f"{what}; say how far back: count=…, or end=… for the other end of the span")
        clock = time.time() if now is None else now
        newer_end = to_datetime(clock) if to is None else to
        if end is None:
            start, stop = None, frame.ceil(_instant("to", newer_end))
        else:
            start, stop = span_between(frame, newer_end, end)
            if start > clock:
                raise RequestError(f"the span lies in the future: {_text(start)} is after now, {_text(clock)}")
        stop = min(stop, frame.floor(max(clock - SETTLE_SECONDS, 0)))
        self.__attrs_init__(symbol, frame, start if start is None else min(start, stop), stop, count, order)

    @property
    def span(self) -> Span:
        """The span of open times asked for; from the beginning of time where ``count`` decides."""
        return (self.start or 0, self.stop)

    @property
    def most(self) -> int:
        """The most candles there can be: ``count``, or the slots of the span."""
        return self.count if self.count is not None else self.timeframe.slots(*self.span)


def _text(seconds: float) -> str:
    return to_datetime(int(seconds)).isoformat()
