"""The way of items from a source to where they arrive, found by looking into the observers.

Operators of Rx know nothing of demand, and some keep items in queues: ``observe_on`` until its thread has time,
``delay`` until the time has come, ``concat_map`` until it is their turn. Such a queue has no bound, and does not report
to any source. But the functions of an operator refer to what it passes its items on to, from one observer to the next,
down to one of our stages or ways out. Following these references shows in which flow the items arrive, what waits,
where several listen, and which operators can't be bounded at all.
"""

from __future__ import annotations

import sys
from abc import ABC
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

import attrs
from reactivex import abc
from reactivex.observer import Observer
from reactivex.observer.autodetachobserver import AutoDetachObserver
from reactivex.observer.scheduledobserver import ScheduledObserver
from reactivex.subject import ReplaySubject, Subject

from rxcandles.errors import RequestError

if TYPE_CHECKING:
    from rxcandles.flow.flow import Flow

__all__ = ["End", "Route"]

PATIENCE: Final = 2.0
"""Seconds after which items that do not move in a ``flat_map`` are assumed to stay."""

FARTHEST: Final = 10_000
"""Most observers and functions that the search looks at; what lies beyond is unknown."""


class End(ABC):  # noqa: B024 - it only says what is known of its kind
    """A place where items arrive that belongs to a flow: an asynchronous stage, or a way out of Rx."""

    flow: Flow | None = None
    """The flow that it belongs to; None before it runs."""
    route: Route | None = None
    """The route of the items that it passes on."""


@attrs.define(eq=False)
class _Queue:
    """Items that an operator of Rx keeps until their turn comes."""

    count: Callable[[], int]
    may_stay: bool
    """Whether its items may never leave, so that waiting for them could last for ever."""
    seen: int = 0
    since: float = 0.0

    def full(self, limit: int, now: float) -> bool:
        count = self.count()
        if count != self.seen:
            self.seen, self.since = count, now
        return count >= limit and not (self.may_stay and now - self.since >= PATIENCE)


class Route:
    """The way from one observer to all the ends behind it; found when it is made, and again when listeners change.

    Raises :class:`RequestError`, which names the operator, if an operator on the way can't be bounded.
    """

    def __init__(self, observer: abc.ObserverBase[Any]) -> None:
        self._observer = observer
        self.ends: list[End] = []
        self._forks: dict[object, Callable[[], Iterable[Subject[Any]]]] = {}
        """By the place where listeners come and go: how to find its subjects."""
        self._queues: list[_Queue] = []
        self._listeners: list[list[Any]] = []
        self._find()

    @property
    def plain(self) -> bool:
        """Whether no operator of Rx behind keeps items, and no listener may come later."""
        further = (end.route for end in self.ends)
        return not self._queues and not self._forks and all(route is None or route.plain for route in further)

    @property
    def forks(self) -> list[object]:
        """Places where listeners come and go."""
        return list(self._forks)

    def flows(self) -> list[Flow]:
        """Return the flows of all ends that still run, each once."""
        if self._forks and self._listening() != self._listeners:
            self._find()
        found = dict.fromkeys(end.flow for end in self.ends if end.flow is not None)
        return [flow for flow in found if not flow.closed]

    def full(self, limit: int, now: float) -> bool:
        """Say whether a queue of Rx on the way has ``limit`` items or more, beyond the next ends too."""
        if any(queue.full(limit, now) for queue in self._queues):
            return True
        return any(end.route is not None and end.route.full(limit, now) for end in self.ends)

    def _find(self) -> None:
        self.ends, self._forks, self._queues = [], {}, []
        seen: set[int] = set()
        ahead: list[Any] = [self._observer]
        while ahead and len(seen) < FARTHEST:
            here = ahead.pop()
            if id(here) in seen:
                continue
            seen.add(id(here))
            if isinstance(here, End):
                self.ends.append(here)
            elif isinstance(here, FunctionType):
                ahead += self._behind_function(here)
            elif isinstance(here, MethodType):
                ahead.append(here.__self__)
            elif isinstance(here, partial):
                ahead.append(here.func)
            elif isinstance(here, abc.ObserverBase):
                ahead += self._behind_observer(here)
        self._listeners = [list(observers) for observers in self._listening()]

    def _listening(self) -> list[list[Any]]:
        return [subject.observers for subjects in self._forks.values() for subject in subjects()]

    def _behind_observer(self, here: abc.ObserverBase[Any]) -> Iterable[Any]:
        if isinstance(here, Subject):
            if isinstance(here, ReplaySubject) and here.buffer_size == sys.maxsize and here._window == timedelta.max:
                raise _unbounded("replay", "it keeps all that ever comes; give it a buffer_size or a window")
            subject = here
            self._forks[here] = lambda: (subject,)
            return list(here.observers)
        if isinstance(here, AutoDetachObserver):
            return [here._on_next, here._on_completed]  # what `reduce` collects is passed on at the end
        if isinstance(here, ScheduledObserver):
            queue = here
            self._queues.append(_Queue(lambda: len(queue.queue), may_stay=False))
            return [here.observer]
        further = [here._handler_on_next] if isinstance(here, Observer) else []
        return [*further, *(each for each in getattr(here, "__dict__", {}).values() if _leads_on(each))]

    def _behind_function(self, here: FunctionType) -> Iterable[Any]:
        cells = _cells(here)
        module, name = here.__module__ or "", here.__qualname__
        if module in _UNBOUNDED:
            raise _unbounded(*_UNBOUNDED[module])
        if module == "reactivex.run":
            raise RequestError("Observable.run() would block the event loop for ever; write `await ops.run(source)`")
        if (module, name) in _QUEUES:
            self._queues.append(_QUEUES[module, name](cells))
        part = _PARTS.get((module, here.__name__))
        if part is None or part not in cells:
            return _leading(cells)
        self._forks[here] = lambda: _subjects(_cells(here)[part])
        return [*(each for subject in self._forks[here]() for each in subject.observers), *_leading(cells)]


