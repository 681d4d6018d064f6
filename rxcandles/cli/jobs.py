"""What is asked for, run with its progress on stderr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import attrs

from rxcandles.cli.asking import Wanted, requests_for
from rxcandles.cli.display import Board, Output, board_shown
from rxcandles.cli.running import Interrupted, run_async
from rxcandles.engine.listing import listed
from rxcandles.model import Request
from rxcandles.model.which import has_glob
from rxcandles.modes.connect import OwnRate, asked_name, connect
from rxcandles.modes.provider import CandleDataProvider

__all__ = ["Interrupted", "Place", "run_several", "titles_of"]

_A = TypeVar("_A")


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


def run_several(
    place: Place,
    titles: Mapping[Request, str],
    output: Output,
    work: Callable[[CandleDataProvider, Board], Awaitable[_A]],
    *,
    live: bool = True,
) -> _A:
    """Do ``work`` with an open provider, showing the progress of the series; Ctrl-C says how far they came."""
    opening = place.connect()
    with board_shown({title: each.most for each, title in titles.items()}, output, live=live) as board:
        return _run(opening, board, lambda provider: work(provider, board), place.db)


def titles_of(requests: Iterable[Request]) -> dict[Request, str]:
    """Return the names of series, told apart by a number where one is asked for twice."""
    titles: dict[Request, str] = {}
    asked: Counter[str] = Counter()
    for request in dict.fromkeys(requests):
        title = f"{request.symbol} {request.timeframe}"
        asked[title] += 1
        titles[request] = title if asked[title] == 1 else f"{title} ({asked[title]})"
    return titles


def _run(
    opening: AbstractAsyncContextManager[CandleDataProvider],
    board: Board,
    work: Callable[[CandleDataProvider], Awaitable[_A]],
    db: str,
) -> _A:
    async def go() -> _A:
        async with opening as provider, board.watching(provider.limiter):
            return await work(provider)

    def stopped() -> str:
        what = next(iter(board.series)) if len(board.series) == 1 else f"{len(board.series)} series"
        known = any(each is not None for each in board.series.values())
        held = f"{board.held:,} of {board.total:,} candles are" if known else "what was fetched is"
        return f"{what} stopped: {held} in {db}; the same command goes on from there"

    return run_async(go(), stopped)
