"""The settings of the modes, and which mode suits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

from rxcandles.errors import RequestError
from rxcandles.util.arguments import check_choice, check_count, check_flag, check_number

__all__ = ["CollectionConfig", "FollowConfig", "StreamingConfig", "recommend_mode"]


def _flag(_: object, attribute: attrs.Attribute[bool], value: bool) -> None:
    check_flag(attribute.name, value)


def _at_least_one(_: object, attribute: attrs.Attribute[int], value: int) -> None:
    check_count(attribute.name, value)


@attrs.frozen
class CollectionConfig:
    """How ``get_candles`` limits memory.

    >>> config = CollectionConfig(max_memory_objects=100, enable_memory_warning=False)
    >>> sequence = await provider.get_candles("KRW-BTC", "1m", until="2024-01-01T02:00", count=120, config=config)
    >>> len(sequence)
    120
    """

    max_memory_objects: int = attrs.field(default=50_000, validator=_at_least_one)
    """The most candles of a plain list; each takes about 300 bytes."""
    enable_memory_warning: bool = attrs.field(default=True, validator=_flag)
    """Whether asking for more raises a Python warning that names the mode for it."""
    fallback_to_streaming: bool = attrs.field(default=True, validator=_flag)
    """Whether asking for more returns a lazy sequence over the store; otherwise it raises ``MemoryLimitError``."""


@attrs.frozen
class StreamingConfig:
    """How ``stream_candles`` cuts and bounds its stream.

    >>> config = StreamingConfig(chunk_yield_size=50)
    >>> stream = provider.stream_candles("KRW-BTC", "1m", until="2024-01-01T02:00", count=120, config=config)
    >>> [len(chunk) async for chunk, meta in stream]
    [50, 50, 20]
    """

    chunk_yield_size: int = attrs.field(default=1000, validator=_at_least_one)
    """Candles in a chunk; the last chunk may have fewer."""
    buffer_chunks: int = attrs.field(default=2, validator=_at_least_one)
    """The most chunks that wait for the consumer."""
    enable_backpressure: bool = attrs.field(default=True, validator=_flag)
    """Whether a slow consumer slows the collection. Otherwise the collection runs ahead at full speed, into the store,
    and memory holds the same few chunks."""


def _settle(_: object, attribute: attrs.Attribute[float | None], value: float | None) -> None:
    if value is not None:
        check_number(attribute.name, value, 0, 3600, what="seconds, or None,")


def _period(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value != "each":
        check_number(attribute.name, value, 0, 86_400, above=True, what="seconds, or 'each',")


def _seconds(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    check_number(attribute.name, value, 1, 604_800, what="seconds")


def _auto_or_off(_: object, attribute: attrs.Attribute[str], value: str) -> None:
    check_choice(attribute.name, value, ("auto", "off"))


@attrs.frozen
class FollowConfig:
    """How ``follow`` asks, and what it tells besides closed candles.

    >>> FollowConfig(forming=True).stream
    'auto'
    """

    forming: bool = attrs.field(default=False, validator=_flag)
    """Whether updates of the forming candle come too (``FormingUpdate``): the newest, when you have room for it."""
    provisional: bool = attrs.field(default=False, validator=_flag)
    """Whether a candle is told of when the stream closes it, before a page confirms it (``ClosedUpdate``)."""
    settle: float | None = attrs.field(default=None, validator=_settle)
    """Seconds after its end in which a candle may still change; None for the exchange's own, which is the least."""
    overlap: int = attrs.field(default=3, validator=_at_least_one)
    """Closed candles that each page reads again, since a late trade may have changed them."""
    confirm: Literal["each"] | float = attrs.field(default="each", validator=_period)
    """``"each"`` asks at the end of every candle; a number of seconds asks that often. If all markets together would
    take more than half of the rate, it is as often as half of the rate allows."""
    audit: float = attrs.field(default=900.0, validator=_seconds)
    """Seconds after which the latest page of a market is read again, even if its stream is silent."""
    stream: Literal["auto", "off"] = attrs.field(default="auto", validator=_auto_or_off)
    """Whether to use the exchange's stream, if it has one."""
    ring: int = attrs.field(default=200, validator=_at_least_one)
    """The most unconfirmed candles of a market that are kept while the exchange does not answer."""


SCENARIO_MODES: Final[Mapping[str, str]] = {
    "realtime_analysis": "collection",
    "bulk_collection": "storage_only",
    "stream_processing": "streaming",
    "etl_pipeline": "streaming",
    "initial_setup": "storage_only",
    "backtesting_prep": "storage_only",
}


def recommend_mode(scenario: str | None = None, *, count: int | None = None) -> str:
    """Return the mode that suits: ``"collection"``, ``"storage_only"`` or ``"streaming"``.

    * ``scenario``: ``"realtime_analysis"``, ``"bulk_collection"``, ``"stream_processing"``, ``"etl_pipeline"``,
      ``"initial_setup"`` or ``"backtesting_prep"``.
    * ``count``: candles; up to 50,000 suit collection, more suit streaming.

    With both, a count too large for a list turns collection into streaming. Raise ``RequestError`` if neither is given.

    >>> recommend_mode("realtime_analysis"), recommend_mode(count=1_000_000)
    ('collection', 'streaming')
    """
    if scenario is None and count is None:
        raise RequestError("nothing to go by; give a scenario or a count")
    mode = "collection" if scenario is None else SCENARIO_MODES[check_choice("scenario", scenario, [*SCENARIO_MODES])]
    if count is not None and check_count("count", count) > CollectionConfig().max_memory_objects:
        return "streaming" if mode == "collection" else mode
    return mode
