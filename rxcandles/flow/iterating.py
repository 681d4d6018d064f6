"""From an asynchronous iterable into Rx, with demand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import TypeVar

from reactivex import Observable

from rxcandles.arguments import refusal
from rxcandles.flow.demand import from_demand
from rxcandles.flow.mapping import concat_map_async

__all__ = ["from_async_iterable"]

_A = TypeVar("_A")


def from_async_iterable(items: AsyncIterable[_A]) -> Observable[_A]:
    """Emit the ``items``, awaiting each only while the flow has room.

    Order kept; one item in hand. An exception of the iterable ends the stream as its error, after what came before.
    Disposing cancels what is awaited and closes the iterable where it has an ``aclose``; who closes the flow waits
    for that. Most asynchronous iterables, generators too, can be run through once only, and so can this then:
    ``reactivex.defer(lambda _: from_async_iterable(make()))`` makes a new one for each subscription.
    """
    if not isinstance(items, AsyncIterable):
        raise refusal("items", items, "give something for `async for`; for a list or a generator there is from_demand")

    async def each(given: AsyncIterable[_A]) -> AsyncGenerator[_A, None]:
        iterator = aiter(given)
        try:
            async for item in iterator:
                yield item
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    return from_demand((items,)).pipe(concat_map_async(each))
