"""Take turns: a page that is being fetched already is not fetched a second time, but awaited and read from the store.

Within a process one request at a time is in flight for a span of a series. Others that need some of the span wait until
its page is stored, and look into the store again. If the page fails for good, all that waited for it fail with it; if
it is given up, one of them goes on. Processes that share a file use reservations in the store, which expire by
themselves.
"""

from __future__ import annotations

import asyncio
import copy
import random
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

import attrs

from rxcandles.engine.chunk import Chunk, Step
from rxcandles.model.spans import Span, SpanSet
from rxcandles.ports import Reserving

__all__ = ["Flight", "TurnLost", "Turns"]

AHEAD: Final = 16
"""Pages reserved at once, so that few reservations are written."""

STRETCHES: Final = 128
"""Most stored spans that are remembered; older ones are seen when the next pages are reserved."""

WINDOWS: Final = 16
"""Most reservations that are remembered: as many as two runs may have cursors."""

LASTS: Final = 2.5
"""Seconds that a reservation lasts. Its owner stops using it after half of that."""

LATE: Final = 0.3
"""Seconds of waiting for a permit after which it is checked again whether the page is still needed."""

UNSTORED: Final = 1.0
"""Most seconds to wait for a page that has come to be stored: its consumer may be slow, or wait for us."""

_POLL: Final = (0.01, 0.04)
"""Seconds between two looks at what another process fetches; a random number in this range."""

Key: TypeAlias = tuple[str, str]


class TurnLost(Exception):
    """Others have fetched the page while its permit was awaited."""


class Flight:
    """A page that is being fetched, until it is stored."""

    __slots__ = ("__weakref__", "_hearing", "_landed", "began", "come", "error", "over", "run", "span", "step")

    def __init__(self, chunk: Chunk, landed: _Landed) -> None:
        self.span = _span(chunk)
        self.run = weakref.ref(chunk.run)
        self.began = time.monotonic()
        self.come = False
        """Whether the answer has come, or will never come."""
        self.over = False
        """Whether it is stored, or will never be."""
        self.error: Exception | None = None
        """Why it has failed for good."""
        self.step: weakref.ref[Step] | None = None
        """Dead as soon as no operator has the chunk any more."""
        self._landed = landed
        self._hearing: list[asyncio.Future[None]] = []

    def answered(self) -> None:
        """Record that the page has come and waits to be stored."""
        self.come = True
        self._tell()

    def stored(self, proven: Span | None) -> None:
        """Record that the page is stored."""
        if proven is not None:
            self._landed.add(proven)
        self.end()

    def end(self, error: Exception | None = None) -> None:
        """Record that it is over: stored, given up, or failed."""
        if not self.over:
            self.over, self.error = True, error
            self.answered()

    async def change(self, seconds: float | None = None) -> None:
        """Wait until something changes, or for ``seconds``."""
        heard = asyncio.get_running_loop().create_future()
        self._hearing.append(heard)
        await asyncio.wait({heard}, timeout=seconds)

    def _tell(self) -> None:
        hearing, self._hearing = self._hearing, []
        for heard in hearing:
            if not heard.done():
                heard.set_result(None)


