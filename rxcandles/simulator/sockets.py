"""The WebSockets of a simulator: who is connected, and what goes wrong with them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from math import inf
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from rxcandles.simulator.connection import Connection
from rxcandles.simulator.gate import CUT, Gate
from rxcandles.simulator.limit import Window
from rxcandles.simulator.sending import server_headers
from rxcandles.simulator.talk import Said, Shown, Talk
from rxcandles.util.arguments import check_callable, check_count

if TYPE_CHECKING:
    from rxcandles.simulator.server import Server

__all__ = ["Change", "SocketRules", "SocketStats", "Sockets"]

Change = Callable[[Shown, float], Iterable[Shown]]
"""Turns a candle that a stream is about to show into others, or into none; the second argument is the clock."""


@attrs.define
class SocketStats:
    """What the WebSockets of a simulator have done.

    ``connects`` were upgraded and ``refused`` were not. ``heard`` and ``sent`` count messages, ``frames`` the candles
    among those sent. ``closes`` are by code, 1006 where no frame told of it. ``open`` are so many now.
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
    ``age_code`` is what closes an old connection (None: no frame). ``ping`` are the seconds between the
    server's pings, ``pong`` those within which the client has to answer one.
    """

    connects: tuple[int, float]
    messages: tuple[tuple[int, float], ...]
    origin: bool = False
    idle: float = inf
    max_age: float = inf
    age_code: int | None = None
    ping: float = inf
    pong: float = inf


@attrs.define
class _Planned:
    change: Change
    times: float
    when: Callable[[Shown], bool] | None
    only: int | None


class Sockets:
    """The WebSockets of a simulator, ``sim.sockets``: what they do, and what goes wrong with them::

        async with Simulator(rate=None) as sim:
            ...  # a client connects to sim.ws_url, and subscribes
            sim.sockets.abort()  # all connections are reset
            sim.sockets.refuse(429, seconds=10)  # and it can't come back so soon

    Everything follows the simulator's clock, which each connection looks at when something is due, once a second of the
    event loop at least. With a clock that a test moves by hand, ``await sim.sockets.step()`` says what is due.
    A ``number`` picks one connection of those that ``numbers`` lists; without it all are meant that are open now.
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
        self.stats = SocketStats()
        self._open: list[Connection] = []
        self._stalled_until = -inf
        self._forgotten = 0
        self._planned: list[_Planned] = []
        self._later: list[tuple[float, Callable[[], Awaitable[None]]]] = []

    # What the connections need.

    def clock(self) -> float:
        """Return the simulator's clock."""
        return self._server.clock()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the connections that are open, in the order in which they were opened, counted from 1."""
        return [each.number for each in self._open]

    @property
    def due(self) -> float:
        """When something was planned, by the clock."""
        return min((time for time, _ in self._later), default=inf)

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
        self.stats.connects += 1
        self.stats.open += 1
        connection = Connection(self, self.stats.connects, request, talk, now)
        self._open.append(connection)
        try:
            return await connection.run(headers | self._headers(passed.remaining))
        finally:
            self._open.remove(connection)
            self.stats.open -= 1
            self.stats.closes[connection.code] += 1

    def answer(self, connection: Connection, text: str, now: float) -> list[Said]:
        """Return what a connection answers to a message."""
        talk = connection.talk
        before = talk.subscribed
        answers = list(talk.heard(text, now - self.lag))
        if self._forgotten and 0 < before < talk.subscribed:
            self._forgotten -= 1
            talk.lose(None)
            return []
        shown = [each for each in answers if isinstance(each, Shown)]
        others = [each for each in answers if not isinstance(each, Shown)]
        return [*others, *self.changed(connection.number, shown, now)]

    def changed(self, number: int, shown: list[Shown], now: float) -> list[Shown]:
        """Return what becomes of candles that are about to be shown."""
        if now < self._stalled_until:
            return []
        for planned in tuple(self._planned):
            if planned.only in (None, number):
                shown = [each for one in shown for each in self._apply(planned, one, now)]
        return shown

    async def tick(self, now: float) -> None:
        """Do what was planned for now."""
        for entry in [each for each in self._later if each[0] <= now]:
            if entry in self._later:
                self._later.remove(entry)
                await entry[1]()

    def _apply(self, planned: _Planned, shown: Shown, now: float) -> Iterable[Shown]:
        if planned.times <= 0 or (planned.when is not None and not planned.when(shown)):
            return (shown,)
        planned.times -= 1
        return planned.change(shown, now)

    def _meant(self, number: int | None) -> list[Connection]:
        return [each for each in self._open if number in (None, each.number)]

    # What happens at once.

    async def step(self) -> None:
        """Let every connection say what is due by the clock: for a clock that is moved by hand."""
        await self.tick(self.clock())
        await asyncio.gather(*(each.step(self.clock()) for each in self._open))

    def cut(self, number: int | None = None, *, inside: bool = False) -> None:
        """End connections without a word; ``inside``: in the middle of a message."""
        for each in self._meant(number):
            each.tear() if inside else each.end()

    def close(self, code: int = 1000, reason: str = "", number: int | None = None) -> None:
        """Close connections with a ``code``, as 1001 where a server goes away."""
        for each in self._meant(number):
            each.end(check_count("code", code, 1000, 4999), reason)

    def abort(self, number: int | None = None) -> None:
        """Reset connections."""
        for each in self._meant(number):
            each.abort()

    def black_hole(self, number: int | None = None) -> None:
        """Let nothing come any more over connections, which stay open and read nothing either: half of each is gone."""
        for each in self._meant(number):
            each.black = True

    def mute(self, *symbols: str, number: int | None = None) -> None:
        """Lose the subscriptions to some markets, until the client subscribes again; to all if none is named."""
        for each in self._meant(number):
            each.talk.lose(frozenset(symbols) or None)

    # What happens from now on.

    def refuse(self, status: int = 429, *, seconds: float = inf, times: float = inf) -> None:
        """Refuse the next ``times`` upgrades, for so many ``seconds`` of the clock; ``gate.clear()`` ends it."""
        self.gate.refuse(check_count("status", status, 400, 599), self.clock() + seconds, times)

    def cut_upgrades(self, times: int = 1) -> None:
        """Cut the next ``times`` connections in the middle of the upgrade."""
        self.gate.refuse(CUT, times=check_count("times", times))

    def stall(self, seconds: float = inf) -> None:
        """Show no candle for so many ``seconds`` of the clock; all else goes on. ``stall(0)`` ends it."""
        self._stalled_until = self.clock() + seconds

    def forget(self, times: int = 1) -> None:
        """Lose everything when a client subscribes again on an open connection, the next ``times`` that one does."""
        self._forgotten = check_count("times", times, 0)

    def add(
        self,
        change: Change,
        times: int | None = None,
        when: Callable[[Shown], bool] | None = None,
        number: int | None = None,
    ) -> None:
        """Let ``change`` befall the next ``times`` candles shown (None: all) for which ``when`` is true (None: any)."""
        check_callable("change", change)
        check_callable("when", when, optional=True)
        self._planned.append(_Planned(change, inf if times is None else check_count("times", times), when, number))

    def clear(self) -> None:
        """Take back what was added, stalled, forgotten, refused and planned; connections stay as they are."""
        self._planned.clear()
        self._later.clear()
        self.gate.clear()
        self._stalled_until, self._forgotten = -inf, 0
