"""What a pipeline needs of the world: an exchange, a store, a rate limiter.

Each is a Protocol; anything of the same shape can take its place. None of them knows of Rx.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import attrs

from rxcandles.arguments import check_flag, refusal
from rxcandles.claims import Absence, Claim
from rxcandles.model import CandleData, Order, Row
from rxcandles.moments import Time
from rxcandles.showing import Brief
from rxcandles.spans import Span
from rxcandles.timeframe import BEGINNING, Timeframe

PageUnit: TypeAlias = Literal["rows", "slots"]
"""Whether a page holds so many rows, however many slots they lie in, or the rows of so many slots."""

__all__ = [
    "IMPORTED",
    "CandleStore",
    "Covered",
    "Exchange",
    "Impossible",
    "Market",
    "Page",
    "PageUnit",
    "RateLimiter",
    "RowReader",
    "Series",
    "Written",
    "impossible_in",
    "with_imported",
    "zone_of",
]


@attrs.frozen(repr=False)
class Page(Brief):
    """One answer of an exchange: what it sent, what that proves, and what its headers said.

    An exchange that answers with the newest rows before a time makes it by :meth:`before`. One that answers by windows
    says which window it was: ``Page(rows, covered=(start, stop))``. One that has no answer for so old a time says
    that it covers nothing: ``Page([], covered=(to, to))``. A page that does not say what it covers is taken as the
    first kind.
    """

    rows: Sequence[Row]
    """Newest first, open times before the ``to`` that was asked with; at most ``count``."""
    server_time: float | None = None
    """The server's own clock (its ``Date`` header), UTC seconds."""
    remaining: int | None = None
    """What the server still allows in this window (its ``Remaining-Req`` header), in the unit of its limit."""
    delay: float = 0.0
    """Seconds before the request went out, spent on opening a connection."""
    beginning: str = ""
    """The first characters of the answer, quoted, for the message where its candles can't be true."""
    covered: Span | None = None
    """``(start, stop)``, UTC seconds: every candle that exists with an open time in there is among ``rows``."""
    history_starts: bool = False
    """Whether the exchange says that there is no candle before ``covered`` either."""
    used: float | None = None
    """What the server has counted in this window, where it says that in place of what remains."""

    @classmethod
    def before(cls, rows: Sequence[Row], to: int, count: int, *, kept_since: int = BEGINNING, **headers: Any) -> Page:
        """Return the page of an exchange that answers with the newest ``count`` rows before ``to`` (UTC seconds).

        As many rows as were asked for reach down to the oldest of them; fewer say that history starts there, or that
        the exchange has dropped what is older than ``kept_since``. ``headers`` are the other fields.

        Upbit, Bithumb, OKX (``after``) and Binance (``endTime`` alone) answer in this way::

            Page.before(rows, to, count, server_time=date)
        """
        # A page may repeat the last row of the one before, which opens at ``to``.
        oldest = next((row.open_time for row in reversed(rows) if row.open_time != to), to)
        if len(rows) >= count:
            return cls(rows, covered=(oldest, to), **headers)
        start = min(kept_since, oldest)
        return cls(rows, covered=(start, to), history_starts=start == BEGINNING, **headers)


@attrs.frozen
class Market:
    """One market of an exchange: its code and its names."""

    symbol: str
    english_name: str = ""
    local_name: str = ""


@runtime_checkable
class Exchange(Protocol):
    """Where candles come from.

    Each of its pages says what it covers (:class:`Page`). One whose pages are windows of slots, which hold fewer rows
    where nobody traded, may say so by ``page_unit = "slots"``, and when a market's first candle opened by a method
    ``first_open(symbol, timeframe)``, a coroutine that returns UTC seconds, or None where it can't tell.

    One that does not keep all candles for ever may have a method ``kept`` besides, which returns for how many seconds
    a timeframe's are sure to be there, or None: what is older is then neither missing nor proven to be nothing. It may
    have ``confirm_times``, which says after how long what an answer leaves out is asked about again. And it may have a
    method ``page_anew``, which does what ``page`` does over a connection of its own: second questions go that way.

    One that does not count requests a second may have a ``limit`` (:class:`rxcandles.Limit`), and where a page takes
    more than one of it a static method ``page_cost(count)``.
    """

    name: str
    """Namespace of this exchange's candles in a store: ``upbit``."""
    page_limit: int
    """Most candles, or slots, that a request may ask for."""
    rate_limit: float | None
    """Requests a second that the exchange allows; None where it does not say."""

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Raise ``RequestError`` where this exchange can have no such market or timeframe; sends nothing."""

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Return the newest ``count`` candles that exist with an open time before ``to``, or those of ``count`` slots.

        What it covers ends at ``to``. Raises ``ExchangeError``; tries once, and comes back within a
        time of its own, since nothing else ends a request.
        """
        ...

    async def markets(self) -> list[Market]:
        """Return all markets, in the exchange's own order."""
        ...

    async def close(self) -> None:
        """Close all connections; idempotent."""


