"""Numbers of a feed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import attrs

from rxcandles.live.source import Source
from rxcandles.model.spans import Span

if TYPE_CHECKING:
    from rxcandles.live.observer import Observer

__all__ = ["FollowStats", "MarketStats", "stats_of"]


@attrs.frozen
class MarketStats:
    """Numbers of one market of a feed.

    >>> MarketStats("KRW-BTC", "live", "", proven_lag=4.0, heard_lag=4.0).state
    'live'
    """

    symbol: str
    state: str
    reason: str
    proven_lag: float | None
    """Seconds between the server's time and the time up to which nothing is missing; None before that is known."""
    heard_lag: float | None
    """The same for the time up to which the exchange has said nothing of a candle."""
    last_price: float | None = None
    """The close of the newest candle that is known, forming or not."""
    behind: int = 0
    """Pages that lacked what the stream had shown."""
    disputed: int = 0
    lost: int = 0
    duplicates: int = 0
    older: int = 0
    """Frames that were older than what was known."""
    differ: int = 0
    """Closed candles of which a page had other values than the stream."""
    state_for: float = 0.0
    """Seconds for which it has been in its state."""
    candle_age: float | None = None
    """Seconds since the newest candle that it has given has closed; None if it has given none yet."""


@attrs.frozen
class FollowStats:
    """A snapshot of a feed.

    >>> feed = provider.follow("KRW-BTC", "1m")
    >>> feed.stats().states
    {'catching_up': 1}
    """

    markets: Sequence[MarketStats]
    states: Mapping[str, int]
    """How many markets are in each state."""
    proven_lag_max: float | None
    proven_lag_median: float | None
    clock_offset: float | None
    """Seconds by which this machine's clock is ahead of the server's."""
    streams: Mapping[str, int]
    """How often things have happened to connections: ``connects``, ``frames``, ``closed_1006`` and so on."""
    open_streams: int
    seconds_since_byte: float | None
    """Seconds since the last byte of the stream that has been silent longest."""
    observers: int
    slowest_observer: int
    """Seconds of candles that the slowest observer has not read yet."""
    outages: Sequence[Span] = ()
    """Spans of UTC seconds, among the latest slots, in which almost all markets that usually trade were empty."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        return attrs.asdict(self)


def stats_of(source: Source | None, observers: Sequence[Observer], symbols: Sequence[str]) -> FollowStats:
    """Return a snapshot of a source and its observers; None before it has begun."""
    if source is None:
        markets = [MarketStats(each, "catching_up", "", None, None) for each in symbols]
        return FollowStats(markets, dict(Counter(each.state for each in markets)), None, None, None, {}, 0, None, 0, 0)
    now = source.now()
    markets = []
    for each in source.markets.values():
        begun = each.start is not None
        markets.append(
            MarketStats(
                each.symbol,
                each.state,
                each.reason,
                now - each.proven if begun else None,
                now - each.heard if begun else None,
                each.forming.close if each.forming is not None else each.last_close,
                each.behind,
                each.disputed,
                each.lost_count,
                each.frames.duplicates,
                each.frames.older,
                each.frames.differ,
                time.monotonic() - each.state_since,
                now - source.timeframe.shift(each.last_open, 1) if each.last_open >= 0 else None,
            )
        )
    lags = [each.proven_lag for each in markets if each.proven_lag is not None]
    streams: Counter[str] = sum((each.counts for each in source.connections), Counter())
    alive = [each for each in source.connections if each.alive]
    return FollowStats(
        markets,
        dict(Counter(each.state for each in markets)),
        max(lags, default=None),
        median(lags) if lags else None,
        source.offset,
        dict(streams),
        len(alive),
        max((each.silence for each in alive), default=None),
        len(observers),
        max((each.lag for each in observers), default=0),
        source.outages(),
    )
