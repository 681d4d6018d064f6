"""Whether following goes well: a judgement of the numbers of feeds, as JSON and as metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import attrs

from rxcandles.live.stats import FollowStats, MarketStats
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import Timeframe

__all__ = ["Health", "Watched", "health_of"]

SCHEMA: Final = "rxcandles/health/1"
STALLED: Final = 60.0
"""Seconds for which a market may be stalled."""
LATE: Final = 90.0
"""Seconds by which a market may always be late."""
SLOTS: Final = 3
"""Candles by which it may be late, if that is longer."""


class Watched(Protocol):
    """What is asked of a feed."""

    @property
    def timeframe(self) -> Timeframe:
        """The length of its candles."""
        ...

    @property
    def config(self) -> FollowConfig:
        """How it asks."""
        ...

    def stats(self) -> FollowStats:
        """Return its numbers."""
        ...


@attrs.frozen
class Health:
    """How following goes at one moment."""

    exchange: str
    feeds: Mapping[str, FollowStats]
    """The numbers of each feed, by timeframe."""
    troubles: Sequence[str]
    """What is not well, in words; empty if all is."""

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return not self.troubles

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON. Lags and ages are in seconds."""
        states: Counter[str] = Counter()
        for stats in self.feeds.values():
            states.update(stats.states)
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "exchange": self.exchange,
            "troubles": [*self.troubles],
            "states": dict(states),
            "markets": [_plain(each, name) for name, stats in self.feeds.items() for each in stats.markets],
        }


def health_of(exchange: str, feeds: Sequence[Watched], failures: Mapping[str, BaseException]) -> Health:
    """Judge feeds, one for each timeframe; ``failures`` are the errors that have ended some of them."""
    numbers = {each.timeframe.name: each.stats() for each in feeds}
    troubles = [] if feeds else ["nothing is followed yet"]
    for feed in feeds:
        name = feed.timeframe.name
        if name in failures:
            troubles.append(f"{name}: ended: {' '.join(str(failures[name]).split())}")
            continue
        most = _most(feed)
        troubles += [f"{each.symbol} {name}: {why}" for each in numbers[name].markets if (why := _trouble(each, most))]
    return Health(exchange, numbers, troubles)


def _most(feed: Watched) -> float:
    """Return the most seconds by which a market of a feed may be late."""
    slot, confirm = feed.timeframe.seconds, feed.config.confirm
    # Asked less often than at each candle, a market is late by so much just before it is asked.
    rarely = float(confirm) if confirm != "each" and confirm > slot else 0.0
    return max(LATE, SLOTS * slot) + rarely


def _trouble(market: MarketStats, most: float) -> str:
    """Return what is not well with a market; empty if all is."""
    if market.state == "stalled" and market.state_for > STALLED:
        return f"stalled for {market.state_for:.0f} s" + (f": {market.reason}" if market.reason else "")
    # A quiet market that is streamed is not proven until its audit; so its proven lag says nothing.
    if market.state in ("live", "polling") and market.heard_lag is not None and market.heard_lag > most:
        return f"{market.heard_lag:.0f} s late, and at most {most:.0f} s are usual"
    return ""


def _plain(market: MarketStats, timeframe: str) -> dict[str, Any]:
    return {
        "symbol": market.symbol,
        "timeframe": timeframe,
        "state": market.state,
        "reason": market.reason,
        "state_for": _round(market.state_for),
        "heard_lag": _round(market.heard_lag),
        "proven_lag": _round(market.proven_lag),
        "candle_age": _round(market.candle_age),
    }


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
