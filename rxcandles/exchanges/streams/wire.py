"""What a connection is to the machine of streams, and what opens one."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

__all__ = ["Kind", "Message", "Opener", "Wire"]


class Kind(Enum):
    """What has come over a wire."""

    DATA = "data"
    PING = "ping"
    PONG = "pong"
    END = "end"


class Message(NamedTuple):
    """One message, or the end of the connection with its close code and the words for it."""

    kind: Kind
    data: bytes = b""
    code: int = 1006
    words: str = ""


class Wire(Protocol):
    """An open connection."""

    @property
    def server_time(self) -> float | None:
        """The server's clock now, UTC seconds, by the answer that opened the connection; None if it was not told."""
        ...

    async def receive(self) -> Message:
        """Wait for the next message; being cancelled loses none."""
        ...

    async def send(self, text: str) -> None:
        """Send a text; raise ``StreamClosedError`` if the connection has ended."""
        ...

    async def pong(self, data: bytes) -> None:
        """Answer a ping; raise as ``send`` does."""
        ...

    async def close(self) -> None:
        """Close with code 1000, within a second whatever the server does; idempotent. A pending ``receive`` ends."""
        ...


class Opener(Protocol):
    """What opens wires."""

    @property
    def what(self) -> str:
        """What is opened, in words."""
        ...

    async def __call__(self) -> Wire:
        """Open a connection; raise as pages do if that fails."""
        ...
