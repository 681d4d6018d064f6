"""Sources that emit only while the flow has room."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Protocol, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxcandles.flow.shared import join, on_loop_of
from rxcandles.flow.stages import concat_map_async
from rxcandles.util.arguments import refusal

__all__ = ["Supply", "from_async_iterable", "from_demand", "on_demand"]

_A = TypeVar("_A")
_A_co = TypeVar("_A_co", covariant=True)

BURST = 128
"""Most emissions of a source before the event loop gets a turn."""


class Supply(Protocol[_A_co]):
    """What a source draws its items from; made anew for each subscription; see :func:`on_demand`."""

    done: bool
    """Whether nothing more will come."""

    def take(self) -> tuple[_A_co] | None:
        """Return the next item in a tuple, or None if there is none now; call ``wake`` when there is one again."""
        ...

    def idle(self) -> None:
        """Called when the flow is empty while this supply waits: the item that it waits for was dropped on the way."""


class _Iterated(Supply[_A]):
    def __init__(self, items: Iterable[_A]) -> None:
        self._iterator = iter(items)
        self.done = False

    def take(self) -> tuple[_A] | None:
        for item in self._iterator:
            return (item,)
        self.done = True
        return None

    def idle(self) -> None:
        return None


def from_demand(items: Iterable[_A]) -> Observable[_A]:
    """Emit the ``items``, each taken from its iterable only while the flow has room.

    Cold: every subscription iterates anew. The order is kept. An exception of the iterable ends the stream as its
    error.

    Raises :class:`RequestError` at once if ``items`` is not iterable.

    >>> await ops.run(ops.from_demand(range(1_000)))
    999
    """
    if not isinstance(items, Iterable):
        raise refusal("items", items, "give something to iterate over, such as a list")
    return on_demand(lambda wake: _Iterated(items))


def on_demand(make: Callable[[Callable[[], None]], Supply[_A]]) -> Observable[_A]:
    """Emit the items of a :class:`Supply` while the flow has room.

    ``make`` is called once a subscription, with a function ``wake`` that the supply calls when it has an item again.
    Emissions never nest. After 128 emissions in a row the event loop gets a turn.

    >>> class Countdown(Supply):
    ...     def __init__(self, wake):
    ...         self.left, self.done = 3, False
    ...
    ...     def take(self):
    ...         if self.left:
    ...             self.left -= 1
    ...             return (self.left,)
    ...         self.done = True
    ...
    ...     def idle(self):
    ...         pass
    >>> await run(on_demand(Countdown))
    0
    """

    def subscribe(observer: abc.ObserverBase[_A], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        flow, route = join(scheduler, observer)
        full = None if route.plain else route.full
        busy = stopped = again = False
        supply: Supply[_A]

        def finish(error: Exception | None = None) -> None:
            nonlocal stopped
            stopped = True
            if error is None:
                observer.on_completed()
            else:
                observer.on_error(error)

        def emit() -> bool:
            """Emit once; say whether there may be more at once."""
            taken = supply.take()
            if taken is None and not supply.done and flow.inside == 0:
                supply.idle()
                taken = supply.take()
            if taken is not None:
                observer.on_next(taken[0])
                return True
            if supply.done:
                finish()
            return False

        def drain(*_: object) -> None:
            nonlocal busy, again
            if not flow.here:
                flow.post(drain)
                return
            if busy or stopped:
                again = True
                return
            busy = True
            burst = BURST
            try:
                while not stopped and flow.has_room and not (full is not None and flow.is_full(full)):
                    if not burst:
                        flow.schedule(drain)
                        return
                    burst -= 1
                    again = False
                    if not emit() and not again:
                        return
            except Exception as error:
                if not stopped:
                    finish(error)
            finally:
                busy = False

        def dispose() -> None:
            nonlocal stopped
            stopped = True

        def begin() -> abc.DisposableBase:
            nonlocal supply
            supply = make(drain)
            return CompositeDisposable(flow.on_room(drain), flow.schedule(drain))

        return CompositeDisposable(Disposable(dispose), on_loop_of(flow, observer, begin))

    return Observable(subscribe)


def from_async_iterable(items: AsyncIterable[_A]) -> Observable[_A]:
    """Emit the ``items``, each awaited only while the flow has room.

    The order is kept; holds one item. An exception of the iterable ends the stream as its error, after all items before
    it. Disposing cancels what is awaited and closes the iterable if it has an ``aclose``; closing the flow waits for
    that. Most asynchronous iterables, and all generators, can be run through only once, and so can this:
    ``reactivex.defer(lambda _: from_async_iterable(make()))`` makes a new one for each subscription.

    Raises :class:`RequestError` at once if ``items`` is not an asynchronous iterable.

    >>> async def numbers():
    ...     yield 1
    ...     yield 2
    >>> await ops.run(ops.from_async_iterable(numbers()))
    2
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
