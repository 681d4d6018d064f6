"""What an exchange lists, asked for until it answers."""

from __future__ import annotations

from typing import Final

from rxcandles.engine.retry import Retry, tried
from rxcandles.errors import BannedError
from rxcandles.ports import Exchange, Market

__all__ = ["listed"]

_LISTING: Final = Retry(attempts=4, base=0.25, longest=1.0)
"""Somebody may be sitting in front of it: where nobody answers, that is said within two seconds."""


async def listed(exchange: Exchange) -> list[Market]:
    """Return the exchange's markets, asked for again where a fault is likely to pass; no block (418) is waited out."""

    async def ask() -> list[Market] | BannedError:
        try:
            return await exchange.markets()
        except BannedError as error:
            return error

    found = await tried(ask, _LISTING)
    if isinstance(found, BannedError):
        raise found
    return found
