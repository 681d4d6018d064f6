"""Let a source run ahead of a slow consumer without holding items."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxcandles.flow.flow import Flow
from rxcandles.flow.inbox import Inbox
from rxcandles.flow.route import End
from rxcandles.flow.shared import join, on_loop_of
from rxcandles.flow.sources import Supply, on_demand

__all__ = ["latest"]

_A = TypeVar("_A")


class _Latest(End, Supply[_A]):
    """The newest item that was not taken, and then the end."""

    def __init__(self, wake: Callable[[], None], flow: Flow) -> None:
        self.flow = flow
        self._inbox = Inbox(flow)
        self._wake = wake
        self._item: tuple[_A] | None = None
        self._over = False
        self._error: Exception | None = None
        self.done = False

    def on_next(self, item: _A) -> None:
        self._inbox(self._replace, item)

    def on_error(self, error: Exception) -> None:
        self._inbox(self._end, error)

    def on_completed(self) -> None:
        self._inbox(self._end, None)

    def _replace(self, item: _A) -> None:
        self._item = (item,)
        self._wake()

    def _end(self, error: Exception | None) -> None:
        self._error = error
        self._over = True
        self._wake()

    def take(self) -> tuple[_A] | None:
        item, self._item = self._item, None
        if item is None and self._over:
            if self._error is not None:
                raise self._error
            self.done = True
        return item

    def idle(self) -> None:
        return None


def latest() -> Callable[[Observable[_A]], Observable[_A]]:
    """Let the source run at full speed, and emit its newest item whenever the consumer has room; drop the others.

    Use it if the newest item is enough, as for chunks whose candles are in the store. Holds one item. An error or the
    end comes after the newest item. Disposing disposes the source.

    >>> await ops.run(ops.from_demand([1, 2, 3]).pipe(ops.latest()))
    3
    """

    def operator(source: Observable[_A]) -> Observable[_A]:
        def subscribe(observer: abc.ObserverBase[_A], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            flow, _ = join(scheduler, observer)
            upstream = CompositeDisposable()

            def make(wake: Callable[[], None]) -> _Latest[_A]:
                supply: _Latest[_A] = _Latest(wake, flow.child())
                # From the loop, not from here: an item that came at once would wake a supply that does not exist yet.
                flow.schedule(
                    lambda *_: upstream.add(
                        source.subscribe(supply.on_next, supply.on_error, supply.on_completed, scheduler=supply.flow)
                    )
                )
                return supply

            downstream = on_demand(make).subscribe(observer, scheduler=flow)
            return CompositeDisposable(downstream, on_loop_of(flow, observer, lambda: upstream))

        return Observable(subscribe)

    return operator
