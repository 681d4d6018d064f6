"""A server on loopback that says exactly what it is told to, byte by byte, in plain text or TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

__all__ = ["CANDLES", "RawServer", "ok", "raw_server"]

CANDLES = (
    b'[{"market":"KRW-BTC","candle_date_time_utc":"2026-03-11T14:40:00","candle_date_time_kst":"2026-03-11T23:40:00",'
    b'"opening_price":103600000.0,"high_price":103600000.0,"low_price":103425000.0,"trade_price":103460000.0,'
    b'"timestamp":1773240059132,"candle_acc_trade_price":164899503.1,"candle_acc_trade_volume":1.5,"unit":1}]'
)
"""A page of one sound candle."""


def ok(body: bytes = CANDLES, *headers: str, status: int = 200) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class RawServer:
    """What has come to the server; ``say`` writes to the client and waits while the client does not read."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        """Connections opened; with TLS, those that a client has begun to shake hands on."""
        self.requests: list[bytes] = []
        self.sent = 0
        self.left = asyncio.Event()
        """Set when a client has left."""

    async def say(self, writer: asyncio.StreamWriter, text: bytes) -> None:
        """Send ``text``, counted in ``sent``."""
        writer.write(text)
        await writer.drain()
        self.sent += len(text)
        await asyncio.sleep(0)  # a write that fits the buffers does not wait, and nobody else would have a turn


Answer = Callable[[RawServer, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(answer: bytes | Answer | None, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Answer every request with bytes, by a function that writes until it ends or the client leaves, or never."""
    server = RawServer()
    open_now: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            server.requests.append(await reader.readuntil(b"\r\n\r\n"))
            if answer is None:
                await reader.read()
            elif isinstance(answer, bytes):
                await server.say(writer, answer)
            else:
                await answer(server, writer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += tls is None
        open_now[writer] = asyncio.current_task()  # type: ignore[assignment]
        with suppress(asyncio.IncompleteReadError, OSError):  # the client has left, which is what is tested here
            await talk(reader, writer)
        server.left.set()
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        del open_now[writer]

    def greeted(*_: object) -> None:
        server.connections += 1

    if tls is not None:
        tls.sni_callback = greeted  # called for each handshake, also where it comes to nothing
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server.url = f"http{'s' * (tls is not None)}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield server
        tasks = list(open_now.values())
        for writer in open_now:
            writer.transport.abort()
        await asyncio.gather(*tasks)
