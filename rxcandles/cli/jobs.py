"""One series, asked for and collected on behalf of a command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, TypeVar

import attrs

from rxcandles.cli.console import LastProgress, progress_shown
from rxcandles.model import Order, Request
from rxcandles.opening import OwnRate, connect
from rxcandles.provider import CandleDataProvider

__all__ = ["Interrupted", "Job", "run_job"]

_A = TypeVar("_A")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what is to be said about it."""


@attrs.frozen
class Job:
    """What one command is about."""

    symbol: str
    timeframe: str
    count: int | None
    to: datetime | None
    end: datetime | None
    order: Order
    db: str
    exchange: str
    base_url: str | None
    rate_limit: float | OwnRate | None
    quiet: bool

    @property
    def title(self) -> str:
        """Name of the series."""
        return f"{self.symbol} {self.timeframe}"

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of all three modes."""
        return {
            "symbol": self.symbol, "timeframe": self.timeframe, "count": self.count, "to": self.to, "end": self.end
        }  # fmt: skip

    def connect(self) -> AbstractAsyncContextManager[CandleDataProvider]:
        """Open the provider; what can't be meant is refused before a file is made."""
        from rxcandles.exchanges import UpbitExchange

        request = Request(**self.asked, order=self.order)
        UpbitExchange().check(request.symbol, request.timeframe)
        return connect(self.db, self.exchange, self.base_url, self.rate_limit)


def run_job(job: Job, work: Callable[[CandleDataProvider, LastProgress], Awaitable[_A]]) -> _A:
    """Do ``work`` with an open provider, showing progress; Ctrl-C says how far it came."""
    opening = job.connect()
    with progress_shown(job.title, quiet=job.quiet) as progress:

        async def go() -> _A:
            async with opening as provider:
                return await work(provider, progress)

        try:
            return asyncio.run(go())
        except KeyboardInterrupt:
            done = progress.progress
            held = f"{done.collected_count:,} of {done.total_count:,} candles are" if done else "what was fetched is"
            raise Interrupted(f"{job.title} stopped: {held} in {job.db}; the same command goes on from there") from None
