"""The store of a command, and the exchange that it asks."""

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
    """The database file, and how to reach the exchange.

    Every field except ``db`` is passed to the parameter of :func:`rxcandles.connect` with the same name. To add an
    option for the connection, add a field here and an option in ``options.connection``; all commands then have it.
    """

    db: str = MEMORY
    exchange: str = EXCHANGES[0]
    base_url: str | None = None
    name: str | None = None
    rate_limit: float | OwnRate | None = OwnRate.OWN
    source_address: str | None = None
    _whose: list[str] = attrs.field(init=False, factory=list, eq=False, repr=False)

    @property
    def kind(self) -> Named:
        """The class of the exchange, with what it declares."""
        return named(self.exchange)

    def whose(self) -> str:
        """Return the name under which candles are stored; ask a server of ``base_url`` for it, once."""
        if not self._whose:
            self._whose.append(run_async(asked_name(self.exchange, self.base_url, self.name, self.source_address)))
        return self._whose[0]

    def known(self) -> str | None:
        """Return that name if it is known already, else None."""
        return self._whose[0] if self._whose else None

    def is_of(self, name: str) -> None:
        """Record that name, from an open provider."""
        self._whose[:] = [name]

    def kept(self) -> str:
        """Return the database for people, with the stored name if it is not that of the exchange."""
        whose = self.whose()
        return self.db if whose == self.exchange else f"{self.db} as {whose}"

    def connect(self, **more: Any) -> Opening:
        """Return a provider to open; raise RequestError for invalid options, before a file is created."""
        fields = [each.name for each in attrs.fields(type(self)) if each.init and each.name != "db"]
        return connect(self.db, **{name: getattr(self, name) for name in fields}, **more)

    def beside(self) -> Place:
        """Return the same exchange with an empty store in memory."""
        return attrs.evolve(self, db=MEMORY)

    def requests(self, wanted: Iterable[Wanted], left_out: list[str]) -> list[Request]:
        """Return a request for each series; for a pattern, ask the exchange for its markets.

        A line for each listed market that can't be requested is added to ``left_out``.
        """

        def ask() -> list[str]:
            return [each.symbol for each in run_async(_listed(self.beside().connect(share_limit=False)))]

        return requests_for(wanted, self.exchange, ask, left_out)


async def _listed(opening: Opening) -> list[Market]:
    async with opening as provider:
        return await listed(provider.exchange)
