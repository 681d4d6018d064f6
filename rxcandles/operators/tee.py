"""Several observers of one run."""

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

    An observer is one of Rx, which also hears of the end and of an error, or a function. Synchronous ones are called on
    the event loop and slow the run as long as they take. Asynchronous functions (``async def``) are awaited, one item
    at a time, one after another, and the flow bounds what waits for them; disposing cancels the one that is awaited.
    Nobody is isolated: what an observer raises for an item ends the run as its error, of which all Rx observers hear; a
    later observer does not see that item. A run that is left early tells them nothing. For an observer that must not
    end the run, catch in it.
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
            except Exception as raised:  # one of Rx that was given no on_error raises what it hears
                if raised is not error:
                    error.add_note(f"an observer failed when it heard of this: {raised!r}")

    def completed() -> None:
        for observer in ends:
            observer.on_completed()

    def operator(source: Observable[_A]) -> Observable[_A]:
        return source.pipe(show, rx.do_action(on_error=failed, on_completed=completed))

    return operator
