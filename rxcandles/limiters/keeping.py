"""Where the state of a limiter is kept: in this process, or where others reach it too."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol

from rxcandles.limiters.state import Blocks, LimiterState

__all__ = ["Alone", "Keeper"]

_NOTHING_TO_DO: Final = nullcontext()


class Keeper(Protocol):
    """Keeps the state, which may be read and changed within :meth:`step` only."""

    state: LimiterState
    begun_anew: bool
    """Set where the state no longer says in what order permits were given; who has seen it resets it."""
    looks_at: float | None
    """When the limiter will look again for those who wait; None where nobody waits."""

    def step(self) -> AbstractContextManager[Any]:
        """Return what each step runs within, also one inside another."""

    def courtesy(self, now: float, span: float, most: int) -> float:
        """Return for how many seconds to leave a free permit to others who wait; ``most`` are given in a span."""

    def gave(self, now: float, most: int) -> None:
        """Hear that a permit was given."""


class Alone:
    """Keeps the state of a limiter that shares nothing, but the ``blocks`` of its address where these are given."""

    def __init__(self, blocks: Blocks | None = None) -> None:
        self.state = LimiterState(blocks=Blocks() if blocks is None else blocks)
        self.begun_anew = False
        self.looks_at: float | None = None

    def step(self) -> AbstractContextManager[Any]:
        """Return a block of nothing."""
        return _NOTHING_TO_DO

    def courtesy(self, now: float, span: float, most: int) -> float:
        """Return 0.0: there is nobody else."""
        return 0.0

    def gave(self, now: float, most: int) -> None:
        """Nobody is to know."""
