"""An event loop whose clock jumps: sleeping costs nothing and the order of events is exact.

The loop's ``time()`` starts at 0 and moves only when nothing else is left to do: instead of sleeping until the next
timer, the selector moves the clock there. A test of an hour's waiting takes microseconds and sees whole seconds.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar

__all__ = ["MillisecondLoop", "VirtualLoop", "run_virtual"]

T = TypeVar("T")

_IDLE: Final = 10.0


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that reports what is ready and moves a clock where it would have slept."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is not None:
            self._jump(timeout)
            return ready
        # No timer is set: only a socket or a thread can go on, and those run in real time.
        ready = super().select(_IDLE)
        if not ready:
            raise RuntimeError(f"deadlock: every task waits, no timer is set, and {_IDLE:g} s brought nothing")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, in seconds from 0.

    Sockets and threads still work, in real time: while a timer is set the clock jumps to it without waiting for
    them. Raises ``RuntimeError`` where nothing can ever happen again, instead of hanging.
    """

    def __init__(self) -> None:
        self._virtual_now = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Return the virtual clock, in seconds."""
        return self._virtual_now

    def _jump(self, seconds: float) -> None:
        self._virtual_now += seconds


class MillisecondLoop(VirtualLoop):
    """A loop whose timers are as uvloop's: set to whole milliseconds, and a plain ``Handle`` for what is almost due.

    So a timer may come half a millisecond early, and what ``call_at`` returns may have no ``when``. The clock itself is
    exact, since one that stands still while a task looks again and again would never move here.
    """

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back at ``when``, or up to half a millisecond before or after."""
        milliseconds = round((when - self.time()) * 1000)
        if milliseconds > 0:
            return super().call_at(self.time() + milliseconds / 1000, callback, *arguments, context=context)
        handle = asyncio.Handle(callback, arguments, self, context)
        super().call_at(when, lambda: handle.cancelled() or handle._run())  # type: ignore[func-returns-value]
        return handle


loop_factory: Callable[[], asyncio.AbstractEventLoop] = VirtualLoop
"""What ``run_virtual`` runs on; ``test_uvloop`` has others."""


def run_virtual(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` to its end on a new :class:`VirtualLoop` and return its result."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(coroutine)
