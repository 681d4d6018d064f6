"""The item of every pipeline: one step of a run, and what each stage has found out about it.

Each stage fills in its own part, so a chunk shows which stages it has passed::

    plan_chunks   step       what is asked for, and how many candles are still needed
    skip_stored   stored     what the store holds of it; question: what is left to ask the exchange
    fetch         page       what the exchange's page proves, or failure: why there is no page
    persist       written    how many of its candles are new to the store
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from rxcandles.model import Request, Row
from rxcandles.model.claims import Absence
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import plain_time

if TYPE_CHECKING:
    from rxcandles.engine.run import Run
    from rxcandles.ports import Written

__all__ = ["Chunk", "Proof", "Question", "Step", "Stored"]


@attrs.frozen(eq=False)
class Step:
    """One step of a cursor as its run plans it. Times are UTC seconds of open times.

    All versions of a chunk share it. It disappears when no operator holds the chunk any more, which is how the run
    notices.
    """

    index: int
    """Number of the chunk in its run, from 0."""
    low: int
    """Older end as planned, included: a page of slots below ``top``. The page may reach further."""
    top: int
    """Newer end, excluded."""
    floor: int
    """The cursor asks for nothing older than this."""
    want: int | None
    """The most candles that are still needed; None for all."""


@attrs.frozen(eq=False)
class Question:
    """The question for the exchange."""

    low: int
    """Older end of what is missing."""
    resume: int
    """Where fetching begins: ``top``, or the older end of what is stored below it without a gap."""
    count: int
    """Candles to ask for; 0 if the store has everything."""
    seam: int | None = None
    """Open time of the oldest candle known at or after ``resume``; None if no candle is known there."""
    over: int = 0
    """How many of ``count`` lie at or after ``resume``: 1 if the candle at the seam is read again, else 0."""
    known: Sequence[int] = ()
    """Open times of stored candles that a page must contain, as far down as it reaches."""
    again: bool = False
    """Whether it asks about a claim or an impossible candle once more."""
    suspects: frozenset[int] = frozenset()
    """Open times of candles that were impossible before; one more answer is enough to accept that."""

    def but(self, **changes: Any) -> Question:
        """Return a copy with some fields changed."""
        return attrs.evolve(self, **changes)


@attrs.frozen(eq=False)
class Stored:
    """What the store held of a chunk before it was fetched."""

    held: int = 0
    """Candles stored in ``[resume, top)``."""
    overlap: str = "no_overlap"
    """How the chunk overlaps with what is stored (see ``OVERLAP_STATES``)."""
    reached: int | None = None
    """Older end of what is stored, if nothing needs to be asked."""


@attrs.frozen(eq=False)
class Proof:
    """What a page of an exchange proves."""

    rows: Sequence[Row]
    """The fetched candles, newest first; they may reach below the chunk's ``floor``."""
    reached: int
    """Everything from here up to where fetching began is known."""
    proven: Span | None = None
    """The span that the page covers: every candle that exists in it is among ``rows``. None for no span."""
    horizon: int | None = None
    """By the server's clock no candle from here on is closed; None if that is not before ``resume``."""
    absences: Sequence[Absence] = ()
    """The absences in ``proven`` that are doubtful."""
    impossible: Mapping[int, str] = attrs.field(factory=dict)
    """Why candles of the page are impossible, by open time; they exist, but are not among ``rows``."""
    gone: Sequence[int] | None = None
    """Open times of stored candles that two answers lack; storing the page deletes them."""
    begins: int | None = None
    """No candle opens before this time, as candles of another length show; None if that was not asked."""
    said: float | None = None
    """The server's clock in the answer, UTC seconds; None if the answer had no time."""
    windowed: bool = False
    """Whether the page held the rows of a window of slots."""


@attrs.frozen(eq=False, slots=False)
class Chunk:
    """One step of a run and its outcome: the item of every pipeline. Its properties read its parts.

    All times are UTC seconds. Behind ``fetch`` a chunk has the rows that were fetched.

    >>> chunk = await ops.run(ops.plan_chunks(request).pipe(ops.fetch(exchange)))
    >>> len(chunk.rows), chunk.proven, chunk.written
    (60, (1704070800, 1704074400), None)
    """

    run: Run = attrs.field(repr=False)
    """The run that planned it; its ``tally`` has what the whole run has cost."""
    step: Step
    """What is asked for."""
    question: Question
    """The question for the exchange."""
    stored: Stored = Stored()
    """What the store held of it before."""
    page: Proof | None = None
    """What its page proves; None before it is fetched, if the store has everything, and if no page came."""
    failure: Exception | None = None
    """Why no page came, if the pipeline goes on without it."""
    candles: int = 0
    """Candles of the request in it, fetched or stored before."""
    written: Written | None = None
    """How many of its rows are in slots that were not covered before; None before it is stored."""

    def but(self, **changes: Any) -> Chunk:
        """Return a copy with some fields changed; faster than ``attrs.evolve``, as each page makes several copies."""
        copied = object.__new__(Chunk)
        copied.__dict__.update(self.__dict__, **changes)
        return copied

    @property
    def plan(self) -> Run:
        """The old name of ``run``."""
        warnings.warn("Chunk.plan is Chunk.run now", DeprecationWarning, stacklevel=2)
        return self.run

    @property
    def request(self) -> Request:
        """The request that it is a part of."""
        return self.run.request

    @property
    def index(self) -> int:
        """Number of the chunk in its run, from 0."""
        return self.step.index

    @property
    def span(self) -> Span:
        """The planned span, ``(low, top)``, in UTC seconds; the older end is included."""
        return (self.question.low, self.step.top)

    @property
    def missing(self) -> Span | None:
        """The span to fetch, as planned, or None."""
        return (self.question.low, self.question.resume) if self.question.count else None

    @property
    def rows(self) -> Sequence[Row]:
        """The fetched candles, newest first."""
        return self.page.rows if self.page is not None else ()

    @property
    def proven(self) -> Span | None:
        """The span that its page covers, all of whose candles are among ``rows``; None if there is no page."""
        return None if self.page is None else self.page.proven

    @property
    def reached(self) -> int | None:
        """Everything in ``[reached, top)`` is known; None before that is settled."""
        return self.stored.reached if self.page is None else self.page.reached

    @property
    def fresh(self) -> int:
        """Candles among ``rows`` in slots that were not covered before; 0 before they are stored."""
        return int(self.written or 0)

    def __str__(self) -> str:
        series = f"{self.request.symbol} {self.request.timeframe}"
        low, top = self.span
        return f"{series}, chunk {self.index + 1}, {plain_time(low)} to {plain_time(top)} UTC"
