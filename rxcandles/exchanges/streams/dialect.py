"""How an exchange's stream is spoken: what is sent, and what its messages mean. Nothing here touches a connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rxcandles.model.limit import Limit
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Heard

__all__ = ["Dialect", "UnfitError"]


class UnfitError(Exception):
    """A message that is dropped; ``reason`` is one word, under which it is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Dialect(Protocol):
    """How one connection for candles of one timeframe is spoken."""

    @property
    def timeframe(self) -> Timeframe:
        """The timeframe of all candles of the connection."""
        ...

    @property
    def codes(self) -> int:
        """The most markets of a connection."""
        ...

    @property
    def ping_every(self) -> float | None:
        """Seconds between the messages that keep the connection open; None if the server asks by itself."""
        ...

    @property
    def budget(self) -> Sequence[Limit]:
        """How many messages a connection may send; all of these hold."""
        ...

    def ping(self) -> str:
        """Return the message that keeps the connection open."""
        ...

    def asks(self, before: Sequence[str], wanted: Sequence[str]) -> Sequence[str]:
        """Return the messages that ask for ``wanted`` and nothing else, where ``before`` may have been asked for."""
        ...

    def read(self, message: bytes, now: float | None) -> Sequence[Heard]:
        """Return what a message says. ``now`` is the server's clock, UTC seconds, if it is known.

        Raise ``UnfitError`` for one that can't be of this exchange, and an ``ExchangeError`` where it says that
        something failed: ``StreamRefusedError`` if the same words would fail again.
        """
        ...
