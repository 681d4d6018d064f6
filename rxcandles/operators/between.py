"""Keep only the candles of a span."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import inf
from typing import Any, TypeVar

from reactivex import Observable

from rxcandles.model import CandleData, Order
from rxcandles.model.moments import Time, Zone, check_instant
from rxcandles.model.stretch import Stretch
from rxcandles.operators.stepping import AnyOrder, Passing, Step, Track, check_order, stepwise
from rxcandles.util.arguments import refusal

__all__ = ["between"]

_C = TypeVar("_C", bound=CandleData)


def between(
    start: Time | None = None,
    stop: Time | None = None,
    *,
    order: AnyOrder = "of_the_run",
    tz: Zone | None = None,
) -> Callable[[Observable[Sequence[_C]]], Observable[Sequence[_C]]]:
    """Pass on the candles that open in ``[start, stop)``; None leaves an end open.

    The first candle beyond the span ends the stream: its source is disposed, and work that runs for it is cancelled.
    The candles may be of several series. Synchronous; holds one candle.

    * ``start``, ``stop``: the older end is included, the newer end is excluded.
    * ``order``: the order of the candles, which is kept. By default it is the order of the run, or newest first if the
      lists do not know it.
    * ``tz``: the zone of a time that names no zone; by default ``RXCANDLES_TZ``, else UTC.

    Raises:

    * :class:`RequestError` at once if the span is empty.
    * :class:`InvalidCandleError` if a candle comes against ``order``.

    >>> stream = provider.stream_candles("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01 02:00")
    >>> span = ops.between("2024-01-01 00:10", "2024-01-01 00:12", tz="UTC")
    >>> [str(each.open_time) for each in await ops.run(ops.from_stream(stream).pipe(span, ops.to_list(10)))]
    ['2024-01-01 00:11:00+00:00', '2024-01-01 00:10:00+00:00']
    """
    known = check_order(order)
    low = 0.0 if start is None else check_instant("start", start, tz)
    high = inf if stop is None else check_instant("stop", stop, tz)
    if low >= high:
        raise refusal("stop", stop, f"give a time after start, {start}")
    make: Callable[[], Step[Any, Any]] = partial(_Narrowing, low, high, known)
    return stepwise("between", make)


class _Narrowing(Passing[_C]):
    def __init__(self, low: float, high: float, order: Order | None) -> None:
        self.low = low
        self.high = high
        self._track = Track(order, several=True)

    def learn(self, items: Stretch[Any]) -> None:
        super().learn(items)
        self._track.learn(items)

    def take(self, items: Sequence[_C]) -> Iterator[_C]:
        for candle in items:
            self._track.check(candle)
            if self.low <= candle.open_seconds < self.high:
                yield candle
            elif (candle.open_seconds >= self.high) == (self._track.order == "oldest_first"):
                self.over = True
                return
