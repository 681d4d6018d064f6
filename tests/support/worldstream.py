"""A connection to a world of :mod:`tests.support.world`, with the faults of one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from rxcandles.errors import StreamClosedError
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports.stream import Beat, Frame, Heard

if TYPE_CHECKING:
    from tests.support.world import World

__all__ = ["MINUTE", "Stream"]

MINUTE: Final = Timeframe.of("1m")


class Stream:
    """One connection: once a second the candles that have changed in it, as Upbit does; a beat every ten seconds."""

    def __init__(self, world: World, symbols: Sequence[str]) -> None:
        self.world = world
        self.symbols = list(symbols)
        self.subscribed: list[list[str]] = []
        self.opened = False
        self.over: Exception | None = None
        self.black = False
        """Whether nothing comes any more, although the connection seems open."""
        self.leaving = False
        self.lost: set[str] = set()
        """Markets to which the subscription is lost, until the list is sent again."""
        self._ready: deque[Heard] = deque()
        self._at = 0.0
        self._sent: dict[str, Row] = {}
        self._woken = asyncio.Event()

    def end(self, error: Exception) -> None:
        """End it with an error."""
        self.over = error
        self._woken.set()

    def __aiter__(self) -> Stream:
        return self

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Take another list of markets."""
        self.subscribed.append(list(symbols))
        self.symbols = list(symbols)
        self.lost.clear()
        self._sent.clear()
        self._ready.extend(self._snapshots())

    async def aclose(self) -> None:
        """End it."""
        self.end(StreamClosedError("left", 1000))

    async def __anext__(self) -> Heard:
        if not self.opened:
            await asyncio.sleep(self.world.latency)
            refusal = self.world.refusal()
            if refusal is not None:
                self.over = refusal
                raise refusal
            self.opened, self._at = True, self.world.now
            self._ready.extend([Beat(), *self._snapshots()])
        while True:
            if self.over is not None:
                raise self.over
            if self._ready and not self.black:
                return self._ready.popleft()
            at = float(int(self._at) + 1)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, at - self.world.now)):
                    await self._woken.wait()
            if self.over is None and self.world.now >= at:
                self._second(self._at, at)
                self._at = at

    def _snapshots(self) -> list[Frame]:
        found: list[Frame] = []
        now = self.world.now
        for symbol in self.symbols:
            rows = self.world.rows(symbol, MINUTE.floor(now) - 86_400, MINUTE.floor(now) + 60, now)
            if rows:
                found.append(Frame(symbol, rows[-1], now, None, snapshot=True))
        return found

    def _second(self, before: float, at: float) -> None:
        world, closed = self.world, False if self.world.closed_flag else None
        if world.stalled:
            if int(at) % 10 == 0:
                self._ready.append(Beat())
            return
        for symbol in self.symbols:
            if symbol in world.muted or symbol in self.lost:
                continue
            for opened in {MINUTE.floor(before), MINUTE.floor(at)}:
                row, was = world.row(symbol, opened, at), world.row(symbol, opened, before)
                if row is not None and row != was:
                    self._ready.extend(world.shown(Frame(symbol, row, at, closed)))
            if world.closed_flag and at % 60 == 0 and (row := world.row(symbol, int(at) - 60, at)) is not None:
                self._ready.extend(world.shown(Frame(symbol, row, at, closed=True)))
        while world.invented and world.invented[0].stamp <= at:
            self._ready.append(world.invented.pop(0))
        if int(at) % 10 == 0 or self.leaving:
            self._ready.append(Beat(leaving=self.leaving))
            self.leaving = False
