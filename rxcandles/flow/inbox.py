"""Move calls from any thread to the loop, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import TypeVar

from rxcandles.flow.flow import Flow

__all__ = ["Inbox"]

_A = TypeVar("_A")


class Inbox:
    """Makes calls on a flow's loop in the order in which they were given; at once if they come from its thread."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._thread = flow.thread
        self._pending: deque[Callable[[], object]] = deque()

    def __call__(self, call: Callable[[_A], object], item: _A) -> None:
        """Call with ``item`` on the loop."""
        # A call from the loop must not overtake earlier ones from another thread.
        if get_ident() == self._thread and not self._pending:
            call(item)
            if self._flow.looks:
                self._flow.arrived()
            return
        self._pending.append(lambda: call(item))
        self._flow.post(self._next)

    def _next(self) -> None:
        try:
            self._pending[0]()
        finally:
            self._pending.popleft()
        self._flow.arrived()
