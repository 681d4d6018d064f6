"""Whose candles a series has: what candles are called, by the server that they come from.

A name stands for one source of candles, and nothing of another source is ever stored under it. The exchange's own
address has the exchange's name, any other address has a name of its own, and what a simulator makes up is
``simulated``. A name that the user gives is the user's word.
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
    """An exchange that has a name here, which covers one order book."""

    url: str
    """Its own address."""
    kind: str
    """Its class, as ``module:name``: imported when it is used."""


NAMED: Final = {
    "upbit": Known("https://api.upbit.com", "rxcandles.exchanges.upbit:UpbitExchange"),
    "binance": Known("https://api.binance.com", "rxcandles.exchanges.binance:BinanceExchange"),
}
"""By name: a new one is one line here. The first is meant where none is named, and is what is simulated."""
EXCHANGES: Final = (*NAMED, SIMULATED)
UPBIT_URL: Final = NAMED["upbit"].url
SIMULATED_HEADER: Final = "X-Simulated"
"""The header by which a simulator says in each of its answers that it is one."""
SIMULATED_BY: Final = "rxcandles"

_WRITTEN: Final = re.compile(r"[^\x00-\x20?#\\\x7f-\U0010ffff]+")
"""What an address is written in: ASCII that can be seen, and no more than a host and a path."""
_PLAIN_PATH: Final = re.compile(r"(/[a-z0-9_-][a-z0-9._-]{0,19}){0,3}", re.ASCII)
"""A path that can be part of a name: spelled one way only, and too short for a key, since names are shown."""
_PORTS: Final = {"http": 80, "https": 443}


def name_of(exchange: str, base_url: str | None = None, name: str | None = None) -> str:
    """Return what the candles are called that come from ``exchange`` at ``base_url`` (None: its own address).

    Without a ``name`` the exchange's own address gives the exchange's name, another one ``upbit@host:port``, and the
    simulator is always ``simulated``. A ``name`` given is taken; ``"upbit"`` with another address is the user's word
    that there is a mirror or a proxy of the exchange's own. Raises ``RequestError`` where candles of one source would
    get the name of another.
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
    # The address is not repeated: its path may hold a key.
    raise RequestError(
        "name is not given, and none can be made of base_url: its host or path is too long, or holds more than small "
        "letters, digits, '.', '_' and '-'; give a name for the candles of that server"
    )


def says_simulated(exchange: str, name: str) -> bool | None:
    """Return whether a server must say that it is a simulator for its candles to be called so; None where it may."""
    return True if exchange == SIMULATED else False if name.partition("@")[0] in EXCHANGES else None


def is_own(base_url: str, exchange: str = EXCHANGES[0]) -> bool:
    """Return whether ``base_url`` is an exchange's own address, however it is spelled.

    ``http`` is not, anybody answers there. Of the simulator it is the address of the exchange that is simulated.
    """
    own = NAMED.get(exchange, NAMED[EXCHANGES[0]]).url
    return check_url(base_url).scheme == "https" and address_of(base_url) == address_of(own)


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
            "base_url holds an @, so perhaps a user name or a password; write it without, candles need none"
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
