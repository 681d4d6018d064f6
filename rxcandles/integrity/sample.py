"""Stored pages, chosen at random, held against the exchange.

The doubtful absences and changes of scale come first, then the beginnings of history, then everything that is covered,
all slots alike. What an answer has is proof. What it lacks, and where its values are others, is asked about once more
over another connection, so that an exchange that is ill while it is asked makes no finding.
"""

from __future__ import annotations

import random
import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from rxcandles.engine.anew import Anew
from rxcandles.engine.chunk import Chunk
from rxcandles.engine.fetching import Fetcher
from rxcandles.engine.retry import Retry
from rxcandles.engine.run import Run
from rxcandles.errors import (
    ExchangeError,
    InvalidResponseError,
    RequestError,
    RequestRejectedError,
    WrongServerError,
)
from rxcandles.flow import from_demand, map_async, with_backpressure
from rxcandles.integrity.examine import Examination, Stored
from rxcandles.integrity.findings import Finding, Kind
from rxcandles.integrity.scales import scales
from rxcandles.integrity.snapshot import Snapshot
from rxcandles.model import Request, Row
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import END, Timeframe, to_datetime
from rxcandles.ports import Exchange, RateLimiter, Series
from rxcandles.ports.declared import page_unit, retained_since
from rxcandles.stores.sqlite.conditions import is_span
from rxcandles.stores.sqlite.reading import read_rows
from rxcandles.stores.sqlite.with_trades import rows_of

__all__ = ["AGE_SECONDS", "Sample", "choose", "compare", "compare_some", "page_before"]

AGE_SECONDS: Final = 3600
"""Only candles that have been over for so long are compared."""

_AHEAD: Final = 4


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


async def page_before(
    to: int, symbol: str, timeframe: Timeframe, exchange: Exchange, limiter: RateLimiter, retry: Retry | None = None
) -> Chunk:
    """Return the exchange's page of the newest candles before ``to``, checked, as a chunk.

    A second request where its answer is improbable (see ``fetch``). Raises ``ExchangeError`` as that does.
    """
    page, unit = exchange.page_limit, page_unit(exchange)
    count, end = (page, None) if unit == "rows" else (None, to_datetime(timeframe.shift(to, -page)))
    request = Request(symbol, timeframe, count, to_datetime(to), end, now=to + AGE_SECONDS)
    run = Run(request, page=page, page_unit=unit)
    run.limiter, planned = limiter, run.next()
    assert planned is not None  # a page has at least one slot
    chunk = await Fetcher(exchange, Retry() if retry is None else retry).fetch(planned)
    if chunk.failure is not None:
        raise chunk.failure
    return chunk


async def compare_some(
    snapshot: Snapshot,
    examination: Examination,
    exchange: Exchange,
    limiter: RateLimiter,
    retry: Retry | None,
    count: int,
    seed: int | None,
) -> tuple[list[Finding], int]:
    """Choose ``count`` pages, compare them, and return what differs and how many they were.

    A series that the exchange refuses (a market that is delisted) is a note, and others are compared in its place.
    Raises ``ExchangeError`` as :func:`compare` does, and where all that could be chosen is refused.
    """
    findings: dict[Finding, None] = {}
    refused: dict[Series, ExchangeError] = {}
    done = 0
    while done < count:
        known = frozenset(refused)
        chosen = partial(
            choose, examination=examination, exchange=exchange, count=count - done, seed=seed, without=known
        )
        samples = await snapshot.call(chosen)
        found = await compare(snapshot, samples, exchange, limiter, retry, examination.now, refused)
        findings |= dict.fromkeys(found)
        done += sum(sample.series not in refused for sample in samples)
        # An exchange that answers nobody well is not asked about all series in turn.
        ill = not done and all(isinstance(error, InvalidResponseError) for error in refused.values())
        if ill or len(refused) == len(known):
            break
    if refused and not done:
        raise next(iter(refused.values()))
    notes = (_about_all(series, f"it can't be compared: {error}") for series, error in refused.items())
    return [*findings, *notes], done


def _about_all(series: Series, detail: str) -> Finding:
    return Finding("not_compared", *series, start=None, stop=None, detail=detail)


