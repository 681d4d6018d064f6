"""Compare stored pages with the exchange, each over a connection of its own.

A candle in an answer is certain. A candle that an answer lacks, or has with other values, is asked for once more over
another connection, so that a fault of the exchange during the check makes no finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from rxcandles.engine.anew import Anew
from rxcandles.engine.chunk import Chunk
from rxcandles.engine.fetching import Fetcher
from rxcandles.engine.retry import Retry
from rxcandles.engine.run import Run
from rxcandles.errors import (
    ExchangeError,
    InvalidResponseError,
    RequestRejectedError,
    WrongServerError,
)
from rxcandles.flow import from_demand, map_async, with_backpressure
from rxcandles.integrity.examine import Examination
from rxcandles.integrity.findings import Finding, Kind
from rxcandles.integrity.sample import AGE_SECONDS, Sample, choose
from rxcandles.integrity.snapshot import Look
from rxcandles.model import Request, Row
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.ports import Exchange, RateLimiter, Series
from rxcandles.ports.declared import page_unit
from rxcandles.stores.sql.columns import SERIES_ID_SQL
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.reading import NO_LIMIT, read_rows
from rxcandles.stores.sql.with_trades import rows_of

__all__ = ["compare", "compare_some", "page_before"]

_AHEAD: Final = 4
"""Pages that are compared at once."""


async def page_before(
    to: int, symbol: str, timeframe: Timeframe, exchange: Exchange, limiter: RateLimiter, retry: Retry | None = None
) -> Chunk:
    """Return the exchange's page of the newest candles before ``to``, checked, as a chunk.

    An improbable answer is confirmed by a second request, as in ``fetch``. Raise ``ExchangeError`` as ``fetch`` does.
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
    snapshot: Look,
    examination: Examination,
    exchange: Exchange,
    limiter: RateLimiter,
    retry: Retry | None,
    count: int,
    seed: int | None,
) -> tuple[list[Finding], int]:
    """Choose ``count`` pages, compare them, and return the findings and the number of pages compared.

    If the exchange refuses a series (a delisted market), a note says so, and other series are compared in its place.
    Raise ``ExchangeError`` as :func:`compare` does, and if the exchange refuses every series that can be chosen.
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
        # If every answer is invalid, the fault is the exchange's: do not ask about all series in turn.
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
    snapshot: Look,
    samples: Iterable[Sample],
    exchange: Exchange,
    limiter: RateLimiter,
    retry: Retry | None,
    now: float,
    refused: dict[Series, ExchangeError],
) -> list[Finding]:
    """Return how the stored pages differ from the exchange's; one request a page, four pages at once.

    An improbable answer is confirmed by a second request, as in ``fetch``, and so is an answer that lacks a stored
    candle or has it with other values. Series that the exchange refuses are added to ``refused``. Raise
    ``ExchangeError`` for a fault that would stop all other comparisons, too.
    """
    comparing = _Comparing(snapshot, exchange, limiter, retry, now, refused)
    findings: dict[Finding, None] = {}
    async with from_demand(samples).pipe(map_async(comparing.one, ahead=_AHEAD), with_backpressure()) as pages:
        async for found in pages:
            findings |= dict.fromkeys(found)
    return list(findings)


_Difference: TypeAlias = tuple[Row | None, Row | None]
"""The stored candle and the exchange's; None if there is none."""


class _Compared(NamedTuple):
    """The result of comparing one page."""

    span: Span
    """The span that was compared."""
    differences: dict[int, _Difference]
    """By open time."""


class _Comparing:
    """Compares pages; several calls may run at once."""

    def __init__(
        self,
        snapshot: Look,
        exchange: Exchange,
        limiter: RateLimiter,
        retry: Retry | None,
        now: float,
        refused: dict[Series, ExchangeError],
    ) -> None:
        self._snapshot = snapshot
        self._exchange = Anew(exchange)
        self._limiter = limiter
        self._retry = retry
        self._now = now
        self._refused = refused

    async def one(self, sample: Sample) -> list[Finding]:
        """Return the findings of one page; none for a series that the exchange refuses."""
        if sample.series in self._refused:
            return []
        try:
            return await self._differing(sample)
        except WrongServerError:
            raise
        except (RequestRejectedError, InvalidResponseError) as error:
            self._refused.setdefault(sample.series, error)
            return []

    async def _differing(self, sample: Sample) -> list[Finding]:
        frame = Timeframe.of(sample.series.timeframe)
        first = await self._ask(sample, sample.to)
        sure = {} if first is None else {time: each for time, each in first.differences.items() if each[0] is None}
        # Newest first: a page reaches down, and one more page asks for what it does not reach.
        suspects = [] if first is None else sorted(first.differences.keys() - sure.keys(), reverse=True)
        while suspects:
            to = min(frame.shift(suspects[0], 1 + self._exchange.page_limit // 4), frame.floor(self._now))
            again = await self._ask(sample, max(to, frame.shift(suspects[0], 1)))
            if again is None or not again.span[0] <= suspects[0] < again.span[1]:
                break  # the answer does not cover this candle, nor the older ones
            reached = again.span[0]
            sure |= {
                time: again.differences[time]
                for time in suspects
                if first is not None and again.differences.get(time) == first.differences[time]
            }
            suspects = [time for time in suspects if time < reached]
        return [_finding(sample.series, frame, time, *sure[time]) for time in sorted(sure)]

    async def _ask(self, sample: Sample, to: int) -> _Compared | None:
        series, frame = sample.series, Timeframe.of(sample.series.timeframe)
        chunk = await page_before(to, series.symbol, frame, self._exchange, self._limiter, self._retry)
        if chunk.page is None or chunk.page.proven is None:
            return None
        proven = chunk.page.proven
        start, stop = max(sample.start, proven[0]), min(proven[1], sample.to)
        stored = await self._snapshot.call(lambda connection: _rows(connection, series, (start, stop)))
        fetched = {row.open_time: row for row in chunk.rows if start <= row.open_time < stop}
        for opened in chunk.page.impossible:  # the candle exists, but its values can't be compared
            stored.pop(opened, None)
        return _Compared((start, stop), _differences(stored, fetched))


def _rows(connection: Sql, series: Series, span: Span) -> dict[int, Row]:
    (number,) = connection.execute(SERIES_ID_SQL, series).fetchone()
    rows = rows_of(*read_rows(connection, number, *span, "oldest_first", NO_LIMIT))
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
