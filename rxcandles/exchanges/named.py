"""The exchanges that have a name: a new one is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from rxcandles.addresses import SIMULATED
from rxcandles.arguments import refusal
from rxcandles.exchanges.upbit import UpbitExchange

__all__ = ["NAMED", "Named", "named"]

Named: TypeAlias = type[UpbitExchange]
"""The class of an exchange that is opened by its name and an address."""

NAMED: Final[Mapping[str, Named]] = {
    "upbit": UpbitExchange,
}
"""By name, which covers one order book; first the one that is meant where none is named."""


def named(name: str) -> Named:
    """Return the class of the exchange called ``name``; of ``simulated``, that of the exchange that is simulated.

    Raises ``RequestError`` for a name that there is none of.

    >>> from rxcandles.exchanges import named
    >>> named("upbit").page_limit
    200
    """
    found = NAMED.get("upbit" if name == SIMULATED else name)
    if found is None:
        raise refusal("exchange", name, f"take one of {', '.join([*NAMED, SIMULATED])}, or give an Exchange")
    return found
