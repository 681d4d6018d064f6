"""Taking turns: what somebody is fetching already is waited for, and read from the store then.

In a process there is one request in flight for a span of a series. Others that want some of it wait until its page is
stored, and look in the store again. Where it fails for good, all that have waited for it fail with it; where it is
given up, one of them goes on. Between processes on one file the store keeps reservations, which end by themselves.
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
"""Pages reserved at once, so that little is written down."""

STRETCHES: Final = 128
"""Stretches that are remembered as stored; what was before is seen when the next pages are reserved."""

WINDOWS: Final = 16
"""Reservations that are remembered: as many as there may be cursors, of two runs."""

LASTS: Final = 2.5
"""Seconds that a reservation lasts. When it is half over it counts no more for who has it."""

LATE: Final = 0.3
"""Seconds after which it is looked once more whether a page is still wanted: its permit has taken long to come."""

UNSTORED: Final = 1.0
"""Seconds that a page which has come is waited for to be stored: its consumer may be slow, or be waiting for us."""

_POLL: Final = (0.01, 0.04)
"""Seconds between two looks at what another process is fetching, at random."""

Key: TypeAlias = tuple[str, str]


class TurnLost(Exception):
    """Others have fetched it while the permit was waited for."""


class Flight:
    """A page that is being fetched, until it is stored."""

    __slots__ = ("__weakref__", "_hearing", "_landed", "began", "come", "error", "over", "run", "span", "step")

    def __init__(self, chunk: Chunk, landed: _Landed) -> None:
        self.span = _span(chunk)
        self.run = weakref.ref(chunk.run)
        self.began = time.monotonic()
        self.come = False
        """Whether the answer has come, or none will."""
        self.over = False
        """Whether it is stored, or never will be."""
        self.error: Exception | None = None
        """Why it has failed for good."""
        self.step: weakref.ref[Step] | None = None
        """Tells when nobody has the chunk any more."""
        self._landed = landed
        self._hearing: list[asyncio.Future[None]] = []

    def answered(self) -> None:
        """Hear that the page has come and waits to be stored."""
        self.come = True
        self._tell()

    def stored(self, proven: Span | None) -> None:
        """Hear that the page is stored."""
        if proven is not None:
            self._landed.add(proven)
        self.end()

    def end(self, error: Exception | None = None) -> None:
        """Hear that it is over: stored, given up, or failed."""
        if not self.over:
            self.over, self.error = True, error
            self.answered()

    async def change(self, seconds: float | None = None) -> None:
        """Wait until something is heard, or for so long."""
        heard = asyncio.get_running_loop().create_future()
        self._hearing.append(heard)
        await asyncio.wait({heard}, timeout=seconds)

    def _tell(self) -> None:
        hearing, self._hearing = self._hearing, []
        for heard in hearing:
            if not heard.done():
                heard.set_result(None)


class _Landed:
    """What has been stored of a series, in a few stretches."""

    def __init__(self) -> None:
        self._stretches: list[Span] = []

    def add(self, span: Span) -> None:
        """Add a span, which most often lies beside the one before."""
        for at, (start, stop) in enumerate(self._stretches):
            if start <= span[1] and span[0] <= stop:
                self._stretches[at] = (min(start, span[0]), max(stop, span[1]))
                return
        self._stretches.append(span)
        if len(self._stretches) > STRETCHES:
            self._stretches = list(SpanSet(tuple(self._stretches)))[-STRETCHES // 2 :]

    def has_some(self, span: Span) -> bool:
        """Whether some of a span is in there."""
        return any(start < span[1] and span[0] < stop for start, stop in self._stretches)


class Turns:
    """The flights of one collector, and the reservations of its store where that keeps some.

    ``renew`` narrows a chunk anew to what the store lacks by now.
    """

    def __init__(self, store: object, renew: Callable[[Chunk], Awaitable[Chunk]]) -> None:
        self._store = store if isinstance(store, Reserving) else None
        self._renew = renew
        self._flights: dict[Key, list[Flight]] = {}
        self._landed: dict[Key, _Landed] = {}
        self._reserved: dict[Key, deque[_Window]] = {}

    async def take(self, chunk: Chunk) -> tuple[Chunk, Flight | None]:
        """Return the chunk when it is its turn, narrowed to what is still lacking, and its flight if it is to fly.

        Raises the error of a flight that it has waited for and that has failed for good: a copy with a traceback of
        its own.
        """
        key, fresh, until = _key(chunk), False, time.monotonic() + LASTS
        while chunk.question.count:
            other = self._other(key, chunk)
            if other is not None:
                await _over(other)
            elif (left := await self._reserve(key, chunk)) > 0 and time.monotonic() < until:
                # By our own count as well: the clock that reservations go by may have been set back since.
                await asyncio.sleep(min(left, random.uniform(*_POLL)))  # nosec B311 - a pause is no secret
            elif fresh or not self._is_touched(key, chunk):
                if self._other(key, chunk) is None:  # none has come up meanwhile
                    return chunk, self._fly(key, chunk)
                continue
            chunk, fresh = await self._renew(chunk), True
        return chunk, None

    async def check(self, chunk: Chunk, flight: Flight) -> None:
        """Raise :class:`TurnLost` where the chunk has waited for long and others may have fetched it."""
        if time.monotonic() - flight.began < LATE:
            return
        key = _key(chunk)
        if await self._reserve(key, chunk) > 0 or self._is_touched(key, chunk):
            raise TurnLost
        flight.began = time.monotonic()

    def _other(self, key: Key, chunk: Chunk) -> Flight | None:
        """Return a flight of another run that brings some of the chunk."""
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
        # A chunk that nobody has any more will never be stored.
        flight.step = weakref.ref(chunk.step, partial(_dropped, loop, weakref.ref(flight)))
        return flight

    def _is_touched(self, key: Key, chunk: Chunk) -> bool:
        """Whether some of what the chunk asks for may have been stored since it was looked up."""
        landed = self._landed.get(key)
        if landed is not None and landed.has_some(_span(chunk)):
            return True
        window = self._window(key, chunk)
        return window is not None and window.held

    def _window(self, key: Key, chunk: Chunk) -> _Window | None:
        """Return what is reserved for us and has all of the chunk."""
        (low, high), now = _span(chunk), time.monotonic()
        for window in self._reserved.get(key, ()):
            if window.span[0] <= low and high <= window.span[1] and window.until > now:
                return window
        return None

    async def _reserve(self, key: Key, chunk: Chunk) -> float:
        """Return 0.0 where the chunk is reserved for us, else seconds to wait at most."""
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
    """What is reserved for us."""

    span: Span
    until: float
    """Monotonic seconds."""
    held: bool
    """Whether some of it was covered then."""


def _span(chunk: Chunk) -> Span:
    """Return what a chunk asks for, if each slot has a candle."""
    question = chunk.question
    shifted = chunk.request.timeframe.shift(question.resume, -question.count)
    return (max(question.low, shifted), question.resume)


def _key(chunk: Chunk) -> Key:
    return (chunk.request.symbol, chunk.request.timeframe.name)


async def _over(flight: Flight) -> None:
    """Wait until a flight is over, but not for long for a page that has come."""
    while not flight.come:
        await flight.change()
    if not flight.over:
        await flight.change(UNSTORED)
        flight.end()  # so that nobody waits for it again
    if flight.error is not None:
        again = copy.copy(flight.error)
        again.__cause__, again.__notes__ = flight.error.__cause__, list(getattr(flight.error, "__notes__", ()))
        raise again


def _dropped(loop: asyncio.AbstractEventLoop, there: weakref.ref[Flight], _: object) -> None:
    flight = there()
    if flight is not None and not flight.over and not loop.is_closed():
        loop.call_soon_threadsafe(flight.end)
