"""Sessions of the HTTP client, the address that they send from, and the headers of their requests."""

from __future__ import annotations

import errno
import socket
import time
from functools import cache
from importlib import metadata
from types import SimpleNamespace
from typing import TYPE_CHECKING

from rxcandles.errors import RequestError
from rxcandles.exchanges.contact import Contact
from rxcandles.exchanges.unpacking import ASKED_FOR
from rxcandles.util.arguments import check_source, refusal

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Sent", "new_session", "own_address", "request_headers", "source_of", "trace"]


class Sent:
    """When a request went out, monotonic seconds; set by the client's tracing, which also tells ``contact``."""

    def __init__(self, at: float, contact: Contact) -> None:
        self.at = at
        self.contact = contact


@cache
def _tracing() -> aiohttp.TraceConfig:
    """Return the tracing that sets each request's ``Sent``, and tells its contact of connections."""
    import aiohttp

    async def sent(_session: object, context: SimpleNamespace, _params: object) -> None:
        if isinstance(context.trace_request_ctx, Sent):
            context.trace_request_ctx.at = time.monotonic()

    async def connected(_session: object, context: SimpleNamespace, _params: object) -> None:
        if isinstance(context.trace_request_ctx, Sent):
            context.trace_request_ctx.contact.reached = True

    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(sent)
    config.on_connection_create_end.append(connected)
    config.freeze()
    return config


def trace(session: aiohttp.ClientSession) -> None:
    """Let a session of the user's tell when our requests go out; others are left alone."""
    if _tracing() not in session.trace_configs:
        session.trace_configs.append(_tracing())


def new_session(connections: int, *, anew: bool, source: str | None = None) -> aiohttp.ClientSession:
    """Return a session of at most so many connections; with ``anew``, one that opens a connection for each request.

    It keeps no cookies and leaves bodies packed: see :mod:`rxcandles.exchanges.unpacking`. ``source`` is the address of
    this machine to send from.
    """
    import aiohttp

    from rxcandles.exchanges.resolving import Resolver

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=connections,
            force_close=anew,
            resolver=Resolver(),
            local_addr=None if source is None else (source, 0),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trace_configs=[_tracing()],
    )


def own_address(source: str) -> str:
    """Return an address to send from; raise ``RequestError`` if this machine does not have it."""
    source = check_source("source_address", source)
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((source, 0))
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise refusal(
                "source_address",
                source,
                "this machine does not have it; take one that it has (`ip address` lists them)",
            ) from None
        raise RequestError(f"source_address is {source!r}, which can't be sent from: {error.strerror}") from error
    return source


def source_of(session: aiohttp.ClientSession) -> str | None:
    """Return the address that a session of the user's sends from; None if its connector is bound to none."""
    bound = getattr(session.connector, "_local_addr_infos", None)
    return str(bound[0][4][0]) if bound else None


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
