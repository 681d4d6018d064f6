"""Where a limiter keeps its state: in this process, or where other processes reach it too."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol

from rxcandles.limiters.state import Blocks, LimiterState

__all__ = ["Alone", "Keeper"]

_NOTHING_TO_DO: Final = nullcontext()


class Keeper(Protocol):
    """Keeps the state, which may be read and changed only within :meth:`step`."""

    state: LimiterState
    begun_anew: bool
    """Set if the state no longer shows in what order permits were given; its reader resets it."""
    looks_at: float | None
    """When the limiter will look again for waiting callers; None if none waits."""

    def step(self) -> AbstractContextManager[Any]:
        """Return the context of one step; it may be entered within another step."""

    def courtesy(self, now: float, span: float, most: int) -> float:
        """Return for how many seconds to leave a free permit to others; ``most`` are given in a span."""

    def gave(self, now: float, most: int) -> None:
        """Record that a permit was given."""


class Alone:
    """Keeps the state of a limiter that shares nothing, except the ``blocks`` of its address if they are given."""

    def __init__(self, blocks: Blocks | None = None) -> None:
        self.state = LimiterState(blocks=Blocks() if blocks is None else blocks)
        self.begun_anew = False
        self.looks_at: float | None = None

    def step(self) -> AbstractContextManager[Any]:
        """Return a context that does nothing."""
        return _NOTHING_TO_DO

    def courtesy(self, now: float, span: float, most: int) -> float:
        """Return 0.0, since there are no others."""
        return 0.0

    def gave(self, now: float, most: int) -> None:
        """Do nothing, since there are no others."""
