"""The candles of a chart, in columns."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.model import MarkedRow
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.moments import Time
from rxcandles.model.spans import Span, SpanSet, runs
from rxcandles.model.timeframe import Timeframe, plain_time
from rxcandles.ports import CandleStore, absent_of, impossible_in, with_imported
from rxcandles.stores.held import covered_within, span_held
from rxcandles.util.arguments import check_like, check_symbol
from rxcandles.util.showing import Titled

__all__ = ["MOST", "ChartData", "read_chart"]

MOST: Final = 1_000_000
"""The most candles of a chart; browsers open a page with more slowly, and no picture shows them."""

SHOWN: Final = 200_000
"""The most candles of a chart that a notebook shows by itself; the notebook keeps the whole page, 4 MB."""

_PAGE: Final = 10_000
_MOST_SLOTS: Final = 2**32 - 1


@attrs.frozen(eq=False, repr=False)
class ChartData(Titled):
    """Candles of one series, oldest first, in columns of equal length; about 50 bytes a candle.

    Time is counted in slots from ``first`` on.

    * ``first``: open time of slot 0, UTC seconds.
    * ``slots``: number of slots.
    * ``proven``: covered spans of slots, disjoint, oldest first; ``absent`` says what a slot in them without a candle
      means.
    * ``slot``: the slot of each candle.
    * ``volume``: in the base currency.
    * ``provisional``: spans of ``proven`` that are empty by answers that may have been wrong, until one more confirms
      it.
    * ``imported``: which candles are imported, as positions in the columns.
    * ``impossible``: slots of impossible candles; they are not covered and have no candle.
    """

    symbol: str
    timeframe: Timeframe
    first: int
    slots: int
    proven: tuple[Span, ...]
    slot: array[int]
    open: array[float]
    high: array[float]
    low: array[float]
    close: array[float]
    volume: array[float]
    provisional: tuple[Span, ...] = ()
    imported: array[int] = attrs.field(factory=lambda: array("I"))
    impossible: tuple[Span, ...] = ()
    absent: AbsentSlot = "no_trade"

    def __len__(self) -> int:
        return len(self.slot)

    def _told(self) -> Mapping[str, object]:
        start, stop = (plain_time(self.open_time(slot)) for slot in (0, self.slots))
        return {
            "series": f"{self.symbol} {self.timeframe}",
            "candles": f"{len(self):,} candles",
            "span": f"{start} to {stop} UTC",
        }

    def _repr_html_(self) -> str:
        """Return the chart in a frame of its own, for a notebook; a large one only in words."""
        from rxcandles.charts.page import html

        if len(self) > SHOWN:
            return super()._repr_html_()
        page = escape(html(self))
        size = "width: 100%; height: 560px; border: 0"
        return f'<iframe sandbox="allow-scripts" style="{size}" srcdoc="{page}"></iframe>'

    def open_time(self, slot: int) -> int:
        """Return the open time of a slot in UTC seconds."""
        return self.timeframe.shift(self.first, slot)


async def read_chart(
    store: CandleStore,
    symbol: str,
    timeframe: str | Timeframe,
    since: Time | None = None,
    to: Time | None = None,
    *,
    include_imported: bool = False,
) -> ChartData:
    """Read what is stored from ``since`` (included) to ``to`` (excluded); by default everything. No exchange is asked.

    * ``include_imported``: read imported candles, too, in slots that are not covered.

    Raises:

    * ``RequestError`` for an invalid argument, if nothing is stored there, or for more than a million candles, before
      any is read.
    * ``StoreError`` if the store can't be read.

    >>> data = await charts.read_chart(store, "KRW-BTC", "1m", since="2024-01-01T01:00")
    >>> len(data)
    60
    """
    check_like("store", store, CandleStore)
    frame = Timeframe.of(timeframe)
    check_symbol(symbol)
    reading = with_imported(store, include_imported)
    span = await span_held(reading, symbol, frame, since, to)
    if span is None:
        between = " between these times" if since or to else ""
        raise RequestError(f"nothing is stored of {symbol} {frame}{between}; collect it first, or name another series")
    count, slots = await reading.count(symbol, frame, *span), frame.slots(*span)
    if count > MOST or slots > _MOST_SLOTS:
        raise RequestError(
            f"{count:,} candles of {slots:,} slots are too many for a chart, which has {MOST:,} candles at the most; "
            "take a shorter span"
        )
    first = span[0]
    # Read coverage before candles: what another process stores meanwhile adds a candle, never a false "no trade".
    proven = [
        (frame.slots(first, start), frame.slots(first, stop))
        async for start, stop, _ in covered_within(store, symbol, frame, span)
    ]
    proven.reverse()
    claims = await store.claims(symbol, frame, *span)
    doubted = SpanSet(tuple(claim.span for claim in claims)).intersect(SpanSet((span,)))
    absent = await absent_of(store, symbol, frame)
    wrong = await impossible_in(store, symbol, frame, *span)
    columns = [array("d") for _ in range(5)]
    slot, imported = array("I"), array("I")
    start, stop = span
    while start < stop:
        rows = await reading.rows(symbol, frame, start, stop, "oldest_first", _PAGE)
        imported.extend(len(slot) + at for at, row in enumerate(rows) if isinstance(row, MarkedRow) and not row.proven)
        times, *values = list(zip(*rows, strict=True))[: 1 + len(columns)] if rows else [(), *[()] * len(columns)]
        if frame.seconds:
            slot.extend((time - first) // frame.seconds for time in times)
        else:
            slot.extend(frame.slots(first, time) for time in times)
        for column, new in zip(columns, values, strict=True):
            column.extend(new)
        if len(rows) < _PAGE:
            break
        start = rows[-1].open_time + 1
    provisional = tuple((frame.slots(first, start), frame.slots(first, stop)) for start, stop in doubted)
    known = tuple(span for span in proven if span[0] < span[1])
    # An imported candle may be in this slot.
    places = [frame.slots(first, each.open_time) for each in wrong]
    impossible = tuple(runs([each for each in places if not _is_among(slot, each)]))
    opened, high, low, close, volume = columns
    return ChartData(
        symbol, frame, first, slots, known, slot, opened, high, low, close, volume, provisional, imported, impossible,
        absent,
    )  # fmt: skip


def _is_among(slots: Sequence[int], slot: int) -> bool:
    at = bisect_left(slots, slot)
    return at < len(slots) and slots[at] == slot
