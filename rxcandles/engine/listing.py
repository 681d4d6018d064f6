"""Ask an exchange for its markets until it answers."""

from __future__ import annotations

from typing import Final

from rxcandles.engine.retry import Retry, tried
from rxcandles.errors import BannedError
from rxcandles.ports import Exchange, Market

__all__ = ["listed"]

_LISTING: Final = Retry(attempts=4, base=0.25, longest=1.0)
"""A user may be waiting at the shell: report within two seconds that the exchange does not answer."""


async def listed(exchange: Exchange) -> list[Market]:
    """Return the exchange's markets; ask again after a fault that is likely to pass, but not after a block (418)."""

    async def ask() -> list[Market] | BannedError:
        try:
            return await exchange.markets()
        except BannedError as error:
            return error

    found = await tried(ask, _LISTING)
    if isinstance(found, BannedError):
        raise found
    return found
