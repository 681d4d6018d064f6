"""Run an event loop in a thread of its own, and make blocking calls into it.

A call runs on the loop; its caller waits, and runs the callbacks of the call in its own thread. So callbacks may do
anything, calls from several threads run at once, and Ctrl-C ends the call that it interrupts.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import selectors
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeAlias, TypeVar

from rxcandles.errors import RequestError, StoreError
from rxcandles.util.arguments import refusal

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["Events", "LoopThread", "here"]

_A = TypeVar("_A")
_P = ParamSpec("_P")

Events: TypeAlias = "SimpleQueue[Any]"
"""What a waiting caller must handle: callbacks to run, and the ends of calls."""

_LOOK_UP: Final = 0.2 if sys.platform == "win32" else None
"""Seconds after which a waiting thread wakes: on Windows Ctrl-C does not wake it."""

_LEAVING: Final = 5.0
"""Most seconds that the end of the interpreter or of the thread waits for a task that does not end."""


def here(function: Callable[_P, object] | None, events: Events) -> Callable[_P, None] | None:
    """Return a function that queues the calls of ``function`` in ``events``, for the caller's thread to run in order.

    Return None for None, and a value that can't be called unchanged, for its consumer to refuse. Raises
    :class:`RequestError` for a coroutine function, which would never be awaited.
    """
    if not callable(function):
        return function
    if inspect.iscoroutinefunction(function):
        raise refusal("progress_callback", function, "give a plain function: nobody awaits it here")
    called = function

    def put(*arguments: _P.args, **named: _P.kwargs) -> None:
        events.put(partial(called, *arguments, **named))

    return put


class _Call(Generic[_A]):
    """One call: started and cancelled on the loop, awaited in its caller's thread."""

    def __init__(self, make: Callable[[], Awaitable[_A]], events: Events) -> None:
        self._make = make
        self._events = events
        self._value: _A
        self._error: BaseException | None = None
        self.task: asyncio.Task[_A] | None = None
        self.submitted = False
        self.over = False
        """Whether it has ended; then nothing of it runs."""

    def start(self, loop: asyncio.AbstractEventLoop, then: Callable[[_Call[_A]], object]) -> None:
        """Start it, unless it was cancelled before; call ``then`` when it is over."""

        def finished(task: asyncio.Task[_A]) -> None:
            self._finish(task)
            then(self)

        if self.over:
            then(self)
        else:
            self.task = loop.create_task(self._run())
            self.task.add_done_callback(finished)

    def cancel(self) -> None:
        """Cancel it, also before it was started."""
        if self.task is not None:
            self.task.cancel()
        elif not self.over:
            self._finish(None)

    async def _run(self) -> _A:
        return await self._make()

    def _finish(self, task: asyncio.Task[_A] | None) -> None:
        # Not at the end of the task's own code, which does not run if it is cancelled before its first step.
        if task is None or task.cancelled():
            self._error = asyncio.CancelledError()
        elif (error := task.exception()) is not None:
            self._error = error
        else:
            self._value = task.result()
        self.over = True
        self._events.put(self)

    def result(self) -> _A:
        """Run the callbacks until the call is over; return its value, or raise its error with its own traceback."""
        while (event := self._next()) is not self:
            if not isinstance(event, _Call):  # the end of an earlier call, whose caller was interrupted twice
                event()
        error, self._error = self._error, None
        if error is None:
            value: _A = self._value
            return value
        try:
            raise error
        finally:
            del error, self  # the traceback refers to this frame, so this frame must not refer to the error

    def join(self) -> None:
        """Wait until it is over; callbacks are no longer run."""
        while self._next() is not self:
            pass

    def _next(self) -> Any:
        while True:
            with suppress(Empty):
                return self._events.get(timeout=_LOOK_UP)


class _Selector(selectors.DefaultSelector):
    """A selector that a forked child does not touch: what the child stops watching, the parent would lose too."""

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()

    @property
    def forked(self) -> bool:
        """Whether this is a fork of the process that made it."""
        return self._process != os.getpid()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        """Return the watched files; none in a forked child, so that none is removed."""
        return {} if self.forked else super().get_map()


def _new_loop() -> asyncio.AbstractEventLoop:
    if not hasattr(os, "fork"):
        return asyncio.new_event_loop()
    selector = _Selector()
    loop = asyncio.SelectorEventLoop(selector)

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not selector.forked:  # otherwise what the child did not close belongs to its parent
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    return loop


