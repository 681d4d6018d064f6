"""Listen on a port, or say why that can't be."""

from __future__ import annotations

import asyncio
import errno
from typing import Final

from aiohttp import web

from rxcandles.errors import RequestError

__all__ = ["CLOSING", "listening"]

CLOSING: Final = 0.3
"""Seconds in which connections end by themselves."""


async def listening(what: str, server: web.Server, host: str, port: int) -> asyncio.Server:
    """Let ``server`` answer at a port from now on; raise ``RequestError`` if ``what`` can't be served there."""
    try:
        return await asyncio.get_running_loop().create_server(server, host, port)
    except OSError as error:
        raise _not_served(what, error, host, port) from error


def _not_served(what: str, error: OSError, host: str, port: int) -> RequestError:
    match error.errno:
        case errno.EADDRINUSE:
            why = f"port {port} is taken by another program; end it, or give another port"
        case errno.EACCES:
            why = f"port {port} needs the rights of an administrator; give a port from 1024 to 65535"
        case _:
            why = f"host {host!r} is no address of this machine ({error}); give 127.0.0.1, or 0.0.0.0 for all"
    return RequestError(f"{what} can't be served: {why}")
