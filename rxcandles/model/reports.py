"""What a collection reports, while it runs and at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from rxcandles.util.plain import to_plain
from rxcandles.util.showing import Brief

__all__ = [
    "OVERLAP_STATES",
    "CandleProgress",
    "CollectionProgress",
    "CollectionSummary",
    "FailedSpan",
    "ImpossibleSpan",
    "ProvisionalSpan",
    "StreamStats",
    "StreamingMeta",
]

OVERLAP_STATES: Final = (
    "no_overlap",
    "complete_overlap",
    "partial_start",
    "partial_middle_fragment",
    "partial_middle_continuous",
)
"""How a chunk, read from its newest end, overlaps what is stored: nothing of it is stored; all of it; its newest part;
pieces in its middle; everything from its middle to its oldest end."""


@attrs.frozen(repr=False)
class StreamingMeta(Brief):
    """The position of a chunk in its stream.

    >>> stream = provider.stream_candles("KRW-BTC", "1m", until="2024-01-01T02:00", count=120)
    >>> [(meta.chunk_index, meta.chunk_count, meta.is_final_chunk) async for chunk, meta in stream]
    [(0, 1, True)]
    """

    chunk_index: int
    """From 0."""
    chunk_count: int
    """Chunks expected in all; exact with the final one."""
    total_progress: float
    """Share of the expected candles that is delivered with this chunk, 0.0 to 1.0; 1.0 with the final one."""
    chunk_time_range: tuple[datetime, datetime]
    """Open times of the chunk's oldest and newest candle."""
    is_final_chunk: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``, spans have ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class CollectionProgress(Brief):
    """How far a collection has come; made for every chunk.

    >>> def show(progress):
    ...     print(progress.collected_count, "of", progress.total_count)
    >>> summary = await provider.collect_candles_only("KRW-BTC", "1m", 120, "2024-01-01T02:00", progress_callback=show)
    120 of 120
    """

    current_chunk: int
    """Chunks done, from 1."""
    total_chunks: int
    """Chunks expected; an estimate that improves."""
    collected_count: int
    """Candles of the request that are stored so far."""
    estimated_remaining_seconds: float
    current_chunk_range: tuple[datetime, datetime]
    """The span that the chunk covers: the older end included, the newer excluded."""
    total_count: int = 0
    """Candles expected: the count asked for, or an estimate from the density so far."""
    elapsed_seconds: float = 0.0
    requests: int = 0
    """Requests sent so far, including retries and those under way."""
    retries: int = 0
    """Attempts at a page after its first."""
    rate_limited: int = 0
    """Answers 429 among the requests."""
    stored_before: int = 0
    """Candles that were not fetched because they were stored; each page of them saves a request."""
    gaps_found: int = 0
    """Gaps between stored spans within the request; with a ``count``, the gaps met so far. Up to 1,000."""
    revised: int = 0
    """Candles that were stored with other values before."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``, spans have ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class CandleProgress(Brief):
    """How far a stream of candles has come; made for every list by ``ops.with_progress``.

    >>> seen = []
    >>> day = ops.from_demand([await provider.get_candles("KRW-BTC", "1m", until="2024-01-01T02:00", count=120)])
    >>> _ = await run(day.pipe(ops.with_progress(seen.append), ops.to_list(120)))
    >>> seen[-1].candles
    120
    """

    candles: int
    """Candles that have passed."""
    lists: int
    """Lists in which they came."""
    position: datetime
    """Open time of the last of them."""
    elapsed_seconds: float
    """Seconds since the subscription."""
    total_count: int | None = None
    """Candles expected, if that was given."""

    @property
    def candles_per_second(self) -> float:
        """The rate since the subscription; 0 if no time has passed."""
        return self.candles / self.elapsed_seconds if self.elapsed_seconds else 0.0

    @property
    def estimated_remaining_seconds(self) -> float | None:
        """Seconds until ``total_count`` at this rate; None if it was not given."""
        if self.total_count is None:
            return None
        return self.elapsed_seconds / self.candles * max(0, self.total_count - self.candles)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class StreamStats(Brief):
    """A snapshot of a stream; before the start everything but ``expected`` is zero, after the end it shows the result.

    >>> async with provider.stream_candles("KRW-BTC", "1m", until="2024-01-01T02:00", count=120) as stream:
    ...     chunks = [chunk async for chunk, meta in stream]
    >>> stream.stats().candles, stream.stats().requests
    (120, 0)
    """

    chunks: int
    """Chunks delivered."""
    candles: int
    """Candles in them."""
    expected: int
    """Candles expected in all: the count asked for, or an estimate that improves."""
    position: datetime | None
    """Open time of the last candle delivered; None before the first."""
    pages: int
    """Pages fetched, checked and accepted."""
    requests: int
    """Requests sent, including retries and those under way."""
    retries: int
    """Attempts at a page after its first."""
    rate_limited: int
    """Answers 429 among the requests."""
    stored: int
    """Candles stored in slots that were not covered before."""
    stored_before: int
    """Candles that were not fetched because they were stored; each page of them saves a request."""
    revised: int
    """Candles that were stored with other values before."""
    gaps_found: int
    """Gaps between stored spans within the request; with a ``count``, the gaps met so far. Up to 1,000."""
    waiting: int
    """Chunks that wait for the consumer now; after an early exit, those left behind."""
    peak_waiting: int
    """The most that waited at once."""
    in_flight: int
    """Pages being looked up, waited for, fetched, stored or read now."""
    peak_in_flight: int
    """The most at once; a page that moves between stages counts in both for a moment."""
    tasks: int
    """Tasks that run now; 0 before the start and after the end."""
    paused: bool
    """Whether the collection waits for the consumer."""
    elapsed_seconds: float
    """Seconds from the first request for a chunk to the end."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class FailedSpan(Brief):
    """A span that could not be fetched, and why.

    >>> summary = await provider.collect_candles_only("KRW-BTC", "1m", 120, to="2024-01-01T02:00")
    >>> summary.failed_spans
    ()
    """

    start: datetime
    stop: datetime
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class ImpossibleSpan(Brief):
    """The slot of an impossible candle: it is not stored, and the next run asks for it again.

    >>> summary = await provider.collect_candles_only("KRW-BTC", "1m", 120, to="2024-01-01T02:00")
    >>> summary.impossible_spans
    ()
    """

    start: datetime
    stop: datetime
    reason: str
    """What can't be true, with the values."""


