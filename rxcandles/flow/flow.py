"""``Flow``: the budget of one running pipeline.

RxPY pushes items, and an operator can't ask a source to wait. But the scheduler that is given to ``subscribe`` travels
from the subscriber up to the source, through every operator. ``Flow`` is that scheduler. It is also the budget: how
many items the asynchronous stages hold, whether the consumer has room, and which tasks run.

A stage holds an item from the moment it accepts it until it has passed the result on. Only items *inside* are counted,
never those that came out: an item that a user's ``filter`` drops is no longer held, so the pipeline can't deadlock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from threading import get_ident
from typing import Any, Final, Protocol, TypeVar

import attrs
from reactivex import abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable
from reactivex.scheduler.eventloop import AsyncIOScheduler

from rxcandles.util.arguments import check_count
from rxcandles.util.showing import Brief, Titled

__all__ = ["IN_FLIGHT", "Flow", "FlowStats", "Holder"]

_A = TypeVar("_A")

IN_FLIGHT: Final = 8
"""Items inside a pipeline at once, if its subscriber gives no number."""

SOONEST: Final = 0.001
LATEST: Final = 0.05
"""Seconds until a full queue of Rx is checked again: at first, and at most."""


@attrs.frozen(repr=False)
class FlowStats(Brief):
    """A snapshot of a running pipeline.

    >>> ops.with_backpressure()(ops.from_demand([1])).stats().held
    0
    """

    held: int
    """Items that asynchronous stages hold now."""
    peak_held: int
    """The most items that they held at once."""
    tasks: int
    """Tasks that run now."""
    paused: bool
    """Whether the consumer has asked for a pause."""
    waiting: int = 0
    """Items that wait for the consumer now."""
    peak_waiting: int = 0
    """The most items that waited at once."""


class Holder(Protocol):
    """A stage that holds items of a flow."""

    held: int
    """Items that it holds now."""


class Flow(Titled, AsyncIOScheduler):
    """The scheduler and the budget of one running pipeline, on one event loop.

    A source emits only while fewer than ``in_flight`` items are held and nothing has paused the flow. An operator that
    knows nothing of flows must only forward ``scheduler``, as Rx requires anyway. Items in queues of Rx operators are
    counted where such a queue is found (:class:`~rxcandles.flow.route.Route`). Everything happens on the thread of the
    flow's loop: calls from other threads are moved there.

    ``run`` and ``with_backpressure`` make a flow. Make one yourself to subscribe in the way of Rx, and close it at the
    end.

    >>> import asyncio
    >>> flow = Flow(in_flight=4)
    >>> subscription = ops.from_demand([1, 2]).subscribe(print, scheduler=flow)
    >>> await asyncio.sleep(0.001)
    1
    2
    >>> await flow.close()
    """

    def __init__(self, in_flight: int = IN_FLIGHT, *, beside: Flow | None = None) -> None:
        self._loop = asyncio.get_running_loop() if beside is None else beside.loop
        super().__init__(self._loop)
        self.in_flight = check_count("in_flight", in_flight)
        self.thread: int = get_ident() if beside is None else beside.thread
        """The thread of its loop."""
        self.closed = False
        """Whether it was closed: no more items are let in."""
        self.shared: list[Flow] = []
        """Shared flows that this one listens to together with others."""
        self.reader: object = None
        """Reads this flow and others in turn; None if nothing does."""
        self.held = 0
        self._next_look = SOONEST
        self.looks = False
        self._peak = 0
        self._pauses: set[object] = set()
        self._wakers: list[Callable[[], None]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._stages: list[Holder] = []
        self._tasks: dict[asyncio.Task[Any], bool] = {}
        self._children: list[Flow] = []

    def _told(self) -> Mapping[str, object]:
        return {"held": f"{self.held} held", "state": "closed" if self.closed else "open"}

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it runs on."""
        return self._loop

    @property
    def here(self) -> bool:
        """Whether the current thread is that of its loop."""
        return get_ident() == self.thread

    def do(self, call: Callable[[], object]) -> None:
        """Make a call on the loop: at once if this is its thread."""
        if self.here:
            call()
        else:
            self.post(call)

    def post(self, call: Callable[[], object]) -> None:
        """Make a call on the loop as soon as it has time, from any thread; never if the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed, so nothing waits for this call
            return

    def schedule(self, action: Any, state: Any = None) -> abc.DisposableBase:
        """Run ``action`` on the loop as soon as it has time; from any thread."""
        if self.here:
            return super().schedule(action, state)
        return self._from_afar(lambda: super(Flow, self).schedule(action, state))

    def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> abc.DisposableBase:
        """Run ``action`` on the loop after ``duetime``; from any thread."""
        if self.here:
            return super().schedule_relative(duetime, action, state)
        return self._from_afar(lambda: super(Flow, self).schedule_relative(duetime, action, state))

    def _from_afar(self, schedule: Callable[[], abc.DisposableBase]) -> abc.DisposableBase:
        slot = SingleAssignmentDisposable()

        def begin() -> None:
            slot.disposable = schedule()

        self.post(begin)
        return Disposable(lambda: self.do(slot.dispose))

    def child(self) -> Flow:
        """Return a flow with its own budget: this flow's pauses do not stop it, and it ends with this flow."""
        child = Flow(self.in_flight, beside=self)
        self._children.append(child)
        return child

    @property
    def has_room(self) -> bool:
        """Whether a source may emit."""
        return self.held < self.in_flight and not self._pauses and not self.closed

    @property
    def inside(self) -> int:
        """Items that asynchronous stages hold."""
        return self.held

    def readers(self) -> list[object]:
        """Return what reads several flows in turn, once for each flow."""
        return [] if self.reader is None else [self.reader]

    def hold(self) -> None:
        """Count one more item as inside."""
        self.held += 1
        self._peak = max(self._peak, self.held)

    def release(self, count: int = 1) -> None:
        """Count ``count`` items as gone, and wake the sources."""
        self.held -= count
        self.let_in()

    def pause(self, by: object = None) -> None:
        """Let nothing more in until ``resume`` was called with the same ``by``, and with that of every other pause."""
        self._pauses.add(by)

    def resume(self, by: object = None) -> None:
        """End the pause of ``by``."""
        if by in self._pauses:
            self._pauses.remove(by)
            self.let_in()

    def enter(self, stage: Holder) -> tuple[Holder, ...]:
        """Register a stage that subscribes; return those before it, which are downstream (or on a parallel branch)."""
        below = tuple(self._stages)
        self._stages.append(stage)
        return below

    def leave(self, stage: Holder) -> None:
        """Remove a stage that was disposed."""
        if stage in self._stages:
            self._stages.remove(stage)

    async def room(self, below: Sequence[Holder], full: Callable[[int, float], bool] | None = None) -> None:
        """Wait until the flow is not paused, the stages ``below`` have room, and no queue is ``full``.

        Stages have room while they hold fewer than ``in_flight`` items together. Only stages below count: a stage that
        waited for those above it, which wait for it, would wait for ever. ``full`` is called with ``in_flight`` and the
        time.
        """
        while self._shut(below) or (full is not None and self.is_full(full)):
            future = self._loop.create_future()
            self._waiting.append(future)
            await future

    def _shut(self, below: Sequence[Holder]) -> bool:
        return bool(self._pauses) or sum([stage.held for stage in below]) >= self.in_flight

    def is_full(self, full: Callable[[int, float], bool]) -> bool:
        """Say whether a queue of Rx is full; if so, check again after a while, since a queue reports nothing."""
        if not full(self.in_flight, self._loop.time()):
            self._next_look = SOONEST
            return False
        if not self.looks and not self.closed:
            self.looks = True
            self._loop.call_later(self._next_look, self._look)
            self._next_look = min(LATEST, 2 * self._next_look)
        return True

    def _look(self) -> None:
        self.looks = False
        self.let_in()

    def arrived(self) -> None:
        """Record that an item has come through, so that a full queue may have room again."""
        if self.looks:
            self._next_look = SOONEST
            self._loop.call_soon(self.let_in)

    def let_in(self) -> None:
        """Wake what waits for room, if there may be some."""
        if not self.here:
            self.post(self.let_in)
            return
        if not self._pauses and not self.closed:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)
        self.wake()

    def on_room(self, wake: Callable[[], None]) -> abc.DisposableBase:
        """Call ``wake`` whenever there may be room again, until disposed."""
        self._wakers.append(wake)

        def forget() -> None:
            if wake in self._wakers:
                self._wakers.remove(wake)

        return Disposable(forget)

    def wake(self) -> None:
        """Wake every source, another one first each time, so that none takes all the room."""
        wakers = tuple(self._wakers)
        if len(wakers) > 1:
            self._wakers.append(self._wakers.pop(0))
        for wake in wakers:
            wake()

    @property
    def now(self) -> datetime:
        """The loop's clock, so that timed operators agree with the loop's own timers (and with a virtual loop)."""
        return self.to_datetime(self._loop.time())

    def spawn(
        self, coroutine: Coroutine[Any, Any, _A], then: Callable[[], None], *, finish: bool = False
    ) -> asyncio.Task[_A]:
        """Run ``coroutine`` as a task of this flow and call ``then`` when it is over.

        With ``finish`` it is not cancelled when the flow closes, but awaited.
        """

        def over(task: asyncio.Task[_A]) -> None:
            del self._tasks[task]
            then()

        task = self._loop.create_task(coroutine)
        self._tasks[task] = finish
        task.add_done_callback(over)
        return task

    def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task of this flow, unless it is one to finish."""
        if not self._tasks.get(task, False):
            task.cancel()

    async def close(self) -> None:
        """Cancel all tasks, except those to finish, and return when no task is left.

        A cancellation that arrives meanwhile is raised after all tasks have stopped. A shared flow goes on for its
        other listeners.
        """
        self._end()
        cancelled: asyncio.CancelledError | None = None
        while tasks := [task for flow in self._family() for task in flow._tasks]:
            for owner in self._family():
                owner._end()
                for task in tuple(owner._tasks):
                    owner.cancel(task)
            try:
                await asyncio.wait(tasks)
                await asyncio.sleep(0)  # let the tasks' callbacks run before looking at what is left
            except asyncio.CancelledError as error:
                cancelled = error
        for flow in self.shared:
            flow.let_in()
        self.shared.clear()
        if cancelled is not None:
            raise cancelled

    def _end(self) -> None:
        self.closed = True
        self._wakers.clear()

    @property
    def _over(self) -> bool:
        """Whether everything that ran in it has been disposed."""
        return not self._wakers and not self._stages

    def _family(self) -> list[Flow]:
        ended = [flow for flow in self.shared if flow._over]
        return [self, *(flow for child in (*self._children, *ended) for flow in child._family())]

    def stats(self) -> FlowStats:
        """Return a snapshot; the numbers of child flows are added."""
        everyone = self._family()
        return FlowStats(
            held=sum(flow.held for flow in everyone),
            peak_held=sum(flow._peak for flow in everyone),
            tasks=sum(len(flow._tasks) for flow in everyone),
            paused=bool(self._pauses),
        )
