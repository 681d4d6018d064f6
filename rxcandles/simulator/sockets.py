"""What goes wrong with the WebSockets of a simulator."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from rxcandles.simulator.gate import CUT
from rxcandles.simulator.streamfaults import Change, Planned
from rxcandles.simulator.switchboard import Switchboard
from rxcandles.simulator.talk import Ping, Shown
from rxcandles.util.arguments import check_callable, check_count

__all__ = ["Sockets"]

_GOING_AWAY: Final = 1001


class Sockets(Switchboard):
    """The WebSockets of a simulator, ``sim.sockets``: what they do, and what goes wrong with them::

        async with Simulator(rate=None) as sim:
            ...  # a client connects to sim.ws_url, and subscribes
            sim.sockets.abort()  # all connections are reset
            sim.sockets.refuse(429, seconds=10)  # and it can't come back so soon

    Everything follows the simulator's clock, which each connection looks at when something is due, once a second of the
    event loop at least. With a clock that a test moves by hand, ``await sim.sockets.step()`` says what is due.
    A ``number`` picks one connection of those that ``numbers`` lists; without it all are meant that are open now.
    """

    # What happens at once.

    def cut(self, number: int | None = None, *, inside: bool = False) -> None:
        """End connections without a word (1006); ``inside``: in the middle of a message.

        >>> sim.sockets.cut(inside=True)
        """
        for each in self._meant(number):
            each.tear() if inside else each.end()

    def close(self, code: int = 1000, reason: str = "", number: int | None = None) -> None:
        """Close connections with a ``code``, such as 1001 for a server that goes away.

        >>> sim.sockets.close(1011, "internal error")
        """
        check_count("code", code, 1000, 4999)
        for each in self._meant(number):
            each.end(code, reason)

    def abort(self, number: int | None = None) -> None:
        """Reset connections.

        >>> sim.sockets.abort()
        """
        for each in self._meant(number):
            each.abort()

    def black_hole(self, number: int | None = None) -> None:
        """Let nothing come any more over connections, which stay open, and to which nobody listens.

        >>> sim.sockets.black_hole(number=1)
        """
        for each in self._meant(number):
            each.black = True

    def mute(self, *symbols: str, number: int | None = None) -> None:
        """Lose the subscriptions to some markets, until the client subscribes again; to all if none is named.

        >>> sim.sockets.mute("KRW-BTC")
        """
        for each in self._meant(number):
            each.talk.lose(frozenset(symbols) or None)

    async def restart(self, down: float = 0.0, *, lead: float | None = None) -> None:
        """Close all connections, and refuse others for ``down`` seconds of the clock, with 503.

        With a ``lead``, the end is announced so many seconds before, where the exchange does such things. Connections
        that are opened in between stay.

        >>> await sim.sockets.restart(down=30, lead=5)
        """
        meant, now = self._meant(None), self.clock()

        async def end() -> None:
            for each in meant:
                each.end(None if lead is None else _GOING_AWAY)
            if down:
                self.gate.refuse(503, self.clock() + down)

        if lead is None:
            await end()
            return
        self._later.append((now + lead, end))
        for each in meant:
            if farewell := each.talk.farewell(now):
                await each.say([farewell])

    async def send(
        self,
        change: Change | None = None,
        *symbols: str,
        ago: float = 0.0,
        previous: bool = False,
        number: int | None = None,
    ) -> None:
        """Show once more what subscriptions stand at, to these markets or to all, with a ``change``.

        ``ago``: as it was so many seconds before. ``previous``: the candle before that.

        >>> await sim.sockets.send(streamfaults.snapshot(), "KRW-BTC", previous=True)
        >>> await sim.sockets.send(ago=90)
        """
        for each in self._meant(number):
            now = self.clock() - self.lag - ago
            shown = [one for one in each.talk.stands(now, previous) if not symbols or one.symbol in symbols]
            await each.say(shown if change is None else [made for one in shown for made in change(one, now)])

    async def pings(self, count: int, number: int | None = None) -> None:
        """Send so many pings at once.

        >>> await sim.sockets.pings(1000)
        """
        for each in self._meant(number):
            await each.say([Ping("flood")] * check_count("count", count))

    # What happens from now on.

    def refuse(self, status: int = 429, *, seconds: float = inf, times: float = inf) -> None:
        """Refuse the next ``times`` upgrades, for so many ``seconds`` of the clock.

        An address that is blocked for ten minutes is refused with ``seconds=600``; ``gate.block = 600`` does so to
        whoever goes over the limit.

        >>> sim.sockets.refuse(403, seconds=600)
        """
        self.gate.refuse(check_count("status", status, 400, 599), self.clock() + seconds, times)

    def cut_upgrades(self, times: int = 1) -> None:
        """Cut the next ``times`` connections in the middle of the upgrade.

        >>> sim.sockets.cut_upgrades(2)
        """
        self.gate.refuse(CUT, times=check_count("times", times))

    def stall(self, seconds: float = inf) -> None:
        """Show no candle for so many ``seconds`` of the clock, 0 for none any more; all else goes on.

        >>> sim.sockets.stall(20)
        """
        self._stalled_until = self.clock() + seconds

    def forget(self, times: int = 1) -> None:
        """Lose everything when a client subscribes again over an open connection, the next ``times`` that one does.

        >>> sim.sockets.forget()
        """
        self._forgotten = check_count("times", times, 0)

    def add(
        self,
        change: Change,
        times: int | None = None,
        when: Callable[[Shown], bool] | None = None,
        number: int | None = None,
    ) -> None:
        """Let ``change`` befall the next ``times`` candles shown (None: all) for which ``when`` is true (None: any).

        >>> sim.sockets.add(streamfaults.twice(), when=lambda shown: shown.symbol == "KRW-BTC")
        """
        check_callable("change", change)
        check_callable("when", when, optional=True)
        self._planned.append(Planned(change, inf if times is None else check_count("times", times), when, number))

    def clear(self) -> None:
        """Take back what was added, stalled, forgotten, refused and planned; connections stay as they are.

        >>> sim.sockets.clear()
        """
        self._planned.clear()
        self._later.clear()
        self.gate.clear()
        self._stalled_until, self._forgotten = -inf, 0