class LoopThread:
    """An event loop that runs in a thread of its own until :meth:`stop`; ``what`` is its name in errors.

    It is a daemon thread, so it does not keep the interpreter from ending. A forked child has no such thread, so every
    call is refused there.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._process = os.getpid()
        # A finalizer may run in a thread that holds this lock already.
        self._gate = threading.RLock()
        self._calls: set[_Call[Any]] = set()
        self._ending = False
        self._ended = False
        self._fault: BaseException | None = None
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._serve, name=f"rxcandles {what}", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether calls are no longer possible: it was stopped, or this is a fork of its process."""
        return self._ending or self._process != os.getpid()

    def run(self, make: Callable[[], Awaitable[_A]], events: Events | None = None) -> _A:
        """Call and await ``make()`` on the loop and return its result; ``events`` has its callbacks.

        An exception that interrupts the caller cancels the call, and is raised when the call has ended; a second one is
        raised at once.

        Raises:

        * ``StoreError`` if the loop was stopped or is stopped meanwhile, and in a forked process.
        * ``RequestError`` on the loop itself.
        """
        call = _Call(make, SimpleQueue() if events is None else events)
        try:
            self._submit(call)
            return call.result()
        except asyncio.CancelledError:
            if call.over and self._ending:
                raise StoreError(f"{self._what} was closed while this was running; open it again") from None
            raise
        finally:
            if call.submitted and not call.over:
                self._loop.call_soon_threadsafe(call.cancel)
                call.join()

    def later(self, make: Callable[[], Awaitable[object]]) -> None:
        """Run ``make()`` on the loop without waiting, from any thread; do nothing if it was stopped."""
        if not self.closed:
            with suppress(StoreError):
                self._let_in(_Call(make, SimpleQueue()))

    def stop(self, last: Callable[[], Awaitable[object]] | None = None) -> None:
        """Cancel all calls, run ``last()`` on the loop, and return when the thread has ended; idempotent.

        Raises the exception of ``last``. Does nothing in a forked process.
        """
        if self._process != os.getpid():
            return
        first = self._end_soon(last)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        if first and self._fault is not None:
            raise self._fault

    def abandon(self, last: Callable[[], Awaitable[object]]) -> None:
        """Do what :meth:`stop` does without waiting, unless the interpreter is about to end; for finalizers."""
        if self._process != os.getpid():
            return
        self._end_soon(last)
        if threading.main_thread().is_alive():
            atexit.register(self._thread.join, _LEAVING)
        elif threading.current_thread() is not self._thread:
            self._thread.join(_LEAVING)

    def _submit(self, call: _Call[Any]) -> None:
        if self._process != os.getpid():  # before the lock: it may have been held at the fork
            raise StoreError(
                f"{self._what} was opened by process {self._process}, and this is {os.getpid()}, a fork of it, which "
                "has no thread for it; open it again here"
            )
        if threading.current_thread() is self._thread:
            raise RequestError(
                f"this would wait for itself: it is called on the event loop of {self._what}; await the asynchronous "
                "provider there"
            )
        self._let_in(call)

    def _let_in(self, call: _Call[Any]) -> None:
        with self._gate:
            if self._ending:
                raise StoreError(f"{self._what} is closed; open it again")
            call.submitted = True
            self._calls.add(call)
            self._loop.call_soon_threadsafe(call.start, self._loop, self._calls.discard)

    def _end_soon(self, last: Callable[[], Awaitable[object]] | None) -> bool:
        with self._gate:
            first, self._ending = not self._ending, True
            if first:
                self._loop.call_soon_threadsafe(self._begin_end, last)
        return first

    def _begin_end(self, last: Callable[[], Awaitable[object]] | None) -> None:
        # Every accepted call has been started: the loop runs its callbacks in order.
        self._ending_task = self._loop.create_task(self._end(last))

    async def _end(self, last: Callable[[], Awaitable[object]] | None) -> None:
        try:
            tasks = [call.task for call in self._calls if call.task is not None]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            if last is not None:
                await last()
        except BaseException as error:
            self._fault = error
        finally:
            self._ended = True
            self._loop.stop()

    def _serve(self) -> None:
        loop = self._loop
        try:
            while not self._ended:
                with suppress(KeyboardInterrupt, SystemExit):  # a task's; its call raises it too
                    loop.run_forever()
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=_LEAVING))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()  # this does not wait for names that are being resolved in threads
