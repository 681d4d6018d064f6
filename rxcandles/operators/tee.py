"""Show one run to several observers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc
from reactivex import operators as rx

from rxcandles.operators.calling import shown_to
from rxcandles.util.arguments import refusal

__all__ = ["tee"]

_A = TypeVar("_A")


def tee(*observers: abc.ObserverBase[_A] | Callable[[_A], object]) -> Callable[[Observable[_A]], Observable[_A]]:
    """Show every item to each of the ``observers``, in their order, then pass it on.

    An observer is a function, or an observer of Rx, which also gets the end and the error. Synchronous ones are called
    on the event loop and slow the run. Asynchronous functions (``async def``) are awaited one after another, one item
    at a time; the flow bounds the items that wait for them, and disposing cancels the one that is awaited.

    Observers are not isolated. An exception that an observer raises ends the run: all Rx observers get it as
    ``on_error``, and later observers do not see the item. Catch exceptions in an observer that must not end the run.
    Observers are not told of a run that is left early.

    Raises :class:`RequestError` at once if an observer is neither.

    >>> seen = []
    >>> await ops.run(ops.from_demand([1, 2, 3]).pipe(ops.tee(seen.append)))
    3
    >>> seen
    [1, 2, 3]
    """
    calls: list[Callable[[_A], object]] = []
    ends: list[abc.ObserverBase[_A]] = []
    for number, observer in enumerate(observers):
        if isinstance(observer, abc.ObserverBase):
            calls.append(observer.on_next)
            ends.append(observer)
        elif callable(observer) and not isinstance(observer, type):
            calls.append(observer)
        else:
            raise refusal(f"observers[{number}]", observer, "give a function, or an observer of Rx")
    show = shown_to(calls)

    def failed(error: Exception) -> None:
        for observer in ends:
            try:
                observer.on_error(error)
            except Exception as raised:  # an Rx observer without an on_error raises the error itself
                if raised is not error:
                    error.add_note(f"an observer failed when it heard of this: {raised!r}")

    def completed() -> None:
        for observer in ends:
            observer.on_completed()

    def operator(source: Observable[_A]) -> Observable[_A]:
        return source.pipe(show, rx.do_action(on_error=failed, on_completed=completed))

    return operator
