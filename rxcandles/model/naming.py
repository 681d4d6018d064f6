"""Names of exchanges: what candles are called, by the server that they come from.

A name stands for one source of candles, and candles of another source are never stored under it. The exchange's own
address has the exchange's name, any other address gets a name of its own, and candles of a simulator are ``simulated``.
A name that the user gives is taken as given.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from rxcandles.errors import RequestError
from rxcandles.util.arguments import check_exchange_name, refusal

__all__ = [
    "EXCHANGES",
    "NAMED",
    "SIMULATED",
    "SIMULATED_BY",
    "SIMULATED_HEADER",
    "UPBIT_URL",
    "Known",
    "address_of",
    "check_url",
    "is_own",
    "name_of",
    "says_simulated",
]

SIMULATED: Final = "simulated"


class Known(NamedTuple):
    """An exchange that has a name here; a name covers one order book."""

    url: str
    """Its own address."""
    kind: str
    """Its class, as ``module:name``, which is imported when it is used."""


NAMED: Final = {
    "upbit": Known("https://api.upbit.com", "rxcandles.exchanges.upbit:UpbitExchange"),
    "binance": Known("https://api.binance.com", "rxcandles.exchanges.binance:BinanceExchange"),
}
"""Exchanges by name; a new one is one line here. The first is the default, and the one that is simulated."""
EXCHANGES: Final = (*NAMED, SIMULATED)
UPBIT_URL: Final = NAMED["upbit"].url
SIMULATED_HEADER: Final = "X-Simulated"
"""The header that a simulator adds to each of its answers."""
SIMULATED_BY: Final = "rxcandles"

_WRITTEN: Final = re.compile(r"[^\x00-\x20?#\\\x7f-\U0010ffff]+")
"""The characters of an address: visible ASCII, and only a host and a path."""
_PLAIN_PATH: Final = re.compile(r"(/[a-z0-9_-][a-z0-9._-]{0,19}){0,3}", re.ASCII)
"""A path that can be part of a name: one spelling only, and too short for a key, since names are shown."""
_PORTS: Final = {"http": 80, "https": 443}


def name_of(exchange: str, base_url: str | None = None, name: str | None = None) -> str:
    """Return the name of the candles of ``exchange`` at ``base_url`` (None: its own address).

    Without a ``name``, the exchange's own address gives the exchange's name, another address ``upbit@host:port``, and a
    simulator is always ``simulated``. A ``name`` is taken as given; ``"upbit"`` with another address declares a mirror
    or a proxy of the exchange. Raise ``RequestError`` if candles of one source would get the name of another.
    """
    if exchange not in EXCHANGES:
        raise refusal("exchange", exchange, f"take one of {', '.join(EXCHANGES)}, or give an Exchange")
    own = base_url is None or is_own(base_url, exchange)
    if exchange == SIMULATED and base_url is not None and own:
        raise RequestError("base_url is the exchange's own address, which simulates nothing; leave out 'simulated'")
    if name is not None:
        return _given(exchange, base_url, name)
    if own or exchange == SIMULATED or base_url is None:
        return exchange
    return _made(exchange, base_url)


def _given(exchange: str, base_url: str | None, name: str) -> str:
    check_exchange_name("name", name)
    if name != name.lower():
        raise refusal("name", name, f"write {name.lower()!r}: names that differ in capital letters only count as one")
    if base_url is None and name != exchange:
        raise refusal("name", name, f"give base_url with it, since without one they are candles of {exchange!r}")
    claimed = name.partition("@")[0]
    if claimed in EXCHANGES and claimed != exchange:
        raise refusal(
            "name", name, f"candles of {exchange!r} are never stored as those of {claimed!r}; take another name"
        )
    return name


def _made(exchange: str, base_url: str) -> str:
    made = f"{exchange}@{address_of(base_url)}"
    try:
        if _PLAIN_PATH.fullmatch(check_url(base_url).path.rstrip("/")):
            return check_exchange_name("name", made)
    except RequestError:
        pass
    # Do not repeat the address: its path may contain a key.
    raise RequestError(
        "name is not given, and none can be made of base_url: its host or path is too long, or holds more than small "
        "letters, digits, '.', '_' and '-'; give a name for the candles of that server"
    )


def says_simulated(exchange: str, name: str) -> bool | None:
    """Return whether a server must declare itself a simulator (True), must not (False), or may do either (None)."""
    return True if exchange == SIMULATED else False if name.partition("@")[0] in EXCHANGES else None


def is_own(base_url: str, exchange: str = EXCHANGES[0]) -> bool:
    """Return whether ``base_url`` is an exchange's own address, in any spelling.

    ``http`` is not, since anybody may answer there. For the simulator, the own address is that of the exchange that it
    simulates.
    """
    own = NAMED.get(exchange, NAMED[EXCHANGES[0]]).url
    return check_url(base_url).scheme == "https" and address_of(base_url) == address_of(own)


def address_of(base_url: str) -> str:
    """Return the host, port and path of ``base_url`` in one spelling: ``127.0.0.1:8080``, ``[::1]:8080``, ``a.com/x``.

    The host is in lower case and is not looked up; the default port of the scheme is left out.
    """
    parts = check_url(base_url)
    host = (parts.hostname or "").removesuffix(".")
    if ":" in host:
        host = f"[{ip_address(host).compressed}]"
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return f"{host}{port}{parts.path.rstrip('/')}"


def check_url(base_url: str) -> SplitResult:
    """Return the parts of ``base_url``; raise ``RequestError`` if it is not the address of a server."""
    if isinstance(base_url, str) and "@" in base_url:  # not repeated, since errors may be logged
        raise RequestError(
            "base_url holds an @, so perhaps a user name or a password; write it without, candles need none"
        )
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        valid = parts.scheme in _PORTS and (parts.port is None or parts.port > 0)
        # An empty or longer label makes the look-up itself raise.
        valid = valid and all(0 < len(label) < 64 for label in host.removesuffix(".").split("."))
        if ":" in host:
            ip_address(host)
    except (ValueError, TypeError, AttributeError):
        valid = False
    if not valid or not _WRITTEN.fullmatch(base_url):
        # A query may contain a key.
        told = re.split("[?#]", base_url)[0] if isinstance(base_url, str) else base_url
        raise refusal("base_url", told, "write a host and perhaps a path, such as 'https://api.upbit.com'")
    return parts
