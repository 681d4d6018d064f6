"""How an exchange's stream is spoken: what is sent, and what its messages mean. Nothing here touches a connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from rxcandles.errors import ExchangeError, StreamClosedError, StreamRefusedError
from rxcandles.exchanges.oddvalues import UNREADABLE
from rxcandles.model.limit import Limit
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Heard

__all__ = ["Dialect", "UnfitError", "failure", "head_of"]

_H = TypeVar("_H")


class UnfitError(Exception):
    """A message that is dropped; ``reason`` is one word, under which it is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def head_of(decoder: msgspec.json.Decoder[_H], message: bytes) -> _H:
    """Return what tells messages apart; raise ``UnfitError`` for one that is no JSON of such a form."""
    try:
        return decoder.decode(message)
    except UNREADABLE:
        raise UnfitError("json") from None


def failure(said: str, *, refused: bool) -> ExchangeError:
    """Return an error that the exchange reports; ``refused``: the same words would fail again."""
    if refused:
        return StreamRefusedError(f"the exchange refuses the subscription: {said}")
    return StreamClosedError(f"the exchange reports an error: {said}", 1000)


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
