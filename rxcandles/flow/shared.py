"""Which flow a subscription runs in, and the flow of a source with several listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from reactivex import abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from rxcandles.errors import RequestError
from rxcandles.flow.flow import IN_FLIGHT, Flow, Holder
from rxcandles.flow.route import Route

__all__ = ["SharedFlow", "join", "on_loop_of"]


class SharedFlow(Flow):
    """The flow of a source that several listen to, through ``rx.share`` or ``rx.publish``.

    It has room while each listener has, so the slowest sets the pace. It belongs to none of them: a listener that
    leaves stops nothing for the others, and the flow ends with the last one.
    """

    def __init__(self, route: Route, beside: Flow | None) -> None:
        super().__init__(IN_FLIGHT if beside is None else beside.in_flight, beside=beside)
        self._route = route
        self._listening: dict[Flow, abc.DisposableBase] = {}
        self._listeners()

    @property
    def has_room(self) -> bool:
        """Whether a source may emit: here and in every flow that listens."""
        return super().has_room and all(flow.has_room for flow in self._listeners())

    @property
    def inside(self) -> int:
        """Items inside, here and in every flow that listens."""
        return super().inside + sum([flow.inside for flow in self._listeners()])

    def serves(self, route: Route) -> bool:
        """Say whether the listeners of ``route`` are those of this flow."""
        return not self.closed and self._route.forks == route.forks

    def _shut(self, below: Sequence[Holder]) -> bool:
        return super()._shut(below) or not all(flow.has_room for flow in self._listeners())

    def _listeners(self) -> list[Flow]:
        flows = self._route.flows()
        if len(flows) != len(self._listening) or any(flow not in self._listening for flow in flows):
            for flow in flows:
                if flow not in self._listening:
                    self._listening[flow] = flow.on_room(self.let_in)
                    flow.shared.append(self)
            for flow in [flow for flow in self._listening if flow not in flows]:
                self._listening.pop(flow).dispose()
            readers = [reader for flow in flows for reader in flow.readers()]
            if len(set(readers)) < len(readers):
                raise RequestError(
                    "two sources of one ops.merge_by_time come from one rx.share or rx.publish, where each would wait "
                    "for the other; give it the shared source once, or make a source for each without sharing"
                )
        return flows

    def readers(self) -> list[object]:
        """Return what reads several flows in turn, once for each flow."""
        return [reader for flow in self._listeners() for reader in flow.readers()]


def join(scheduler: abc.SchedulerBase | None, observer: abc.ObserverBase[Any]) -> tuple[Flow, Route]:
    """Return the flow that a subscription runs in, and the route of its items.

    It is the subscriber's flow, which comes with ``scheduler``, or the flow that the items arrive in. It is a shared
    one if several may listen, and a new one if none was made downstream.

    Raises :class:`RequestError` if an operator on the way can't be bounded, or if there is no event loop.

    >>> def passed_on(source):
    ...     def subscribe(observer, scheduler=None):
    ...         flow, _ = join(scheduler, observer)
    ...         return source.subscribe(observer, scheduler=flow)
    ...
    ...     return reactivex.Observable(subscribe)
    >>> await ops.run(passed_on(ops.from_demand([1, 2])))
    2
    """
    route = Route(observer)
    given = scheduler if isinstance(scheduler, Flow) else None
    flows = route.flows()
    # Sources that are subscribed to item by item, as in a `flat_map`, run in one shared flow, not in one each.
    for shared in (given, *(shared for flow in flows for shared in flow.shared)):
        if isinstance(shared, SharedFlow) and shared.serves(route):
            return shared, route
    near = given or (flows[0] if flows else None)
    if near is None:
        _check_loop()
    if route.forks and (flows or given is None):
        return SharedFlow(route, near), route
    return near or Flow(), route


def _check_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RequestError(
            "the pipeline was subscribed to in a thread without an event loop, and nothing behind it has one; leave Rx "
            "by ops.with_backpressure() or ops.run(), and not by subscribe(), where rx.subscribe_on stands in it"
        ) from None


def on_loop_of(
    flow: Flow, observer: abc.ObserverBase[Any], subscribe: Callable[[], abc.DisposableBase]
) -> abc.DisposableBase:
    """Call ``subscribe`` on the flow's loop, at once if this is its thread; its result is disposed there too.

    An exception that it raises there goes to ``observer``.
    """
    slot = SingleAssignmentDisposable()

    def begin() -> None:
        try:
            slot.disposable = subscribe()
        except Exception as error:
            observer.on_error(error)

    if flow.here:
        slot.disposable = subscribe()
    else:
        flow.post(begin)
    return Disposable(lambda: flow.do(slot.dispose))
