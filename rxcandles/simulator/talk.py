"""What an exchange says over a WebSocket, before it becomes bytes: its side of the talk, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Protocol, TypeAlias

import attrs

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.forms import Form
from rxcandles.simulator.market import Source

__all__ = ["Close", "Ping", "Pong", "Reader", "Said", "Shown", "Talk", "Text"]

_MOST: int = 200


@attrs.frozen
class Shown:
    """A candle as a stream shows it. Numbers are digits, as they are sent; ``stamp`` is in milliseconds.

    ``label`` is what the exchange calls its length, such as ``candle.1m``; ``stream`` is the name of the stream, if it
    has one. ``closed`` is None where the exchange says nothing of it. ``raw`` is sent in its place.
    """

    symbol: str
    timeframe: Timeframe
    label: str
    open_time: float
    open: str
    high: str
    low: str
    close: str
    volume: str
    turnover: str
    stamp: int
    snapshot: bool = False
    closed: bool | None = None
    stream: str = ""
    trades: int = 0
    taker_volume: str = "0"
    taker_turnover: str = "0"
    raw: str | bytes | None = None


@attrs.frozen
class Text:
    """A message that is no candle."""

    text: str


@attrs.frozen
class Ping:
    """A ping of the protocol."""

    payload: str = ""


@attrs.frozen
class Pong:
    """The answer to a ping."""

    payload: bytes = b""


@attrs.frozen
class Close:
    """The end of the connection, so many seconds ``after``. Without a ``code`` no frame tells of it (1006)."""

    code: int | None
    reason: str = ""
    after: float = 0.0


Said: TypeAlias = Shown | Text | Ping | Pong | Close


class Talk(Protocol):
    """The exchange's side of one connection. ``now`` is the exchange's clock, UTC seconds."""

    binary: bool
    """Whether its messages are binary ones."""
    subscribed: int
    """How often the client has subscribed."""

    def heard(self, text: str, now: float) -> Iterable[Said]:
        """Return what it answers to a message."""
        ...

    def shown(self, now: float) -> list[Shown]:
        """Return the candles that are to be shown now, each time but once."""
        ...

    def stands(self, now: float, previous: bool = False) -> list[Shown]:
        """Return what all subscriptions stand at, or the candle before."""
        ...

    def beats(self, now: float) -> Iterable[Said]:
        """Return what keeps the connection alive, or ends it."""
        ...

    def due(self, now: float) -> float:
        """Return when it has something to say next, candles or beats."""
        ...

    def write(self, shown: Shown, now: float) -> str | bytes:
        """Return the message that shows a candle."""
        ...

    def farewell(self, now: float) -> Text | None:
        """Return how the exchange announces that it will close; None where it doesn't."""
        ...

    def lose(self, symbols: frozenset[str] | None) -> None:
        """Forget the subscriptions to these markets, None for all, and go on as if nothing was."""
        ...


class Reader:
    """Reads the candles that a stream shows where the pages take them from, so that both tell the same.

    ``source`` returns the market of a code; None where there is none.
    """

    def __init__(self, source: Callable[[str], Source | None], form: Form) -> None:
        self._source = source
        self.form = form

    def rows(self, symbol: str, timeframe: Timeframe, since: float, now: float) -> list[str]:
        """Return the candles that open from ``since`` on, as pages have them at ``now``, oldest first; 200 at most."""
        source = self._known(symbol, now)
        if source is None:
            return []
        count = min(_MOST, timeframe.slots(timeframe.floor(since), timeframe.floor(now)) + 1)
        rows = self.form.rows(source.newest(timeframe, inf, count, now).text)
        return [row for row in reversed(rows) if self.form.opened(row) >= since]

    def newest(self, symbol: str, timeframe: Timeframe, count: int, now: float) -> list[str]:
        """Return the newest ``count`` candles, newest first."""
        source = self._known(symbol, now)
        return [] if source is None else self.form.rows(source.newest(timeframe, inf, count, now).text)

    def _known(self, symbol: str, now: float) -> Source | None:
        source = self._source(symbol)
        return source if source is not None and source.known(now) else None
