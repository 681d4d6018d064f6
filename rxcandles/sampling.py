"""Stored pages, chosen at random, held against the exchange."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from rxcandles.errors import RequestError
from rxcandles.findings import Finding, Kind
from rxcandles.model import Request, Row
from rxcandles.operators import Retry, fetch, from_demand, map_async, plan_chunks, rate_limit, run, with_backpressure
from rxcandles.ports import Exchange, RateLimiter, Series, kept_by
from rxcandles.spans import Span
from rxcandles.stores.conditions import is_span
from rxcandles.stores.examining import Examination
from rxcandles.stores.reading import rows_sql
from rxcandles.stores.snapshot import Snapshot
from rxcandles.timeframe import END, Timeframe, to_datetime

__all__ = ["AGE_SECONDS", "Sample", "choose", "compare"]

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
    connection: sqlite3.Connection, examination: Examination, exchange: Exchange, count: int, seed: int | None
) -> list[Sample]:
    """Return ``count`` pages, every proven slot of the exchange's series as likely as any other, oldest first.

    Left out are the time before a series' first candle and what is younger than an hour or older than the exchange
    keeps. The same ``seed`` chooses the same of the same. None where nothing is old enough.
    """
    luck = random.Random(seed)  # nosec B311 - chooses what to look at; nothing secret hangs on it

    def all_of_them() -> Iterator[tuple[Series, Timeframe, Span]]:
        return _proven(connection, examination, exchange)

    total = sum(frame.slots(*span) for _, frame, span in all_of_them())
    places = sorted(luck.randrange(total) for _ in range(count if total else 0))
    samples: list[Sample] = []
    before = 0
    for series, frame, (start, stop) in all_of_them():
        slots = frame.slots(start, stop)
        while len(samples) < len(places) and places[len(samples)] < before + slots:
            oldest = frame.shift(start, places[len(samples)] - before)
            samples.append(Sample(series, start, min(frame.shift(oldest, exchange.page_limit), stop)))
        before += slots
    return samples


def _proven(
    connection: sqlite3.Connection, examination: Examination, exchange: Exchange
) -> Iterator[tuple[Series, Timeframe, Span]]:
    for stored in examination.stored.values():
        if stored.proper != stored.series or stored.series.exchange != exchange.name:
            continue
        frame = Timeframe.of(stored.series.timeframe)
        try:
            exchange.check(stored.series.symbol, frame)
        except RequestError:
            continue  # it can't be asked for such a market, so there is nothing to compare with
        kept = kept_by(exchange)(frame)
        (first,) = connection.execute(
            "SELECT coalesce(min(open_time), 0) FROM candles WHERE series = ? AND open_time BETWEEN 0 AND ?",
            (stored.id, END),
        ).fetchone()
        since = max(first, 0 if kept is None else frame.ceil(examination.now - kept))
        until = frame.floor(examination.now - AGE_SECONDS)
        spans = connection.execute(
            "SELECT start, stop FROM coverage WHERE series = ? AND start < ? AND stop > ? ORDER BY start",
            (stored.id, until, since),
        )
        for start, stop in filter(lambda span: is_span(*span), spans):
            span = (frame.ceil(max(start, since)), frame.floor(min(stop, until)))
            if span[0] < span[1]:
                yield stored.series, frame, span


async def compare(
    snapshot: Snapshot, samples: Iterable[Sample], exchange: Exchange, limiter: RateLimiter, retry: Retry | None
) -> list[Finding]:
    """Return how the stored pages differ from the exchange's; a request each, four at once.

    A second request where the exchange's answer is improbable (see ``fetch``). Raises ``ExchangeError`` as that does.
    """

    async def one(sample: Sample) -> list[Finding]:
        series, frame = sample.series, Timeframe.of(sample.series.timeframe)
        request = Request(
            series.symbol, frame, exchange.page_limit, to_datetime(sample.to), now=sample.to + AGE_SECONDS
        )
        page = plan_chunks(request, page=exchange.page_limit).pipe(rate_limit(limiter), fetch(exchange, retry=retry))
        chunk = await run(page)
        if chunk.proven is None:
            return []
        start, stop = max(sample.start, chunk.proven[0]), chunk.proven[1]
        stored = await snapshot.call(lambda connection: _rows(connection, series, (start, stop)))
        fetched = {row.open_time: row for row in chunk.rows if start <= row.open_time < stop}
        return list(_differences(series, frame, stored, fetched))

    findings: list[Finding] = []
    async with from_demand(samples).pipe(map_async(one, ahead=_AHEAD), with_backpressure()) as pages:
        async for found in pages:
            findings += [finding for finding in found if finding not in findings]
    return findings


def _rows(connection: sqlite3.Connection, series: Series, span: Span) -> dict[int, Row]:
    (number,) = connection.execute(
        "SELECT id FROM series WHERE exchange = ? AND symbol = ? AND timeframe = ?", series
    ).fetchone()
    rows = connection.execute(rows_sql("oldest_first"), (number, *span, -1, 0))
    return {row[0]: Row._make(row) for row in rows}


def _differences(
    series: Series, frame: Timeframe, stored: dict[int, Row], fetched: dict[int, Row]
) -> Iterator[Finding]:
    for time in sorted(stored.keys() | fetched.keys()):
        ours, theirs = stored.get(time), fetched.get(time)
        if ours == theirs:
            continue
        kind: Kind = "missing_candle" if ours is None else "extra_candle" if theirs is None else "different_candle"
        if ours is not None and theirs is not None:
            names = [name for name, mine, other in zip(Row._fields, ours, theirs, strict=True) if mine != other]
            values = (f"{name} is {getattr(ours, name)!r}, there {getattr(theirs, name)!r}" for name in names)
            detail = "; ".join(values)
        else:
            detail = "the exchange has it" if ours is None else "the exchange has none"
        end = to_datetime(frame.shift(time, 1))
        yield Finding(kind, *series, start=to_datetime(time), stop=end, detail=detail)
