"""What an exchange says about its WebSockets, and what a simulator counts of its own."""

from __future__ import annotations

from collections import Counter
from math import inf

import attrs

__all__ = ["SocketRules", "SocketStats"]


@attrs.define
class SocketStats:
    """What the WebSockets of a simulator have done.

    ``connects`` were upgraded and ``refused`` were not. ``heard`` and ``sent`` count messages, ``frames`` the candles
    among those sent. ``closes`` are by code, 1006 where no frame told of it. ``open`` are so many now.

    >>> SocketStats(connects=3, open=1).open
    1
    """

    connects: int = 0
    refused: int = 0
    heard: int = 0
    sent: int = 0
    frames: int = 0
    closes: Counter[int] = attrs.field(factory=Counter)
    open: int = 0


@attrs.frozen
class SocketRules:
    """What an exchange says about its WebSockets.

    ``connects`` and ``messages`` are counts within so many seconds; ``idle`` and ``max_age`` are seconds, and
    ``age_code`` is what closes an old connection (None: no frame). ``ping`` are the seconds between the server's pings,
    ``pong`` those within which the client has to answer one.
    """

    connects: tuple[int, float]
    messages: tuple[tuple[int, float], ...]
    origin: bool = False
    idle: float = inf
    max_age: float = inf
    age_code: int | None = None
    ping: float = inf
    pong: float = inf
