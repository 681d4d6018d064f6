"""From any thread to the loop, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import TypeVar

from rxcandles.flow.flow import Flow

__all__ = ["Inbox"]

_A = TypeVar("_A")


class Inbox:
    """Brings calls to a flow's loop in the order in which they were made; at once where they are made there."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._thread = flow.thread
        self._pending: deque[Callable[[], object]] = deque()

    def __call__(self, call: Callable[[_A], object], item: _A) -> None:
        """Call with ``item`` on the loop."""
        # What is made on the loop must not overtake what came before it from another thread.
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
