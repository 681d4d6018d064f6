"""One page of one chunk: asked for, checked, and taken for what it proves."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from math import ceil
from typing import Any, Final, TypeVar

import attrs

from rxcandles.engine.answered import brought_home, check_answer
from rxcandles.engine.checks import CheckedPage, check_page
from rxcandles.engine.chunk import Chunk
from rxcandles.engine.witness import Witness
from rxcandles.errors import (
    BannedError,
    ConnectionFailedError,
    ContradictionError,
    ExchangeError,
    InvalidResponseError,
    PassingError,
    RateLimitedError,
)
from rxcandles.events import FailedEvent, ImpossibleEvent, OfSeries, PageEvent, RequestEvent, RetryEvent, log_event
from rxcandles.model import Row
from rxcandles.model.claims import Absence, AbsenceKind, ConfirmTimes
from rxcandles.model.density import Trend, doubtful_gaps, is_unlikely
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, time_text
from rxcandles.ports import CandleStore, Exchange, Page, RateLimiter
from rxcandles.ports.declared import confirm_times, page_cost, retained_since, settle_seconds

__all__ = ["Attempts", "Found"]

_T = TypeVar("_T")

_log: Final = logging.getLogger("rxcandles.fetch")

_BAN_SECONDS: Final = 60.0

_STORED_AT_ONCE: Final = 1000
"""Stored candles that are looked up together."""

NEWER: Final = 6
"""Candles that a page is to have from above the stretch that it is asked for, where none is known there."""

BELIEVED: Final = 3
"""Answers that must have a candle with values that can't be, before that is believed of the exchange."""

_DAY: Final = 86_400
"""Seconds by which our own clock may be wrong, where the server does not tell its time."""


@attrs.frozen
class Found:
    """What has come of a chunk's page, in the words of ``Chunk``."""

    rows: Sequence[Row]
    reached: int
    horizon: int | None
    proven: Span | None
    absences: Sequence[Absence]
    gone: Sequence[int] | None
    begins: int | None
    said: float | None
    impossible: Mapping[int, str]
    windowed: bool


