"""Whether what a page proves can be believed: what it leaves out is held against what is known.

A page that lacks a candle that is held, listed or seen in a longer timeframe is refused, and asked for again. What is
only unlikely (the head, a long gap, the beginning of history) is told as doubtful, and asked about again later.
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
from rxcandles.ports import CandleStore

__all__ = ["BELIEVED", "Plausibility", "window_absences"]

BELIEVED: Final = 3
"""Answers that must have a candle with values that can't be, before that is believed of the exchange."""

_STORED_AT_ONCE: Final = 1000
"""Stored candles that are looked up together."""


class Plausibility:
    """Holds the answers to one chunk's question against what is known.

    ``ask`` asks for candles of another length. With ``against`` a page that lacks candles of that store is believed
    only if the answer before lacked them too.
    """

    def __init__(self, chunk: Chunk, witness: Witness, ask: Ask, against: CandleStore | None) -> None:
        self._chunk = chunk
        self._witness = witness
        self._ask = ask
        self._against = against
        self._lacked: frozenset[int] = frozenset()
        self._times = Counter(dict.fromkeys(chunk.question.suspects | chunk.run.impossible.keys(), BELIEVED))
        """How many answers had a candle with values that can't be, by open time."""

    def impossible(self, checked: CheckedPage, rows: Sequence[Row], *, last: bool) -> tuple[dict[int, str], int | None]:
        """Return which rows can't be true, and why; and the newest of them that another answer may have otherwise.

        A candle that can't be true is believed to be so when three answers had it so, or in the ``last`` of them.
        """
        if not checked.impossible:
            return {}, None
        found = {
            row.open_time: checked.impossible[row.open_time] for row in rows if row.open_time in checked.impossible
        }
        # What is held of them stays, whatever an answer says, so that there is nothing to ask about.
        self._times.update(found.keys())
        known = self._chunk.question.known
        doubtful = {opened for opened in found if self._times[opened] < BELIEVED}.difference(known)
        return found, max(doubtful) if doubtful and not last else None

    def check_known(self, rows: Sequence[Row], above: Sequence[int], reached: int, *, over: bool) -> None:
        """Refuse a page that lacks a candle that is known to exist; ``over``: the one at the seam is among those."""
        question = self._chunk.question
        if over and question.seam is not None and question.seam not in above:
            raise self.contradiction(f"a page lacks the candle of {time_text(question.seam)}, which is held already")
        if question.known:
            there = {row.open_time for row in rows}
            for opened in question.known:
                if opened >= reached and opened not in there:
                    raise self.contradiction(f"a page lacks the candle of {time_text(opened)}, which is held already")

    async def begins(self, oldest: int, since: int, rows: Sequence[Row], now: float | None) -> int | None:
        """Refuse that nothing opens before ``oldest`` where that can't be; return from when on candles may open."""
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
        """Return the open time of the first longer candle, before which there is none; None where that isn't known."""
        request, clock = self._chunk.request, time.time() if now is None else now
        return await self._witness.first(
            self._ask, self._chunk.run, request.symbol, request.timeframe, clock, self.contradiction
        )

    async def _oldest_held(self, since: int, oldest: int) -> int | None:
        request = self._chunk.request
        if self._against is None or since >= oldest:
            return self._chunk.run.seen.oldest_held
        rows = await self._against.rows(request.symbol, request.timeframe, since, oldest, "oldest_first", 1)
        return rows[0].open_time if rows else None

    async def gone(self, proven: Span | None, rows: Sequence[Row]) -> Sequence[int] | None:
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
            raise self.contradiction(f"a page lacks the candle of {time_text(max(news))}, which is stored")
        return lacking

    def contradiction(self, what: str) -> ContradictionError:
        """Return the error for an answer that contradicts what is known."""
        return ContradictionError(f"{self._chunk}: {what}; nothing of it is stored, ask again later")

    def doubtful(self, opened: int, why: str) -> InvalidResponseError:
        """Return the error for a candle that can't be true, so that it is asked for again."""
        return InvalidResponseError(f"{self._chunk}: the candle of {time_text(opened)}: {why}; it is asked for again")


def window_absences(
    chunk: Chunk, rows: Sequence[Row], top: Span, start: int, trend: Trend
) -> list[tuple[AbsenceKind, Span]]:
    """Return which of the empty slots at the ends of a window are doubtful; ``top`` are those at its newer end."""
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
