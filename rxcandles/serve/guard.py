"""Who may read what is served: a program on this machine, a page of this address, and nobody through another."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from aiohttp import web

__all__ = ["SAFE", "is_loopback", "refusal_of"]

SAFE: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "rxcandles",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer; the page has a policy of its own."""

_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def refusal_of(request: web.BaseRequest, host: str, port: int) -> web.Response | None:
    """Return the answer to a request that is refused; None if it is not. ``host`` and ``port`` are our own."""
    if request.method not in ("GET", "HEAD"):
        return _refused(405, "Only GET and HEAD are allowed here.", Allow="GET, HEAD")
    asked = request.headers.get("Host", "").lower()
    names = {*_NAMES, f"[{host}]" if ":" in host else host.lower()}
    allowed = {f"{name}:{port}" for name in names} | (names if port == 80 else set())
    if is_loopback(host) and asked not in allowed:
        # Another site may let its own name point to this machine (DNS rebinding), to read what is served here.
        return _refused(
            403,
            "This is served only to this machine, and the address has another name or port. "
            f"Ask http://localhost:{port}/ instead. If you forward a port, give it the same number at both ends.",
        )
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower().partition("://")[2] != asked:
        return _refused(403, "Another site may not read this.")
    opened = request.path == "/" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and not opened:
        return _refused(403, "Another site may not read this.")
    return None


def _refused(status: int, why: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=f"{why}\n", headers={**SAFE, **headers})
