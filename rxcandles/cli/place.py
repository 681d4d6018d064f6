"""Where candles are kept, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from rxcandles.cli.runner import run_async
from rxcandles.cli.wanted import Wanted, requests_for
from rxcandles.engine.listing import listed
from rxcandles.exchanges import named
from rxcandles.exchanges.named import Named
from rxcandles.model import Request
from rxcandles.model.naming import EXCHANGES
from rxcandles.modes.connect import Opening, OwnRate, asked_name, connect
from rxcandles.ports import Market

__all__ = ["Place"]

MEMORY = ":memory:"


@attrs.frozen
class Place:
    """Where candles are kept, and where they come from.

    Every field but ``db`` is a parameter of :func:`rxcandles.connect`, called the same, and is handed to it. So an
    option about the connection is a field here and an option in ``options.connection``: all commands have it then.
    """

    db: str = MEMORY
    exchange: str = EXCHANGES[0]
    base_url: str | None = None
    name: str | None = None
    rate_limit: float | OwnRate | None = OwnRate.OWN
    _whose: list[str] = attrs.field(init=False, factory=list, eq=False, repr=False)

    @property
    def kind(self) -> Named:
        """The class of the exchange, which declares what it is."""
        return named(self.exchange)

    def whose(self) -> str:
        """Return what its candles are stored as; a server of another address is asked who it is, once."""
        if not self._whose:
            self._whose.append(run_async(asked_name(self.exchange, self.base_url, self.name)))
        return self._whose[0]

    def known(self) -> str | None:
        """Return the same where it is known already."""
        return self._whose[0] if self._whose else None

    def is_of(self, name: str) -> None:
        """Take what an open provider says of it."""
        self._whose[:] = [name]

    def kept(self) -> str:
        """Return where candles are kept, as people are told: with their name where that is not the exchange's."""
        whose = self.whose()
        return self.db if whose == self.exchange else f"{self.db} as {whose}"

    def connect(self, **more: Any) -> Opening:
        """Open the provider; what can't be meant is refused before a file is made."""
        fields = [each.name for each in attrs.fields(type(self)) if each.init and each.name != "db"]
        return connect(self.db, **{name: getattr(self, name) for name in fields}, **more)

    def beside(self) -> Place:
        """Return the same exchange with a store that is empty and in memory."""
        return attrs.evolve(self, db=MEMORY)

    def requests(self, wanted: Iterable[Wanted], left_out: list[str]) -> list[Request]:
        """Return a request for each series; the exchange is asked for its markets where there are globs.

        Why a market that is listed can't be asked for is added to ``left_out``.
        """

        def ask() -> list[str]:
            return [each.symbol for each in run_async(_listed(self.beside().connect(share_limit=False)))]

        return requests_for(wanted, self.exchange, ask, left_out)


async def _listed(opening: Opening) -> list[Market]:
    async with opening as provider:
        return await listed(provider.exchange)
