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
"""Emissions a source may make before it lets the event loop breathe."""


class Supply(Protocol[_A_co]):
    """What a source draws from; made anew for each subscription."""

    done: bool
    """Whether nothing more will come."""

    def take(self) -> tuple[_A_co] | None:
        """Return the next item in a tuple, or None where there is none now; wakes its source when there is again."""
        ...

    def idle(self) -> None:
        """Hear that nothing is inside the flow while this supply waits: what it waits for was dropped on the way."""


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
    """Emit the ``items``, taking each from its iterable only while the flow has room.

    Cold: every subscription iterates anew. Order kept. An exception of the iterable ends the stream as its error.
    """
    if not isinstance(items, Iterable):
        raise refusal("items", items, "give something to iterate over, such as a list")
    return on_demand(lambda wake: _Iterated(items))


def on_demand(make: Callable[[Callable[[], None]], Supply[_A]]) -> Observable[_A]:
    """Emit what a :class:`Supply` has to give, while the flow has room.

    ``make`` is called once a subscription, with a function that the supply calls when it has something again.
    Emissions never nest, however often they are asked for; after 128 in a row the loop gets a turn.
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