class _Landed:
    """The stored spans of a series, merged into a few."""

    def __init__(self) -> None:
        self._stretches: list[Span] = []

    def add(self, span: Span) -> None:
        """Add a span, which most often touches the span before."""
        for at, (start, stop) in enumerate(self._stretches):
            if start <= span[1] and span[0] <= stop:
                self._stretches[at] = (min(start, span[0]), max(stop, span[1]))
                return
        self._stretches.append(span)
        if len(self._stretches) > STRETCHES:
            self._stretches = list(SpanSet(tuple(self._stretches)))[-STRETCHES // 2 :]

    def has_some(self, span: Span) -> bool:
        """Say whether it has a part of ``span``."""
        return any(start < span[1] and span[0] < stop for start, stop in self._stretches)


class Turns:
    """The flights of one collector, and the reservations of its store if the store has reservations.

    ``renew`` narrows a chunk to what the store lacks now.
    """

    def __init__(self, store: object, renew: Callable[[Chunk], Awaitable[Chunk]]) -> None:
        self._store = store if isinstance(store, Reserving) else None
        self._renew = renew
        self._flights: dict[Key, list[Flight]] = {}
        self._landed: dict[Key, _Landed] = {}
        self._reserved: dict[Key, deque[_Window]] = {}

    async def take(self, chunk: Chunk) -> tuple[Chunk, Flight | None]:
        """Return the chunk when its turn has come, narrowed to what is still missing.

        Also return its flight if it must be fetched. Raises the error of a flight that it has waited for and that has
        failed for good: a copy with its own traceback.
        """
        key, fresh, until = _key(chunk), False, time.monotonic() + LASTS
        while chunk.question.count:
            other = self._other(key, chunk)
            if other is not None:
                await _over(other)
            elif (left := await self._reserve(key, chunk)) > 0 and time.monotonic() < until:
                # Limit the wait by our own clock as well: the clock that reservations use may have been set back.
                await asyncio.sleep(min(left, random.uniform(*_POLL)))  # nosec B311 - a pause is no secret
            elif fresh or not self._is_touched(key, chunk):
                if self._other(key, chunk) is None:  # no other has begun meanwhile
                    return chunk, self._fly(key, chunk)
                continue
            chunk, fresh = await self._renew(chunk), True
        return chunk, None

    async def check(self, chunk: Chunk, flight: Flight) -> None:
        """Raise :class:`TurnLost` if the chunk has waited long and others may have fetched it."""
        if time.monotonic() - flight.began < LATE:
            return
        key = _key(chunk)
        if await self._reserve(key, chunk) > 0 or self._is_touched(key, chunk):
            raise TurnLost
        flight.began = time.monotonic()

    def _other(self, key: Key, chunk: Chunk) -> Flight | None:
        """Return a flight of another run that brings a part of the chunk."""
        flights = self._flights.get(key)
        if not flights:
            return None
        self._flights[key] = flights = [each for each in flights if not each.over]
        low, high = _span(chunk)
        for flight in flights:
            if flight.span[0] < high and low < flight.span[1] and flight.run() is not chunk.run:
                return flight
        return None

    def _fly(self, key: Key, chunk: Chunk) -> Flight:
        flight = Flight(chunk, self._landed.setdefault(key, _Landed()))
        self._flights.setdefault(key, []).append(flight)
        loop = asyncio.get_running_loop()
        # A chunk that no operator has any more will never be stored.
        flight.step = weakref.ref(chunk.step, partial(_dropped, loop, weakref.ref(flight)))
        return flight

    def _is_touched(self, key: Key, chunk: Chunk) -> bool:
        """Say whether a part of the chunk may have been stored since it was looked up."""
        landed = self._landed.get(key)
        if landed is not None and landed.has_some(_span(chunk)):
            return True
        window = self._window(key, chunk)
        return window is not None and window.held

    def _window(self, key: Key, chunk: Chunk) -> _Window | None:
        """Return our reservation that contains the whole chunk."""
        (low, high), now = _span(chunk), time.monotonic()
        for window in self._reserved.get(key, ()):
            if window.span[0] <= low and high <= window.span[1] and window.until > now:
                return window
        return None

    async def _reserve(self, key: Key, chunk: Chunk) -> float:
        """Return 0.0 if the chunk is reserved for us, else the most seconds to wait."""
        if self._store is None or self._window(key, chunk) is not None:
            return 0.0
        request, until = chunk.request, time.monotonic() + LASTS / 2
        wanted = low, high = _span(chunk)
        step, most = chunk.step, AHEAD * chunk.run.page
        slots = most if step.want is None else min(most, step.want)
        low = min(low, max(step.floor, request.timeframe.shift(high, -slots)))
        ahead = (low, high)
        reserved = await self._store.reserve(request.symbol, request.timeframe, wanted, ahead, LASTS)
        if not reserved.left:
            self._reserved.setdefault(key, deque(maxlen=WINDOWS)).appendleft(_Window(ahead, until, reserved.held))
        return reserved.left


@attrs.frozen
class _Window:
    """A reservation of ours."""

    span: Span
    until: float
    """Monotonic seconds."""
    held: bool
    """Whether a part of it was covered then."""


def _span(chunk: Chunk) -> Span:
    """Return the span that a chunk asks for, if each slot has a candle."""
    question = chunk.question
    shifted = chunk.request.timeframe.shift(question.resume, -question.count)
    return (max(question.low, shifted), question.resume)


def _key(chunk: Chunk) -> Key:
    return (chunk.request.symbol, chunk.request.timeframe.name)


async def _over(flight: Flight) -> None:
    """Wait until a flight is over, but only briefly for a page that has come."""
    while not flight.come:
        await flight.change()
    if not flight.over:
        await flight.change(UNSTORED)
        flight.end()  # so that no other waits for it
    if flight.error is not None:
        again = copy.copy(flight.error)
        again.__cause__, again.__notes__ = flight.error.__cause__, list(getattr(flight.error, "__notes__", ()))
        raise again


def _dropped(loop: asyncio.AbstractEventLoop, there: weakref.ref[Flight], _: object) -> None:
    flight = there()
    if flight is not None and not flight.over and not loop.is_closed():
        loop.call_soon_threadsafe(flight.end)
