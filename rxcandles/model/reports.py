"""What a collection reports, and how its modes are set up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.util.arguments import check_choice, check_count, check_flag
from rxcandles.util.plain import to_plain
from rxcandles.util.showing import Brief

__all__ = [
    "OVERLAP_STATES",
    "CandleProgress",
    "CollectionConfig",
    "CollectionProgress",
    "CollectionSummary",
    "FailedSpan",
    "ImpossibleSpan",
    "ProvisionalSpan",
    "StreamStats",
    "StreamingConfig",
    "StreamingMeta",
    "recommend_mode",
]

OVERLAP_STATES: Final = (
    "no_overlap",
    "complete_overlap",
    "partial_start",
    "partial_middle_fragment",
    "partial_middle_continuous",
)
"""How a chunk, read from its newest end, lies over what is stored: nothing of it; all of it; its newest part; pieces
in its middle; everything from its middle to its oldest end."""


def _flag(_: object, attribute: attrs.Attribute[bool], value: bool) -> None:
    check_flag(attribute.name, value)


def _at_least_one(_: object, attribute: attrs.Attribute[int], value: int) -> None:
    check_count(attribute.name, value)


@attrs.frozen
class CollectionConfig:
    """How ``get_candles`` guards memory."""

    max_memory_objects: int = attrs.field(default=50_000, validator=_at_least_one)
    """The most candles of a plain list, about 300 bytes each."""
    enable_memory_warning: bool = attrs.field(default=True, validator=_flag)
    """Whether asking for more is answered with a Python warning that names the mode for it."""
    fallback_to_streaming: bool = attrs.field(default=True, validator=_flag)
    """Whether more come as a lazy sequence over the store; otherwise they are a ``MemoryLimitError``."""


@attrs.frozen
class StreamingConfig:
    """How ``stream_candles`` cuts and bounds its stream."""

    chunk_yield_size: int = attrs.field(default=1000, validator=_at_least_one)
    """Candles in a chunk; the last may have fewer."""
    buffer_chunks: int = attrs.field(default=2, validator=_at_least_one)
    """At most this many chunks wait for the consumer."""
    enable_backpressure: bool = attrs.field(default=True, validator=_flag)
    """Whether a slow consumer slows the collection. Otherwise that runs ahead at full speed, into the store:
    the same few chunks are in memory."""


@attrs.frozen(repr=False)
class StreamingMeta(Brief):
    """Where in a stream a chunk stands."""

    chunk_index: int
    """From 0."""
    chunk_count: int
    """Chunks expected in all; exact with the final one."""
    total_progress: float
    """Share of the candles expected that are delivered with this chunk, 0.0 to 1.0; 1.0 with the final one."""
    chunk_time_range: tuple[datetime, datetime]
    """Open times of the chunk's oldest and newest candle."""
    is_final_chunk: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class CollectionProgress(Brief):
    """How far a collection has come; made for every chunk."""

    current_chunk: int
    """Chunks done, from 1."""
    total_chunks: int
    """Chunks expected; an estimate that gets better."""
    collected_count: int
    """Candles of the request held so far."""
    estimated_remaining_seconds: float
    current_chunk_range: tuple[datetime, datetime]
    """What the chunk has proven: the older end included, the newer excluded."""
    total_count: int = 0
    """Candles expected: the count asked for, or an estimate from the density seen."""
    elapsed_seconds: float = 0.0
    requests: int = 0
    """Requests sent so far, retries and those under way included."""
    retries: int = 0
    """Attempts at a page after its first."""
    rate_limited: int = 0
    """Answers 429 among the requests."""
    stored_before: int = 0
    """Candles that did not have to be fetched, since they were stored: a request saved for each page of them."""
    gaps_found: int = 0
    """Holes between stored spans that the request's span has; with a ``count``, those come to so far. Up to 1,000."""
    revised: int = 0
    """Candles that were stored with other values before."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class CandleProgress(Brief):
    """How far a stream of candles has come; made for every list."""

    candles: int
    """Candles that have passed."""
    lists: int
    """Lists in which they came."""
    position: datetime
    """Open time of the last of them."""
    elapsed_seconds: float
    """Since the subscription."""
    total_count: int | None = None
    """Candles expected, where that was said."""

    @property
    def candles_per_second(self) -> float:
        """The rate since the subscription; 0 where no time has passed."""
        return self.candles / self.elapsed_seconds if self.elapsed_seconds else 0.0

    @property
    def estimated_remaining_seconds(self) -> float | None:
        """Seconds until ``total_count`` at this rate; None where it was not said."""
        if self.total_count is None:
            return None
        return self.elapsed_seconds / self.candles * max(0, self.total_count - self.candles)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class StreamStats(Brief):
    """A snapshot of a stream of candles; before its start all zeros but ``expected``, after its end what it came to."""

    chunks: int
    """Chunks delivered."""
    candles: int
    """Candles in them."""
    expected: int
    """Candles expected in all: the count asked for, or an estimate that gets better."""
    position: datetime | None
    """Open time of the last candle delivered; None before the first."""
    pages: int
    """Pages fetched, checked and accepted."""
    requests: int
    """Requests sent, retries and those under way included."""
    retries: int
    """Attempts at a page after its first."""
    rate_limited: int
    """Answers 429 among the requests."""
    stored: int
    """Candles stored that the store did not hold as proven before."""
    stored_before: int
    """Candles that did not have to be fetched, since they were stored: a request saved for each page of them."""
    revised: int
    """Candles that were stored with other values before."""
    gaps_found: int
    """Holes between stored spans that the request's span has; with a ``count``, those come to so far. Up to 1,000."""
    waiting: int
    """Chunks that wait for the consumer now; those left behind, where it left early."""
    peak_waiting: int
    """The most that waited at once."""
    in_flight: int
    """Pages being looked up, waited for, fetched, stored or read now."""
    peak_in_flight: int
    """The most at once; one that is handed on counts in both stages for a moment."""
    tasks: int
    """Tasks that run now; 0 before the start and after the end."""
    paused: bool
    """Whether the collection waits for the consumer."""
    elapsed_seconds: float
    """Seconds since the first chunk was asked for, until the end."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class FailedSpan(Brief):
    """A span that could not be fetched, and why."""

    start: datetime
    stop: datetime
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class ImpossibleSpan(Brief):
    """The slot of a candle that the exchange has with values that can't be: it is not held, and asked for again."""

    start: datetime
    stop: datetime
    reason: str
    """What of it can't be, with the values."""


