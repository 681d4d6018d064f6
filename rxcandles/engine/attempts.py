"""The attempts at one chunk's page: asked for, checked, and taken for what it proves."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from math import ceil
from typing import Final

import attrs

from rxcandles.engine.checks import CheckedPage, check_page
from rxcandles.engine.chunk import Chunk, Proof, Question
from rxcandles.engine.plausibility import Plausibility, window_absences
from rxcandles.engine.record import Record
from rxcandles.engine.sending import Sending
from rxcandles.engine.witness import Witness
from rxcandles.errors import ContradictionError, ExchangeError, InvalidResponseError
from rxcandles.model import Row
from rxcandles.model.claims import Absence, AbsenceKind
from rxcandles.model.density import Trend, doubtful_gaps, is_unlikely
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, time_text
from rxcandles.ports import CandleStore, Exchange, Page
from rxcandles.ports.declared import confirm_times, retained_since, settle_seconds

__all__ = ["Attempts"]

NEWER: Final = 6
"""Candles that a page is to have from above the stretch that it is asked for, where none is known there."""

_DAY: Final = 86_400
"""Seconds by which our own clock may be wrong, where the server does not tell its time."""


@attrs.frozen
class _Answer:
    """A page that makes sense, and what of it was asked for."""

    checked: CheckedPage
    rows: Sequence[Row]
    """Those that open before ``stop``."""
    above: Sequence[int]
    """Open times of rows that lie above what was asked for."""
    bound: int
    """Where what was asked for ends."""
    start: int
    """Older end of what the page tells of."""
    stop: int
    """Its newer end: what is over, of what was asked for."""
    ended: bool
    """Whether nothing older is to be had."""
    windowed: bool
    """Whether it holds the rows of a window of slots."""
    server_time: float | None


class Attempts:
    """Asks for one chunk's page, at most ``most`` times.

    After an invalid answer it is asked over another connection, and with another question where that does not help.
    ``against`` and ``permitted`` are those of :class:`Plausibility` and :class:`Sending`.
    """

    def __init__(
        self,
        exchange: Exchange,
        chunk: Chunk,
        witness: Witness,
        against: CandleStore | None = None,
        most: int = 1,
        permitted: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        question = chunk.question
        self._exchange = exchange
        self._chunk = chunk
        self._most = most
        self._made = 0
        self._doubts = False
        """Whether the attempt has failed by candles that can't be true alone."""
        known = len(question.known) + question.over
        self._around = len(question.suspects) if len(question.suspects) > known else 0
        """How many candles a page is to have above what is asked for, of which all may be such that can't be true."""
        self._other_questions = 0
        self._record = Record(exchange.name, chunk)
        self._sending = Sending(exchange, chunk, self._record, permitted)
        self._plausible = Plausibility(chunk, witness, self._other_length, against)

    @property
    def requests(self) -> int:
        """Requests sent."""
        return self._sending.requests

    def log_retry(self, error: ExchangeError, wait: float) -> None:
        """Count and log that another attempt will be made."""
        self._chunk.run.tally.retries += 1
        self._record.retry(error, wait, self._made)

    def log_failed(self, error: ExchangeError) -> None:
        """Log that nothing has come of all attempts."""
        self._record.failed(error, self.requests)

    async def page(self) -> Proof:
        """Ask for the page once and return what it proves, or raise why it can't be believed."""
        self._made += 1
        self._doubts = False
        try:
            return await self._believed(self._chunk.question)
        except InvalidResponseError as error:
            # A fault on the way is gone with the connection. What has kept an answer gives it again, though, and must
            # be asked something else: after a contradiction, and where a new connection has not helped.
            # Not after a candle that can't be true: what is at the end of a page would be in the next one then.
            anew = self._sending.anew or isinstance(error, ContradictionError)
            self._other_questions += not self._doubts and anew
            self._sending.anew = True
            raise

    async def _believed(self, question: Question) -> Proof:
        answer = await self._answer(question)
        rows, start, stop = answer.rows, answer.start, answer.stop
        impossible, doubt = self._plausible.impossible(answer.checked, rows, last=self._made >= self._most)
        if doubt is not None:
            self._doubts = True
            raise self._plausible.doubtful(doubt, impossible[doubt])
        run, timeframe = self._chunk.run, self._chunk.request.timeframe
        nearest = [answer.above[-1]] if answer.above and answer.bound <= stop else []
        opens = [*nearest, *(row.open_time for row in rows)]
        gaps, trend = doubtful_gaps(opens, timeframe, run.seen.trend, max(run.page, run.seen.places))
        top = (timeframe.shift(rows[0].open_time, 1), stop) if rows else (start if answer.windowed else stop, stop)
        head = self._head(question, answer, top, trend, known=bool(nearest))
        if head is None:
            # Chance may have made it, or the page lacks its newest candle: one that is known shows which.
            return await self._believed(question.but(over=1, count=min(run.page, question.count + 1)))
        absences: list[tuple[AbsenceKind, Span]] = [*(("gap", gap) for gap in gaps), *head]
        start, stop, ended, begins, beginning = await self._beginning(answer)
        absences += beginning
        proven = (start, stop) if start < stop else None
        gone = await self._plausible.gone(proven, rows)
        run.seen.trend = trend
        run.tally.pages += 1
        if impossible:
            # Until here they were candles: that they exist is sure.
            self._record.impossible(impossible)
        confirm = confirm_times(self._exchange)
        proof = Proof(
            rows=[row for row in rows if row.open_time not in impossible] if impossible else rows,
            reached=BEGINNING if ended else start,
            horizon=stop if stop < question.resume else None,
            proven=proven,
            absences=[
                Absence.of(kind, (max(span[0], start), span[1]), confirm)
                for kind, span in absences
                if max(span[0], start) < span[1]
            ],
            gone=gone,
            begins=begins if start == BEGINNING else None,
            said=answer.server_time,
            impossible=impossible,
            windowed=answer.windowed,
        )
        self._record.page(proof, len(rows))
        return proof

    async def _answer(self, question: Question) -> _Answer:
        """Ask, and return what of the page was asked for; raise where it lacks a candle that is known."""
        # What lies between the gap and the candle at its seam was taken for empty: what comes there is new.
        bound = question.resume if not question.over or question.seam is None else question.seam
        checked, server_time = await self._asked(question, bound)
        edge = self._edge(self._chunk.request.timeframe, server_time)
        # What is older than the exchange keeps is asked for no further, unless it comes all the same.
        dropped = checked.covered[0] >= bound or (checked.covered[0] <= edge and not checked.full)
        ended = checked.history_starts or dropped
        above = [row.open_time for row in checked.rows if row.open_time >= bound]
        rows = checked.rows[len(above) :] if above else checked.rows
        start = BEGINNING if checked.history_starts else checked.covered[0]
        stop = min(self._over_by(bound, rows, server_time), self._covered_to(checked, bound))
        self._plausible.check_known(rows, above, start, over=bool(question.over))
        if rows and rows[0].open_time >= stop:
            rows = [row for row in rows if row.open_time < stop]
        # A page of rows that is not full has told of all that is older, too.
        windowed = not ended and (self._chunk.run.page_unit == "slots" or not checked.full)
        return _Answer(checked, rows, above, bound, start, stop, ended, windowed, server_time)

    def _head(
        self, question: Question, answer: _Answer, top: Span, trend: Trend, *, known: bool
    ) -> list[tuple[AbsenceKind, Span]] | None:
        """Return what is doubtful of the empty slots at the page's newer end (``top``); None to ask by one more.

        ``known``: the page has a candle from above them.
        """
        run = self._chunk.run
        if answer.windowed:
            return window_absences(self._chunk, answer.rows, top, answer.start, trend)
        if top[0] >= top[1] or known:
            return []
        if question.seam is None:
            return [("head", top)]
        if question.over or run.page == 1 or is_unlikely(self._chunk.request.timeframe.slots(*top), trend):
            return [("gap", top)]
        return None

    async def _beginning(self, answer: _Answer) -> tuple[int, int, bool, int | None, list[tuple[AbsenceKind, Span]]]:
        """Return what the page covers when the beginning of history is looked into, and what is doubtful of that.

        That is start, stop, whether it is the end, from when on candles may open, and the absences.
        """
        rows, start, stop, ended = answer.rows, answer.start, answer.stop, answer.ended
        begins, oldest = None, rows[-1].open_time if rows else stop
        if answer.windowed:
            begins = self._chunk.run.seen.begins
            if begins is None and not rows and start < stop:
                begins = await self._first_open(answer.server_time)
            if begins is None or start > begins:
                return start, stop, ended, begins, []
            start, ended = BEGINNING, True
        elif answer.checked.history_starts or (ended and start < stop):
            begins = await self._plausible.begins(oldest, start, rows, answer.server_time)
            if begins is not None and not rows and begins > stop:
                oldest = stop = begins  # the other length tells of more than the page
        else:
            return start, stop, ended, begins, []
        return start, stop, ended, begins, [("beginning", (start, oldest))]

    async def _first_open(self, server_time: float | None) -> int | None:
        """Return when a market's first candle opened, or a time before which there is none; None for unknown."""
        seen, probe = self._chunk.run.seen, getattr(self._exchange, "first_open", None)
        if probe is None:
            seen.begins = await self._plausible.first(server_time)
        else:
            seen.begins = await self._sending.first_open(probe)
        return seen.begins

    # Asking

    async def _asked(self, question: Question, bound: int) -> tuple[CheckedPage, float | None]:
        """Return a page, and the server's time; some of its rows are before ``bound``."""
        further, more = self._further(question)
        timeframe, to, count = self._chunk.request.timeframe, bound, question.count
        if question.over:
            to = timeframe.shift(bound, 1)
        questions = [(to, count), (to, count + 1)]
        if further:
            questions.insert(0, (min(timeframe.shift(to, further), timeframe.floor(END - 1)), count + more))
        for to, asked in questions:
            # A page asked for with more than the exchange gives looks short, and short means the beginning of history.
            checked, server_time = await self._ask(to, min(asked, self._exchange.page_limit))
            start, stop = checked.covered
            by_slots = self._chunk.run.page_unit == "slots"
            if start < bound or checked.history_starts or not (checked.full or (by_slots and start < stop)):
                return checked, server_time
            # It held nothing but newer candles, which may be repeated. The next question shows what is behind them.
        raise InvalidResponseError(f"{self._chunk}: the page holds nothing but the candle at `to`, which was excluded")

    def _further(self, question: Question) -> tuple[int, int]:
        """Return how many slots above the stretch a page begins, and how many candles more it then asks for."""
        run = self._chunk.run
        further = more = self._other_questions
        by_slots = run.page_unit == "slots"
        inside = question.resume < run.request.stop and run.seen.is_sparse and not by_slots
        if self._around or (question.seam is None and (question.again or inside)):
            # A newer candle shows whether the page lacks its newest, and that the server has come past what is asked.
            newer = NEWER + self._around
            further += ceil(newer / (run.seen.density or 1.0))
            more += further if by_slots else 2 * newer
        return further, more

    async def _ask(self, to: int, count: int) -> tuple[CheckedPage, float | None]:
        timeframe = self._chunk.request.timeframe
        try:
            page = await self._sending.page(timeframe, to, count)
            if page.covered is None:
                self._record.unsaid()
            return self._checked(page, timeframe, to, count), page.server_time
        except InvalidResponseError:
            # A few of which most can't be true would be refused for ever; among others they are told.
            self._around = max(self._around, count) if count <= NEWER else self._around
            raise

    async def _other_length(self, timeframe: Timeframe, to: int, count: int) -> CheckedPage | None:
        """Return a page of another timeframe, or None where the answer is of no use."""
        page = await self._sending.page(timeframe, to, count)
        try:
            return self._checked(page, timeframe, to, count)
        except InvalidResponseError as error:
            self._record.useless(timeframe, error)
            return None

    def _checked(self, page: Page, timeframe: Timeframe, to: int, count: int) -> CheckedPage:
        try:
            edge = BEGINNING if page.covered is not None else self._edge(timeframe, page.server_time)
            symbol = self._chunk.request.symbol
            return check_page(page, symbol=symbol, timeframe=timeframe, to=to, count=count, kept_since=edge)
        except InvalidResponseError as error:
            if page.beginning:
                error.args = (f"{error}: {page.beginning}",)
            raise

    # What is over, and what is kept

    def _is_topmost(self) -> bool:
        """Whether nothing newer than the chunk was asked for, nor is known."""
        question = self._chunk.question
        return question.resume == self._chunk.request.stop and question.seam is None

    def _over_by(self, bound: int, rows: Sequence[Row], server_time: float | None) -> int:
        """Return what is over: nothing from here on may be stored or covered."""
        if server_time is not None:
            # Not our own clock: where it runs ahead of the server's, a forming candle would pass for a final one.
            over = self._chunk.request.timeframe.floor(server_time - settle_seconds(self._exchange))
            return min(bound, over)
        if self._is_topmost() and time.time() - bound < _DAY:
            # Nobody says what time it is there. A candle shows that all before it are over, not that it is itself.
            return rows[0].open_time if rows else BEGINNING
        return bound

    def _covered_to(self, checked: CheckedPage, bound: int) -> int:
        """Return the newer end of what a page covers, where that need not be the end that was asked for."""
        stop = checked.covered[1]
        if stop < bound and not self._is_topmost():
            raise InvalidResponseError(
                f"{self._chunk}: the page covers nothing from {time_text(stop)} on, and is refused"
            )
        return stop

    def _edge(self, timeframe: Timeframe, server_time: float | None) -> int:
        """Return before when the exchange is not sure to have candles. What is older can't be had any more.

        That does not say that it never was.
        """
        return retained_since(self._exchange, timeframe, time.time() if server_time is None else server_time)
