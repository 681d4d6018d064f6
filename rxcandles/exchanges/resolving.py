"""Resolve names in threads that nobody waits for: the system may take minutes to report an unknown name."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["Resolver"]


class Resolver(AbstractResolver):
    """Asks the system, as every program does; a thread of the event loop would keep the process from ending."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host; raise ``OSError`` if there are none."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Any]] = loop.create_future()

        def tell(settle: Callable[[Any], None], outcome: object) -> None:
            if not found.done():
                settle(outcome)

        def look_up() -> None:
            settle: Callable[[Any], None] = found.set_result
            outcome: object
            try:
                outcome = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
            except (OSError, UnicodeError) as error:  # UnicodeError for an invalid name
                settle = found.set_exception
                outcome = error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, "no name")
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(tell, settle, outcome)

        threading.Thread(target=look_up, name=f"rxcandles resolves {host}", daemon=True).start()
        return [
            ResolveResult(
                hostname=host,
                host=f"{address[0]}%{address[3]}" if len(address) == 4 and address[3] else address[0],
                port=address[1],
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in await found
            if len(address) in (2, 4)
        ]

    async def close(self) -> None:
        """Do nothing: look-ups under way end by themselves."""
