"""The item of every pipeline: one step of a cursor, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from rxcandles.model import Request, Row
from rxcandles.model.claims import Absence
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import plain_time
from rxcandles.ports import CandleStore, RateLimiter

if TYPE_CHECKING:
    from rxcandles.engine.run import Plan
    from rxcandles.engine.turns import Flight

__all__ = ["Chunk", "Segment", "Tally", "Ticket"]


@attrs.define(eq=False)
class Segment:
    """A stretch ``[lo, hi)`` walked by one cursor, from ``hi`` down."""

    lo: int
    hi: int
    cursor: int
    """Everything in ``[cursor, hi)`` has arrived."""
    stored: int
    """Everything in ``[stored, hi)`` is in the store."""
    found: int = 0
    """Candles that have arrived."""
    assumed: int = 0
    """Candles taken for granted where a page failed or was dropped, so that the rest can go on."""
    seam: int | None = None
    """Open time of the candle that the cursor stands at, the oldest that has arrived; None where none is known."""
    busy: bool = False

    @property
    def finished(self) -> bool:
        """Whether the cursor has arrived."""
        return self.cursor <= self.lo


@attrs.define(eq=False)
class Tally:
    """What a run has cost and brought so far, told by the stages as it happens; the counters only grow."""

    requests: int = 0
    """Requests sent, retries included."""
    retries: int = 0
    """Attempts at a page after its first."""
    rate_limited: int = 0
    """Answers 429 among the requests."""
    pages: int = 0
    """Pages accepted."""
    stored: int = 0
    """Candles stored that the store did not hold as proven."""
    stored_before: int = 0
    """Candles that did not have to be fetched, since they were stored."""
    revised: int = 0
    """Candles that the store held with other values, which the exchange's new ones have replaced."""


class Ticket:
    """What all versions of a chunk share: once no operator has the chunk any more, it is gone, and calls ``gone``."""

    __slots__ = ("__weakref__", "gone")

    def __init__(self) -> None:
        self.gone: Callable[[], object] | None = None

    def __del__(self) -> None:
        if self.gone is not None:
            self.gone()


@attrs.frozen(eq=False, slots=False)
class Chunk:
    """One step of a cursor, and what became of it: the item of every pipeline.

    Each stage returns a new one with more filled in. Times are UTC seconds of open times.
    """

    def but(self, **changes: Any) -> Chunk:
        """Return a copy with some fields changed, as ``attrs.evolve`` does; several of these are made of each page."""
        copied = object.__new__(Chunk)
        copied.__dict__.update(self.__dict__, **changes)
        return copied

    plan: Plan = attrs.field(repr=False)
    segment: Segment = attrs.field(repr=False)
    index: int
    top: int
    """Newer end, excluded."""
    low: int
    """Older end as planned, included: a page of slots below ``top``. What arrives may reach further."""
    floor: int
    """Nothing older than this is asked of this cursor."""
    want: int | None
    """The most candles still needed; None for all there are."""
    resume: int
    """Where fetching begins: ``top``, or the older end of what is stored below it without a hole."""
    ask: int
    """Candles to ask the exchange for; 0 where the store has everything."""
    seam: int | None = None
    """Open time of the oldest candle known at or after ``resume``; None where nothing is known there."""
    over: int = 0
    """How many of ``ask`` lie at or after ``resume``: 1 where the candle at the seam is read again, else 0."""
    known: Sequence[int] = attrs.field(default=(), repr=False)
    """Open times of stored candles that a page must have, as far down as it reaches."""
    again: bool = False
    """Whether a doubtful absence, or a candle that could not be true, is asked about once more."""
    suspects: frozenset[int] = attrs.field(default=frozenset(), repr=False)
    """Open times of candles that could not be true when they came before; once more is enough to believe it."""
    held: int = 0
    """Candles stored in ``[resume, top)`` before."""
    overlap: str = "no_overlap"
    """How the chunk lies over what was stored (see ``OVERLAP_STATES``)."""
    limiter: RateLimiter | None = attrs.field(default=None, repr=False)
    store: CandleStore | None = attrs.field(default=None, repr=False)
    rows: Sequence[Row] = attrs.field(default=(), repr=False)
    """What was fetched, newest first; may reach below ``floor``."""
    reached: int | None = None
    """Everything in ``[reached, top)`` is known; None before that is settled."""
    horizon: int | None = None
    """By the server's own clock nothing from here on is over yet; None where that is not before ``resume``."""
    said: float | None = None
    """What the server's own clock said with the answer (UTC seconds); None where it told no time."""
    proven: Span | None = None
    """What the page tells of: by its word, every candle that exists in there is among ``rows``."""
    absences: Sequence[Absence] = attrs.field(default=(), repr=False)
    """What of that is doubtful."""
    gone: Sequence[int] | None = attrs.field(default=None, repr=False)
    """Open times of stored candles that the exchange has no longer, by two answers; storing the page deletes them."""
    impossible: Mapping[int, str] = attrs.field(factory=dict, repr=False)
    """Why candles of the page can't be true, by open time; they exist, and are not among ``rows``."""
    windowed: bool = False
    """Whether the page held the rows of a window of slots."""
    begins: int | None = None
    """No candle opens before this time, by the candles of another length; None where that was not asked."""
    candles: int = 0
    """Candles of the request in here, fetched or stored before."""
    fresh: int = 0
    """Candles among ``rows`` that the store did not hold as proven; known once they are stored."""
    revised: int = 0
    """Candles among ``rows`` that the store held with other values; known once they are stored."""
    removed: int = 0
    """Candles that were deleted, of those ``gone``; known once that is stored."""
    requests: int = 0
    """Requests sent, retries included."""
    retries: int = 0
    """How often the page was asked for again because of a failure."""
    rate_limited: int = 0
    """Answers 429 among the requests."""
    failure: Exception | None = None
    """Why nothing came, where the pipeline goes on without."""
    flight: Flight | None = attrs.field(default=None, repr=False)
    """What others wait for that want some of it; it is told when the page is stored."""
    ticket: Ticket = attrs.field(factory=Ticket, repr=False)

    @property
    def request(self) -> Request:
        """The request this is a part of."""
        return self.plan.request

    @property
    def span(self) -> Span:
        """The span planned, ``(low, top)``."""
        return (self.low, self.top)

    @property
    def missing(self) -> Span | None:
        """The span to be fetched, as planned, or None."""
        return (self.low, self.resume) if self.ask else None

    def __str__(self) -> str:
        series = f"{self.request.symbol} {self.request.timeframe}"
        return f"{series}, chunk {self.index + 1}, {plain_time(self.low)} to {plain_time(self.top)} UTC"
