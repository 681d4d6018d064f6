"""Stop a web server without waiting for its clients."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["stopped"]


async def stopped(listener: asyncio.Server, server: web.Server, seconds: float) -> None:
    """Stop listening, and cut what is still connected; ``seconds`` at most for each of the two."""
    listener.close()
    for connection in server.connections:
        # Aborted first, its handler is cancelled at once; aiohttp alone would wait for the client.
        if connection.transport is not None:
            connection.transport.abort()
    await server.shutdown(seconds)
    with suppress(TimeoutError):
        # From Python 3.12 on it waits for connections, and one may have come in the very last moment.
        async with asyncio.timeout(seconds):
            await listener.wait_closed()