class Covered(NamedTuple):
    """A span, UTC seconds, that is proven: all candles that exist in ``[start, stop)`` are stored, ``rows`` of them."""

    start: int
    stop: int
    rows: int

    @property
    def imported(self) -> bool:
        """Whether imported candles reach over some of it, of which nothing is proven: see :func:`with_imported`."""
        return self.rows == IMPORTED


IMPORTED: Final = -2
"""Rows of what imported candles reach over: they are to be counted."""


class Impossible(NamedTuple):
    """A candle that the exchange has with values that can't be. Times are UTC seconds, of hearing by our clock."""

    open_time: int
    fault: str
    """In words, with the values."""
    first_heard: int
    last_heard: int
    times: int
    """How many runs have had it so."""


class Written(int):
    """How many of the rows written lie where nothing was covered before, and which replaced others or are deleted."""

    revised: Sequence[tuple[Row, Row]]
    """Each row that was stored with other values, and the one that has replaced it."""
    removed: Sequence[Row]
    """The rows that were deleted."""
    void: Sequence[Span]
    """What is no longer covered: an answer before was wrong about it."""

    def __new__(
        cls,
        new: int,
        revised: Sequence[tuple[Row, Row]] = (),
        removed: Sequence[Row] = (),
        void: Sequence[Span] = (),
    ) -> Written:
        """Return the number with what was revised and removed."""
        written = super().__new__(cls, new)
        written.revised = revised
        written.removed = removed
        written.void = void
        return written


class Series(NamedTuple):
    """One series of a store: the candles of one length of one market of an exchange, each by its name."""

    exchange: str
    symbol: str
    timeframe: str


class RowReader(Protocol):
    """Synchronous access to the stored rows of one span, for sequences that are read without ``await``."""

    def rows(self, start: int, stop: int, order: Order, limit: int, offset: int = 0) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``, after skipping ``offset``."""
        ...

    def columns(self, start: int, stop: int, limit: int) -> Sequence[tuple[Any, ...]]:
        """Return the oldest ``limit`` rows of ``[start, stop)``, oldest first, as one tuple for each of their fields.

        These are ``model.row_fields`` of the timeframe. None at all where there is no row.
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
    Each raises ``StoreError`` where the store can't be used. It may have a method ``impossible`` besides, which returns
    what ``write`` has heard of candles that can't be true, in the words of :class:`Impossible`, and ``with_imported``,
    which returns a store that holds imported candles too (see :func:`with_imported`).
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
        claims, and those that lie in ``proven`` already are heard once more (see :func:`~rxcandles.claims.hear`), at
        ``heard`` (UTC seconds; None for now), when the server's own clock ``said`` so (None where it tells no time).
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


class RateLimiter(Protocol):
    """Gives out permits, one a request, and hears what the server says of its limit.

    It may have a method ``answered`` besides, which hears by a permit (what ``acquire`` has returned) that its request
    was answered as asked: 429s before and after that don't follow on one another. And it may have a method
    ``learned``, which hears by a permit what the server's clock said in the answer.
    """

    async def acquire(self, cost: float = 1.0) -> float:
        """Wait for a permit; first come, first served. Return when it was given. Cancelling gives the place up.

        ``cost`` is what the request takes of the limit. It is given where that is not 1.
        """
        ...

    def took(self, given: float, seconds: float, delay: float = 0.0) -> None:
        """Hear how long the request took whose permit was given then, ``delay`` of it before it went out."""

    def observe(self, remaining: float | None = None, *, used: float | None = None) -> None:
        """Hear what the server still allows in this window, or, where it says that, what it has counted."""

    def limited(self, retry_after: float | None = None) -> None:
        """Hear of a 429: everybody waits."""

    def banned(self, seconds: float | None = None) -> None:
        """Hear of a 418: nobody sends anything until it is over."""
