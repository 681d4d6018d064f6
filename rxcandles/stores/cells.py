"""The time of a series in pieces, for a strip of its coverage."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

import attrs

from rxcandles.model.absent import ABSENT_WORDS, AbsentSlots, counted_as
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import CandleStore, absent_of, impossible_in
from rxcandles.stores import SqlStore
from rxcandles.stores.held import claimed_within, covered_within, recounted
from rxcandles.util.arguments import check_count, check_like, check_span, check_symbol
from rxcandles.util.showing import strip_html

__all__ = ["CoverageCell", "CoverageCells", "coverage_cells"]


@attrs.frozen
class CoverageCell(AbsentSlots):
    """One piece of a series' time, ``[start, stop)`` in UTC seconds, with its slots counted by kind.

    >>> [cell] = await coverage_cells(store, "KRW-BTC", "1m", (1_704_067_200, 1_704_074_400), 1)
    >>> cell.slots, cell.stored, cell.no_trade, cell.missing
    (120, 120, 0, 0)
    """

    start: int
    stop: int
    slots: int
    stored: int
    no_trade: int
    provisional: int = 0
    """Covered slots that are empty by answers that may have been wrong, until one more confirms it."""
    imported: int = 0
    """Slots of ``missing`` that have an imported candle."""
    impossible: int = 0
    """Slots of ``missing`` with an impossible candle."""
    outage: int = 0
    """Covered slots without a candle, of an exchange that has one even if nobody traded: the exchange was out."""
    either: int = 0
    """Covered slots without a candle, of an exchange that does not tell which of the two it means."""

    @property
    def missing(self) -> int:
        """Slots that are not covered."""
        return self.slots - self.stored - self.empty


class CoverageCells(list[CoverageCell]):
    """Pieces of a series' time; a notebook shows them as a strip."""

    def _repr_html_(self) -> str:
        return strip_html([_kinds(each) for each in self])


def _kinds(cell: CoverageCell) -> dict[str, float]:
    return {
        "stored": cell.stored, "imported": cell.imported, ABSENT_WORDS[cell.absent]: cell.empty - cell.provisional,
        "provisional": cell.provisional, "missing": max(0, cell.missing - cell.imported - cell.impossible),
        "impossible": max(0, min(cell.impossible, cell.missing - cell.imported)),
    }  # fmt: skip


async def _imported(store: CandleStore, symbol: str, frame: Timeframe, edges: Sequence[int]) -> list[int]:
    """Return the number of imported candles between each edge and the next."""
    pairs = list(pairwise(edges))
    if not pairs or not isinstance(store, SqlStore):
        return [0] * len(pairs)
    if not await store.imported_count(symbol, frame, edges[0], edges[-1]):
        return [0] * len(pairs)
    return [await store.imported_count(symbol, frame, *pair) for pair in pairs]


async def coverage_cells(
    store: CandleStore, symbol: str, timeframe: str | Timeframe, span: Span, number: int
) -> CoverageCells:
    """Return ``span`` in ``number`` pieces of equal size (give or take a slot), oldest first, for a coverage strip.

    There are fewer pieces if there are fewer slots. Each candle is counted at most twice, none is read, and memory is
    that of the pieces.

    * ``span``: start (included) and stop (excluded), UTC seconds.

    Raises:

    * ``RequestError`` for an invalid argument.
    * ``StoreError`` if the store can't be read.

    >>> cells = await coverage_cells(store, "KRW-BTC", "1m", (1_704_067_200, 1_704_078_000), 3)
    >>> [cell.stored for cell in cells]
    [60, 60, 0]
    """
    check_like("store", store, CandleStore)
    check_symbol(symbol)
    frame = Timeframe.of(timeframe)
    start, stop = check_span("span", span)
    start, total = frame.ceil(start), frame.slots(start, stop)
    number = min(check_count("number", number), total)
    edges = [frame.shift(start, total * at // number) for at in range(number + 1)] if number else []
    stored, known, at = [0] * number, [0] * number, number - 1
    doubted = [0] * number
    for first, last in await claimed_within(store, symbol, frame, (start, stop)) if number else []:
        for index in range(bisect_right(edges, first) - 1, bisect_left(edges, last)):
            doubted[index] += frame.slots(max(first, edges[index]), min(last, edges[index + 1]))
    wrong = [0] * number
    for each in await impossible_in(store, symbol, frame, start, stop) if number else []:
        wrong[bisect_right(edges, each.open_time) - 1] += 1
    async for covered in covered_within(store, symbol, frame, (start, stop)):
        while at >= 0 and edges[at] >= covered.stop:
            at -= 1
        last = at
        while last >= 0 and edges[last + 1] > covered.start:
            piece = covered._replace(start=max(covered.start, edges[last]), stop=min(covered.stop, edges[last + 1]))
            piece = await recounted(store, symbol, frame, piece, (covered.start, covered.stop))
            stored[last] += piece.rows
            known[last] += frame.slots(piece.start, piece.stop)
            last -= 1
    imported = await _imported(store, symbol, frame, edges)
    absent = await absent_of(store, symbol, frame)
    return CoverageCells(
        CoverageCell(
            edges[at],
            edges[at + 1],
            frame.slots(edges[at], edges[at + 1]),
            stored[at],
            provisional=min(doubted[at], known[at] - stored[at]),
            imported=imported[at],
            impossible=wrong[at],
            **counted_as(absent, known[at] - stored[at]),
        )
        for at in range(number)
    )