async def compare(
    snapshot: Snapshot,
    samples: Iterable[Sample],
    exchange: Exchange,
    limiter: RateLimiter,
    retry: Retry | None,
    now: float,
    refused: dict[Series, ExchangeError],
) -> list[Finding]:
    """Return how the stored pages differ from the exchange's; a request each, over connections of their own.

    Four at once. A second request where the exchange's answer is improbable (see ``fetch``), and where it lacks a
    stored candle or has another. Series of which it refuses a page are added to ``refused``. Raises ``ExchangeError``
    for what would keep all others from being compared, too.
    """
    there = Anew(exchange)

    async def ask(sample: Sample, to: int) -> _Compared | None:
        series, frame = sample.series, Timeframe.of(sample.series.timeframe)
        chunk = await page_before(to, series.symbol, frame, there, limiter, retry)
        if chunk.proven is None:
            return None
        start, stop = max(sample.start, chunk.proven[0]), min(chunk.proven[1], sample.to)
        stored = await snapshot.call(lambda connection: _rows(connection, series, (start, stop)))
        fetched = {row.open_time: row for row in chunk.rows if start <= row.open_time < stop}
        for opened in (
            chunk.page.impossible if chunk.page is not None else ()
        ):  # that it is there is all that can be said
            stored.pop(opened, None)
        return _Compared((start, stop), _differences(stored, fetched))

    async def one(sample: Sample) -> list[Finding]:
        if sample.series in refused:
            return []
        try:
            return await differing(sample)
        except WrongServerError:
            raise
        except (RequestRejectedError, InvalidResponseError) as error:
            refused.setdefault(sample.series, error)
            return []

    async def differing(sample: Sample) -> list[Finding]:
        frame = Timeframe.of(sample.series.timeframe)
        first = await ask(sample, sample.to)
        sure = {} if first is None else {time: each for time, each in first.differences.items() if each[0] is None}
        # Newest first: a page reaches down, and what it does not reach is asked about by one more.
        suspects = [] if first is None else sorted(first.differences.keys() - sure.keys(), reverse=True)
        while suspects:
            to = min(frame.shift(suspects[0], 1 + exchange.page_limit // 4), frame.floor(now))
            again = await ask(sample, max(to, frame.shift(suspects[0], 1)))
            if again is None or not again.span[0] <= suspects[0] < again.span[1]:
                break  # it says nothing of this one, and so will not of the others
            reached = again.span[0]
            sure |= {
                time: again.differences[time]
                for time in suspects
                if first is not None and again.differences.get(time) == first.differences[time]
            }
            suspects = [time for time in suspects if time < reached]
        return [_finding(sample.series, frame, time, *sure[time]) for time in sorted(sure)]

    findings: dict[Finding, None] = {}
    async with from_demand(samples).pipe(map_async(one, ahead=_AHEAD), with_backpressure()) as pages:
        async for found in pages:
            findings |= dict.fromkeys(found)
    return list(findings)


_Difference: TypeAlias = tuple[Row | None, Row | None]
"""What is stored, and what the exchange has; None where there is nothing."""


class _Compared(NamedTuple):
    """What a page has shown."""

    span: Span
    """What it tells of."""
    differences: dict[int, _Difference]
    """By open time."""


def _rows(connection: sqlite3.Connection, series: Series, span: Span) -> dict[int, Row]:
    (number,) = connection.execute(
        "SELECT id FROM series WHERE exchange = ? AND symbol = ? AND timeframe = ?", series
    ).fetchone()
    rows = rows_of(*read_rows(connection, number, *span, "oldest_first", -1))
    return {row.open_time: row for row in rows}


def _differences(stored: dict[int, Row], fetched: dict[int, Row]) -> dict[int, _Difference]:
    both = {time: (stored.get(time), fetched.get(time)) for time in stored.keys() | fetched.keys()}
    return {time: (ours, theirs) for time, (ours, theirs) in both.items() if ours != theirs}


def _finding(series: Series, frame: Timeframe, time: int, ours: Row | None, theirs: Row | None) -> Finding:
    kind: Kind = "missing_candle" if ours is None else "extra_candle" if theirs is None else "different_candle"
    if ours is not None and theirs is not None:
        names = [name for name in theirs._fields if getattr(ours, name) != getattr(theirs, name)]
        detail = "; ".join(f"{name} is {getattr(ours, name)!r}, there {getattr(theirs, name)!r}" for name in names)
    else:
        detail = "the exchange has it" if ours is None else "the exchange has none"
    return Finding(kind, *series, start=to_datetime(time), stop=to_datetime(frame.shift(time, 1)), detail=detail)
