"""The item of every pipeline: one step of a run, and what each stage has found out about it.

Each stage fills in its own part, so that a chunk shows which of them it has been through::

    plan_chunks   step       what is asked for, and how much of it is still wanted
    skip_stored   stored     what of it the store holds; question: what is left to ask the exchange
    fetch         page       what the exchange's page proves, or failure: why there is none
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

    All versions of a chunk share it: once no operator has the chunk any more it is gone, and its run knows.
    """

    index: int
    """Which chunk of the run it is, from 0."""
    low: int
    """Older end as planned, included: a page of slots below ``top``. What arrives may reach further."""
    top: int
    """Newer end, excluded."""
    floor: int
    """Nothing older than this is asked of this cursor."""
    want: int | None
    """The most candles still needed; None for all there are."""


@attrs.frozen(eq=False)
class Question:
    """What the exchange is to be asked."""

    low: int
    """Older end of what lacks."""
    resume: int
    """Where fetching begins: ``top``, or the older end of what is stored below it without a gap."""
    count: int
    """Candles to ask for; 0 where the store has everything."""
    seam: int | None = None
    """Open time of the oldest candle known at or after ``resume``; None where nothing is known there."""
    over: int = 0
    """How many of ``count`` lie at or after ``resume``: 1 where the candle at the seam is read again, else 0."""
    known: Sequence[int] = ()
    """Open times of stored candles that a page must have, as far down as it reaches."""
    again: bool = False
    """Whether a doubtful absence, or a candle that could not be true, is asked about once more."""
    suspects: frozenset[int] = frozenset()
    """Open times of candles that could not be true when they came before; once more is enough to believe it."""

    def but(self, **changes: Any) -> Question:
        """Return a copy with some fields changed."""
        return attrs.evolve(self, **changes)


@attrs.frozen(eq=False)
class Stored:
    """What the store held of a chunk before it was fetched."""

    held: int = 0
    """Candles stored in ``[resume, top)``."""
    overlap: str = "no_overlap"
    """How the chunk lies over what is stored (see ``OVERLAP_STATES``)."""
    reached: int | None = None
    """Older end of what is stored, where nothing needs to be asked."""


@attrs.frozen(eq=False)
class Proof:
    """What a page of an exchange proves."""

    rows: Sequence[Row]
    """What was fetched, newest first; may reach below the chunk's ``floor``."""
    reached: int
    """Everything from here up to where fetching began is known."""
    proven: Span | None = None
    """What the page tells of: by its word, every candle that exists in there is among ``rows``."""
    horizon: int | None = None
    """By the server's own clock nothing from here on is over yet; None where that is not before ``resume``."""
    absences: Sequence[Absence] = ()
    """What of ``proven`` is doubtful."""
    impossible: Mapping[int, str] = attrs.field(factory=dict)
    """Why candles of the page can't be true, by open time; they exist, and are not among ``rows``."""
    gone: Sequence[int] | None = None
    """Open times of stored candles that the exchange has no longer, by two answers; storing the page deletes them."""
    begins: int | None = None
    """No candle opens before this time, by the candles of another length; None where that was not asked."""
    said: float | None = None
    """What the server's own clock said with the answer (UTC seconds); None where it told no time."""
    windowed: bool = False
    """Whether the page held the rows of a window of slots."""


@attrs.frozen(eq=False, slots=False)
class Chunk:
    """One step of a run, and what became of it: the item of every pipeline; its properties read its parts.

    ``ops.map(lambda chunk: chunk.rows)`` behind ``fetch`` has what was fetched.
    """

    run: Run = attrs.field(repr=False)
    """The run that has planned it, whose ``tally`` says what all of it has cost."""
    step: Step
    """What is asked for."""
    question: Question
    """What the exchange is to be asked, or was asked."""
    stored: Stored = Stored()
    """What the store held of it before."""
    page: Proof | None = None
    """What its page proves; None before that is fetched, where the store has everything, and where nothing came."""
    failure: Exception | None = None
    """Why nothing came, where the pipeline goes on without."""
    candles: int = 0
    """Candles of the request in here, fetched or stored before."""
    written: Written | None = None
    """How many of its rows lie where nothing was covered before; None before it is stored."""

    def but(self, **changes: Any) -> Chunk:
        """Return a copy with some fields changed, as ``attrs.evolve`` does; several of these are made of each page."""
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
        """The request this is a part of."""
        return self.run.request

    @property
    def index(self) -> int:
        """Which chunk of the run it is, from 0."""
        return self.step.index

    @property
    def span(self) -> Span:
        """The span planned, ``(low, top)``: UTC seconds, the older end included."""
        return (self.question.low, self.step.top)

    @property
    def missing(self) -> Span | None:
        """The span to be fetched, as planned, or None."""
        return (self.question.low, self.question.resume) if self.question.count else None

    @property
    def rows(self) -> Sequence[Row]:
        """What was fetched, newest first."""
        return self.page.rows if self.page is not None else ()

    @property
    def proven(self) -> Span | None:
        """What its page tells of, all of whose candles are among ``rows``; None where there is none."""
        return None if self.page is None else self.page.proven

    @property
    def reached(self) -> int | None:
        """Everything in ``[reached, top)`` is known; None before that is settled."""
        return self.stored.reached if self.page is None else self.page.reached

    @property
    def fresh(self) -> int:
        """Candles among ``rows`` that the store did not hold as proven; 0 before they are stored."""
        return int(self.written or 0)

    def __str__(self) -> str:
        series = f"{self.request.symbol} {self.request.timeframe}"
        low, top = self.span
        return f"{series}, chunk {self.index + 1}, {plain_time(low)} to {plain_time(top)} UTC"
