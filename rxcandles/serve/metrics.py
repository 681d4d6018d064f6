"""Health as metrics: the text format 0.0.4 of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from rxcandles.live.stats import FollowStats, MarketStats
from rxcandles.model.updates import FOLLOW_STATES
from rxcandles.serve.health import Health

__all__ = ["CONTENT_TYPE", "metrics_of"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_Value: TypeAlias = float | int | None
_Market: TypeAlias = tuple[str, str, Callable[[MarketStats], _Value]]
_Feed: TypeAlias = tuple[str, str, Callable[[FollowStats], _Value]]

_OF_MARKETS: Final[tuple[_Market, ...]] = (
    ("market_state_seconds", "Seconds for which the market has been in its state.", lambda of: of.state_for),
    (
        "market_heard_lag_seconds",
        "Seconds since the time until which the exchange has said nothing of another candle.",
        lambda of: of.heard_lag,
    ),
    (
        "market_proven_lag_seconds",
        "Seconds since the time until which nothing is missing; a quiet stream is proven by audits only.",
        lambda of: of.proven_lag,
    ),
    (
        "market_candle_age_seconds",
        "Seconds since the newest candle has closed.",
        lambda of: of.candle_age,
    ),
    ("market_last_price", "Close of the newest candle, forming or not.", lambda of: of.last_price),
    ("market_behind_pages_total", "Pages that lacked what the stream had shown.", lambda of: of.behind),
    ("market_disputed_total", "Candles of which pages never had what the stream had shown.", lambda of: of.disputed),
    ("market_lost_spans_total", "Spans whose candles can't be had.", lambda of: of.lost),
    ("market_duplicate_frames_total", "Frames that said nothing new.", lambda of: of.duplicates),
    ("market_older_frames_total", "Frames that were older than what was known.", lambda of: of.older),
    (
        "market_differing_total",
        "Closed candles of which a page had other values than the stream.",
        lambda of: of.differ,
    ),
)
_OF_FEEDS: Final[tuple[_Feed, ...]] = (
    ("streams_open", "Connections that live.", lambda of: of.open_streams),
    ("stream_silence_seconds", "Seconds since the last byte of the most silent one.", lambda of: of.seconds_since_byte),
    ("clock_offset_seconds", "Seconds by which this clock is ahead of the exchange's.", lambda of: of.clock_offset),
    ("observers", "Readers of the feed.", lambda of: of.observers),
    (
        "slowest_observer_seconds",
        "Seconds of candles that the slowest reader has not read.",
        lambda of: of.slowest_observer,
    ),
)


def metrics_of(health: Health) -> str:
    """Return all numbers as lines; what is not known yet has none."""
    return "\n".join(_lines(health)) + "\n"


def _lines(health: Health) -> Iterator[str]:
    exchange = {"exchange": health.exchange}
    yield from _family("up", "gauge", "Whether all is well: the answer of /health.")
    yield _sample("up", exchange, int(health.ok))
    markets = [({**exchange, "timeframe": name, "symbol": each.symbol}, each)
               for name, stats in health.feeds.items() for each in stats.markets]  # fmt: skip
    yield from _family("market_state", "gauge", "1 for the state that the market is in, 0 for the others.")
    for labels, market in markets:
        for state in FOLLOW_STATES:
            yield _sample("market_state", {**labels, "state": state}, int(market.state == state))
    for name, about, read in _OF_MARKETS:
        yield from _family(name, _kind(name), about)
        for labels, market in markets:
            yield from _known(name, labels, read(market))
    feeds = [({**exchange, "timeframe": name}, stats) for name, stats in health.feeds.items()]
    for name, about, of in _OF_FEEDS:
        yield from _family(name, _kind(name), about)
        for labels, stats in feeds:
            yield from _known(name, labels, of(stats))
    yield from _family("stream_events_total", "counter", "What has happened to connections, by kind.")
    for labels, stats in feeds:
        for event, count in stats.streams.items():
            yield _sample("stream_events_total", {**labels, "event": event}, count)


def _kind(name: str) -> str:
    return "counter" if name.endswith("_total") else "gauge"


def _family(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP rxcandles_{name} {about}"
    yield f"# TYPE rxcandles_{name} {kind}"


def _known(name: str, labels: dict[str, str], value: _Value) -> Iterator[str]:
    if value is not None:
        yield _sample(name, labels, value)


def _sample(name: str, labels: dict[str, str], value: float | int) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"rxcandles_{name}{{{told}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
