"""Addresses of servers: checked, and brought into one spelling."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from rxcandles.arguments import refusal
from rxcandles.errors import RequestError

__all__ = ["SIMULATED", "SIMULATED_BY", "SIMULATED_HEADER", "address_of", "check_url"]

SIMULATED: Final = "simulated"
"""What candles are called that a simulator makes up."""
SIMULATED_HEADER: Final = "X-Simulated"
"""The header by which a simulator says in each of its answers that it is one."""
SIMULATED_BY: Final = "rxcandles"

_WRITTEN: Final = re.compile(r"[^\x00-\x20?#\\\x7f-\U0010ffff]+")
"""What an address is written in: ASCII that can be seen, and no more than a host and a path."""
_PORTS: Final = {"http": 80, "https": 443}


def address_of(base_url: str) -> str:
    """Return the host, port and path of ``base_url`` in one spelling: ``127.0.0.1:8080``, ``[::1]:8080``, ``a.com/x``.

    The host is in small letters, and never looked up; a port that is the scheme's own is left out.
    """
    parts = check_url(base_url)
    host = (parts.hostname or "").removesuffix(".")
    if ":" in host:
        host = f"[{ip_address(host).compressed}]"
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return f"{host}{port}{parts.path.rstrip('/')}"


def check_url(base_url: str) -> SplitResult:
    """Return the parts of ``base_url``, or raise ``RequestError`` where it is no address of a server."""
    if isinstance(base_url, str) and "@" in base_url:  # not repeated here, where it might be logged
        raise RequestError(
            "base_url holds an @, so perhaps a user name or a password; write it without, Upbit's candles need none"
        )
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        valid = parts.scheme in _PORTS and (parts.port is None or parts.port > 0)
        # A label that is empty or longer makes the look-up itself fail.
        valid = valid and all(0 < len(label) < 64 for label in host.removesuffix(".").split("."))
        if ":" in host:
            ip_address(host)
    except (ValueError, TypeError, AttributeError):
        valid = False
    if not valid or not _WRITTEN.fullmatch(base_url):
        # A query may hold a key.
        told = re.split("[?#]", base_url)[0] if isinstance(base_url, str) else base_url
        raise refusal("base_url", told, "write a host and perhaps a path, such as 'https://api.upbit.com'")
    return parts