@attrs.frozen(repr=False)
class ProvisionalSpan(Brief):
    """A span that is empty by answers that may have been wrong, until one more answer confirms it.

    >>> summary = await provider.collect_candles_only("KRW-BTC", "1m", 120, to="2024-01-01T02:00")
    >>> summary.provisional_spans
    ()
    """

    start: datetime
    stop: datetime
    kind: str
    """``head``: nothing newer is known. ``gap``: it is long for a market of this density. ``beginning``: nothing older
    is known."""
    slots: int
    """Slots in it; for a ``beginning``, only those of the request."""
    first_heard: datetime
    """When the first answers had claimed all of it."""
    last_heard: datetime
    times: int
    """How many answers have claimed it."""
    asks_again: datetime
    """From this time on the next run that asks for it asks the exchange once more."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class CollectionSummary(Brief):
    """What a storage-only collection has done.

    >>> summary = await provider.collect_candles_only("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01T02:00")
    >>> summary.collected_count, summary.db_records_count, summary.api_calls_made
    (120, 120, 0)
    """

    collected_count: int
    """Candles of the request that are stored now, fetched or there before."""
    db_records_count: int
    """Rows of that span, counted in the database at the end; without a store in the pipeline the same as
    ``collected_count``."""
    time_range: tuple[datetime, datetime]
    """The span that is stored: the older end included, the newer excluded."""
    chunks_processed: int
    duration_seconds: float
    api_calls_made: int
    """Requests sent, retries included."""
    overlap_analysis_results: Mapping[str, int]
    """Number of chunks by how they overlapped what was stored before (``OVERLAP_STATES``)."""
    stored_count: int = 0
    """Candles stored in slots that were not covered before."""
    retries: int = 0
    """Attempts at a page after its first."""
    rate_limited: int = 0
    """Answers 429 among the requests."""
    failed_spans: tuple[FailedSpan, ...] = ()
    provisional_spans: tuple[ProvisionalSpan, ...] = ()
    """Spans of the request that are empty until a later answer confirms it, oldest first."""
    impossible_spans: tuple[ImpossibleSpan, ...] = ()
    """Slots of the request with impossible candles, oldest first; all other candles of their pages are stored."""
    revised_count: int = 0
    """Candles that were stored with other values before; the exchange has changed them since."""
    removed_count: int = 0
    """Stored candles that were deleted, since two answers no longer have them."""
    stored_older_count: int = 0
    """Candles of ``stored_count`` that are older than the request, since a page may reach further back."""

    @staticmethod
    def joined(parts: Iterable[CollectionSummary]) -> CollectionSummary:
        """Return the summary of a request that was collected in ``parts`` (:meth:`Request.split`), in any order.

        Counts and durations add up; spans that touch at the ends of two parts become one.

        >>> day = Request("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01T02:00")
        >>> parts = [await provider.collect(part) for part in day.split(50)]
        >>> CollectionSummary.joined(parts).collected_count
        120
        """
        from rxcandles.model.joining import joined

        return joined(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``, spans have ``start`` and ``stop``."""
        return dict(to_plain(self))
