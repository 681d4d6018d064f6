"""Hand a stream over to a consumer that acknowledges each list."""

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

    Lists come in order, one at a time. The next one is asked for only when ``write`` has returned; lists that
    asynchronous stages in front had begun wait meanwhile, bounded by the flow. No list is written twice. An exception
    of ``write`` ends the run as its error, and nothing more is written: retry inside ``write`` if you want to.
    Disposing cancels the ``write`` under way, which may have taken effect or not, so make sure that it can be repeated.

    >>> written = []
    >>> async def write(items):
    ...     written.extend(items)
    >>> await ops.run(ops.from_demand([[1, 2], [3]]).pipe(ops.to_sink(write)))
    3
    >>> written
    [1, 2, 3]
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
