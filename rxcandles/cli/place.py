"""What is asked for, run with its progress on stderr."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs

from rxcandles.cli.runner import run_async
from rxcandles.cli.wanted import Wanted, requests_for
from rxcandles.engine.listing import listed
from rxcandles.model import Request
from rxcandles.model.which import has_glob
from rxcandles.modes.connect import OwnRate, asked_name, connect
from rxcandles.modes.provider import CandleDataProvider

__all__ = ["Place"]


@attrs.frozen
class Place:
    """Where candles are kept, and where they come from."""

    db: str
    exchange: str = "upbit"
    base_url: str | None = None
    rate_limit: float | OwnRate | None = OwnRate.OWN
    name: str | None = None
    _whose: list[str] = attrs.field(init=False, factory=list, eq=False, repr=False)

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

    def connect(self, **more: Any) -> AbstractAsyncContextManager[CandleDataProvider]:
        """Open the provider; what can't be meant is refused before a file is made."""
        return connect(self.db, self.exchange, self.base_url, self.rate_limit, name=self.name, **more)

    def requests(self, wanted: Iterable[Wanted], left_out: list[str] | None = None) -> list[Request]:
        """Return a request for each series; the exchange is asked for its markets where there are globs.

        Why a market that is listed can't be asked for is added to ``left_out``.
        """
        wanted = list(wanted)
        requests = requests_for(wanted)
        if not any(has_glob(symbol) for each in wanted for symbol in each.symbols):
            return requests
        opening = attrs.evolve(self, db=":memory:").connect(share_limit=False)

        async def ask() -> list[Request]:
            async with opening as provider:
                return requests_for(wanted, await listed(provider.exchange), left_out)

        return run_async(ask())
