"""Find an exchange by its name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, cast

from rxcandles.model.naming import EXCHANGES, NAMED, SIMULATED
from rxcandles.util.arguments import refusal

if TYPE_CHECKING:
    from rxcandles.exchanges.http import HttpExchange

__all__ = ["Named", "named"]

Named: TypeAlias = "type[HttpExchange]"
"""The class of an exchange that is opened by name; it takes the arguments of ``HttpExchange``."""


def named(name: str) -> Named:
    """Return the class of the exchange called ``name``; for ``simulated``, that of the exchange that is simulated.

    Raise ``RequestError`` if there is none of that name.

    >>> from rxcandles.exchanges import named
    >>> named("upbit").page_limit
    200
    """
    known = NAMED.get(EXCHANGES[0] if name == SIMULATED else name)
    if known is None:
        raise refusal("exchange", name, f"take one of {', '.join(EXCHANGES)}, or give an Exchange")
    module, _, kind = known.kind.partition(":")
    return cast(Named, getattr(import_module(module), kind))