@attrs.frozen(repr=False)
class ProvisionalSpan(Brief):
    """A span that is empty by the word of answers that may have been wrong, until one more answer confirms it."""

    start: datetime
    stop: datetime
    kind: str
    """``head``: nothing newer than it is known. ``gap``: it is long for so dense a market. ``beginning``: nothing older
    is known."""
    slots: int
    """Slots in it; with a ``beginning`` those of the request."""
    first_heard: datetime
    """When all of it had been heard for the first time."""
    last_heard: datetime
    times: int
    """How many answers have said so."""
    asks_again: datetime
    """From then on the next run that asks for it asks about it once more."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class CollectionSummary(Brief):
    """What a storage-only collection has done."""

    collected_count: int
    """Candles of the request now held, fetched or already there."""
    db_records_count: int
    """Rows of that span counted in the database afterwards; without a store in the pipeline the same as above."""
    time_range: tuple[datetime, datetime]
    """The span held: the older end included, the newer excluded."""
    chunks_processed: int
    duration_seconds: float
    api_calls_made: int
    """Requests sent, retries included."""
    overlap_analysis_results: Mapping[str, int]
    """Chunks by the five ways a chunk can lie over what was stored before (``OVERLAP_STATES``)."""
    stored_count: int = 0
    """Candles that the store did not hold as proven before."""
    retries: int = 0
    """Attempts at a page after its first."""
    rate_limited: int = 0
    """Answers 429 among the requests."""
    failed_spans: tuple[FailedSpan, ...] = ()
    provisional_spans: tuple[ProvisionalSpan, ...] = ()
    """What of the request is taken for empty until a later answer confirms it, oldest first."""
    impossible_spans: tuple[ImpossibleSpan, ...] = ()
    """Slots of the request whose candles can't be true, oldest first; all others of their pages are held."""
    revised_count: int = 0
    """Candles that were stored with other values before: the exchange had changed them since."""
    removed_count: int = 0
    """Candles that were stored before and that the exchange has no longer, by two answers to asking anew."""
    stored_older_count: int = 0
    """Candles of ``stored_count`` that are older than what was asked for: a page may reach further back."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


SCENARIO_MODES: Final[Mapping[str, str]] = {
    "realtime_analysis": "collection",
    "bulk_collection": "storage_only",
    "stream_processing": "streaming",
    "etl_pipeline": "streaming",
    "initial_setup": "storage_only",
    "backtesting_prep": "storage_only",
}


def recommend_mode(scenario: str | None = None, *, count: int | None = None) -> str:
    """Return the mode that suits: ``collection``, ``storage_only`` or ``streaming``.

    By the ``scenario`` (``realtime_analysis``, ``bulk_collection``, ``stream_processing``, ``etl_pipeline``,
    ``initial_setup``, ``backtesting_prep``), by the ``count`` of candles (collection up to 50,000, then streaming), or
    by both, where a count too large for a list turns collection into streaming.
    """
    if scenario is None and count is None:
        raise RequestError("nothing to go by; give a scenario or a count")
    mode = "collection" if scenario is None else SCENARIO_MODES[check_choice("scenario", scenario, [*SCENARIO_MODES])]
    if count is not None and check_count("count", count) > CollectionConfig().max_memory_objects:
        return "streaming" if mode == "collection" else mode
    return mode
