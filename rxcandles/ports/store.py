"""What a pipeline needs from a store: candles and their coverage, for one exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple, Protocol, runtime_checkable

from rxcandles.model.absent import AbsentSlot
from rxcandles.model.candles import CandleData, Order
from rxcandles.model.claims import Absence, Claim
from rxcandles.model.moments import Time
from rxcandles.model.rows import Row
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports.records import Covered, Followed, Impossible, Month, News, Sealed, Series, Written
from rxcandles.util.arguments import check_flag, refusal

__all__ = [
    "CandleStore",
    "Followable",
    "Reserved",
    "Reserving",
    "Revised",
    "RowReader",
    "Sealing",
    "absent_of",
    "impossible_in",
    "opens_of",
    "sealed_in",
    "with_imported",
    "zone_of",
]


class RowReader(Protocol):
    """Synchronous access to the stored rows of one series, for sequences that are read without ``await``.

    A reader may also have these:

    * ``gathered(start, stop, limit, gather)``: returns what ``gather`` makes of an iterator over the rows that
      ``columns`` would return, as columns of some hundred rows each, read by one statement.
    * ``months(start, stop)``: returns the months that touch a span, as :class:`Revised` does.
    * ``cache``: a :class:`CachePlace`, or None; copies of its months may be kept there.
    """

    def rows(self, start: int, stop: int, order: Order, limit: int, offset: int = 0) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``, after skipping ``offset``."""
        ...

    def columns(self, start: int, stop: int, limit: int) -> Sequence[tuple[Any, ...]]:
        """Return the oldest ``limit`` rows of ``[start, stop)``, oldest first, as one tuple for each of their fields.

        The fields are ``model.row_fields`` of the timeframe, or those that the reader names in ``fields``. The result
        is empty if there is no row.
        """
        ...

    def count(self, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``."""
        ...


class Reserved(NamedTuple):
    """The answer to a request to reserve a span."""

    left: float
    """Seconds until another owner's reservation ends; 0.0 if the span is reserved now."""
    held: bool
    """Whether a part of the span is covered already."""


@runtime_checkable
class Reserving(Protocol):
    """What a store may also have, if several processes write to it: reservations of spans that will be fetched."""

    async def reserve(self, symbol: str, timeframe: Timeframe, wanted: Span, ahead: Span, seconds: float) -> Reserved:
        """Reserve ``ahead`` for ``seconds``, unless another owner has reserved a part of ``wanted``.

        ``wanted`` lies in ``ahead``.
        """
        ...


@runtime_checkable
class Followable(Protocol):
    """What a store also has, if series can be followed in it.

    From the first ``follow`` of a series on, its ``write`` logs each change in the followed span: a row that is
    replaced or deleted, and one that comes late.
    """

    async def follow(self, symbol: str, timeframe: Timeframe, followed: Followed) -> None:
        """Record how far a series is followed."""
        ...

    async def followed(self, symbol: str, timeframe: Timeframe) -> Followed | None:
        """Return how far a series is followed; None if it never was."""
        ...

    async def news(self, symbol: str, timeframe: Timeframe, start: int, stop: int, limit: int, after: int) -> News:
        """Return up to ``limit`` rows of ``[start, stop)``, oldest first, and changes of rows before ``start``.

        Both are of one moment. ``after`` is the number of the last change that was read; -1 begins with the newest.
        """
        ...

    async def version(self) -> int:
        """Return a number that changes when another connection has written to the store."""
        ...


@runtime_checkable
class Revised(Protocol):
    """What a store also has, if it tells which months of a series have changed."""

    async def months(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Month]:
        """Return the calendar months that touch ``[start, stop)`` with their revisions, oldest first."""
        ...


@runtime_checkable
class Sealing(Protocol):
    """What a store also has, if the candles of a month can leave it for a lake.

    Its ``count``, ``nth_newest`` and ``coverage`` still count them; its ``rows`` raises ``SealedError`` where it would
    need them.
    """

    async def sealed(self, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Sealed]:
        """Return the sealed months that overlap ``[start, stop)``, oldest first."""
        ...

    async def opens(
        self, symbol: str, timeframe: Timeframe, start: int, stop: int, order: Order, limit: int
    ) -> list[int]:
        """Return the open times of up to ``limit`` candles of ``[start, stop)`` in ``order``, sealed or not."""
        ...

    async def seal(
        self, symbol: str, timeframe: Timeframe, month: Span, revision: int, rows: int, sha256: str, place: str
    ) -> str | None:
        """Delete the candles of a month that a file of a lake has; return why not if that can't be."""
        ...

    async def unseal(
        self, symbol: str, timeframe: Timeframe, start: int, pages: Callable[[], Iterator[Sequence[Row]]]
    ) -> int:
        """Store the candles of the sealed month that begins at ``start`` again; return their number."""
        ...


@runtime_checkable
class CandleStore(Protocol):
    """A store of candles and their coverage, for one exchange.

    All times are UTC seconds, all spans include their older end and exclude their newer end. Any method may be
    cancelled, and none leaves a transaction open. Each raises ``StoreError`` if the store can't be used.

    A store may also have these methods:

    * ``absent_slot(symbol, timeframe)``: returns what an empty slot means, as ``write`` was told by its argument
      ``absent`` (it is passed only to stores with this method, and only if an empty slot does not mean no trade).
    * ``impossible(symbol, timeframe, start, stop)``: returns the impossible candles that ``write`` was given, as
      :class:`Impossible`.
    * ``with_imported()``: returns a store that holds imported candles too (see :func:`with_imported`).

    A value that implements it is :class:`SqliteStore`::

        async with SqliteStore("candles.db", exchange="upbit") as store:
            covered = await store.coverage("KRW-BTC", Timeframe.of("1m"), 0, 2_000_000_000)
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
        """Store ``rows``, mark ``proven`` as covered and keep its doubtful absences as claims, all or nothing.

        Returns how many of the rows are in slots that were not covered before.

        * ``rows``: newest first. A row replaces a stored one, unless the stored one's ``timestamp`` is later and
          ``gone`` is None.
        * ``proven``: the span that the page covers.
        * ``absences``: become claims. An absence in ``proven`` that is a claim already is recorded as answered once
          more (see :func:`~rxcandles.model.claims.hear`).
        * ``heard``: the time of the answer, UTC seconds; None for now.
        * ``gone``: open times in ``proven`` of stored rows to delete.
        * ``said``: the server's clock in the answer; None if it gave no time.
        * ``impossible``: open times of impossible candles, and why. Their slots are not covered, except those with a
          row that is stored and covered, which stays.
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
        """Return the number of rows in ``[start, stop)``, counted from the rows and not from the coverage."""
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
        """Iterate over the stored candles between two times, ``size`` in memory at a time."""
        ...

    async def get_candles_by_range(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: Time,
        other_end: Time,
        order: Order = "newest_first",
    ) -> list[CandleData]:
        """Return the stored candles between two times: the older end is included, the newer end is excluded."""
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
    """Return the impossible candles of ``[start, stop)`` that are not stored, if the store keeps them."""
    read: Callable[..., Awaitable[list[Impossible]]] | None = getattr(store, "impossible", None)
    return [] if read is None else await read(symbol, timeframe, start, stop)


async def opens_of(
    store: CandleStore, symbol: str, timeframe: Timeframe, start: int, stop: int, order: Order, limit: int
) -> list[int]:
    """Return the open times of up to ``limit`` candles of ``[start, stop)`` in ``order``.

    Unlike ``rows``, it knows those of candles that have left the store for a lake.
    """
    read: Callable[..., Awaitable[list[int]]] | None = getattr(store, "opens", None)
    if read is not None:
        return await read(symbol, timeframe, start, stop, order, limit)
    return [row.open_time for row in await store.rows(symbol, timeframe, start, stop, order, limit)]


async def sealed_in(store: CandleStore, symbol: str, timeframe: Timeframe, start: int, stop: int) -> list[Sealed]:
    """Return the months of ``[start, stop)`` whose candles have left the store, if it knows of such."""
    read: Callable[..., Awaitable[list[Sealed]]] | None = getattr(store, "sealed", None)
    return [] if read is None else await read(symbol, timeframe, start, stop)


def with_imported(store: CandleStore, include: bool) -> CandleStore:
    """Return ``store`` for reading: with imported candles if ``include`` is True.

    That is the result of its method ``with_imported``. Raises ``RequestError`` for a store without that method, which
    keeps no imported candles.
    """
    if not check_flag("include_imported", include):
        return store
    made: Callable[[], CandleStore] | None = getattr(store, "with_imported", None)
    if made is None:
        raise refusal("store", store, "give one of ours, or leave out include_imported: it keeps no imported candles")
    return made()


def zone_of(store: object) -> tzinfo | None:
    """Return the zone in which ``store`` reads times that name no zone: its ``tz``, if it has one."""
    there = getattr(store, "tz", None)
    return there if isinstance(there, tzinfo) else None
