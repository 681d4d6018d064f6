"""Who is connected to a simulator by WebSocket: letting clients in, and what each of their connections needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING

from aiohttp import web

from rxcandles.simulator.connection import Connection
from rxcandles.simulator.gate import CUT, Gate
from rxcandles.simulator.limit import Window
from rxcandles.simulator.sending import server_headers
from rxcandles.simulator.socketrules import SocketRules, SocketStats
from rxcandles.simulator.streamfaults import Planned
from rxcandles.simulator.talk import Said, Shown, Talk

if TYPE_CHECKING:
    from rxcandles.simulator.server import Server

__all__ = ["Switchboard"]


class Switchboard:
    """The connections of a simulator, which all follow its clock. ``talk`` makes what a path and a query talk.

    Without ``limited`` the exchange's limits do not hold; ``headers`` are those of an upgrade after which so many more
    could be at once.
    """

    def __init__(
        self,
        server: Server,
        rules: SocketRules,
        limited: bool,
        talk: Callable[[str, str, float], Talk | None],
        headers: Callable[[int], dict[str, str]] = lambda _remaining: {},
    ) -> None:
        self._server = server
        self._talk = talk
        self._headers = headers
        self.gate = Gate(Window(*rules.connects) if limited else None, rules.origin)
        self.message_limits = rules.messages if limited else ()
        """Most messages of a client within so many seconds, of connections that open from now on."""
        self.idle: float = rules.idle
        """Seconds without a word from either side after which a connection is closed."""
        self.max_age: float = rules.max_age
        """Seconds after which a connection is closed."""
        self.age_code = rules.age_code
        self.ping: float = rules.ping
        """Seconds between pings of the server."""
        self.pong: float = rules.pong
        """Seconds within which a client has to answer one."""
        self.lag: float = 0.0
        """Seconds that the candles shown are behind; pages are not."""
        self.deflate = True
        """Whether messages are compressed for clients that offer it, on connections that open from now on."""
        self.binary: bool | None = None
        """Whether messages are binary ones; None as the exchange does."""
        self.pumping = True
        """Whether connections that open from now on look at the clock by themselves; if not, only ``step`` does."""
        self.stats = SocketStats()
        self._open: list[Connection] = []
        self._number = 0
        self._stalled_until = -inf
        self._forgotten = 0
        self._planned: list[Planned] = []
        self._later: list[tuple[float, Callable[[], Awaitable[None]]]] = []

    # What the connections need.

    def clock(self) -> float:
        """Return the simulator's clock."""
        return self._server.clock()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the connections that are open, in the order in which they were opened, counted from 1."""
        return [each.number for each in self._meant(None)]

    @property
    def due(self) -> float:
        """When something was planned, by the clock."""
        return min((time for time, _ in self._later), default=inf)

    def reset_stats(self) -> None:
        """Count from zero again, but for the connections that are open."""
        self.stats = SocketStats(open=self.stats.open)

    async def upgrade(self, request: web.BaseRequest) -> web.StreamResponse:
        """Let a client in, if the gate does, and talk to it until the end."""
        path, _, query = request.path_qs.partition("?")
        if self._server.latency:
            await asyncio.sleep(self._server.latency)
        loop, now = asyncio.get_running_loop(), self.clock()
        headers, talk = server_headers(now), self._talk(path, query, now - self.lag)
        if talk is None:
            return web.Response(status=404, headers=headers)
        passed = self.gate.ask(now, loop.time(), "Origin" in request.headers)
        if passed.status != 101:
            self.stats.refused += 1
            if passed.status == CUT and request.transport is not None:
                request.transport.write(b"HTTP/1.1 101 Switching Pro")
                request.transport.close()
            return web.Response(status=passed.status or 500, headers=headers)
        connection = Connection(self, request, talk, now)
        await connection.open(headers | self._headers(passed.remaining))
        self.stats.connects += 1
        self.stats.open += 1
        self._number += 1
        connection.number = self._number
        self._open.append(connection)
        try:
            return await connection.talk_on()
        finally:
            self._open.remove(connection)
            self.stats.open -= 1
            self.stats.closes[connection.code] += 1

    def answer(self, connection: Connection, text: str) -> list[Said]:
        """Return what a connection answers to a message."""
        talk, now = connection.talk, self.clock() - self.lag
        before = talk.subscribed
        answers = list(talk.heard(text, now))
        if self._forgotten and 0 < before < talk.subscribed:
            self._forgotten -= 1
            talk.lose(None)
            return [each for each in answers if not isinstance(each, Shown)]
        shown = [each for each in answers if isinstance(each, Shown)]
        others = [each for each in answers if not isinstance(each, Shown)]
        return [*others, *self.changed(connection.number, shown, now)]

    def changed(self, number: int, shown: list[Shown], now: float) -> list[Shown]:
        """Return what becomes of candles that are about to be shown as of ``now``."""
        if self.clock() < self._stalled_until:
            return []
        for planned in self._planned:
            if planned.only in (None, number):
                shown = [each for one in shown for each in planned.apply(one, now)]
        return shown

    async def tick(self, now: float) -> None:
        """Do what was planned for now."""
        for entry in [each for each in self._later if each[0] <= now]:
            if entry in self._later:
                self._later.remove(entry)
                await entry[1]()

    async def step(self) -> None:
        """Let every connection say what is due by the clock: for a clock that is moved by hand.

        >>> await sim.sockets.step()
        """
        await self.tick(self.clock())
        await asyncio.gather(*(each.step(self.clock()) for each in self._open))

    def _meant(self, number: int | None) -> list[Connection]:
        return [each for each in self._open if not each.over and number in (None, each.number)]
