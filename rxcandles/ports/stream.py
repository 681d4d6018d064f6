"""What an exchange may have besides pages: a stream of frames, which says that a candle changes, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import attrs

from rxcandles.model.limit import Limit
from rxcandles.model.rows import Row
from rxcandles.model.timeframe import Timeframe

__all__ = ["Beat", "Frame", "FrameStream", "Heard", "StreamRules", "Streaming"]


@attrs.frozen
class Frame:
    """One message of a stream: a candle as it stands now. It never proves anything; a page of the exchange does.

    >>> row = Row(60, 9.0, 9.0, 9.0, 9.0, 1.0, 9.0, 61_000)
    >>> Frame("KRW-BTC", row, stamp=61.0).closed is None
    True
    """

    symbol: str
    row: Row
    stamp: float
    """When the exchange has made the candle of it, UTC seconds, by its own clock."""
    closed: bool | None = None
    """Whether the exchange says that the candle is closed; None if it never says so."""
    snapshot: bool = False
    """Whether it only repeats the present state, after a subscription."""


@attrs.frozen
class Beat:
    """Something came that is no candle: the connection lives."""

    leaving: bool = False
    """Whether the server says that it will close the connection soon."""


Heard: TypeAlias = Frame | Beat
"""What a stream gives."""


@attrs.frozen
class StreamRules:
    """What an exchange says about its streams.

    >>> StreamRules(timeframes=("1m",)).codes
    200
    """

    timeframes: Sequence[str]
    """Names of the timeframes that it streams."""
    codes: int = 200
    """The most markets of one connection."""
    idle: float = 15.0
    """Seconds without a byte after which a connection is dead."""
    max_age: float | None = None
    """Seconds after which the exchange closes every connection; None for never."""
    closed_flag: bool = False
    """Whether frames say if their candle is closed."""
    dense: bool = False
    """Whether a closed frame comes for each slot, traded or not."""
    connects: Limit = attrs.field(factory=lambda: Limit(5))
    """How many connections an address may open."""


@runtime_checkable
class FrameStream(Protocol):
    """One connection: ``async for heard in stream``.

    It ends with an ``ExchangeError``, never by itself: :class:`StreamClosedError` if the connection ended,
    :class:`StreamRefusedError` if the exchange refused the subscription, and what pages raise if it could not be opened
    (``RateLimitedError`` and ``BannedError`` with ``retry_after``, ``ConnectionFailedError``).
    """

    def __aiter__(self) -> AsyncIterator[Heard]:
        """Return itself."""
        ...

    async def __anext__(self) -> Heard:
        """Wait for the next message, and return it; the first call opens the connection and subscribes."""
        ...

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Ask for these markets and no others, over the open connection; all of them are asked for again."""
        ...

    async def aclose(self) -> None:
        """Close the connection with code 1000; idempotent. A pending ``__anext__`` ends."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """An exchange with streams.

    ::

        class OwnExchange:
            stream_rules = StreamRules(timeframes=("1m",))

            def stream(self, symbols, timeframe): return OwnStream(symbols, timeframe)  # a FrameStream
    """

    @property
    def stream_rules(self) -> StreamRules:
        """What it says about its streams."""
        ...

    def stream(self, symbols: Sequence[str], timeframe: Timeframe) -> FrameStream:
        """Return a connection for these markets, at most ``stream_rules.codes``; nothing is sent yet.

        Raise ``RequestError`` for a market or a timeframe that it can't have.
        """
        ...
