"""Sessions of the HTTP client, and the headers of their requests."""

from __future__ import annotations

import time
from functools import cache
from importlib import metadata
from types import SimpleNamespace
from typing import TYPE_CHECKING

from rxcandles.exchanges.contact import Contact
from rxcandles.exchanges.unpacking import ASKED_FOR

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Sent", "new_session", "request_headers"]


class Sent:
    """When a request went out, monotonic seconds; set by the client's tracing."""

    def __init__(self, at: float) -> None:
        self.at = at


def _traced(contact: Contact) -> aiohttp.TraceConfig:
    """Return the tracing that reports connections to ``contact``, and sets each request's ``Sent``."""
    import aiohttp

    async def sent(_session: object, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.at = time.monotonic()

    async def connected(_session: object, _context: SimpleNamespace, _params: object) -> None:
        contact.reached = True

    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(sent)
    config.on_connection_create_end.append(connected)
    return config


def new_session(contact: Contact, connections: int, *, anew: bool) -> aiohttp.ClientSession:
    """Return a session of at most so many connections; with ``anew``, one that opens a connection for each request.

    It keeps no cookies and leaves bodies packed: see :mod:`rxcandles.exchanges.unpacking`.
    """
    import aiohttp

    from rxcandles.exchanges.resolving import Resolver

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, force_close=anew, resolver=Resolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trace_configs=[_traced(contact)],
    )


@cache
def request_headers() -> dict[str, str]:
    """Return the headers of every request: who asks, and that no cache may answer."""
    try:
        agent = f"rxcandles/{metadata.version('rxcandles')}"
    except metadata.PackageNotFoundError:  # a source tree that was never installed
        agent = "rxcandles"
    return {
        "User-Agent": agent,
        "Accept": "application/json",
        "Accept-Encoding": ASKED_FOR,
        "Cache-Control": "no-cache",
    }
