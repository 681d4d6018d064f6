"""Handing a stream over to something that says when it has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from reactivex import Observable, abc
from reactivex import operators as rx
from reactivex.disposable import CompositeDisposable, Disposable

from rxcandles.flow import Operator, join, map_async
from rxcandles.operators.pieces import check_lists
from rxcandles.util.arguments import check_callable

__all__ = ["to_sink"]

_A = TypeVar("_A")


def to_sink(write: Callable[[Sequence[_A]], Awaitable[object]]) -> Operator[Sequence[_A], int]:
    """Await ``write`` for each list and emit how many items it has taken so far: the acknowledgement.

    The next list is asked for only when ``write`` has returned; what asynchronous stages in front had begun waits,
    bounded by the flow. Lists come in order, one at a time, and none is written twice: what ``write`` raises ends the
    run as its error, after which nothing more is written, and a retry is for ``write`` itself. Disposing cancels the
    ``write`` under way, which may then have taken effect or not: write what can be written again.
    """
    check_callable("write", write)

    def operator(source: Observable[Sequence[_A]]) -> Observable[int]:
        def subscribe(
            observer: abc.ObserverBase[int], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            flow, _ = join(scheduler, observer)
            taken = waiting = 0
            mark = object()

            def arrived() -> None:
                nonlocal waiting
                waiting += 1
                flow.pause(mark)

            async def hand_over(items: Sequence[_A]) -> int:
                nonlocal taken, waiting
                check_lists("to_sink", items)
                await write(items)
                taken += len(items)
                waiting -= 1
                if not waiting:
                    flow.resume(mark)
                return taken

            acknowledged = source.pipe(rx.do_action(lambda _: flow.do(arrived)), map_async(hand_over))
            return CompositeDisposable(
                acknowledged.subscribe(observer, scheduler=flow), Disposable(lambda: flow.do(lambda: flow.resume(mark)))
            )

        return Observable(subscribe)

    return operator
