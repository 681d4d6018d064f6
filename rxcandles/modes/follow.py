"""Follow markets: make a feed of a provider's parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from rxcandles.engine.retry import Retry
from rxcandles.live.beginning import Since, Start
from rxcandles.live.feed import Feed
from rxcandles.live.follower import Follower
from rxcandles.live.parts import Parts
from rxcandles.live.reading import StoreSource
from rxcandles.live.source import Source
from rxcandles.model.moments import Time, Zone, check_instant
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import Timeframe
from rxcandles.modes.collector import CandleCollector
from rxcandles.ports import CandleStore, Exchange, RateLimiter
from rxcandles.util.arguments import check_count, check_each, check_flag, check_kind, check_symbol, refusal

__all__ = ["follow"]

_DAY: Final = 86_400
_RETRY: Final = Retry(attempts=2, longest=2.0)
"""A feed says soon that the exchange does not answer, and asks again by itself."""


def follow(
    store: CandleStore,
    exchange: Exchange,
    limiter: RateLimiter,
    symbols: str | Iterable[str],
    timeframe: str | Timeframe,
    since: Time | int | Mapping[str, Time | int | None] | None,
    *,
    until: Time | None,
    once: bool,
    from_store: bool,
    config: FollowConfig | None,
    retry: Retry | None,
    tz: Zone | None,
) -> Feed:
    """Return a feed; the parameters are those of ``CandleDataProvider.follow``."""
    named = (
        (symbols,) if isinstance(symbols, str) else check_each("symbols", symbols, lambda _, each: check_symbol(each))
    )
    markets = tuple(dict.fromkeys(named))
    if not markets:
        raise refusal("symbols", symbols, "give at least one market, such as 'KRW-BTC'")
    grid = Timeframe.of(timeframe)
    for each in markets:
        exchange.check(each, grid)
    config = check_kind("config", FollowConfig() if config is None else config, FollowConfig)
    start, goal = _since(since, markets, tz), None if until is None else grid.ceil(check_instant("until", until, tz))
    check_flag("once", once)
    if check_flag("from_store", from_store):

        def read() -> tuple[Source, Callable[[], Any]]:
            source = StoreSource(markets, grid, start, store, until=goal, once=once)
            return source, source.run

        return Feed(markets, grid, store, config, read, tz)
    asking = retry or (Retry() if once else _RETRY)
    parts = Parts(store, exchange, limiter, lambda seen: CandleCollector(store, seen, limiter, retry=asking).chunks)

    def begin() -> tuple[Source, Callable[[], Any]]:
        follower = Follower(markets, grid, start, parts, config, until=goal, once=once)
        return follower, follower.run

    return Feed(markets, grid, store, config, begin, tz)


def _since(
    since: Time | int | Mapping[str, Time | int | None] | None, markets: Iterable[str], tz: Zone | None
) -> Since:
    if not isinstance(since, Mapping):
        return _start(since, tz)
    for each in markets:
        if each not in since:
            raise refusal("since", since, f"give a start for each market, also for {each}; None is now")
    return {each: _start(since[each], tz) for each in markets}


def _start(since: Time | int | None, tz: Zone | None) -> Start:
    if since is None:
        return None
    if isinstance(since, str) and since == "stored":
        return "stored"
    if isinstance(since, int):
        return ("count", check_count("since", since))
    start = int(check_instant("since", since, tz))
    if start > time.time() + _DAY:
        raise refusal("since", since, "it lies in the future; leave it out to begin now")
    return start
