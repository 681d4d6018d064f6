"""One WebSocket of a client: its messages in, what its talk says out, and the ways in which it ends."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Final

from aiohttp import WSMsgType, web

from rxcandles.simulator.limit import Window
from rxcandles.simulator.sending import reset
from rxcandles.simulator.talk import Close, Ping, Pong, Said, Shown, Talk, Text

if TYPE_CHECKING:
    from rxcandles.simulator.switchboard import Switchboard

__all__ = ["Connection"]

_ABNORMAL: Final = 1006
"""The code of an end of which no frame has told."""

_POLICY: Final = 1008
_TEXT: Final = 1
_BINARY: Final = 2
_CLOSING: Final = 8
_LONGEST_SLEEP: Final = 1.0
_SHORTEST_SLEEP: Final = 0.001


class Connection:
    """One WebSocket: ``number``, counted from 1, of a simulator's."""

    def __init__(self, sockets: Switchboard, request: web.BaseRequest, talk: Talk, now: float) -> None:
        self.number = 0
        self.talk = talk
        self.code = _ABNORMAL
        """What closed it, or will have."""
        self.black = False
        """Whether nothing is sent nor read any more."""
        self.over = False
        """Whether this side has ended it."""
        self._sockets = sockets
        self._request = request
        self._opened = self._alive = self._pinged = now
        self._unanswered = inf
        """When the first ping was sent that the client has not answered."""
        self._stream = web.WebSocketResponse(autoping=False, autoclose=False, compress=sockets.deflate)
        self._limits = [Window(count, seconds) for count, seconds in sockets.message_limits]
        self._sending = asyncio.Lock()
        self._last: bytes = b'{"status":"UP"}'

    async def open(self, headers: dict[str, str]) -> None:
        """Upgrade."""
        self._stream.headers.update(headers)
        await self._stream.prepare(self._request)

    async def talk_on(self) -> web.StreamResponse:
        """Talk until either side has had enough."""
        async with asyncio.TaskGroup() as group:
            pumps = [group.create_task(self._pump())] if self._sockets.pumping else []
            await self._read()
            for pump in pumps:
                pump.cancel()
        return self._stream

    async def step(self, now: float) -> None:
        """Say what is due."""
        if self.black or self.over:
            return
        sockets = self._sockets
        if now - self._opened >= sockets.max_age:
            self.end(sockets.age_code)
        elif now - self._alive >= sockets.idle or now - self._unanswered >= sockets.pong:
            self.end()
        elif now - self._pinged >= sockets.ping:
            self._pinged, self._unanswered = now, min(now, self._unanswered)
            await self.say([Ping(str(int(now * 1000)))])
        await self.say(self.talk.beats(now))
        behind = now - sockets.lag
        await self.say(sockets.changed(self.number, self.talk.shown(behind), behind))

    async def say(self, said: Iterable[Said]) -> None:
        """Send these one after the other; nothing where the connection is over."""
        async with self._sending:
            for each in said:
                if self.black or self.over:
                    return
                with suppress(ConnectionError):
                    await self._say(each)

    def end(self, code: int | None = None, reason: str = "") -> None:
        """Close the connection, with a frame that says ``code``, or without one."""
        if code is not None:
            self.code = code
            self._write(_framed(code.to_bytes(2) + reason.encode(), _CLOSING))
        self._leave(abort=False)

    def tear(self) -> None:
        """Send the first half of the last message again, and close."""
        torn = _framed(self._last, _BINARY if self.talk.binary else _TEXT)
        self._write(torn[: max(2, len(torn) // 2)])
        self._leave(abort=False)

    def abort(self) -> None:
        """Reset the connection."""
        self._leave(abort=True)

    def due(self, now: float) -> float:
        """Return when something has to be done next."""
        if self.black or self.over:
            return inf
        sockets = self._sockets
        shown = self.talk.due(now - sockets.lag) + sockets.lag
        closes = min(self._alive + sockets.idle, self._opened + sockets.max_age, self._unanswered + sockets.pong)
        return min(shown, closes, self._pinged + sockets.ping, sockets.due)

    async def _pump(self) -> None:
        clock = self._sockets.clock
        while not self.over:
            now = clock()
            await asyncio.sleep(max(_SHORTEST_SLEEP, min(_LONGEST_SLEEP, self.due(now) - now)))
            await self._sockets.tick(clock())
            await self.step(clock())

    async def _read(self) -> None:
        while True:
            message = await self._stream.receive()
            if self.black:
                # Whatever comes is read by nobody, until the client leaves.
                await asyncio.Event().wait()
            self._alive = self._sockets.clock()
            if message.type is WSMsgType.PING:
                await self.say([Pong(message.data)])
            elif message.type is WSMsgType.PONG:
                self._unanswered = inf
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await self._hear(message.data)
            else:
                break
        if not self.over:
            self.end(self._stream.close_code or _ABNORMAL)

    async def _hear(self, data: str | bytes) -> None:
        self._sockets.stats.heard += 1
        time = asyncio.get_running_loop().time()
        if None in [window.take(time) for window in self._limits]:
            self.end(_POLICY, "Too many requests")
        else:
            text = data if isinstance(data, str) else data.decode(errors="replace")
            await self.say(self._sockets.answer(self, text))

    async def _say(self, said: Said) -> None:
        sockets, now = self._sockets, self._sockets.clock()
        if isinstance(said, Close):
            if said.after:
                await asyncio.sleep(said.after)
            self.end(said.code, said.reason)
            return
        self._alive = now
        if isinstance(said, Pong):
            await self._stream.pong(said.payload)
            return
        if isinstance(said, Ping):
            await self._stream.ping(said.payload.encode())
            return
        message = said.text if isinstance(said, Text) else self.talk.write(said, now)
        sockets.stats.sent += 1
        sockets.stats.frames += isinstance(said, Shown)
        self._last = message.encode() if isinstance(message, str) else message
        binary = self.talk.binary if sockets.binary is None else sockets.binary
        if binary or isinstance(message, bytes):
            await self._stream.send_bytes(self._last)
        else:
            await self._stream.send_str(message)

    def _write(self, data: bytes) -> None:
        """Write past the library, which would not do such things."""
        transport = self._request.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def _leave(self, abort: bool) -> None:
        self.over = True
        transport = self._request.transport
        if transport is None:
            return
        if abort:
            reset(transport)
        else:
            transport.close()


def _framed(payload: bytes, kind: int) -> bytes:
    """Return one frame as a server sends it."""
    first, length = 0x80 | kind, len(payload)
    if length < 126:
        return struct.pack("!BB", first, length) + payload
    if length < 1 << 16:
        return struct.pack("!BBH", first, 126, length) + payload
    return struct.pack("!BBQ", first, 127, length) + payload
