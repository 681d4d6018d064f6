"""A part of the time that candles come from."""

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
    """Let candles pass that open from ``start``, included, to ``stop``, excluded; None leaves an end open.

    The first candle beyond ends the stream: its source is let go, and what runs for it is cancelled. Candles may be of
    several series, in ``order`` of time (the run's own, else newest first), which is kept; one against it is an
    :class:`InvalidCandleError`. A time that names no zone is in ``tz``, else that of
    ``RXCANDLES_TZ``, else UTC. Synchronous; one candle is held. Raises :class:`RequestError` for an empty span.
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
