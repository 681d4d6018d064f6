"""Compare what a page leaves out with what is known.

A page that lacks a candle that is stored, listed or visible in a longer timeframe is refused and asked for again. A
page that is only unlikely is accepted: its newest slots are empty, or a gap is long, or history begins there. Those
slots become claims, and later runs ask about them again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rxcandles.engine.checks import CheckedPage
from rxcandles.engine.chunk import Chunk
from rxcandles.engine.witness import Ask, Witness
from rxcandles.errors import ContradictionError, InvalidResponseError
from rxcandles.model import Row
from rxcandles.model.claims import AbsenceKind
from rxcandles.model.density import Trend, is_unlikely
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import time_text
from rxcandles.ports import CandleStore, opens_of

__all__ = ["BELIEVED", "Plausibility", "window_absences"]

BELIEVED: Final = 3
"""Answers that must have the same impossible candle before it is accepted that the exchange has it so."""

_STORED_AT_ONCE: Final = 1000
"""Stored candles that are read at once."""


class Plausibility:
    """Compares the answers to one chunk's question with what is known.

    * ``ask``: asks for candles of another length.
    * ``against``: a store; a page that lacks candles of it is accepted only if the answer before lacked them too.
    """

    def __init__(self, chunk: Chunk, witness: Witness, ask: Ask, against: CandleStore | None) -> None:
        self._chunk = chunk
        self._witness = witness
        self._ask = ask
        self._against = against
        self._lacked: frozenset[int] = frozenset()
        self._times = Counter(dict.fromkeys(chunk.question.suspects | chunk.run.impossible.keys(), BELIEVED))
        """How many answers had an impossible candle, by its open time."""

    def impossible(self, checked: CheckedPage, rows: Sequence[Row], *, last: bool) -> tuple[dict[int, str], int | None]:
        """Return the impossible rows and why, and the newest of them that another answer may still correct.

        A candle is accepted as impossible after three answers, or in the ``last`` answer.
        """
        if not checked.impossible:
            return {}, None
        found = {
            row.open_time: checked.impossible[row.open_time] for row in rows if row.open_time in checked.impossible
        }
        # A stored version of such a candle stays, whatever the answer is, so there is nothing to ask about.
        self._times.update(found.keys())
        known = self._chunk.question.known
        doubtful = {opened for opened in found if self._times[opened] < BELIEVED}.difference(known)
        return found, max(doubtful) if doubtful and not last else None

    def check_known(self, rows: Sequence[Row], above: Sequence[int], reached: int, *, over: bool) -> None:
        """Refuse a page that lacks a known candle; ``over``: the candle at the seam is one of them."""
        question = self._chunk.question
        if over and question.seam is not None and question.seam not in above:
            raise self.contradiction(f"a page lacks the candle of {time_text(question.seam)}, which is held already")
        if question.known:
            there = {row.open_time for row in rows}
            for opened in question.known:
                if opened >= reached and opened not in there:
                    raise self.contradiction(f"a page lacks the candle of {time_text(opened)}, which is held already")

    async def begins(self, oldest: int, since: int, rows: Sequence[Row], now: float | None) -> int | None:
        """Refuse a beginning of history at ``oldest`` that is wrong.

        Return the time before which no candle opens, or None if that is unknown.
        """
        chunk, request = self._chunk, self._chunk.request
        if oldest == chunk.run.seen.begins:
            return None
        held = await self._oldest_held(since, oldest)
        if held is not None and since <= held < oldest:
            raise self.contradiction(
                f"a page says that nothing is older than {time_text(oldest)}, but a candle of {time_text(held)} is held"
            )
        return await self._witness.begins(
            self._ask,
            chunk.run,
            request.symbol,
            request.timeframe,
            oldest,
            since,
            rows[-1].open_time if rows else chunk.question.seam,
            time.time() if now is None else now,
            self.contradiction,
        )

    async def first(self, now: float | None) -> int | None:
        """Return the open time of the first longer candle, before which there is none; None if that is unknown."""
        request, clock = self._chunk.request, time.time() if now is None else now
        return await self._witness.first(
            self._ask, self._chunk.run, request.symbol, request.timeframe, clock, self.contradiction
        )

    async def _oldest_held(self, since: int, oldest: int) -> int | None:
        request = self._chunk.request
        if self._against is None or since >= oldest:
            return self._chunk.run.seen.oldest_held
        series = (request.symbol, request.timeframe)
        found = await opens_of(self._against, *series, since, oldest, "oldest_first", 1)
        return found[0] if found else None

    async def gone(self, proven: Span | None, rows: Sequence[Row]) -> Sequence[int] | None:
        """Return the stored candles that both this page and the one before lack; raise if this page lacks others.

        Return None if nothing is asked anew.
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
            raise self.contradiction(f"a page lacks the candle of {time_text(max(news))}, which is stored")
        return lacking

    def contradiction(self, what: str) -> ContradictionError:
        """Return the error for an answer that contradicts what is known."""
        return ContradictionError(f"{self._chunk}: {what}; nothing of it is stored, ask again later")

    def doubtful(self, opened: int, why: str) -> InvalidResponseError:
        """Return the error for an impossible candle, so that it is asked for again."""
        return InvalidResponseError(f"{self._chunk}: the candle of {time_text(opened)}: {why}; it is asked for again")


def window_absences(
    chunk: Chunk, rows: Sequence[Row], top: Span, start: int, trend: Trend
) -> list[tuple[AbsenceKind, Span]]:
    """Return which empty slots at the ends of a window are doubtful; ``top`` are those at its newer end."""
    timeframe, seam = chunk.request.timeframe, chunk.question.seam
    absences: list[tuple[AbsenceKind, Span]] = []
    ends: list[tuple[Span, int]] = [(top, top[1] if seam is None else seam)]
    if rows:
        ends.append(((start, rows[-1].open_time), rows[-1].open_time))
    for (low, high), known in ends:
        kind: AbsenceKind = "head" if high == top[1] and seam is None else "gap"
        if low < high and (kind == "head" or is_unlikely(timeframe.slots(low, known), trend)):
            absences.append((kind, (low, high)))
    return absences
