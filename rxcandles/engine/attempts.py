"""The attempts at the page of one chunk: ask for it, check it, and find out what it proves.

An attempt sends one or more requests. The page must pass the checks of ``checks`` and the comparison of
``plausibility`` with what is known. What remains is a ``Proof``: the candles, the span that they cover, and the empty
slots that are doubtful. An attempt that fails raises, and ``retry`` decides whether another one is made. The next
attempt goes over another connection, and asks another question if that has not helped.
"""

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
"""Candles from above the gap that a page is to have, if no candle is known there."""

_DAY: Final = 86_400
"""Seconds by which our own clock may be wrong; used if the server sends no date."""


@attrs.frozen
class _Answer:
    """A page that makes sense, and the part of it that was asked for."""

    checked: CheckedPage
    rows: Sequence[Row]
    """Rows that open before ``stop``."""
    above: Sequence[int]
    """Open times of rows above the span that was asked for."""
    bound: int
    """Newer end of the span that was asked for."""
    start: int
    """Older end of the span that the page covers."""
    stop: int
    """Its newer end: the part of the request that is closed."""
    ended: bool
    """Whether the exchange has nothing older."""
    windowed: bool
    """Whether the page holds the rows of a window of slots."""
    server_time: float | None


class Attempts:
    """Asks for the page of one chunk, at most ``most`` times.

    After an invalid answer it asks over another connection, and asks another question if that does not help.
    ``against`` is that of :class:`Plausibility`, ``permitted`` that of :class:`Sending`.
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
        """Whether the attempt has failed only because of impossible candles."""
        known = len(question.known) + question.over
        self._around = len(question.suspects) if len(question.suspects) > known else 0
        """How many candles above the span a page is to have; 0 unless all candles of the span may be impossible."""
        self._other_questions = 0
        self._record = Record(exchange.name, chunk)
        self._sending = Sending(exchange, chunk, self._record, permitted)
        self._plausible = Plausibility(chunk, witness, self._other_length, against)

    @property
    def requests(self) -> int:
        """Requests sent."""
        return self._sending.requests

    def log_retry(self, error: ExchangeError, wait: float) -> None:
        """Count and log that another attempt follows."""
        self._chunk.run.tally.retries += 1
        self._record.retry(error, wait, self._made)

    def log_failed(self, error: ExchangeError) -> None:
        """Log that all attempts have failed."""
        self._record.failed(error, self.requests)

    async def page(self) -> Proof:
        """Ask for the page once and return what it proves, or raise why it is refused."""
        self._made += 1
        self._doubts = False
        try:
            return await self._believed(self._chunk.question)
        except InvalidResponseError as error:
            # A fault of the connection is gone with the connection. A cache, though, gives its answer again over
            # another one, so it must be asked another question: after a contradiction, and if a new connection has not
            # helped. Not after an impossible candle: the candle at the end of a page would then be on the next page.
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
            # This may be chance, or the page lacks its newest candle: a page with a known candle above shows which.
            return await self._believed(question.but(over=1, count=min(run.page, question.count + 1)))
        absences: list[tuple[AbsenceKind, Span]] = [*(("gap", gap) for gap in gaps), *head]
        start, stop, ended, begins, beginning = await self._beginning(answer)
        absences += beginning
        proven = (start, stop) if start < stop else None
        gone = await self._plausible.gone(proven, rows)
        run.seen.trend = trend
        run.tally.pages += 1
        if impossible:
            # Only now log them: until here they counted as candles, since they are known to exist.
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
        """Ask, and return the part of the page that was asked for; raise if it lacks a known candle."""
        # The slots between the gap and the candle at its seam counted as empty, so a candle that comes there is new.
        bound = question.resume if not question.over or question.seam is None else question.seam
        checked, server_time = await self._asked(question, bound)
        edge = self._edge(self._chunk.request.timeframe, server_time)
        # Ask no further for what is older than the retention, unless such candles come all the same.
        dropped = checked.covered[0] >= bound or (checked.covered[0] <= edge and not checked.full)
        ended = checked.history_starts or dropped
        above = [row.open_time for row in checked.rows if row.open_time >= bound]
        rows = checked.rows[len(above) :] if above else checked.rows
        start = BEGINNING if checked.history_starts else checked.covered[0]
        stop = min(self._over_by(bound, rows, server_time), self._covered_to(checked, bound))
        self._plausible.check_known(rows, above, start, over=bool(question.over))
        if rows and rows[0].open_time >= stop:
            rows = [row for row in rows if row.open_time < stop]
        # A page of rows that is not full also covers everything older.
        windowed = not ended and (self._chunk.run.page_unit == "slots" or not checked.full)
        return _Answer(checked, rows, above, bound, start, stop, ended, windowed, server_time)

    def _head(
        self, question: Question, answer: _Answer, top: Span, trend: Trend, *, known: bool
    ) -> list[tuple[AbsenceKind, Span]] | None:
        """Return the doubtful part of the empty slots at the page's newer end, ``top``; None to ask for a candle more.

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
        """Check the beginning of history, and return what the page covers and what of it is doubtful.

        Returns start, stop, whether nothing older exists, the time before which no candle opens, and the absences.
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
                oldest = stop = begins  # the candles of another length cover more than the page
        else:
            return start, stop, ended, begins, []
        return start, stop, ended, begins, [("beginning", (start, oldest))]

    async def _first_open(self, server_time: float | None) -> int | None:
        """Return when the market's first candle opened, or a time before which there is none; None if unknown."""
        seen, probe = self._chunk.run.seen, getattr(self._exchange, "first_open", None)
        if probe is None:
            seen.begins = await self._plausible.first(server_time)
        else:
            seen.begins = await self._sending.first_open(probe)
        return seen.begins

    # Asking

    async def _asked(self, question: Question, bound: int) -> tuple[CheckedPage, float | None]:
        """Return a page with rows before ``bound``, and the server's time."""
        further, more = self._further(question)
        timeframe, to, count = self._chunk.request.timeframe, bound, question.count
        if question.over:
            to = timeframe.shift(bound, 1)
        questions = [(to, count), (to, count + 1)]
        if further:
            questions.insert(0, (min(timeframe.shift(to, further), timeframe.floor(END - 1)), count + more))
        for to, asked in questions:
            # Ask for no more than the exchange gives: such a page would look short, and short means the beginning of
            # history.
            checked, server_time = await self._ask(to, min(asked, self._exchange.page_limit))
            start, stop = checked.covered
            by_slots = self._chunk.run.page_unit == "slots"
            if start < bound or checked.history_starts or not (checked.full or (by_slots and start < stop)):
                return checked, server_time
            # The page held only newer candles, which may be repeated; the next question shows what lies behind them.
        raise InvalidResponseError(f"{self._chunk}: the page holds nothing but the candle at `to`, which was excluded")

    def _further(self, question: Question) -> tuple[int, int]:
        """Return how many slots above the gap a page begins, and how many candles more it then asks for."""
        run = self._chunk.run
        further = more = self._other_questions
        by_slots = run.page_unit == "slots"
        inside = question.resume < run.request.stop and run.seen.is_sparse and not by_slots
        if self._around or (question.seam is None and (question.again or inside)):
            # A newer candle shows whether the page lacks its newest ones, and that the server has data beyond what is
            # asked for.
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
            # Ask for more candles: a few of which most are impossible would always be refused; among others they are
            # listed.
            self._around = max(self._around, count) if count <= NEWER else self._around
            raise

    async def _other_length(self, timeframe: Timeframe, to: int, count: int) -> CheckedPage | None:
        """Return a page of another timeframe, or None if the answer is unusable."""
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

    # What is closed, and what the exchange keeps

    def _is_topmost(self) -> bool:
        """Say whether nothing newer than the chunk was asked for or is known."""
        question = self._chunk.question
        return question.resume == self._chunk.request.stop and question.seam is None

    def _over_by(self, bound: int, rows: Sequence[Row], server_time: float | None) -> int:
        """Return up to when candles are closed: later ones may not be stored or covered."""
        if server_time is not None:
            # Not by our own clock: if it runs ahead of the server's, a forming candle would look closed.
            over = self._chunk.request.timeframe.floor(server_time - settle_seconds(self._exchange))
            return min(bound, over)
        if self._is_topmost() and time.time() - bound < _DAY:
            # The server's time is unknown. A candle proves that all before it are closed, but not that it is closed
            # itself.
            return rows[0].open_time if rows else BEGINNING
        return bound

    def _covered_to(self, checked: CheckedPage, bound: int) -> int:
        """Return the newer end of what a page covers; only the topmost chunk's may be older than what was asked for."""
        stop = checked.covered[1]
        if stop < bound and not self._is_topmost():
            raise InvalidResponseError(
                f"{self._chunk}: the page covers nothing from {time_text(stop)} on, and is refused"
            )
        return stop

    def _edge(self, timeframe: Timeframe, server_time: float | None) -> int:
        """Return the time before which the exchange may have dropped candles.

        Older candles may have existed all the same.
        """
        return retained_since(self._exchange, timeframe, time.time() if server_time is None else server_time)
