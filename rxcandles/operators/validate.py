"""Check candles of any origin by the rules that every page is checked by."""

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
    """Pass on the possible candles of one series in strict order.

    A candle is held to the rules that every page of an exchange must pass before it is stored. It is refused if it
    breaks them, is repeated, is out of order, is of another series than the first, or is filled in, which no exchange
    sends. The next candle is compared with the last one that passed. Synchronous; holds one candle.

    * ``on_error``: ``"raise"`` raises after all candles before it were emitted; ``"drop"`` leaves the candle out; a
      function is called on the event loop with the candle and its error, and the candle is left out. An exception of
      the function ends the stream.
    * ``order``: the order of the candles; by default it is the order of the run, or newest first if the lists do not
      know it.

    Raises :class:`InvalidCandleError` for a refused candle if ``on_error`` is ``"raise"``.

    >>> source = ops.from_demand([[candles[2], candles[1], candles[1], candles[0]]])  # newest first, one repeated
    >>> len(await ops.run(source.pipe(ops.validate("drop"), ops.to_list(10))))
    3
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
        if not candle.proven:  # an imported file may lack these
            row = row._replace(turnover=row.turnover or 0.0, timestamp=row.timestamp or row.open_time * 1000)
        fault = value_fault(row)
        if fault is None and not Timeframe.of(candle.timeframe).on_grid(candle.open_seconds):
            fault = "its open time is off the grid"
        return fault or self._track.fault(candle)
