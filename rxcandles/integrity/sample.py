"""Stored pages, chosen at random, to be held against the exchange.

The doubtful absences and changes of scale come first, then the beginnings of history, then everything that is covered,
all slots alike.
"""

from __future__ import annotations

import random
import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from rxcandles.errors import (
    RequestError,
)
from rxcandles.integrity.examine import Examination, Stored
from rxcandles.integrity.scales import scales
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import END, Timeframe
from rxcandles.ports import Exchange, Series
from rxcandles.ports.declared import retained_since
from rxcandles.stores.sqlite.conditions import is_span

__all__ = ["AGE_SECONDS", "Sample", "choose"]

AGE_SECONDS: Final = 3600
"""Only candles that have been over for so long are compared."""


class Sample(NamedTuple):
    """A page to be compared."""

    series: Series
    start: int
    """Nothing older is compared: older end of the ledger's span."""
    to: int
    """The page holds the newest candles before."""


def choose(
    connection: sqlite3.Connection,
    examination: Examination,
    exchange: Exchange,
    count: int,
    seed: int | None,
    without: Collection[Series] = (),
) -> list[Sample]:
    """Return ``count`` pages: doubtful absences and changes of scale, then beginnings, then all other slots alike.

    A beginning of history is what is covered before a series' first candle; a page right after it tells of all of it.
    Beginnings are at most half of what the doubtful absences leave. Left out is what is younger than an hour or older
    than the exchange keeps, and the series ``without`` which it is to be. The same ``seed`` chooses the same of the
    same. None where nothing is old enough.
    """
    luck = random.Random(seed)  # nosec B311 - chooses what to look at; nothing secret hangs on it
    parts = [part for part in _parts(connection, examination, exchange) if part.series not in without]
    doubtful = [sample for part in parts for sample in part.doubtful]
    samples = luck.sample(doubtful, min(count, len(doubtful)))
    # One that is doubtful is among those already.
    chosen = set(samples)
    beginnings = [sample for part in parts for sample in part.beginnings if sample not in chosen]
    samples += luck.sample(beginnings, min(-(-(count - len(samples)) // 2), len(beginnings)))
    total = sum(part.frame.slots(*span) for part in parts for span in part.spans)
    places = sorted(luck.randrange(total) for _ in range(count - len(samples) if total else 0))
    return samples + list(_at(places, parts, exchange.page_limit))


def _at(places: Sequence[int], parts: Iterable[_Part], page: int) -> Iterator[Sample]:
    """Yield the pages at the slots with these numbers, ascending, of all that the parts have."""
    left, before = iter(places), 0
    place = next(left, None)
    for part in parts:
        frame = part.frame
        for start, stop in part.spans:
            slots = frame.slots(start, stop)
            while place is not None and place < before + slots:
                oldest = frame.shift(start, place - before)
                yield Sample(part.series, start, min(frame.shift(oldest, page), stop))
                place = next(left, None)
            before += slots


class _Part(NamedTuple):
    """What of one series can be compared."""

    series: Series
    frame: Timeframe
    spans: list[Span]
    """What is covered from the first candle on, oldest first."""
    beginnings: list[Sample]
    """What is covered before that."""
    doubtful: list[Sample]
    """What is covered provisionally, and where prices change their scale."""


def _parts(connection: sqlite3.Connection, examination: Examination, exchange: Exchange) -> Iterator[_Part]:
    for stored in examination.stored.values():
        if stored.proper != stored.series or stored.series.exchange != exchange.name:
            continue
        frame = Timeframe.of(stored.series.timeframe)
        try:
            exchange.check(stored.series.symbol, frame)
        except RequestError:
            continue  # it can't be asked for such a market, so there is nothing to compare with
        since = retained_since(exchange, frame, examination.now)
        yield _part(connection, stored, frame, exchange.page_limit, since, examination.now)


def _part(connection: sqlite3.Connection, stored: Stored, frame: Timeframe, page: int, since: int, now: float) -> _Part:
    until = frame.floor(now - AGE_SECONDS)
    part = _Part(stored.series, frame, [], [], [])
    (first,) = connection.execute(
        "SELECT min(open_time) FROM candles WHERE series = ? AND open_time BETWEEN 0 AND ?", (stored.id, END)
    ).fetchone()
    history = END if first is None else frame.ceil(first)
    spans = connection.execute(
        "SELECT start, stop FROM coverage WHERE series = ? AND start < ? AND stop > ? ORDER BY start",
        (stored.id, until, since),
    )
    claims, at = _claims(connection, stored.id), 0
    places = list(scales(connection, stored.id, frame))
    for start, stop in filter(lambda span: is_span(*span), spans):
        span = (frame.ceil(max(start, since)), frame.floor(min(stop, until)))
        if span[0] >= span[1]:
            continue
        if span[0] < history:
            part.beginnings.append(_above(part, span, min(history, span[1])))
        if history < span[1]:
            part.spans.append((max(span[0], history), span[1]))
        while at < len(claims) and claims[at][1] <= span[0]:
            at += 1
        for claim in claims[at : bisect_left(claims, span[1], lo=at, key=itemgetter(0))]:
            if span[0] < claim[1]:
                part.doubtful.append(_above(part, span, min(frame.ceil(claim[1]), span[1])))
        for place in places:
            # The page before it and the one after: one of the two is from before a redenomination.
            ends = (place.start, min(frame.shift(place.start, page), span[1]))
            part.doubtful.extend(Sample(part.series, span[0], end) for end in ends if span[0] < end <= span[1])
    return part


def _above(part: _Part, span: Span, end: int) -> Sample:
    """A page that ends with the candle right after an absence, where that is covered too."""
    return Sample(part.series, span[0], min(part.frame.shift(end, 1), span[1]))


def _claims(connection: sqlite3.Connection, number: int) -> list[Span]:
    """The spans that are covered provisionally; a file of an older version has no place for any."""
    if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'claims'").fetchone()[0]:
        return []
    found = connection.execute("SELECT start, stop FROM claims WHERE series = ? ORDER BY start", (number,))
    return [(start, stop) for start, stop in found if is_span(start, stop)]