class Attempts:
    """The attempts at one chunk's page, and what they have cost.

    With ``against``, a page that lacks candles of that store is believed only if the answer before lacked them too.
    A candle that can't be true is believed to be so when three answers had it so, or after the last of ``most``
    attempts. ``permitted`` is awaited between the first permit and its request, and may raise why that is not to be
    sent.
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
        self._exchange = exchange
        self._most = most
        self._made = 0
        self._doubts = False
        """Whether the attempt has failed by candles that can't be true alone."""
        self._around = len(chunk.suspects) if len(chunk.suspects) > len(chunk.known) + chunk.over else 0
        """How many candles a page is to have above what is asked for, of which all may be such that can't be true."""
        self._heard = Counter(dict.fromkeys(chunk.suspects | chunk.plan.impossible.keys(), BELIEVED))
        """How many answers had a candle with values that can't be, by open time."""
        self._chunk = chunk
        self._witness = witness
        self._against = against
        self._permitted = permitted
        self._lacked: frozenset[int] = frozenset()
        self._tally = chunk.plan.tally
        self._confirm: ConfirmTimes = confirm_times(exchange)
        self._settle = settle_seconds(exchange)
        self._anew = chunk.again
        """Whether another server is to answer: it goes over a connection of its own."""
        self._other_questions = 0
        self.requests = 0
        self.retries = 0
        self.rate_limited = 0

    async def page(self) -> Found:
        """Ask for the page once and return what it proves, or raise why it can't be believed."""
        self._made += 1
        self._doubts = False
        try:
            return await self._believed(self._chunk)
        except InvalidResponseError as error:
            # A fault on the way is gone with the connection. What has kept an answer gives it again, though, and must
            # be asked something else: after a contradiction, and where a new connection has not helped.
            # Not after a candle that can't be true: what is at the end of a page would be in the next one then.
            self._other_questions += not self._doubts and (self._anew or isinstance(error, ContradictionError))
            self._anew = True
            raise

    async def _believed(self, chunk: Chunk) -> Found:
        # What lies between the hole and the candle at its seam was taken for empty: what comes there is new.
        bound = chunk.resume if not chunk.over or chunk.seam is None else chunk.seam
        checked, server_time = await self._rows(chunk, bound)
        rows = checked.rows
        plan, timeframe = chunk.plan, chunk.request.timeframe
        edge = self._edge(timeframe, server_time)
        # What is older than the exchange keeps is asked for no further, unless it comes all the same.
        dropped = checked.covered[0] >= bound or (checked.covered[0] <= edge and not checked.full)
        ended = checked.history_starts or dropped
        # A page of rows that is not full has told of all that is older, too.
        windowed = not ended and (plan.page_unit == "slots" or not checked.full)
        above = [row.open_time for row in rows if row.open_time >= bound]
        if above:
            rows = rows[len(above) :]
        stop = min(self._over_by(bound, rows, server_time), self._covered_to(chunk, checked, bound))
        start = BEGINNING if checked.history_starts else checked.covered[0]
        self._check_known(chunk, rows, above, start)
        if rows and rows[0].open_time >= stop:
            rows = [row for row in rows if row.open_time < stop]
        impossible = self._impossible(chunk, checked, rows)
        nearest = [above[-1]] if above and bound <= stop else []
        opens = [*nearest, *(row.open_time for row in rows)]
        gaps, trend = doubtful_gaps(opens, timeframe, plan.trend, max(plan.page, plan.places))
        absences: list[tuple[AbsenceKind, Span]] = [("gap", gap) for gap in gaps]
        top = (timeframe.shift(rows[0].open_time, 1), stop) if rows else (start if windowed else stop, stop)
        if windowed:
            absences += self._around_a_window(chunk, rows, top, start, trend)
        elif top[0] < top[1] and not nearest:
            slots = timeframe.slots(*top)
            if chunk.seam is None:
                absences.append(("head", top))
            elif chunk.over or plan.page == 1 or is_unlikely(slots, trend):
                absences.append(("gap", top))
            else:
                # Chance may have made it, or the page lacks its newest candle: one that is known shows which.
                return await self._believed(chunk.but(over=1, ask=min(plan.page, chunk.ask + 1)))
        begins, oldest = None, rows[-1].open_time if rows else stop
        if windowed:
            begins = plan.begins
            if begins is None and not rows and start < stop:
                begins = await self._first_open(chunk, server_time)
            if begins is not None and start <= begins:
                start, ended = BEGINNING, True
                absences.append(("beginning", (start, oldest)))
        elif checked.history_starts or (ended and start < stop):
            begins = await self._begins(chunk, oldest, start, rows, server_time)
            if begins is not None and not rows and begins > stop:
                oldest = stop = begins  # the other length tells of more than the page
            absences.append(("beginning", (start, oldest)))
        reached = BEGINNING if ended else start
        proven = (start, stop) if start < stop else None
        gone = await self._gone(proven, rows)
        plan.trend = trend
        self._tally.pages += 1
        if _log.isEnabledFor(logging.DEBUG):
            self._log_page(len(rows), reached, proven)
        if impossible:
            # Until here they were candles: that they exist is sure.
            self._log_impossible(impossible)
            rows = [row for row in rows if row.open_time not in impossible]
        return Found(
            rows=rows,
            reached=reached,
            horizon=stop if stop < chunk.resume else None,
            proven=proven,
            absences=[
                Absence.of(kind, (max(span[0], start), span[1]), self._confirm)
                for kind, span in absences
                if max(span[0], start) < span[1]
            ],
            gone=gone,
            begins=begins if start == BEGINNING else None,
            said=server_time,
            impossible=impossible,
            windowed=windowed,
        )

    def _covered_to(self, chunk: Chunk, checked: CheckedPage, bound: int) -> int:
        """Return the newer end of what a page covers, where that need not be the end that was asked for."""
        stop = checked.covered[1]
        if stop < bound and not (chunk.resume == chunk.request.stop and chunk.seam is None):
            raise InvalidResponseError(f"{chunk}: the page covers nothing from {time_text(stop)} on, and is refused")
        return stop

    @staticmethod
    def _around_a_window(
        chunk: Chunk, rows: Sequence[Row], top: Span, start: int, trend: Trend
    ) -> list[tuple[AbsenceKind, Span]]:
        """Return which of the empty slots at the ends of a window are doubtful."""
        timeframe, absences = chunk.request.timeframe, []
        ends: list[tuple[Span, int]] = [(top, top[1] if chunk.seam is None else chunk.seam)]
        if rows:
            ends.append(((start, rows[-1].open_time), rows[-1].open_time))
        for (low, high), known in ends:
            kind: AbsenceKind = "head" if high == top[1] and chunk.seam is None else "gap"
            if low < high and (kind == "head" or is_unlikely(timeframe.slots(low, known), trend)):
                absences.append((kind, (low, high)))
        return absences

    async def _first_open(self, chunk: Chunk, server_time: float | None) -> int | None:
        """Return when a market's first candle opened, or a time before which there is none; None for unknown."""
        plan, symbol, timeframe = chunk.plan, chunk.request.symbol, chunk.request.timeframe
        probe = getattr(self._exchange, "first_open", None)
        if probe is None:
            now = time.time() if server_time is None else server_time
            plan.begins = await self._witness.first(self._other, plan, symbol, timeframe, now, self._contradiction)
        else:
            text = f"{self._exchange.name}: {symbol} {timeframe}, its first candle"
            cost = page_cost(self._exchange, 1)
            plan.begins = await self._permitted_call(lambda: probe(symbol, timeframe), lambda: text, cost=cost)
        return plan.begins

    def _impossible(self, chunk: Chunk, checked: CheckedPage, rows: Sequence[Row]) -> dict[int, str]:
        """Return which of the rows can't be true, and why; raise where another answer may differ."""
        if not checked.impossible:
            return {}
        found = {
            row.open_time: checked.impossible[row.open_time] for row in rows if row.open_time in checked.impossible
        }
        # What is held of them stays, whatever an answer says, so that there is nothing to ask about.
        self._heard.update(found.keys())
        doubtful = {opened for opened in found if self._heard[opened] < BELIEVED}.difference(chunk.known)
        if doubtful and self._made < self._most:
            self._doubts, opened = True, max(doubtful)
            raise InvalidResponseError(
                f"{chunk}: the candle of {time_text(opened)}: {found[opened]}; it is asked for again"
            )
        return found

    async def _rows(self, chunk: Chunk, bound: int) -> tuple[CheckedPage, float | None]:
        """Return a page, and the server's time; some of its rows are before ``bound``."""
        further, more = self._further(chunk)
        timeframe, to = chunk.request.timeframe, bound
        if chunk.over:
            to = timeframe.shift(bound, 1)
        questions = [(to, chunk.ask), (to, chunk.ask + 1)]
        if further:
            questions.insert(0, (min(timeframe.shift(to, further), timeframe.floor(END - 1)), chunk.ask + more))
        for to, ask in questions:
            # A page asked for with more than the exchange gives looks short, and short means the beginning of history.
            checked, server_time = await self._ask(to, min(ask, self._exchange.page_limit))
            start, stop = checked.covered
            by_slots = chunk.plan.page_unit == "slots"
            if start < bound or checked.history_starts or not (checked.full or (by_slots and start < stop)):
                return checked, server_time
            # It held nothing but newer candles, which may be repeated. The next question shows what is behind them.
        raise InvalidResponseError(f"{chunk}: the page holds nothing but the candle at `to`, which was excluded")

    def _further(self, chunk: Chunk) -> tuple[int, int]:
        """Return how many slots above the stretch a page begins, and how many candles more it then asks for."""
        further = more = self._other_questions
        density = chunk.plan.density
        by_slots = chunk.plan.page_unit == "slots"
        inside = chunk.resume < chunk.request.stop and chunk.plan.is_sparse and not by_slots
        if self._around or (chunk.seam is None and (chunk.again or inside)):
            # A newer candle shows whether the page lacks its newest, and that the server has come past what is asked.
            newer = NEWER + self._around
            further += ceil(newer / (density or 1.0))
            more += further if by_slots else 2 * newer
        return further, more

    def _over_by(self, bound: int, rows: Sequence[Row], server_time: float | None) -> int:
        """Return what is over: nothing from here on may be stored or covered."""
        timeframe = self._chunk.request.timeframe
        if server_time is not None:
            # Not our own clock: where it runs ahead of the server's, a forming candle would pass for a final one.
            return min(bound, timeframe.floor(server_time - self._settle))
        topmost = self._chunk.resume == self._chunk.request.stop
        if topmost and self._chunk.seam is None and time.time() - bound < _DAY:
            # Nobody says what time it is there. A candle shows that all before it are over, not that it is itself.
            return rows[0].open_time if rows else BEGINNING
        return bound

    def _check_known(self, chunk: Chunk, rows: Sequence[Row], above: Sequence[int], reached: int) -> None:
        """Refuse a page that lacks a candle that is known to exist."""
        if chunk.over and chunk.seam is not None and chunk.seam not in above:
            raise self._contradiction(f"a page lacks the candle of {time_text(chunk.seam)}, which is held already")
        if chunk.known:
            there = {row.open_time for row in rows}
            for opened in chunk.known:
                if opened >= reached and opened not in there:
                    raise self._contradiction(f"a page lacks the candle of {time_text(opened)}, which is held already")

    async def _begins(
        self, chunk: Chunk, oldest: int, since: int, rows: Sequence[Row], server_time: float | None
    ) -> int | None:
        """Hold against what is known that nothing opens before ``oldest``; return from when on candles may open."""
        if oldest == chunk.plan.begins:
            return None
        held = await self._oldest_held(since, oldest)
        if held is not None and since <= held < oldest:
            raise self._contradiction(
                f"a page says that nothing is older than {time_text(oldest)}, but a candle of {time_text(held)} is held"
            )
        return await self._witness.begins(
            self._other,
            chunk.plan,
            chunk.request.symbol,
            chunk.request.timeframe,
            oldest,
            since,
            rows[-1].open_time if rows else chunk.seam,
            time.time() if server_time is None else server_time,
            self._contradiction,
        )

    async def _oldest_held(self, since: int, oldest: int) -> int | None:
        chunk = self._chunk
        if self._against is None or since >= oldest:
            return chunk.plan.oldest_held
        series = (chunk.request.symbol, chunk.request.timeframe)
        rows = await self._against.rows(*series, since, oldest, "oldest_first", 1)
        return rows[0].open_time if rows else None

    async def _gone(self, proven: Span | None, rows: Sequence[Row]) -> Sequence[int] | None:
        """Return the stored candles that the page lacks, as the one before did; raise where that is news.

        None where nothing is asked anew.
        """
        if self._against is None or proven is None:
            return None
        there = {row.open_time for row in rows}
        series = (self._chunk.request.symbol, self._chunk.request.timeframe)
        lacking: list[int] = []
        start, stop = proven
        while start < stop:
            stored = await self._against.rows(*series, start, stop, "newest_first", _STORED_AT_ONCE)
            lacking += [row.open_time for row in stored if row.open_time not in there]
            stop = stored[-1].open_time if len(stored) == _STORED_AT_ONCE else start
        before, self._lacked = self._lacked, frozenset(lacking)
        if news := self._lacked - before:
            raise self._contradiction(f"a page lacks the candle of {time_text(max(news))}, which is stored")
        return lacking

    def _contradiction(self, what: str) -> ContradictionError:
        return ContradictionError(f"{self._chunk}: {what}; nothing of it is stored, ask again later")

    def _edge(self, timeframe: Timeframe, server_time: float | None) -> int:
        """Return before when the exchange is not sure to have candles. What is older can't be had any more.

        That does not say that it never was.
        """
        return retained_since(self._exchange, timeframe, time.time() if server_time is None else server_time)

    async def _ask(self, to: int, count: int) -> tuple[CheckedPage, float | None]:
        try:
            page = await self._send(self._chunk.request.timeframe, to, count)
            if page.covered is None:
                self._log_unsaid()
            return self._checked(page, self._chunk.request.timeframe, to, count), page.server_time
        except InvalidResponseError:
            # A few of which most can't be true would be refused for ever; among others they are told.
            self._around = max(self._around, count) if count <= NEWER else self._around
            raise

    async def _other(self, timeframe: Timeframe, to: int, count: int) -> CheckedPage | None:
        """Return a page of another timeframe, or None where the answer is of no use."""
        page = await self._send(timeframe, to, count)
        try:
            return self._checked(page, timeframe, to, count)
        except InvalidResponseError as error:
            _log.info(
                "%s: candles of %s are of no use to check it by: %s", self._chunk, timeframe, type(error).__name__
            )
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

    async def _send(self, timeframe: Timeframe, to: int, count: int) -> Page:
        """Ask for a page; over a connection of its own where the answer is a second one."""
        ask = self._exchange.page
        if self._anew:
            ask = getattr(self._exchange, "page_anew", ask)
        symbol = self._chunk.request.symbol
        text = partial(self._page_text, timeframe, to, count)

        async def sent() -> Page:
            return check_answer(await ask(symbol, timeframe, to, count), text)

        cost = page_cost(self._exchange, count)
        return await self._permitted_call(sent, text, partial(self._log_request, to, count), cost)

    async def _permitted_call(
        self,
        send: Callable[[], Awaitable[_T]],
        text: Callable[[], str],
        log: Callable[[float, Any, BaseException | None], None] = lambda seconds, answer, error: None,
        cost: float = 1.0,
    ) -> _T:
        """Send one request with a permit; tell the limiter, the run and the log what has come of it."""
        chunk, limiter = self._chunk, self._chunk.limiter
        # Limiters of others need not know of costs where each request takes one.
        given = 0.0 if limiter is None else await (limiter.acquire() if cost == 1 else limiter.acquire(cost))
        if self._permitted is not None and not self.requests:
            await self._permitted()
        self.requests += 1
        self._tally.requests += 1
        sent, answer = time.monotonic(), None
        try:
            answer = await send()
        except RateLimitedError as error:
            self.rate_limited += 1
            self._tally.rate_limited += 1
            if limiter is not None:
                limiter.limited(error.retry_after)
            raise
        except BannedError as error:
            if limiter is None:
                passing = PassingError(str(error), retry_after=error.seconds or _BAN_SECONDS)
                passing.status = error.status
                raise passing from error
            limiter.banned(error.seconds)
            raise
        except Exception as error:
            # What is not this library's own comes from an exchange of somebody else's.
            told = brought_home(error, text())
            if told is error:
                raise
            raise told from error
        finally:
            seconds = time.monotonic() - sent
            if limiter is not None:
                limiter.took(given, seconds, answer.delay if isinstance(answer, Page) else 0.0)
            if _log.isEnabledFor(logging.DEBUG):
                log(seconds, answer, sys.exception())
        chunk.plan.took(seconds)
        if limiter is not None:
            if isinstance(answer, Page):
                _tell(limiter, given, answer)
            if (answered := getattr(limiter, "answered", None)) is not None:
                answered(given)
        return answer

    def _page_text(self, timeframe: Timeframe, to: int, count: int) -> str:
        symbol = self._chunk.request.symbol
        return f"{self._exchange.name}: {symbol} {timeframe}, the page of {count} before {time_text(to)}"

    # What is logged

    def log_retry(self, error: BaseException | None, wait: float) -> None:
        """Count and log that another attempt will be made."""
        self.retries += 1
        self._tally.retries += 1
        event = RetryEvent(
            event="retry",
            **self._series,
            to=time_text(self._chunk.resume),
            attempt=self.retries,
            error=type(error).__name__,
            status=_status(error),
            wait=wait,
        )
        message = "%s: attempt %d failed: %s; again in %.1f s"
        log_event(_log, logging.WARNING, event, message, self._chunk, event["attempt"], _told(error), event["wait"])

    def _log_unsaid(self) -> None:
        """Log, once a run, that the pages of an exchange do not say what they cover."""
        if not self._chunk.plan.pages_unsaid:
            self._chunk.plan.pages_unsaid = True
            _log.warning(
                "%s: its pages do not say what they cover, and are taken for the newest candles before a time; "
                "return Page.before(rows, to, count) where that is so, else Page(rows, covered=(start, stop))",
                self._exchange.name,
            )

    def _log_impossible(self, found: Mapping[int, str]) -> None:
        """Log which candles can't be true, the first time that a run sees them."""
        for opened in sorted(found.keys() - self._chunk.plan.impossible.keys()):
            event = ImpossibleEvent(event="impossible", **self._series, open_time=time_text(opened))
            message = "%s %s: the candle of %s can't be true, by its values; all others of its page are kept"
            names = (self._chunk.request.symbol, self._chunk.request.timeframe)
            log_event(_log, logging.WARNING, event, message, *names, event["open_time"])

    def log_failed(self, error: ExchangeError) -> None:
        """Log that nothing has come of all attempts."""
        event = FailedEvent(
            event="failed",
            **self._series,
            start=time_text(self._chunk.low),
            stop=time_text(self._chunk.resume),
            requests=self.requests,
            error=type(error).__name__,
            status=error.status,
        )
        log_event(_log, logging.ERROR, event, "%s failed for good: %s", self._chunk, _told(error))

    @property
    def _series(self) -> OfSeries:
        request = self._chunk.request
        return {"exchange": self._exchange.name, "symbol": request.symbol, "timeframe": request.timeframe.name}

    def _log_page(self, rows: int, reached: int, proven: Span | None) -> None:
        event = PageEvent(
            event="page",
            **self._series,
            rows=rows,
            reached=time_text(reached),
            start=None if proven is None else time_text(proven[0]),
            stop=None if proven is None else time_text(proven[1]),
        )
        log_event(_log, logging.DEBUG, event, "%s: %d rows, down to %s", self._chunk, rows, event["reached"])

    def _log_request(self, to: int, ask: int, seconds: float, page: Page | None, raised: BaseException | None) -> None:
        error = raised if page is None else None  # with a page it is an older one, of the attempt before
        event = RequestEvent(
            event="request",
            **self._series,
            to=time_text(to),
            count=ask,
            attempt=self.requests,
            seconds=seconds,
            status=200 if page is not None else _status(error),
            error=None if error is None else type(error).__name__,
            rows=None if page is None else len(page.rows),
            remaining=None if page is None else page.remaining,
        )
        outcome = _told(error) if page is None else f"{len(page.rows)} rows"
        log_event(_log, logging.DEBUG, event, "%s: %s in %.3f s", self._chunk, outcome, seconds)


def _tell(limiter: RateLimiter, given: float, page: Page) -> None:
    """Tell the limiter what an answer says of the limit, and what time the server has."""
    learned = getattr(limiter, "learned", None)
    if page.server_time is not None and learned is not None:
        learned(given, page.server_time)
    if page.used is not None:
        limiter.observe(used=page.used)
    elif page.remaining is not None:
        limiter.observe(page.remaining)


def _status(error: BaseException | None) -> int | None:
    return error.status if isinstance(error, ExchangeError) else None


def _told(error: BaseException | None) -> str:
    """What a log may say of an error: not the text of one that has an answer, which may quote it."""
    status = _status(error)
    text = f": {error}" if isinstance(error, ConnectionFailedError) else "" if status is None else f" ({status})"
    return type(error).__name__ + text
