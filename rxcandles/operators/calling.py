"""Call functions with the items that pass: synchronous functions are called, asynchronous ones are awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import TypeVar

from reactivex import Observable
from reactivex import operators as rx

from rxcandles.flow import map_async
from rxcandles.util.arguments import refusal

__all__ = ["is_async", "shown_to", "told"]

_A = TypeVar("_A")
_B = TypeVar("_B")


def is_async(call: Callable[..., object]) -> bool:
    """Say whether ``call`` is an ``async def``, or an object whose ``__call__`` is one."""
    while isinstance(call, partial):
        call = call.func
    return iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)


def told(callback: Callable[[_B], object], of: Callable[[_A], _B | None]) -> Callable[[_A], object]:
    """Return a function that passes ``of(item)`` to ``callback``; it is asynchronous if ``callback`` is."""

    def tell(item: _A) -> object:
        made = of(item)
        return None if made is None else callback(made)

    async def tell_async(item: _A) -> None:
        result = tell(item)
        if isawaitable(result):
            await result

    return tell_async if is_async(callback) else tell


def shown_to(calls: Sequence[Callable[[_A], object]]) -> Callable[[Observable[_A]], Observable[_A]]:
    """Pass each item on after all ``calls`` have been called with it, in their order, one item at a time.

    Raises :class:`RequestError` if a plain function returns a coroutine, which would never be awaited.
    """
    return map_async(_awaiting(calls)) if any(map(is_async, calls)) else rx.map(_calling(calls))


def _calling(calls: Sequence[Callable[[_A], object]]) -> Callable[[_A], _A]:
    def show(item: _A) -> _A:
        for call in calls:
            result = call(item)
            if iscoroutine(result):
                result.close()
                raise refusal("observer", call, "it returns a coroutine: make it an `async def`, so that it is awaited")
        return item

    return show


def _awaiting(calls: Sequence[Callable[[_A], object]]) -> Callable[[_A], Awaitable[_A]]:
    async def show(item: _A) -> _A:
        for call in calls:
            result = call(item)
            if isawaitable(result):
                await result
        return item

    return show
