"""Run the feeds of ``follow``, one for each timeframe, under one limit; change their markets while they run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import attrs

from rxcandles.cli.followed import STORED, Begin, Starts
from rxcandles.errors import ExchangeError, RequestError
from rxcandles.live.feed import Feed
from rxcandles.live.stats import MarketStats
from rxcandles.model.moments import Time
from rxcandles.model.settings import FollowConfig
from rxcandles.model.updates import Update
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.serve.health import Health, health_of
from rxcandles.util.arguments import check_count

__all__ = ["Asked", "Following", "Key"]

Key: TypeAlias = tuple[str, str]
"""A market and its timeframe."""


@attrs.frozen
class Asked:
    """What ``follow`` was asked to do, besides which markets."""

    begin: Begin = STORED
    number: int | None = None
    """Candles of each market, after which to end."""
    finish: Time | None = None
    """Ends when every candle that opens before it was given."""
    once: bool = False
    forming: bool = False
    provisional: bool = False
    settle: float | None = None
    no_stream: bool = False
    from_store: bool = False
    jobs: str | None = None
    """The file of jobs, if it is named by an option."""

    def __attrs_post_init__(self) -> None:
        """Raise RequestError for options that contradict each other."""
        if self.number is not None:
            check_count("--count", self.number)
        ends = {"--count": self.number is not None, "--until": self.finish is not None, "--once": self.once}
        given = [name for name, is_given in ends.items() if is_given]
        if len(given) > 1:
            raise RequestError(f"{given[0]} and {given[1]} both say when to end; give one of them")

    def config(self, *, forming: bool = False) -> FollowConfig:
        """Return it as the library has it; ``forming``: forming candles are wanted in any case."""
        return FollowConfig(
            forming=self.forming or forming,
            provisional=self.provisional,
            settle=self.settle,
            stream="off" if self.no_stream else "auto",
        )

    @property
    def is_endless(self) -> bool:
        """Whether only a signal ends it."""
        return self.number is None and self.finish is None and not self.once


class Following:
    """The feeds of one provider, by timeframe; all that they give goes to ``tell``.

    ``failed`` is called with the timeframe of a feed that has ended with an error, if others go on.
    """

    def __init__(
        self,
        provider: CandleDataProvider,
        asked: Asked,
        config: FollowConfig,
        tell: Callable[[Update], Awaitable[None]],
        failed: Callable[[str, ExchangeError], object],
    ) -> None:
        self.exchange: Final = provider.exchange.name
        self.feeds: dict[str, Feed] = {}
        """The feed of each timeframe; those that have ended are among them."""
        self.given: Counter[tuple[Key, str]] = Counter()
        """How many updates of each kind each market has given."""
        self.states: dict[Key, str] = {}
        """The state of each market, as it was told last."""
        self.failures: dict[str, ExchangeError] = {}
        self._provider = provider
        self._asked = asked
        self._config = config
        self._tell = tell
        self._failed = failed
        self._starts: dict[str, dict[str, Begin]] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._ended = asyncio.Event()
        self._changing = asyncio.Lock()
        """Held while feeds are replaced: then there may be none for a moment."""

    async def follow(self, starts: Starts) -> None:
        """Follow these markets from now on, and no others; those that were followed before go on where they are."""
        async with self._changing:
            for timeframe in [*self.feeds]:
                same = set(starts.get(timeframe, ())) == set(self._starts[timeframe])
                if same and timeframe not in self.failures:
                    continue
                places = await self._end(timeframe)
                if timeframe in starts:
                    self._begin(
                        timeframe, {symbol: places.get(symbol, begin) for symbol, begin in starts[timeframe].items()}
                    )
            for timeframe, begins in starts.items():
                if timeframe not in self.feeds:
                    self._begin(timeframe, dict(begins))

    async def run(self) -> None:
        """Return when every feed has ended; raise the error of one that nothing mends, or if all have failed."""
        while True:
            async with self._changing:
                self._ended.clear()
                for timeframe, reader in [each for each in self._readers.items() if each[1].done()]:
                    del self._readers[timeframe]
                    self._over(timeframe, reader)
                if not self._readers:
                    break
            await self._ended.wait()
        if self.failures and len(self.failures) == len(self.feeds):
            raise next(iter(self.failures.values()))

    async def close(self) -> None:
        """End all feeds; what was collected stays stored."""
        for timeframe in [*self.feeds]:
            await self._end(timeframe)

    @property
    def refused(self) -> list[str]:
        """The markets that the exchange does not know."""
        feeds = self.feeds.items()
        return [
            f"{symbol} {name}" for name, feed in feeds for symbol in feed.symbols if feed.state(symbol) == "refused"
        ]

    def health(self) -> Health:
        """Return how following goes at this moment."""
        going = [each for name, each in self.feeds.items() if name in self._readers or name in self.failures]
        return health_of(self.exchange, going, self.failures)

    def stats(self) -> dict[Key, MarketStats]:
        """Return the numbers of each market."""
        return {
            (each.symbol, timeframe): each for timeframe, feed in self.feeds.items() for each in feed.stats().markets
        }

    def _begin(self, timeframe: str, starts: dict[str, Begin]) -> None:
        self._starts[timeframe] = starts
        feed = self._provider.follow(
            [*starts],
            timeframe,
            {**starts},
            until=self._asked.finish,
            once=self._asked.once,
            from_store=self._asked.from_store,
            config=self._config,
        )
        self.feeds[timeframe] = feed
        reader = asyncio.create_task(self._read(feed), name=f"read {timeframe}")
        reader.add_done_callback(lambda _: self._ended.set())
        self._readers[timeframe] = reader

    async def _end(self, timeframe: str) -> dict[str, Begin]:
        """End one feed; return where each of its markets is, for a feed that goes on there."""
        feed, reader = self.feeds.pop(timeframe), self._readers.pop(timeframe, None)
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])
        starts = self._starts.pop(timeframe)
        self.failures.pop(timeframe, None)
        places = {symbol: feed.cursor(symbol) or begin for symbol, begin in starts.items()}
        await feed.aclose()
        return places

    async def _read(self, feed: Feed) -> None:
        async with feed:
            async for update in feed:
                if self._is_beyond(update):
                    continue
                self._note(update)
                await self._tell(update)
                if self._asked.number is not None and all(self._has_enough(feed, each) for each in feed.symbols):
                    return

    def _note(self, update: Update) -> None:
        key = (update.symbol, update.timeframe)
        self.given[key, update.kind] += 1
        if update.kind == "state":
            self.states[key] = update.state

    def _is_beyond(self, update: Update) -> bool:
        """Return whether this candle is more than was asked for."""
        counted = update.kind == "candle" and self._asked.number is not None
        return counted and self.given[(update.symbol, update.timeframe), "candle"] >= (self._asked.number or 0)

    def _has_enough(self, feed: Feed, symbol: str) -> bool:
        key = (symbol, feed.timeframe.name)
        # A state counts once it was told: that a market is refused is not left out.
        return self.given[key, "candle"] >= (self._asked.number or 0) or self.states.get(key) == "refused"

    def _over(self, timeframe: str, reader: asyncio.Task[None]) -> None:
        error = reader.exception()
        if error is None:
            return
        if not isinstance(error, ExchangeError):
            raise error
        self.failures[timeframe] = error
        if self._readers:
            self._failed(timeframe, error)
