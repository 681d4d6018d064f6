"""Sources that emit only while the flow has room."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Generic, Protocol, TypeVar

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
        return _Emitting(make, observer, scheduler).begin()

    return Observable(subscribe)


class _Emitting(Generic[_A]):
    """One subscription of :func:`on_demand`."""

    def __init__(
        self,
        make: Callable[[Callable[[], None]], Supply[_A]],
        observer: abc.ObserverBase[_A],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._make = make
        self._observer = observer
        self._flow, self._route = join(scheduler, observer)
        self._full = None if self._route.plain else self._route.full
        self._supply: Supply[_A] = _Iterated(())
        self._busy = self._stopped = self._again = False

    def begin(self) -> abc.DisposableBase:
        """Emit from now on, until what is returned is disposed."""
        return CompositeDisposable(Disposable(self._stop), on_loop_of(self._flow, self._observer, self._begun))

    def _begun(self) -> abc.DisposableBase:
        self._supply = self._make(self._drain)
        return CompositeDisposable(self._flow.on_room(self._drain), self._flow.schedule(self._drain))

    def _finish(self, error: Exception | None = None) -> None:
        self._stopped = True
        if error is None:
            self._observer.on_completed()
        else:
            self._observer.on_error(error)

    def _emit(self) -> bool:
        """Emit once; say whether there may be more at once."""
        supply, taken = self._supply, self._supply.take()
        if taken is None and not supply.done and self._flow.inside == 0:
            supply.idle()
            taken = supply.take()
        if taken is not None:
            self._observer.on_next(taken[0])
            return True
        if supply.done:
            self._finish()
        return False

    def _drain(self, *_: object) -> None:
        flow, full = self._flow, self._full
        if not flow.here:
            flow.post(self._drain)
            return
        if self._busy or self._stopped:
            self._again = True
            return
        self._busy = True
        burst = BURST
        try:
            while not self._stopped and flow.has_room and not (full is not None and flow.is_full(full)):
                if not burst:
                    flow.schedule(self._drain)
                    return
                burst -= 1
                self._again = False
                if not self._emit() and not self._again:
                    return
        except Exception as error:
            if not self._stopped:
                self._finish(error)
        finally:
            self._busy = False

    def _stop(self) -> None:
        self._stopped = True


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
