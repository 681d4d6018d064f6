"""What an exchange may declare besides the methods of its port, and the default for each declaration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from rxcandles.model import SETTLE_SECONDS
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.claims import ConfirmTimes
from rxcandles.model.limit import Limit
from rxcandles.model.timeframe import BEGINNING, TIMEFRAMES, Timeframe
from rxcandles.ports import Exchange, PageUnit, RateLimiter, StreamRules
from rxcandles.util.showing import limit_text

__all__ = [
    "AbsentSlot",
    "absent_slot",
    "confirm_times",
    "example_glob",
    "limit_at",
    "limit_declared",
    "limit_words",
    "page_cost",
    "page_unit",
    "requests_a_second",
    "retained_since",
    "retention",
    "retention_text",
    "settle_seconds",
    "source_address",
    "stream_rules",
    "timeframes_of",
]


def timeframes_of(exchange: Exchange | type) -> Sequence[Timeframe]:
    """Return the timeframes that an exchange serves (``timeframes``); all by default."""
    found: Sequence[Timeframe] = getattr(exchange, "timeframes", TIMEFRAMES)
    return found


def page_unit(exchange: Exchange | type) -> PageUnit:
    """Return the unit in which an exchange measures its pages (``page_unit``); ``rows`` by default."""
    unit: PageUnit = getattr(exchange, "page_unit", "rows")
    return unit


def settle_seconds(exchange: Exchange | type) -> float:
    """Return for how many seconds after its end a candle may still change (``settle_seconds``); 3 by default."""
    seconds: float = getattr(exchange, "settle_seconds", SETTLE_SECONDS)
    return max(seconds, SETTLE_SECONDS)


def example_glob(exchange: Exchange | type) -> str:
    """Return a glob that many markets of an exchange fit (``example_glob``), for messages; where it has none, all."""
    glob: str = getattr(exchange, "example_glob", "*")
    return glob


def absent_slot(exchange: Exchange | type, timeframe: Timeframe) -> AbsentSlot:
    """Return what an empty slot means on an exchange (``absent_slot``); ``no_trade`` by default."""
    meaning: Callable[[Timeframe], AbsentSlot] = getattr(exchange, "absent_slot", lambda timeframe: "no_trade")
    return meaning(timeframe)


def retention(exchange: Exchange | type) -> Callable[[Timeframe], int | None]:
    """Return a function of the timeframe: for how many seconds an exchange keeps candles (``retention``), or None.

    None is for ever. ``kept`` is the old name of ``retention``.
    """
    for_ever: Callable[[Timeframe], int | None] = lambda timeframe: None  # noqa: E731
    kept: Callable[[Timeframe], int | None] = getattr(exchange, "kept", for_ever)
    return getattr(exchange, "retention", kept)


def retained_since(exchange: Exchange | type, timeframe: Timeframe, now: float) -> int:
    """Return the open time from which on an exchange surely has candles; 0 if it keeps them for ever."""
    seconds = retention(exchange)(timeframe)
    return BEGINNING if seconds is None else timeframe.ceil(max(now - seconds, BEGINNING))


def retention_text(exchange: Exchange | type, timeframe: Timeframe) -> str:
    """Return in words for how long an exchange surely keeps candles, if it does not keep them for ever."""
    return f"the exchange keeps {timeframe} candles for {(retention(exchange)(timeframe) or 0) // 86_400} days only"


def confirm_times(exchange: Exchange | type) -> ConfirmTimes:
    """Return after how long an exchange is asked to confirm an absence: its own times, or the usual ones."""
    times: ConfirmTimes = getattr(exchange, "confirm_times", None) or ConfirmTimes()
    return times


def page_cost(exchange: Exchange | type, count: int) -> float:
    """Return how much of an exchange's limit a page of ``count`` takes (``page_cost``); 1 by default."""
    cost: Callable[[int], float] | None = getattr(exchange, "page_cost", None)
    return 1.0 if cost is None else cost(count)


def limit_declared(exchange: Exchange | type[Exchange]) -> float | Limit | None:
    """Return what an exchange allows: its ``limit``, or its ``rate_limit`` in requests a second."""
    limit: Limit | None = getattr(exchange, "limit", None)
    return exchange.rate_limit if limit is None else limit


def limit_at(exchange: Exchange | type[Exchange], rate: float | None) -> float | Limit | None:
    """Return the limit of an exchange if ``rate`` pages a second are wanted instead of what it allows."""
    limit, cost = limit_declared(exchange), page_cost(exchange, exchange.page_limit)
    if rate is None or not (isinstance(limit, Limit) or cost != 1):
        return rate
    group, unit = (limit.group, limit.unit) if isinstance(limit, Limit) else ("", "requests")
    # The server reports about its own window, not about this one.
    pages = Limit(1, group=group, unit=unit, told=False).allowing(rate)
    return attrs.evolve(pages, capacity=max(1.0, pages.capacity * cost))


def requests_a_second(exchange: Exchange, limiter: RateLimiter) -> float | None:
    """Return how many pages a second a limiter allows in the long run; None for no limit."""
    limit = getattr(limiter, "limit", None)
    if isinstance(limit, Limit):
        return limit.a_second / page_cost(exchange, exchange.page_limit)
    rate: float | None = getattr(limiter, "rate", exchange.rate_limit)
    return rate


def limit_words(exchange: Exchange, limiter: RateLimiter) -> str:
    """Return in words what a limiter allows."""
    words = getattr(limiter, "text", None)
    return words if isinstance(words, str) else limit_text(getattr(limiter, "rate", exchange.rate_limit))


def source_address(exchange: Exchange | type) -> str | None:
    """Return the address of this machine that an exchange sends from (``source_address``); None for any."""
    source: str | None = getattr(exchange, "source_address", None)
    return source


def stream_rules(exchange: Exchange | type) -> StreamRules | None:
    """Return what an exchange says about its streams (``stream_rules``); None if it has none."""
    rules: StreamRules | None = getattr(exchange, "stream_rules", None)
    return rules
