"""A client of the simulator's WebSockets that hides nothing, and a clock that goes with the loop's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

import aiohttp

from rxcandles.simulator.server import Server
from tests.support.virtualloop import run_virtual

__all__ = ["Client", "connected", "ticking", "upbit_words", "virtual"]


def ticking(start: float) -> Callable[[], float]:
    """A clock that says ``start`` now, and goes on with the time of the running loop."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    return lambda: start + loop.time() - begun


def upbit_words(*codes: str, kind: str = "candle.1m", format: str | None = None, **more: Any) -> str:
    """A subscription to candles as Upbit wants it."""
    parts = [{"ticket": "test"}, {"type": kind, "codes": codes, **more}]
    return json.dumps([*parts, {"format": format}] if format else parts)


def virtual(test: Any) -> Any:
    """Run a test on virtual time."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        run_virtual(test(*arguments, **named))

    return run


class Client:
    """One WebSocket. What comes is kept with the time of the loop."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, *messages: str | dict[str, Any]) -> None:
        for each in messages:
            await self.socket.send_str(each if isinstance(each, str) else json.dumps(each))

    async def next(self) -> Any:
        """The next message: what its JSON says, or what type it is of where there is none."""
        message = await self.socket.receive()
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            return json.loads(message.data)
        return message.type.name

    async def some(self, count: int) -> list[Any]:
        return [await self.next() for _ in range(count)]

    async def until(self, time: float) -> list[Any]:
        """All that comes before the loop's clock says ``time``, or the connection ends."""
        found: list[Any] = []
        try:
            async with asyncio.timeout_at(time):
                while not found or found[-1] not in ("CLOSE", "CLOSED", "CLOSING", "ERROR"):
                    found.append(await self.next())
        except TimeoutError:
            pass
        return found

    async def end(self) -> int | None:
        """Wait for the end of the connection and return its code."""
        while await self.next() not in ("CLOSE", "CLOSED", "CLOSING", "ERROR"):
            pass
        return self.socket.close_code


@asynccontextmanager
async def connected(sim: Server, *messages: str, path: str | None = None, **options: Any) -> AsyncIterator[Client]:
    """Open a WebSocket at the exchange's address, or at another ``path``, and say these messages."""
    url = sim.ws_url if path is None else sim.base_url + path
    async with aiohttp.ClientSession() as session, session.ws_connect(url, **options) as socket:
        client = Client(socket)
        await client.say(*messages)
        yield client
