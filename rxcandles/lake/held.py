"""What a store holds of a series, as a lake needs it: what is covered, and which files its candles make."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.lake.manifest import Evidence
from rxcandles.lake.names import periods
from rxcandles.model import TRADE_FIELDS, row_fields
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.ports import (
    CandleStore,
    Month,
    Revised,
    RowReader,
    Sealed,
    Series,
    absent_of,
    impossible_in,
    opens_of,
    sealed_in,
)
from rxcandles.util.arguments import refusal

__all__ = ["UNKNOWN", "Held", "held_of", "wanted_of"]

_NEVER: Final = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp())
"""A month in which no candle has come."""
UNKNOWN: Final = "0"
"""The revision of what may have changed at any time."""


@attrs.frozen
class Held:
    """A series of a store at one moment; candles that come later change a revision."""

    series: Series
    source: str
    """A number of the database, which a copy of the file shares."""
    columns: Sequence[str]
    evidence: Evidence
    wanted: Mapping[Span, str]
    """The spans of files, oldest first, and the revision of the candles in each; some may be without candles."""
    rows: int
    """The covered candles."""
    reader: RowReader
    sealed: Mapping[Span, Sealed]
    """The months whose candles are in a lake only."""
    span: Span | None
    """From the open time of the oldest candle to the end of the newest; None if there is none."""

    @property
    def timeframe(self) -> Timeframe:
        """The timeframe of its candles."""
        return Timeframe.of(self.series.timeframe)


async def held_of(store: CandleStore, series: Series) -> Held:
    """Look a series up. The coverage is read first: candles that come between make it too small, never too large."""
    if not isinstance(store, Revised):
        raise refusal("store", store, "take one that tells which months have changed, such as a SqliteStore")
    symbol, frame = series.symbol, Timeframe.of(series.timeframe)
    spans = await store.coverage(symbol, frame, BEGINNING, END)
    evidence = Evidence(
        SpanSet(tuple(each.span for each in spans)),
        await absent_of(store, symbol, frame),
        tuple(await store.claims(symbol, frame, BEGINNING, END)),
        tuple(await impossible_in(store, symbol, frame, BEGINNING, END)),
    )
    source = await _source(store, series)
    if source == UNKNOWN:
        raise RequestError(f"{series.symbol} {frame}: this database is of an older version and can't be written to")
    reader, ends = store.reader(symbol, frame), await _ends(store, symbol, frame)
    return Held(
        series,
        source,
        row_fields(frame.name, with_trades=TRADE_FIELDS[0] in getattr(reader, "fields", ())),
        evidence,
        await wanted_of(store, series),
        sum(max(each.rows, 0) for each in spans),
        reader,
        {(each.start, each.stop): each for each in await sealed_in(store, symbol, frame, BEGINNING, END)},
        None if ends is None else (ends[0], frame.shift(frame.floor(ends[1] - 1), 1)),
    )


async def _source(store: CandleStore, series: Series) -> str:
    """Return the database's own number: the revision of a month without a change."""
    assert isinstance(store, Revised)
    [month] = await store.months(series.symbol, Timeframe.of(series.timeframe), _NEVER, _NEVER + 1)
    return str(month.revision)


async def wanted_of(store: CandleStore, series: Series) -> dict[Span, str]:
    """Return the spans of the files that a series needs, oldest first, with their revisions.

    A sealed month has the revision that it was sealed with.
    """
    assert isinstance(store, Revised)
    symbol, frame = series.symbol, Timeframe.of(series.timeframe)
    ends = await _ends(store, symbol, frame)
    if ends is None:
        return {}
    months = await store.months(symbol, frame, *ends)
    sealed = {(each.start, each.stop): str(each.revision) for each in await sealed_in(store, symbol, frame, *ends)}
    return {span: sealed.get(span) or _revision(months, span) for span in periods(frame, ends[0], ends[1] - 1)}


async def _ends(store: CandleStore, symbol: str, frame: Timeframe) -> Span | None:
    """Return the span from the oldest candle to the newest, sealed or not; None if there is none."""
    oldest = await opens_of(store, symbol, frame, BEGINNING, END, "oldest_first", 1)
    newest = await opens_of(store, symbol, frame, BEGINNING, END, "newest_first", 1)
    return (oldest[0], newest[0] + 1) if oldest and newest else None


def _revision(months: Sequence[Month], span: Span) -> str:
    """Return one revision for the months within a span."""
    inside = [each for each in months if span[0] <= each.start < span[1]]
    if any(each.revision == 0 for each in inside):
        return UNKNOWN
    if len(inside) == 1:
        return str(inside[0].revision)
    numbers = ",".join(f"{each.start}:{each.revision}" for each in inside)
    return hashlib.sha256(numbers.encode()).hexdigest()[:32]
