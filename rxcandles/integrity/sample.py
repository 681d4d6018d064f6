"""Choose stored pages at random, to compare them with the exchange.

Provisional absences and changes of scale come first, then the beginnings of history, then all covered slots alike.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from rxcandles.errors import (
    RequestError,
)
from rxcandles.integrity.examine import Examination, Stored
from rxcandles.integrity.scales import scales
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.ports import Exchange, Series
from rxcandles.ports.declared import retained_since
from rxcandles.stores.sql.claiming import has_claims
from rxcandles.stores.sql.conditions import is_span
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.sealing import opens_in, sealed_spans

__all__ = ["AGE_SECONDS", "Sample", "choose"]

AGE_SECONDS: Final = 3600
"""Only candles that closed at least so many seconds ago are compared."""


class Sample(NamedTuple):
    """A page to compare."""

    series: Series
    start: int
    """Older end of the covered span; nothing older is compared."""
    to: int
    """The page holds the newest candles before this time."""


def choose(
    connection: Sql,
    examination: Examination,
    exchange: Exchange,
    count: int,
    seed: int | None,
    without: Collection[Series] = (),
) -> list[Sample]:
    """Return ``count`` pages: provisional absences and changes of scale, then beginnings, then other slots at random.

    A beginning of history is the covered span before a series' first candle; a page that ends right after it shows all
    of it. Beginnings take at most half of the pages that provisional absences leave. Left out are the last hour,
    whatever the exchange no longer keeps, and the series ``without``. The same ``seed`` chooses the same pages of the
    same file. Return an empty list if nothing is old enough.
    """
    luck = random.Random(seed)  # nosec B311 - chooses what to look at; nothing secret hangs on it
    parts = [part for part in _parts(connection, examination, exchange) if part.series not in without]
    doubtful = [sample for part in parts for sample in part.doubtful]
    samples = luck.sample(doubtful, min(count, len(doubtful)))
    # A beginning that is provisional is chosen already.
    chosen = set(samples)
    beginnings = [sample for part in parts for sample in part.beginnings if sample not in chosen]
    samples += luck.sample(beginnings, min(-(-(count - len(samples)) // 2), len(beginnings)))
    total = sum(part.frame.slots(*span) for part in parts for span in part.spans)
    places = sorted(luck.randrange(total) for _ in range(count - len(samples) if total else 0))
    return samples + list(_at(places, parts, exchange.page_limit))


def _at(places: Sequence[int], parts: Iterable[_Part], page: int) -> Iterator[Sample]:
    """Yield the pages at the slots with these numbers (ascending), counted over all parts."""
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
    """What can be compared of one series."""

    series: Series
    frame: Timeframe
    spans: list[Span]
    """Covered spans from the first candle on, oldest first."""
    beginnings: list[Sample]
    """Pages of covered spans before the first candle."""
    doubtful: list[Sample]
    """Pages of provisional spans, and of places where prices change their scale."""


def _parts(connection: Sql, examination: Examination, exchange: Exchange) -> Iterator[_Part]:
    for stored in examination.stored.values():
        if stored.proper != stored.series or stored.series.exchange != exchange.name:
            continue
        frame = Timeframe.of(stored.series.timeframe)
        try:
            exchange.check(stored.series.symbol, frame)
        except RequestError:
            continue  # the exchange has no such market, so there is nothing to compare with
        since = retained_since(exchange, frame, examination.now)
        yield _part(connection, stored, frame, exchange.page_limit, since, examination.now)


def _part(connection: Sql, stored: Stored, frame: Timeframe, page: int, since: int, now: float) -> _Part:
    until = frame.floor(now - AGE_SECONDS)
    part = _Part(stored.series, frame, [], [], [])
    first = min(opens_in(connection, stored.id, BEGINNING, END, "oldest_first", 1), default=None)
    history = END if first is None else frame.ceil(first)
    sealed = sealed_spans(connection, stored.id, BEGINNING, END)
    found = connection.execute(
        "SELECT start, stop FROM coverage WHERE series = ? AND start < ? AND stop > ? ORDER BY start",
        (stored.id, until, since),
    )
    # Candles of sealed months are in a lake, so there is nothing to compare.
    spans = [left for span in found if is_span(*span) for left in SpanSet((tuple(span),)).subtract(sealed)]
    claims, at = _claims(connection, stored.id), 0
    places = list(scales(connection, stored.id, frame))
    for start, stop in spans:
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
            # The page before it and the one after it: one of the two is older than a redenomination.
            ends = (place.start, min(frame.shift(place.start, page), span[1]))
            part.doubtful.extend(Sample(part.series, span[0], end) for end in ends if span[0] < end <= span[1])
    return part


def _above(part: _Part, span: Span, end: int) -> Sample:
    """Return a page that ends with the candle right after an absence, if that is covered too."""
    return Sample(part.series, span[0], min(part.frame.shift(end, 1), span[1]))


def _claims(connection: Sql, number: int) -> list[Span]:
    """Return the provisional spans; a file of an older version has no table for them."""
    if not has_claims(connection):
        return []
    found = connection.execute("SELECT start, stop FROM claims WHERE series = ? ORDER BY start", (number,))
    return [(start, stop) for start, stop in found if is_span(start, stop)]
