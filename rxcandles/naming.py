"""Whose candles a series has: what candles are called, by the server that they come from.

A name stands for one source of candles, and nothing of another source is ever stored under it. The exchange's own
address has the exchange's name, any other address has a name of its own, and what a simulator makes up is
``simulated``. A name that the user gives is the user's word.
"""

from __future__ import annotations

import re
from typing import Final

from rxcandles.addresses import SIMULATED, SIMULATED_HEADER, address_of, check_url
from rxcandles.arguments import check_exchange_name, refusal
from rxcandles.errors import RequestError
from rxcandles.exchanges.named import NAMED, named

__all__ = [
    "EXCHANGES",
    "SIMULATED",
    "SIMULATED_HEADER",
    "address_of",
    "check_url",
    "is_own",
    "name_of",
    "says_simulated",
]

EXCHANGES: Final = (*NAMED, SIMULATED)
"""The exchanges that have a name here."""

_PLAIN_PATH: Final = re.compile(r"(/[a-z0-9_-][a-z0-9._-]{0,19}){0,3}", re.ASCII)
"""A path that can be part of a name: spelled one way only, and too short for a key, since names are shown."""


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


def is_own(base_url: str, exchange: str = "upbit") -> bool:
    """Return whether ``base_url`` is an exchange's own address, however it is spelled.

    ``http`` is not, anybody answers there.
    """
    return check_url(base_url).scheme == "https" and address_of(base_url) == address_of(named(exchange).url)
