"""The proxy for an address, from the environment."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from rxcandles.errors import RequestError

__all__ = ["proxy_for"]

_PORTS: Final = {"http": 80, "https": 443}


def proxy_for(address: SplitResult) -> str | None:
    """Return the URL of the proxy for an address, or None; raise ``RequestError`` for one that can't be used.

    The proxy is ``HTTPS_PROXY`` or ``HTTP_PROXY``, by the scheme of the address, or else ``ALL_PROXY``; each may be in
    lower case. There is none for a host in ``NO_PROXY``, nor for this machine's own addresses, where simulators listen.
    Errors do not quote the proxy, since it may contain a password.
    """
    host, scheme = address.hostname or "", address.scheme.lower()
    proxies = getproxies()
    name = scheme if proxies.get(scheme) else "all"
    proxy = proxies.get(name)
    if not proxy or _is_own(host) or _is_excepted(host, address.port or _PORTS.get(scheme), proxies.get("no", "")):
        return None
    if proxy_bypass(address.netloc.rpartition("@")[2]):  # the system's own exceptions
        return None
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise RequestError(
            f"{name.upper()}_PROXY names no proxy that can be used; write http://HOST:PORT (SOCKS is not spoken), or "
            f"add {host} to NO_PROXY"
        )
    return parts.geturl()


def _is_excepted(host: str, port: int | None, exceptions: str) -> bool:
    """Return whether ``NO_PROXY`` names the host: ``*``, a domain, an address or a network, with or without a port."""
    return any(_fits(each.lower(), host.lower(), port) for each in exceptions.replace(",", " ").split())


def _fits(exception: str, host: str, port: int | None) -> bool:
    name, colon, wanted = exception.rpartition(":")
    if colon and wanted.isdecimal() and (":" not in name or name.endswith("]")):
        if int(wanted) != port:
            return False
        exception = name
    exception = exception.strip("[]")
    if exception == "*":
        return True
    try:
        return ip_address(host) in ip_network(exception, strict=False)
    except ValueError:
        name = exception.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))


def _is_own(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
