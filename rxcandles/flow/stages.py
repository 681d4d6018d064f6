"""Asynchronous stages: one result, or several, for each item, in order and bounded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final, Generic, TypeAlias, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxcandles.errors import StageCancelledError
from rxcandles.events import UnfinishedEvent, log_event
from rxcandles.flow.flow import Flow
from rxcandles.flow.inbox import Inbox
from rxcandles.flow.route import End, Route
from rxcandles.flow.shared import join, on_loop_of
from rxcandles.util.arguments import check_callable, check_count, check_flag

__all__ = ["Operator", "concat_map_async", "map_async"]

_log: Final = logging.getLogger("rxcandles.flow")

_A = TypeVar("_A")
_B = TypeVar("_B")

Operator: TypeAlias = Callable[[Observable[_A]], Observable[_B]]
"""An argument of ``pipe``: a function that makes one Observable of another."""


def map_async(function: Callable[[_A], Awaitable[_B]], *, ahead: int = 1, finish: bool = False) -> Operator[_A, _B]:
    """Await ``function`` for each item, at most ``ahead`` at once, and emit the results in the order of the items.

    Waiting items are held, so the flow bounds their number. An error of the source or of ``function`` is passed on
    after the results of all items before it; calls for later items are cancelled. Disposing drops waiting items and
    cancels what runs. Closing the flow waits until everything has stopped.

    * ``finish``: True works on every accepted item to its end, even after disposing.

    Raises :class:`RequestError` at once if an argument is invalid.

    >>> async def double(number):
    ...     return [2 * number]
    >>> await ops.run(ops.from_demand([1, 2, 3]).pipe(ops.map_async(double, ahead=2), ops.to_list(10)))
    [2, 4, 6]
    """
    check_callable("function", function)
    check_count("ahead", ahead)
    check_flag("finish", finish)

    async def one(item: _A, stage: _Stage[_A, _B]) -> Callable[[], None]:
        result = await function(item)
        return lambda: stage.observer.on_next(result)

    return _in_order(one, ahead, finish)


def concat_map_async(function: Callable[[_A], AsyncGenerator[_B, None]]) -> Operator[_A, _B]:
    """Emit everything that the asynchronous generator ``function`` yields for each item, item after item.

    The generator is asked for its next value only while the consumer has room and the asynchronous stages behind hold
    fewer than the flow's ``in_flight`` items. So one item may give any number of results. Order, errors and disposing
    are those of ``map_async``; a generator that is left early is closed.

    >>> async def count_down(number):
    ...     for each in range(number, 0, -1):
    ...         yield [each]
    >>> await ops.run(ops.from_demand([2, 3]).pipe(ops.concat_map_async(count_down), ops.to_list(10)))
    [2, 1, 3, 2, 1]
    """
    check_callable("function", function)

    async def all_of(item: _A, stage: _Stage[_A, _B]) -> Callable[[], None]:
        async with aclosing(function(item)) as results:
            await stage.room()
            async for result in results:
                if not stage.stopped:
                    stage.observer.on_next(result)
                await stage.room()
        return lambda: None

    return _in_order(all_of, 1, False)


class _Stage(End, Generic[_A, _B]):
    """One subscription: its items wait, run in tasks, and are settled first in, first out."""

    def __init__(
        self,
        work: Callable[[_A, _Stage[_A, _B]], Coroutine[Any, Any, Callable[[], None]]],
        ahead: int,
        finish: bool,
        observer: abc.ObserverBase[_B],
        flow: Flow,
        route: Route,
    ) -> None:
        self.observer = observer
        self.flow: Flow = flow
        self.route: Route = route
        self._full = None if route.plain else route.full
        self._inbox = Inbox(flow)
        self.below = flow.enter(self)
        self.held = 0
        self.stopped = False
        self._work = work
        self._ahead = ahead
        self._finish = finish
        self._waiting: deque[_A] = deque()
        self._running: deque[asyncio.Task[Callable[[], None]]] = deque()
        self._settling = False
        self._source_over = False
        self._source_error: Exception | None = None

    async def room(self) -> None:
        """Wait until the stages behind have room."""
        await self.flow.room(self.below, self._full)

    def on_next(self, item: _A) -> None:
        self._inbox(self._accept, item)

    def on_error(self, error: Exception) -> None:
        self._inbox(self._source_ended, error)

    def on_completed(self) -> None:
        self._inbox(self._source_ended, None)

    def _accept(self, item: _A) -> None:
        if self.stopped or self.flow.closed:
            return
        self.held += 1
        self.flow.hold()
        self._waiting.append(item)
        self._start()

    def _source_ended(self, error: Exception | None) -> None:
        self._source_error = error
        self._source_over = True
        self._settle()

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._ahead:
            work = self._work(self._waiting.popleft(), self)
            self._running.append(self.flow.spawn(work, self._settle, finish=self._finish))

    def _settle(self) -> None:
        if self._settling:
            return
        self._settling = True
        try:
            while self._running and self._running[0].done():
                first = self._running.popleft()
                if self.stopped:
                    self._left(first)
                    continue
                # Passing a result on runs the consumer's code, whose errors are errors of this stage: RxPY's own
                # futures leave them to the loop's exception handler, and the stream hangs.
                try:
                    first.result()()
                except asyncio.CancelledError as cancelled:
                    error = StageCancelledError("a task of the pipeline was cancelled from inside it")
                    error.__cause__ = cancelled
                    self._end(error)
                except Exception as error:
                    self._end(error)
                if not self.stopped:
                    self._start()
                    self.held -= 1
                    self.flow.release()
            if self._source_over and not self._running and not self._waiting:
                self._end(self._source_error)
        finally:
            self._settling = False

    def _left(self, task: asyncio.Task[Callable[[], None]]) -> None:
        """Continue with what is to finish, although its result goes nowhere."""
        error = None if task.cancelled() else task.exception()
        if error is not None and self._finish:
            event = UnfinishedEvent(event="unfinished", error=type(error).__name__)
            log_event(_log, logging.ERROR, event, "what was to be finished has failed: %s", error)
        self._start()

    def _end(self, error: Exception | None) -> None:
        if self.stopped:
            return
        self.stopped = True
        if error is None:
            self.observer.on_completed()
        else:
            self.observer.on_error(error)

    def dispose(self) -> None:
        self.stopped = True
        if not self._finish:
            self._waiting.clear()
            for task in self._running:
                self.flow.cancel(task)
        self.flow.leave(self)
        left, self.held = self.held, 0
        if left:
            self.flow.release(left)


def _in_order(
    work: Callable[[_A, _Stage[_A, _B]], Coroutine[Any, Any, Callable[[], None]]], ahead: int, finish: bool
) -> Operator[_A, _B]:
    def operator(source: Observable[_A]) -> Observable[_B]:
        def subscribe(observer: abc.ObserverBase[_B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            flow, route = join(scheduler, observer)

            def begin() -> abc.DisposableBase:
                stage = _Stage(work, ahead, finish, observer, flow, route)
                subscription = source.subscribe(stage.on_next, stage.on_error, stage.on_completed, scheduler=flow)
                return CompositeDisposable(subscription, Disposable(stage.dispose))

            return on_loop_of(flow, observer, begin)

        return Observable(subscribe)

    return operator
