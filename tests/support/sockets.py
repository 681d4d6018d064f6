"""WebSocket servers on loopback, byte by byte or by aiohttp, and a connection in memory for tests on virtual time."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from rxcandles.errors import StreamClosedError
from rxcandles.exchanges.streams.wire import Kind, Message
from tests.support.rawserver import RawServer
from tests.support.virtualloop import run_virtual

__all__ = [
    "OPENED",
    "STAMP",
    "Door",
    "MemoryWire",
    "SocketServer",
    "binance_candle",
    "raw_frame",
    "run_hour",
    "socket_server",
    "upbit_candle",
    "upgrade",
]

OPENED = 1_785_397_500
"""2026-07-30T07:45:00Z, when the candles here open."""
STAMP = OPENED * 1000 + 31_885


def upbit_candle(**other: Any) -> dict[str, Any]:
    """A message of Upbit, seen 2026-07-30; ``None`` leaves a field out."""
    message: dict[str, Any] = {
        "type": "candle.1m",
        "code": "KRW-BTC",
        "candle_date_time_utc": "2026-07-30T07:45:00",
        "candle_date_time_kst": "2026-07-30T16:45:00",
        "opening_price": 91154000.0,
        "high_price": 91157000.0,
        "low_price": 91142000.0,
        "trade_price": 91157000.0,
        "candle_acc_trade_volume": 0.15511395,
        "candle_acc_trade_price": 14139448.26754,
        "timestamp": STAMP,
        "stream_type": "REALTIME",
    }
    return {name: value for name, value in (message | other).items() if value is not None}


def binance_candle(symbol: str = "BTCUSDT", *, event: int = STAMP, **other: Any) -> dict[str, Any]:
    """A message of Binance's combined streams, in the form of 2023."""
    candle: dict[str, Any] = {
        "t": OPENED * 1000,
        "T": OPENED * 1000 + 59_999,
        "s": symbol,
        "i": "1m",
        "f": 100,
        "L": 102,
        "o": "0.04110000",
        "c": "0.04130000",
        "h": "0.04140000",
        "l": "0.04100000",
        "v": "243.00000000",
        "n": 3,
        "x": False,
        "q": "9.98730000",
        "V": "143.00000000",
        "Q": "5.87730000",
        "B": "0",
    } | other
    data = {"e": "kline", "E": event, "s": symbol, "k": candle}
    return {"stream": f"{symbol.lower()}@kline_{candle['i']}", "data": data}


def upgrade(server: RawServer, *headers: str) -> bytes:
    """The answer that accepts the WebSocket of the newest request."""
    found = re.search(rb"Sec-WebSocket-Key: (\S+)", server.requests[-1], re.IGNORECASE)
    assert found is not None
    accept = base64.b64encode(hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def raw_frame(payload: bytes, opcode: int = 1, *, length: int | None = None, first: int = 0x80) -> bytes:
    """A frame of a server; ``length`` is what it says, ``first`` its first four bits."""
    size = len(payload) if length is None else length
    head = bytes([first | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65_536:
        return head + b"\x7e" + struct.pack("!H", size) + payload
    return head + b"\x7f" + struct.pack("!Q", size) + payload


class SocketServer:
    """A server, what it was asked for, and what it heard."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[web.Request] = []
        self.heard: list[str] = []
        self.open = 0
        """Connections open now."""
        self.codes: list[int | None] = []
        """The close codes of clients that left."""

    async def listen(self, socket: web.WebSocketResponse) -> None:
        """Take what the client sends until it leaves."""
        async for message in socket:
            self.heard.append(message.data)


Talk = Callable[[SocketServer, web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def socket_server(talk: Talk, headers: dict[str, str] | None = None, **how: Any) -> AsyncIterator[SocketServer]:
    """Accept every WebSocket, on any path, and talk; afterwards listen until the client leaves."""
    server = SocketServer()

    async def accept(request: web.Request) -> web.WebSocketResponse:
        server.requests.append(request)
        socket = web.WebSocketResponse(**{"timeout": 0.1, **how})
        socket.headers.update(headers or {})
        await socket.prepare(request)
        server.open += 1
        try:
            await talk(server, socket)
            await server.listen(socket)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            server.open -= 1
            server.codes.append(socket.close_code)
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", accept)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


class MemoryWire:
    """A connection in memory: ``put`` what comes; ``sent`` is what went out, with the loop's time."""

    def __init__(self, server_time: float | None = None) -> None:
        self.server_time = server_time
        self.sent: list[tuple[float, str]] = []
        self.pongs: list[bytes] = []
        self.closed = 0
        self._come: asyncio.Queue[Message] = asyncio.Queue()

    def put(self, *messages: dict[str, Any] | bytes | Message) -> None:
        """Let messages come."""
        for each in messages:
            data = json.dumps(each).encode() if isinstance(each, dict) else each
            self._come.put_nowait(data if isinstance(data, Message) else Message(Kind.DATA, data))

    async def receive(self) -> Message:
        return await self._come.get()

    async def send(self, text: str) -> None:
        if self.closed:
            raise StreamClosedError("the connection has ended")
        self.sent.append((asyncio.get_running_loop().time(), text))

    async def pong(self, data: bytes) -> None:
        self.pongs.append(data)

    async def close(self) -> None:
        self.closed += 1
        self.put(Message(Kind.END))

    def texts(self) -> Sequence[str]:
        """What went out, without the times."""
        return [text for _, text in self.sent]


class Door:
    """Opens one connection in memory, after some seconds."""

    what = "stream"

    def __init__(self, wire: MemoryWire | None = None, seconds: float = 0.0) -> None:
        self.wire = wire or MemoryWire()
        self.seconds = seconds
        self.opened = 0

    async def __call__(self) -> MemoryWire:
        await asyncio.sleep(self.seconds)
        self.opened += 1
        return self.wire


def run_hour(test: Coroutine[Any, Any, None]) -> None:
    """Run a test for at most an hour of virtual time: pings go on for ever, so one that waits in vain would, too."""

    async def run() -> None:
        async with asyncio.timeout(3600):
            await test

    run_virtual(run())
