"""What a pipeline needs of a store: candles and their coverage, for one exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple, Protocol, runtime_checkable

from rxcandles.model.absent import AbsentSlot
from rxcandles.model.candles import CandleData, Order, Row
from rxcandles.model.claims import Absence, Claim
from rxcandles.model.moments import Time
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports.records import Covered, Impossible, Series, Written
from rxcandles.util.arguments import check_flag, refusal

__all__ = [
    "CandleStore",
    "Reserved",
    "Reserving",
    "RowReader",
    "absent_of",
    "impossible_in",
    "with_imported",
    "zone_of",
]


class RowReader(Protocol):
    """Synchronous access to the stored rows of one span, for sequences that are read without ``await``."""

    def rows(self, start: int, stop: int, order: Order, limit: int, offset: int = 0) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``, after skipping ``offset``."""
        ...

    def columns(self, start: int, stop: int, limit: int) -> Sequence[tuple[Any, ...]]:
        """Return the oldest ``limit`` rows of ``[start, stop)``, oldest first, as one tuple for each of their fields.

        These are ``model.row_fields`` of the timeframe, or what the reader says in ``fields``. None at all where there
        is no row.
        """
        ...

    def count(self, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``."""
        ...


class Reserved(NamedTuple):
    """What has come of a wish to reserve a span."""

    left: float
    """Seconds until the reservation of somebody else ends; 0.0 where it is reserved now."""
    held: bool
    """Whether some of the span is covered already."""


@runtime_checkable
class Reserving(Protocol):
    """What a store may have besides, if several processes write to it: reservations of what is about to be fetched."""

    async def reserve(self, symbol: str, timeframe: Timeframe, wanted: Span, ahead: Span, seconds: float) -> Reserved:
        """Reserve ``ahead`` for ``seconds``, unless another owner has reserved some of ``wanted``, a part of it."""
        ...


@runtime_checkable
class CandleStore(Protocol):
    """Where candles and their coverage are kept, for one exchange.

    All times are UTC seconds, all spans half open. Any method may be cancelled; none leaves a transaction open.
    Each raises ``StoreError`` where the store can't be used. It may have a method ``absent_slot`` besides, which
    returns what a slot without a candle means; its ``write`` is then given ``absent`` where that is not that nobody
    traded. It may have a method ``impossible``, which returns what ``write`` has heard of candles that can't be true,
    in the words of :class:`Impossible`, and ``with_imported``, which returns a store that holds imported candles too
    (see :func:`with_imported`).
    """

    async def write(
        self,
        symbol: str,
        timeframe: Timeframe,
        rows: Sequence[Row],
        proven: Span,
        absences: Sequence[Absence] = (),
        heard: float | None = None,
        gone: Sequence[int] | None = None,
        said: float | None = None,
        impossible: Mapping[int, str] | None = None,
    ) -> Written:
        """Store ``rows`` (newest first), mark ``proven`` as covered and keep what is doubtful of it, all or nothing.

        A row stored before is replaced, unless its ``timestamp`` is later and ``gone`` is None. ``absences`` become
        claims, and those that lie in ``proven`` already are heard once more (see :func:`~rxcandles.model.claims.hear`),
        at ``heard`` (UTC seconds; None for now), when the server's own clock ``said`` so (None where it tells no time).
        ``gone`` are open times in ``proven`` of stored rows that are deleted.
        ``impossible`` are open times of candles that can't be true, and why: their slots are not covered, but where a
        row is held by proof, which stays. Returns how many of the rows lie where nothing was covered before.
        """
        ...

    async def claims(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Claim]:
        """Return the claims, covered provisionally, that touch ``[start, stop)``, whole, oldest first."""
        ...

    async def coverage(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, limit: int | None = None
    ) -> list[Covered]:
        """Return the covered spans that touch ``[start, stop)``, whole, newest first, at most ``limit``."""
        ...

    async def count(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> int:
        """Count the rows in ``[start, stop)`` themselves, not the ledger's word for them."""
        ...

    async def nth_newest(self, symbol: str, timeframe: Timeframe, start: int, stop: int, nth: int) -> int | None:
        """Return the open time of the ``nth`` newest row (from 1) in ``[start, stop)``, or None."""
        ...

    async def rows(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, order: Order, limit: int
    ) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``."""
        ...

    def pages(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: Time,
        other_end: Time,
        order: Order = "newest_first",
        size: int = 1000,
    ) -> AsyncIterator[list[CandleData]]:
        """Iterate over the stored candles between two instants, ``size`` in memory at a time."""
        ...

    async def get_candles_by_range(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: Time,
        other_end: Time,
        order: Order = "newest_first",
    ) -> list[CandleData]:
        """Return the stored candles between two instants: the older is included, the newer excluded."""
        ...

    async def series(self) -> list[Series]:
        """Return every series that has coverage, of all exchanges in the store."""
        ...

    def reader(self, symbol: str, timeframe: Timeframe) -> RowReader:
        """Return a synchronous reader of one series, which stays usable after the store is closed."""
        ...

    async def close(self) -> None:
        """Close the store; idempotent."""


async def absent_of(store: CandleStore, symbol: str, timeframe: Timeframe) -> AbsentSlot:
    """Return what a slot of a series means that has no candle, where that is proven: as a store keeps it, if it does.

    Else nobody traded.
    """
    read: Callable[..., Awaitable[AbsentSlot]] | None = getattr(store, "absent_slot", None)
    return "no_trade" if read is None else await read(symbol, timeframe)


async def impossible_in(
    store: CandleStore, symbol: str, timeframe: Timeframe, start: int, stop: int
) -> list[Impossible]:
    """Return the candles of ``[start, stop)`` that are not held as they can't be true, if a store keeps such."""
    read: Callable[..., Awaitable[list[Impossible]]] | None = getattr(store, "impossible", None)
    return [] if read is None else await read(symbol, timeframe, start, stop)


def with_imported(store: CandleStore, include: bool) -> CandleStore:
    """Return ``store`` as it is read: with imported candles where they are to be included.

    That is what its method ``with_imported`` returns; a store without one keeps no imported candles.
    """
    if not check_flag("include_imported", include):
        return store
    made: Callable[[], CandleStore] | None = getattr(store, "with_imported", None)
    if made is None:
        raise refusal("store", store, "give a SqliteStore, or leave out include_imported: it keeps no imported candles")
    return made()


def zone_of(store: object) -> tzinfo | None:
    """Return the zone in which ``store`` reads times that name none: its ``tz``, where it has one."""
    there = getattr(store, "tz", None)
    return there if isinstance(there, tzinfo) else None