def _leading(cells: Mapping[str, Any]) -> list[Any]:
    # `ops.tee` closes over a list of its observers.
    several = [each for value in cells.values() if isinstance(value, list | tuple) for each in value]
    return [each for each in (*cells.values(), *several) if _leads_on(each)]


def _subjects(found: Any) -> Sequence[Subject[Any]]:
    if isinstance(found, Subject):
        return (found,)
    return list(found.values() if isinstance(found, Mapping) else found)


def _leads_on(value: object) -> bool:
    # A Subject is also a source: items go into it only through its `on_next`.
    return isinstance(value, FunctionType | MethodType | partial) or (
        isinstance(value, abc.ObserverBase) and not isinstance(value, Subject)
    )


def _cells(function: FunctionType) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # a name that has no value yet
            continue
    return found


def _unbounded(operator: str, why: str) -> RequestError:
    return RequestError(f"rx.{operator} can't be bounded behind a source that waits for room: {why}")


_UNBOUNDED: Final[Mapping[str, tuple[str, str]]] = {
    "reactivex.observable.zip": (
        "zip",
        "what comes first waits for its partner without a bound; take ops.merge_by_time for candles of several series, "
        "rx.combine_latest, rx.with_latest_from or rx.zip_latest where the newest is enough, or rx.zip_with_iterable",
    ),
    "reactivex.operators._sequenceequal": (
        "sequence_equal",
        "what comes first waits for its partner without a bound; read both and compare them item by item",
    ),
}
"""By module: operators that keep items until others come, which may themselves wait for room."""

_QUEUES: Final[Mapping[tuple[str, str], Callable[[Mapping[str, Any]], _Queue]]] = {
    ("reactivex.operators._delay", "observable_delay_timespan.<locals>.subscribe.<locals>.on_next"): lambda cells: (
        _Queue(lambda: len(cells["queue"]), may_stay=False)
    ),
    (
        "reactivex.operators._delaywithmapper",
        "delay_with_mapper_.<locals>.delay_with_mapper.<locals>.subscribe.<locals>.start.<locals>.on_next",
    ): lambda cells: _Queue(lambda: len(cells["delays"]), may_stay=True),
    ("reactivex.operators._merge", "merge_.<locals>.subscribe.<locals>.on_next"): lambda cells: _Queue(
        lambda: len(cells["queue"]), may_stay=False
    ),
    ("reactivex.operators._merge", "merge_all_.<locals>.subscribe.<locals>.on_next"): lambda cells: _Queue(
        lambda: len(cells["group"]) - 1, may_stay=True
    ),
}
"""By module and name of its ``on_next``: how to find an operator's queue among the variables that it closes over."""

_PARTS: Final[Mapping[tuple[str, str], str]] = {
    ("reactivex.operators._groupbyuntil", "on_next"): "writers",
    ("reactivex.operators._window", "on_next_window"): "window_subject",
    ("reactivex.operators._window", "on_next"): "window",
    ("reactivex.operators._windowwithcount", "on_next"): "q",
    ("reactivex.operators._windowwithtime", "on_next"): "queue",
    ("reactivex.operators._windowwithtimeorcount", "on_next"): "s",
}
"""By module and name: which variable holds the groups or windows that an operator deals items out to."""
