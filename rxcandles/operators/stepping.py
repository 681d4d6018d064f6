"""What the synchronous operators on lists of candles share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

from reactivex import Observable, abc

from rxcandles.errors import InvalidCandleError
from rxcandles.flow import Operator
from rxcandles.model import ORDERS, CandleData, Order
from rxcandles.model.stretch import Passed, Stretch
from rxcandles.model.timeframe import time_text
from rxcandles.operators.pieces import check_lists
from rxcandles.util.arguments import check_choice

__all__ = ["AnyOrder", "Passing", "Step", "Track", "check_order", "invalid", "stepwise"]

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C", bound=CandleData)
AnyOrder: TypeAlias = Order | Literal["of_the_run"]
"""An order, or the order that the lists of a run know; newest first if they do not know it."""

OF_THE_RUN: Final = "of_the_run"
# Operators that are generic in their candles spell out `Callable[…]`: mypy infers nothing from an alias within `pipe`.


class Step(ABC, Generic[_A, _B]):
    """The state of one subscription: makes items of each list, and of what it holds at the end."""

    over = False
    """Whether no later item is wanted: then the stream ends and its source is disposed."""

    @abstractmethod
    def take(self, items: Sequence[_A]) -> Iterable[_B]:
        """Yield the items that a list gives; items yielded before an exception are emitted before it."""

    def finish(self, failed: bool) -> Iterable[_B]:
        """Yield what is held, at the end or before an error."""
        return ()

    def learn(self, items: Stretch[Any]) -> None:
        """Take over what a list knows of its run; called before ``take``."""

    def shape(self, made: list[_B]) -> list[_B]:
        """Return ``made`` with what is known of its span; called only if the lists know theirs."""
        return made


def stepwise(name: str, make: Callable[[], Step[_A, _B]]) -> Operator[Sequence[_A], Sequence[_B]]:
    """Emit one list for each list that ``make``'s step gives items for; empty lists are left out.

    ``make`` is called once a subscription. Synchronous: holds what the step holds, and demand passes through. What is
    held is emitted before an error.
    """

    def operator(source: Observable[Sequence[_A]]) -> Observable[Sequence[_B]]:
        def subscribe(
            observer: abc.ObserverBase[Sequence[_B]], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            step = make()
            knows = False

            def on_next(items: Sequence[_A]) -> None:
                nonlocal knows
                made: list[_B] = []
                try:
                    check_lists(name, items)
                    knows = isinstance(items, Stretch)
                    if isinstance(items, Stretch):
                        step.learn(items)
                    made.extend(step.take(items))
                except Exception as error:
                    end(made, error)
                    return
                if step.over:
                    end(made, None)
                else:
                    emit(made)

            def emit(made: list[_B]) -> None:
                if made:
                    observer.on_next(step.shape(made) if knows else made)

            def end(made: list[_B], error: Exception | None) -> None:
                made.extend(step.finish(error is not None))
                emit(made)
                if error is None:
                    observer.on_completed()
                else:
                    observer.on_error(error)

            return source.subscribe(on_next, lambda error: end([], error), lambda: end([], None), scheduler=scheduler)

        return Observable(subscribe)

    return operator


class Passing(Step[_C, _C]):
    """A step that hands candles on unchanged, so that what their lists know remains true."""

    low, high = 0.0, inf
    """The span that may pass, in UTC seconds."""
    _passed: Passed | None = None

    def learn(self, items: Stretch[Any]) -> None:
        """Record how far the run has come."""
        if self._passed is None or self._passed.whole is not items.origin:
            self._passed = Passed(items.origin, self.low, self.high)
        self._passed.hear(items, held=self.holds)

    @property
    def holds(self) -> bool:
        """Whether a candle is held back."""
        return False

    def shape(self, made: list[_C]) -> list[_C]:
        """Return what is left as the next list."""
        assert self._passed is not None
        return self._passed.passing(made, held=self.holds)


def check_order(order: AnyOrder) -> Order | None:
    """Return ``order``, or None for the order of the run; raise :class:`RequestError` if it is neither."""
    check_choice("order", order, (*ORDERS, OF_THE_RUN))
    return None if order == OF_THE_RUN else order


class Track:
    """Checks that each candle may follow the one before; with ``several``, series may be mixed in order of time."""

    def __init__(self, order: Order | None, *, several: bool = False) -> None:
        self._given = order
        self.order: Order = order or "newest_first"
        self._several = several
        self.last: CandleData | None = None

    def learn(self, items: Sequence[Any]) -> None:
        """Take over the order of a list's run, if none was given and the list knows it."""
        if self._given is None and isinstance(items, Stretch):
            self.order = items.origin.order

    def fault(self, candle: CandleData) -> str | None:
        """Return why ``candle`` can't follow; if it can, remember it as the last one and return None."""
        last = self.last
        if last is not None:
            later = candle.open_seconds - last.open_seconds
            if not self._several:
                if candle.symbol != last.symbol or candle.timeframe != last.timeframe:
                    return f"those before are of {last.symbol} {last.timeframe}; take each series by itself"
                if later == 0:
                    return "it is repeated; ops.deduplicate() drops what is"
            if later < 0 if self.order == "oldest_first" else later > 0:
                other = "newest_first" if self.order == "oldest_first" else "oldest_first"
                return (
                    f"it comes after the one of {time_text(last.open_seconds)}, which is not "
                    f"{self.order.replace('_', ' ')}; give order={other!r} where all come so"
                )
        self.last = candle
        return None

    def check(self, candle: CandleData) -> None:
        """Raise :class:`InvalidCandleError` if ``candle`` can't follow; if it can, remember it as the last one."""
        fault = self.fault(candle)
        if fault is not None:
            raise invalid(candle, fault)


def invalid(candle: CandleData, fault: str) -> InvalidCandleError:
    """Return the error for ``candle``, which names it."""
    return InvalidCandleError(
        f"{candle.symbol} {candle.timeframe}, the candle of {time_text(candle.open_seconds)}: {fault}"
    )
