"""What is asked for and what comes back: ``Request``, ``Row``, ``CandleData``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import attrs

from rxcandles.arguments import check_choice, check_count, check_number, check_symbol, shown
from rxcandles.errors import RequestError
from rxcandles.moments import Span as Lasting
from rxcandles.moments import Time, Zone, check_instant, ends_asked
from rxcandles.showing import Titled
from rxcandles.spans import Span
from rxcandles.timeframe import END, Timeframe, plain_time, to_datetime

__all__ = [
    "LONGEST_WAIT",
    "ORDERS",
    "SETTLE_SECONDS",
    "CandleData",
    "Candles",
    "MarkedRow",
    "Order",
    "Request",
    "Row",
    "row_fields",
    "span_between",
]

Order: TypeAlias = Literal["newest_first", "oldest_first"]
"""Which candle comes first."""

ORDERS: Final = get_args(Order)

SETTLE_SECONDS: Final = 3
"""How long after its end a candle counts as final. Upbit stores a slot's last trades late: 1.9 s were seen."""


LONGEST_WAIT: Final = 7200.0
"""Seconds that anything here waits because a server asks for it; what is longer is an error, which says so."""

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


def row_fields(timeframe: str) -> tuple[str, ...]:
    """Return the names of the fields that rows of a timeframe have: all eleven of day candles, else the first eight."""
    return Row._fields if timeframe == "1d" else Row._fields[:8]


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


Candles: TypeAlias = Sequence[CandleData]
"""What operators hand on: candles in order, in a list or another sequence."""


def span_between(timeframe: Timeframe, tz: Zone | None = None, /, **ends: Time) -> Span:
    """Return the span of open times between two times, given by name, in either order; naive ones are in ``tz``.

    Raises :class:`RequestError` for what is no instant here, and where no candle opens between them.
    """
    older, newer = sorted(check_instant(name, value, tz) for name, value in ends.items())
    start, stop = timeframe.ceil(older), timeframe.ceil(newer)
    if start >= stop:
        raise RequestError(
            f"the span between {' and '.join(ends)} is empty: no {timeframe} candle opens in "
            f"[{_text(older)}, {_text(newer)}); give ends that are further apart"
        )
    return start, stop


@attrs.frozen(init=False, repr=False)
class Request(Titled):
    """What is asked for: ``count``, ``to``+``count``, ``to``+``end``, or ``end``.

    ``to`` and ``end`` are the two ends of a span in either order: the older is included, the newer excluded.
    ``count`` means candles that exist, counted from ``to`` (or now) backwards. Now is read once, here, and a
    ``to`` after it is cut to it, so that only candles whose slot has ended (and settled, 3 seconds) are meant.
    Or as :func:`rxcandles.get_ohlcv` takes it: one of ``since``, ``last`` (``"30d"``) and ``count``, back from
    ``until`` or from now. A time is a datetime, a date, a ``Timestamp`` or a string (``"2024-01-01 09:00 KST"``); one
    without a zone is in ``tz``, else that of ``RXCANDLES_TZ``, else UTC. A provider's ``request`` reads it in the
    provider's ``tz``. Anything else is a :class:`RequestError`.

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
        to: Time | None = None,
        end: Time | None = None,
        *,
        since: Time | None = None,
        until: Time | None = None,
        last: Lasting | None = None,
        tz: Zone | None = None,
        order: Order = "newest_first",
        now: float | None = None,
    ) -> None:
        symbol = check_symbol(symbol)
        frame = Timeframe.of(timeframe)
        check_choice("order", order, ORDERS)
        clock = check_number("now", time.time() if now is None else now, 0, END - 1, what="UTC seconds")
        settled = frame.floor(max(clock - SETTLE_SECONDS, 0))
        if since is not None or until is not None or last is not None:
            _check_unmixed({"to": to, "end": end}, {"since": since, "until": until, "last": last})
            to, end = ends_asked(
                frame, since=since, until=until, last=last, count=count, tz=tz, clock=clock, settled=settled
            )
        if count is not None:
            count = check_count("count", count)
            if end is not None:
                raise RequestError(
                    f"count and end are both given, {count} and {shown(end)}; "
                    "give the count of candles back from `to`, or the span's two ends"
                )
        elif end is None:
            what = "neither count nor end is given" if to is None else f"`to` is given alone, {shown(to)}"
            raise RequestError(f"{what}; give count=…, or end=… for the other end of the span")
        newer_end = to_datetime(clock) if to is None else to
        if end is None:
            start, stop = None, frame.ceil(check_instant("to", newer_end, tz))
        else:
            start, stop = span_between(frame, tz, to=newer_end, end=end)
            if start > clock:
                raise RequestError(
                    f"to and end lie in the future: {_text(start)} is after now, {_text(clock)}; give an end before now"
                )
        stop = min(stop, settled)
        self.__attrs_init__(symbol, frame, start if start is None else min(start, stop), stop, count, order)

    def _told(self) -> Mapping[str, object]:
        until = plain_time(self.stop)
        start = "" if self.start is None else f"from {plain_time(self.start)} to {until} UTC"
        return {
            "series": f"{self.symbol} {self.timeframe}",
            "what": start or f"{self.count:,} candles before {until} UTC",
            "order": self.order.replace("_", " "),
        }

    @property
    def span(self) -> Span:
        """The span of open times asked for; from the beginning of time where ``count`` decides."""
        return (self.start or 0, self.stop)

    @property
    def most(self) -> int:
        """The most candles there can be: ``count``, or the slots of the span."""
        return self.count if self.count is not None else self.timeframe.slots(*self.span)


def _check_unmixed(ends: Mapping[str, object], words: Mapping[str, object]) -> None:
    given = {name: value for name, value in ends.items() if value is not None}
    if given:
        given |= {name: value for name, value in words.items() if value is not None}
        both = " and ".join(f"{name}={shown(value)}" for name, value in given.items())
        raise RequestError(f"{both} are given together; give to and end, or since, last or count with until")


def _text(seconds: float) -> str:
    return to_datetime(int(seconds)).isoformat()
