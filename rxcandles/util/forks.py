"""Detect forks: a forked child has none of its parent's threads, and shares the parent's connections."""

from __future__ import annotations

import os

from rxcandles.errors import RxCandlesError, StoreError

__all__ = ["OwnProcess"]


class OwnProcess:
    """The process in which this object was made, and to which something called ``name`` belongs."""

    def __init__(self, name: str, error: type[RxCandlesError] = StoreError) -> None:
        self._name = name
        self._error = error
        self._process = os.getpid()

    @property
    def forked(self) -> bool:
        """Whether this is a fork of that process."""
        return self._process != os.getpid()

    def check(self) -> None:
        """Raise the error in a fork of that process."""
        if self.forked:
            raise self._error(
                f"{self._name} was opened by process {self._process}, and this is {os.getpid()}, a fork of it; "
                "open it again here"
            )
