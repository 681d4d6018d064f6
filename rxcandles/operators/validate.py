"""The rules that a page is held to, for candles of any origin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

from reactivex import Observable

from rxcandles.errors import InvalidCandleError
from rxcandles.model import CandleData, Order
from rxcandles.model.rules import value_fault
from rxcandles.model.stretch import Stretch
from rxcandles.model.timeframe import Timeframe
from rxcandles.operators.stepping import AnyOrder, Passing, Step, Track, check_order, invalid, stepwise
from rxcandles.util.arguments import check_choice, refusal

__all__ = ["validate"]

_C = TypeVar("_C", bound=CandleData)

OnError: TypeAlias = Literal["raise", "drop"] | Callable[[CandleData, InvalidCandleError], object]


def validate(
    on_error: OnError = "raise", *, order: AnyOrder = "of_the_run"
) -> Callable[[Observable[Sequence[_C]]], Observable[Sequence[_C]]]:
    """Let only possible candles of one series pass, in strict ``order``: the run's own, else newest first.

    A candle's own values are held to the rules that every page of an exchange is held to before it is stored. One that
    breaks them, is repeated, out of order, of another series than the first, or filled in (no exchange sends that), is
    an :class:`InvalidCandleError`, raised after all that came before it. With ``"drop"`` it is left out; a function is
    called with the candle and the error, on the event loop, and the candle is left out; what the function raises ends
    the stream. What comes next is compared with the last that passed. Synchronous; one candle is held.
    """
    if not callable(on_error):
        if not isinstance(on_error, str):
            raise refusal("on_error", on_error, "take 'raise', 'drop' or a function")
        check_choice("on_error", on_error, ("raise", "drop"))
    known = check_order(order)
    make: Callable[[], Step[Any, Any]] = partial(_Validating, on_error, known)
    return stepwise("validate", make)


class _Validating(Passing[_C]):
    def __init__(self, on_error: OnError, order: Order | None) -> None:
        self._on_error = on_error
        self._track = Track(order)

    def learn(self, items: Stretch[Any]) -> None:
        super().learn(items)
        self._track.learn(items)

    def take(self, items: Sequence[_C]) -> Iterator[_C]:
        for candle in items:
            fault = self._fault(candle)
            if fault is None:
                yield candle
            elif self._on_error == "raise":
                raise invalid(candle, fault)
            elif callable(self._on_error):
                self._on_error(candle, invalid(candle, fault))

    def _fault(self, candle: CandleData) -> str | None:
        if candle.filled:
            return "it was filled in; validate before you fill gaps"
        row = candle.row
        if not candle.proven:  # a file may lack these
            row = row._replace(turnover=row.turnover or 0.0, timestamp=row.timestamp or row.open_time * 1000)
        fault = value_fault(row)
        if fault is None and not Timeframe.of(candle.timeframe).on_grid(candle.open_seconds):
            fault = "its open time is off the grid"
        return fault or self._track.fault(candle)
