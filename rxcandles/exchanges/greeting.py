"""Ask a server, before anything else, whether it is a simulator."""

from __future__ import annotations

from typing import Final

from rxcandles.exchanges.contact import PATIENCE
from rxcandles.exchanges.proxies import proxy_for
from rxcandles.model.naming import SIMULATED_HEADER, check_url

__all__ = ["is_simulator"]

_SECONDS: Final = 2.0


async def is_simulator(base_url: str, source: str | None = None) -> bool:
    """Return whether the server at ``base_url`` declares itself our simulator, by one ``HEAD`` of its root.

    Redirects are not followed. A server that can't be reached within two seconds counts as none, since the first
    request for candles reports the fault better. With ``PATIENCE``, a quarter of it is the time to connect. ``source``
    is the address of this machine to ask from.
    """
    import aiohttp

    from rxcandles.exchanges.resolving import Resolver

    patience = PATIENCE.get()
    connect = None if patience is None else max(0.1, min(_SECONDS, patience / 4))

    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=Resolver(), local_addr=None if source is None else (source, 0)),
                timeout=aiohttp.ClientTimeout(total=_SECONDS, connect=connect),
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.head(base_url, allow_redirects=False, proxy=proxy_for(check_url(base_url))) as response,
        ):
            return SIMULATED_HEADER in response.headers
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False
