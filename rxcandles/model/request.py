"""Requests: ``Request``, and the span between two times."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.model.candles import ORDERS, Order
from rxcandles.model.moments import Span as Lasting
from rxcandles.model.moments import Time, Zone, check_instant, ends_asked
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import END, Timeframe, plain_time, to_datetime
from rxcandles.util.arguments import check_choice, check_count, check_number, check_symbol, shown
from rxcandles.util.showing import Titled

__all__ = ["LONGEST_WAIT", "SETTLE_SECONDS", "Request", "span_between"]

SETTLE_SECONDS: Final = 3
"""Seconds after its end from which a candle counts as final. Upbit stores the last trades of a slot late: 1.9 s were
measured."""

LONGEST_WAIT: Final = 7200.0
"""Longest server-requested wait that we honour, in seconds; a longer one raises."""


def span_between(timeframe: Timeframe, tz: Zone | None = None, /, **ends: Time) -> Span:
    """Return the span of open times between two times, given by name, in either order; naive ones are read in ``tz``.

    Raise :class:`RequestError` if a time is invalid, or if no candle opens between them.
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
    """A request for candles: ``count``, ``to`` and ``count``, ``to`` and ``end``, or ``end``.

    Or, as :func:`rxcandles.get_ohlcv` takes it, exactly one of ``since``, ``last`` and ``count``, back from ``until``
    or now. Now is read once, here; a later ``to`` is cut to it, so that only closed candles are returned (3 seconds
    after their end).

    * ``to``, ``end``: the two ends of a span, in either order; the older is included, the newer excluded.
    * ``count``: candles that exist, counted back from ``to``, ``until`` or now.
    * ``since``, ``until``: the older and the newer end.
    * ``last``: a length, such as ``"30d"``.
    * ``tz``: the zone of times without one; by default ``RXCANDLES_TZ``, else UTC. A provider's ``request`` uses the
      provider's ``tz``.
    * ``order``: ``"newest_first"`` or ``"oldest_first"``.
    * ``now``: UTC seconds in place of this machine's clock.

    A time is a datetime, a date, a ``Timestamp`` or a string (``"2024-01-01 09:00 KST"``). The result has ``start`` and
    ``stop``, the span of open times in UTC seconds; ``start`` is None if ``count`` decides.

    Raises:

    * :class:`RequestError` for any other combination, an empty span, or an invalid value.

    >>> Request("KRW-BTC", "1m", since="2024-01-01", until="2024-01-02").most
    1440
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
        """The span of open times; from the beginning of time if ``count`` decides."""
        return (self.start or 0, self.stop)

    @property
    def most(self) -> int:
        """The most candles that the request can have: ``count``, or the slots of the span."""
        return self.count if self.count is not None else self.timeframe.slots(*self.span)

    def split(self, slots: int) -> Iterator[Request]:
        """Yield requests that are parts of this one, the newest first, each of at most so many ``slots``.

        Parts of a span may be collected in any order and in any process: together they are what it is. A request by
        ``count`` is its only part, since only the exchange knows which candles exist.

        >>> [part.most for part in Request("KRW-BTC", "1m", since="2024-01-01", until="2024-01-02").split(600)]
        [600, 600, 240]
        """
        check_count("slots", slots)
        if self.start is None or self.most <= slots:
            yield self
            return
        stop = self.stop
        while stop > self.start:
            part = Request.__new__(Request)
            start = max(self.start, self.timeframe.shift(stop, -slots))
            part.__attrs_init__(self.symbol, self.timeframe, start, stop, None, self.order)
            yield part
            stop = start


def _check_unmixed(ends: Mapping[str, object], words: Mapping[str, object]) -> None:
    given = {name: value for name, value in ends.items() if value is not None}
    if given:
        given |= {name: value for name, value in words.items() if value is not None}
        both = " and ".join(f"{name}={shown(value)}" for name, value in given.items())
        raise RequestError(f"{both} are given together; give to and end, or since, last or count with until")


def _text(seconds: float) -> str:
    return to_datetime(int(seconds)).isoformat()
