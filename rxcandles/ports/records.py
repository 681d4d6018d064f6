"""What a store returns: what it covers, what it has written, which series it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rxcandles.model.rows import Row
from rxcandles.model.spans import Span

__all__ = [
    "IMPORTED",
    "CachePlace",
    "Covered",
    "Followed",
    "Impossible",
    "Month",
    "News",
    "Revision",
    "Sealed",
    "Series",
    "Written",
]


class Covered(NamedTuple):
    """A covered span, in UTC seconds: all candles that exist in ``[start, stop)`` are stored, ``rows`` of them.

    >>> Covered(0, 120, 2).span
    (0, 120)
    """

    start: int
    stop: int
    rows: int

    @property
    def span(self) -> Span:
        """``(start, stop)``, without the number of rows."""
        return (self.start, self.stop)

    @property
    def imported(self) -> bool:
        """Whether imported candles lie in a part of it, where nothing is proven: see :func:`with_imported`."""
        return self.rows == IMPORTED


IMPORTED: Final = -2
"""The value of ``rows`` for a span with imported candles: they must be counted."""


class Impossible(NamedTuple):
    """A candle that the exchange has with impossible values. Times are UTC seconds, by our clock."""

    open_time: int
    fault: str
    """What is wrong, in words, with the values."""
    first_heard: int
    last_heard: int
    times: int
    """How many runs have received it so."""


class Month(NamedTuple):
    """A calendar month in UTC, ``[start, stop)`` in UTC seconds, and the revision of a series' candles in it.

    >>> [month] = await store.months("KRW-BTC", Timeframe.of("1m"), 1_704_067_200, 1_704_074_400)
    >>> month.start, month.stop
    (1704067200, 1706745600)
    """

    start: int
    stop: int
    revision: int
    """A random number that is another one after each transaction in which a candle of the month has come, changed or
    gone; 0 if it is unknown."""


class Sealed(NamedTuple):
    """A month ``[start, stop)``, in UTC seconds, whose candles have left the store: a file of a lake has them.

    >>> Sealed(1_704_067_200, 1_706_745_600, 44_640, 7, "00", "/data/lake", 1_767_225_600).rows
    44640
    """

    start: int
    stop: int
    rows: int
    """Its candles."""
    revision: int
    """The month's revision when it was sealed."""
    sha256: str
    """The SHA-256 of the file."""
    place: str
    """Where the lake is: a folder or an address."""
    at: int
    """When it was sealed, by the clock of the machine."""


class Written(int):
    """The number of written rows in slots that were not covered before, and which rows were replaced or deleted."""

    revised: Sequence[tuple[Row, Row]]
    """Each row that was stored with other values, and the row that has replaced it."""
    removed: Sequence[Row]
    """The rows that were deleted."""
    void: Sequence[Span]
    """Spans that are no longer covered, since an earlier answer was wrong about them."""

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
    """One series of a store, by the names of the exchange, of the market and of the timeframe.

    >>> Series("upbit", "KRW-BTC", "1m").symbol
    'KRW-BTC'
    """

    exchange: str
    symbol: str
    timeframe: str


class Followed(NamedTuple):
    """How far a series is followed. Times are UTC seconds.

    >>> Followed(0, 120, 180, "polling", "", 1_704_067_200.0).proven
    120
    """

    start: int
    """Where following has begun."""
    proven: int
    """Every candle that opens in ``[start, proven)`` is stored."""
    heard: int
    """Until then the exchange has said nothing of another candle."""
    state: str
    """How it goes (see ``FollowState``)."""
    reason: str
    """Why, in words."""
    at: float
    """When this was recorded, by the clock of the machine."""


class CachePlace(NamedTuple):
    """Where copies of the months of a series may be kept: in a folder beside its database."""

    database: str
    """The absolute path of the database's file; the folder's name is the same and ``.cache``."""
    size: int
    """The most bytes that the folder may take, for all series together."""
    series: Series


class Revision(NamedTuple):
    """A slot of a followed series whose candle has changed."""

    open_time: int
    before: Row | None
    """The candle before; None if there was none."""
    row: Row | None
    """The candle now; None if there is none."""


class News(NamedTuple):
    """What a store has for one who follows a series."""

    rows: Sequence[Row]
    """New rows, oldest first."""
    changes: Sequence[Revision]
    """Changes of rows that were read before, oldest first."""
    last: int
    """The number of the last change."""
