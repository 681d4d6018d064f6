"""Regroup sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reactivex import Observable, abc

from rxcandles.errors import MemoryLimitError
from rxcandles.util.arguments import check_count, misplaced

__all__ = ["batch", "to_list"]

_A = TypeVar("_A")

_RECALL = "where chunks come, put ops.recall(store) before it"


def batch(size: int) -> Callable[[Observable[Sequence[_A]]], Observable[list[_A]]]:
    """Regroup the emitted sequences into lists of ``size`` elements; the last list may be shorter.

    At most ``size`` - 1 elements wait. They are emitted before an error is passed on, so that everything before the
    error is delivered. Lists are joined by ``+=`` and cut by slices, so that a subclass of ``list`` may keep what it
    knows.

    >>> seen = []
    >>> await ops.run(ops.from_demand([[1], [2, 3], [4, 5]]).pipe(ops.batch(2), ops.tee(seen.append)))
    [5]
    >>> seen
    [[1, 2], [3, 4], [5]]
    """
    size = check_count("size", size)

    def operator(source: Observable[Sequence[_A]]) -> Observable[list[_A]]:
        def subscribe(
            observer: abc.ObserverBase[list[_A]], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            held: list[_A] = []

            def on_next(items: Sequence[_A]) -> None:
                nonlocal held
                if not isinstance(items, Sequence):
                    observer.on_error(misplaced("batch", items, "lists", _RECALL))
                    return
                if held:
                    held += items
                else:
                    held = items[:] if isinstance(items, list) else list(items)
                if len(held) < size:
                    return
                whole = len(held) - len(held) % size
                groups = [held[at : at + size] for at in range(0, whole, size)]
                held = held[whole:]
                for group in groups:
                    observer.on_next(group)

            def flush() -> None:
                nonlocal held
                rest, held = held, []
                if rest:
                    observer.on_next(rest)

            def on_error(error: Exception) -> None:
                flush()
                observer.on_error(error)

            def on_completed() -> None:
                flush()
                observer.on_completed()

            return source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return operator


def to_list(limit: int) -> Callable[[Observable[Sequence[_A]]], Observable[list[_A]]]:
    """Join the emitted sequences into one list, which is emitted at the end.

    * ``limit``: the most elements.

    Raises :class:`MemoryLimitError` as soon as more than ``limit`` elements have come; the source is disposed then.

    >>> await ops.run(ops.from_demand([[1, 2], [3]]).pipe(ops.to_list(10)))
    [1, 2, 3]
    """
    check_count("limit", limit)

    def operator(source: Observable[Sequence[_A]]) -> Observable[list[_A]]:
        def subscribe(
            observer: abc.ObserverBase[list[_A]], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            everything: list[_A] = []

            def on_next(items: Sequence[_A]) -> None:
                if not isinstance(items, Sequence):
                    observer.on_error(misplaced("to_list", items, "lists", _RECALL))
                    return
                if len(everything) + len(items) > limit:
                    observer.on_error(
                        MemoryLimitError(f"more than {limit:,} came for one list; stream them, or raise the limit")
                    )
                    return
                everything.extend(items)

            def on_completed() -> None:
                observer.on_next(everything)
                observer.on_completed()

            return source.subscribe(on_next, observer.on_error, on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return operator
