"""What the synchronous operators on lists of candles have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from reactivex import Observable, abc

from rxcandles.errors import InvalidCandleError
from rxcandles.flow import Operator
from rxcandles.model import CandleData, Order
from rxcandles.timeframe import time_text

__all__ = ["Step", "Track", "invalid", "stepwise"]

_A = TypeVar("_A")
_B = TypeVar("_B")
# What is generic in its candles spells out `Callable[…]`: of an alias mypy infers nothing within `pipe`.


class Step(ABC, Generic[_A, _B]):
    """One subscription's state: what becomes of each list, and of what is held at the end."""

    over = False
    """Whether nothing that may still come is wanted: the stream then ends and its source is let go."""

    @abstractmethod
    def take(self, items: Sequence[_A]) -> Iterable[_B]:
        """Yield what a list gives; what was yielded before an exception is emitted before it."""

    def finish(self, failed: bool) -> Iterable[_B]:
        """Yield what is held, at the end or before an error."""
        return ()


def stepwise(make: Callable[[], Step[_A, _B]]) -> Operator[Sequence[_A], Sequence[_B]]:
    """Emit what the steps give, a list for a list, none that is empty; ``make`` is called for each subscription.

    Synchronous: nothing is held of which the step does not say so, and demand passes by. What is held comes before an
    error.
    """

    def operator(source: Observable[Sequence[_A]]) -> Observable[Sequence[_B]]:
        def subscribe(
            observer: abc.ObserverBase[Sequence[_B]], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            step = make()

            def on_next(items: Sequence[_A]) -> None:
                made: list[_B] = []
                try:
                    made.extend(step.take(items))
                except Exception as error:
                    end(made, error)
                    return
                if step.over:
                    end(made, None)
                elif made:
                    observer.on_next(made)

            def end(made: list[_B], error: Exception | None) -> None:
                made.extend(step.finish(error is not None))
                if made:
                    observer.on_next(made)
                if error is None:
                    observer.on_completed()
                else:
                    observer.on_error(error)

            return source.subscribe(on_next, lambda error: end([], error), lambda: end([], None), scheduler=scheduler)

        return Observable(subscribe)

    return operator


class Track:
    """Whether each candle belongs behind the one before; ``several`` series may come mixed, in order of time."""

    def __init__(self, order: Order, *, several: bool = False) -> None:
        self._order = order
        self._several = several
        self.last: CandleData | None = None

    def fault(self, candle: CandleData) -> str | None:
        """Return why ``candle`` can't follow; None, and remember it as the last, where it can."""
        last = self.last
        if last is not None:
            later = candle.open_seconds - last.open_seconds
            if not self._several:
                if candle.symbol != last.symbol or candle.timeframe != last.timeframe:
                    return f"those before are of {last.symbol} {last.timeframe}; take each series by itself"
                if later == 0:
                    return "it is repeated; ops.deduplicate() drops what is"
            if later < 0 if self._order == "oldest_first" else later > 0:
                other = "newest_first" if self._order == "oldest_first" else "oldest_first"
                return (
                    f"it comes after the one of {time_text(last.open_seconds)}, which is not "
                    f"{self._order.replace('_', ' ')}; give order={other!r} where all come so"
                )
        self.last = candle
        return None

    def check(self, candle: CandleData) -> None:
        """Raise :class:`InvalidCandleError` where ``candle`` can't follow, and remember it as the last."""
        fault = self.fault(candle)
        if fault is not None:
            raise invalid(candle, fault)


def invalid(candle: CandleData, fault: str) -> InvalidCandleError:
    """Return the error for a candle, which names it."""
    return InvalidCandleError(
        f"{candle.symbol} {candle.timeframe}, the candle of {time_text(candle.open_seconds)}: {fault}"
    )
