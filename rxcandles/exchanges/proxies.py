"""The proxy that the environment names for an address."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from rxcandles.errors import RequestError

__all__ = ["proxy_for"]


def proxy_for(address: SplitResult) -> str | None:
    """Return the URL of the proxy for an address, None for none; raise ``RequestError`` for one that can't be used.

    ``HTTPS_PROXY`` and ``HTTP_PROXY``, or in small letters, by the address's scheme; not where ``NO_PROXY`` names its
    host, and never for this machine's own addresses, at which simulators listen. Errors don't quote it: it may have a
    password.
    """
    host = address.hostname or ""
    proxy = getproxies().get(address.scheme.lower())
    if not proxy or _is_own(host) or proxy_bypass(address.netloc.rpartition("@")[2]):
        return None
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        name = f"{address.scheme.upper()}_PROXY"
        raise RequestError(
            f"{name} names no proxy that can be used; write http://HOST:PORT (SOCKS is not spoken), or add {host} to "
            "NO_PROXY"
        )
    return parts.geturl()


def _is_own(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
