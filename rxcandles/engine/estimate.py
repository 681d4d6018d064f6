"""Estimate the cost of a request from the store alone: nothing is sent and nothing is written.

The run's own code walks over the store, and is given the answers of a market that trades in every slot. So the number
of requests is exact for such a market. On a sparser market it is lower, since a page is 200 candles that exist. The
walk also asks about the claims that are due, and assumes that their slots are empty, which they mostly are.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any, Final, overload

import attrs

from rxcandles.engine.chunk import Chunk, Proof
from rxcandles.engine.lookup import Look, Lookup
from rxcandles.engine.run import Run
from rxcandles.limiters import LimiterStats
from rxcandles.model import Request, Row
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, Timeframe, to_datetime
from rxcandles.ports import CandleStore, Covered, PageUnit, RateLimiter
from rxcandles.util.arguments import check_kind
from rxcandles.util.plain import to_plain
from rxcandles.util.showing import Brief

__all__ = ["CollectionPlan", "estimate", "seconds_at_limit"]

WALKED: Final = 2_000
"""Most pages for which the run is walked through; a page takes about 0.1 ms."""

ROUND_TRIP: Final = 0.02
"""Seconds that a request is assumed to last, which decides how many cursors there are."""

IN_MEMORY: Final = 300
"""Bytes of a candle in memory."""

ON_DISK: Final = 100
"""Bytes of a candle in the file, with its share of unused room in the pages (63 to 90 were measured)."""

AT_ONCE: Final = 16
"""Most pages that a run holds in memory while it only stores: 8 under way, and as many on their way to the store."""


@attrs.frozen(repr=False)
class CollectionPlan(Brief):
    """What collecting a request would take; made before anything is sent or written.

    >>> plan = await provider.plan(provider.request("KRW-BTC", "1m", since="2024-01-01", until="2024-01-02"))
    >>> plan.missing_slots, plan.requests
    (1320, 7)
    """

    request: Request
    missing: tuple[tuple[datetime, datetime], ...]
    """Spans that would be asked for, newest first; each includes its older end and excludes its newer end.

    Exact for a span. For a ``count``, as far down as the candles reach if each missing slot has one.
    """
    candles: int
    """Most candles there would be: the stored ones, and one for each missing slot."""
    stored: int
    """Stored candles among them, in covered slots."""
    requests: int
    """Number of requests: exact if every missing slot has a candle, fewer if some have none.

    If the market's history begins within a missing span, one more request confirms that, and none is sent for what is
    older. Retries are not counted. A number over 2,000 is that of one cursor; several cursors may need one more request
    for each of their segments that meets a gap.
    """
    seconds: float
    """Seconds that the limiter needs for so many requests; 0.0 if there is no limit."""
    memory_bytes: int
    """Memory of the candles that are under way at once while they are only stored (``collect_candles_only``)."""
    list_bytes: int
    """Memory of all candles as a list (``get_candles``, up to its ``max_memory_objects``)."""
    disk_bytes: int
    """Most bytes that the database grows by."""
    not_kept: tuple[datetime, datetime] | None = None
    """The missing span that is older than the exchange's retention; None for no such span.

    It is neither in ``missing`` nor counted. Collecting asks for it until an answer says that there is no more: a few
    requests for each cursor.
    """
    doubtful: tuple[tuple[datetime, datetime], ...] = ()
    """Spans of claims that are due and are asked about again, newest first.

    They are covered, so they are neither in ``missing`` nor counted as candles.
    """
    requests_again: int = 0
    """Requests among ``requests`` that are sent only for ``doubtful``; second questions about one span don't count."""

    @property
    def missing_slots(self) -> int:
        """Slots in the missing spans."""
        return self.candles - self.stored

    def to_dict(self) -> dict[str, Any]:
        """Return the plan for JSON; times end in ``Z``, and spans are objects with ``start`` and ``stop``.

        The request is given by its parts. ``asked`` is the count that was asked for, None for a span; ``start`` is None
        for a count.
        """
        request = self.request
        about = {
            "symbol": request.symbol,
            "timeframe": request.timeframe.name,
            "start": None if request.start is None else to_datetime(request.start),
            "stop": to_datetime(request.stop),
            "candles": self.candles,
            "asked": None if request.start is not None else request.count,
        }
        others = attrs.asdict(self, recurse=False, filter=attrs.filters.exclude("request"))
        return dict(to_plain({**about, **others, "missing_slots": self.missing_slots}))


async def estimate(
    request: Request,
    store: CandleStore,
    limiter: RateLimiter,
    *,
    page: int = 200,
    page_unit: PageUnit = "rows",
    cursors: int | Callable[[float], int] = 1,
    kept_since: int = BEGINNING,
    cost: float = 1.0,
) -> CollectionPlan:
    """Return what ``request`` would take, with pages and cursors as those of ``plan_chunks``.

    Holds the covered spans of the request in memory, and takes up to some tenths of a second for a request of any
    length.

    * ``kept_since``: candles that opened before this time (UTC seconds) are not counted, since the exchange has dropped
      them.
    * ``cost``: how much of the limit a page takes.

    Raises ``StoreError`` if the store can't be read.
    """
    check_kind("request", request, Request)
    covered = await store.coverage(request.symbol, request.timeframe, *request.span)
    missing, stored = await _missing(request, store, covered)
    older = [(start, min(stop, kept_since)) for start, stop in missing if start < kept_since]
    missing = [(max(start, kept_since), stop) for start, stop in missing if stop > kept_since]
    slots = sum(request.timeframe.slots(*span) for span in missing)
    requests = _pages(request.timeframe, missing, page)
    due = SpanSet(tuple((start, stop) for start, stop in await _due(request, store, missing) if stop > kept_since))
    again = len(due)
    if requests <= WALKED and not older:
        make = partial(Run, request, page=page, page_unit=page_unit, cursors=cursors)
        without = await _walk(_Believing(store), make, SpanSet())
        again = await _walk(Lookup(store), make, due) - without if due else 0
        requests = without
    return CollectionPlan(
        request=request,
        missing=tuple((to_datetime(start), to_datetime(stop)) for start, stop in missing),
        candles=stored + slots,
        stored=stored,
        requests=requests + again,
        seconds=seconds_at_limit(limiter, requests + again, cost),
        memory_bytes=IN_MEMORY * min(slots, AT_ONCE * page),
        list_bytes=IN_MEMORY * (stored + slots),
        disk_bytes=ON_DISK * slots,
        not_kept=(to_datetime(older[-1][0]), to_datetime(older[0][1])) if older else None,
        doubtful=tuple((to_datetime(start), to_datetime(stop)) for start, stop in reversed(due.spans)),
        requests_again=again,
    )


def seconds_at_limit(limiter: RateLimiter, requests: int, cost: float = 1.0) -> float:
    """Return after how many seconds the limiter has given the last of ``requests`` permits; 0.0 for no limit.

    Each permit takes ``cost`` of the limit.
    """
    stats = limiter.stats() if hasattr(limiter, "stats") else None
    if not isinstance(stats, LimiterStats) or stats.capacity is None:
        return 0.0
    return max(0, requests - 1) // max(1, int(stats.capacity / cost)) * (stats.window + stats.guard)


async def _missing(request: Request, store: CandleStore, covered: Sequence[Covered]) -> tuple[list[Span], int]:
    """Return the missing spans of a request, newest first, and how many of its candles are stored."""
    grid = request.timeframe
    bottom = grid.ceil(BEGINNING) if request.start is None else request.start
    top, need, stored, missing = request.stop, request.most, 0, []
    for start, stop, rows in [*covered, Covered(bottom, bottom, 0)]:
        hole = (max(stop, bottom), top)
        slots = grid.slots(*hole)
        if slots >= need:
            hole = (grid.shift(top, -need), top)
            slots = need
        if slots:
            missing.append(hole)
        need -= slots
        if need > 0 and max(start, bottom) < min(stop, top):
            whole = bottom <= start and stop <= top  # then the coverage has the number
            found = rows if whole else await store.count(request.symbol, grid, max(start, bottom), min(stop, top))
            stored += min(found, need)
            need -= min(found, need)
        top = min(top, max(start, bottom))
        if need <= 0:
            break
    return missing, stored


def _pages(grid: Timeframe, missing: Sequence[Span], page: int) -> int:
    """Return how many pages one cursor needs from the newest missing slot to the oldest."""
    pages, reached = 0, None
    for start, stop in missing:
        top = stop if reached is None else min(stop, reached)
        if slots := grid.slots(start, top):
            more = -(-slots // page)
            pages += more
            reached = grid.shift(top, -more * page)
    return pages


async def _due(request: Request, store: CandleStore, missing: Sequence[Span]) -> SpanSet:
    """Return the claims that a run would ask about again, as far down as the run goes."""
    start, now = request.start, time.time()
    if start is None:
        held = await store.nth_newest(request.symbol, request.timeframe, *request.span, request.most)
        start = BEGINNING if held is None else held
        start = max(start, missing[-1][0]) if missing and held is None else start
    claims = await store.claims(request.symbol, request.timeframe, start, request.stop)
    due = SpanSet(tuple(claim.span for claim in claims if claim.is_due(now)))
    return due.intersect(SpanSet(((start, request.stop),)))


class _Believing(Lookup):
    """A lookup that asks about no claim again."""

    async def _look_over(self, run: Run) -> Look:
        look = await super()._look_over(run)
        look.due = SpanSet()
        return look


async def _walk(lookup: Lookup, make: Callable[[], Run], empty: SpanSet) -> int:
    """Return the requests of a run that is answered in turn, with a candle in every slot that is not in ``empty``."""
    run = make()
    under_way: deque[Chunk] = deque()
    requests = 0
    while not run.complete:
        while (planned := run.next()) is not None:
            chunk = await lookup.narrow(planned)
            if chunk.question.count:
                requests += 1
                under_way.append(chunk)
            else:
                run.fetched(chunk)
        if under_way:
            run.took(ROUND_TRIP)
            chunk = under_way.popleft()
            run.fetched(chunk.but(page=_answer(chunk, empty)))
    return requests


def _answer(chunk: Chunk, empty: SpanSet) -> Proof:
    grid, question = chunk.request.timeframe, chunk.question
    count = max(1, question.count - question.over)  # the rest lies above `resume`
    rows: Sequence[Row] = _EverySlot(grid, question.resume, count)
    if not empty.intersect(SpanSet(((rows[-1].open_time, question.resume),))):
        return Proof(rows, rows[-1].open_time)
    rows, at = [], question.resume
    while len(rows) < count:
        if at - 1 in empty:
            at = empty.spans[bisect_left(empty.spans, at, key=itemgetter(0)) - 1][0]
        if at <= grid.ceil(BEGINNING):
            return Proof(rows, chunk.step.floor)
        at = grid.shift(at, -1)
        rows.append(Row(at, *_NOTHING))
    return Proof(rows, rows[-1].open_time)


class _EverySlot(Sequence[Row]):
    """The newest ``length`` rows before ``to`` of a market that trades in every slot; rows are made when read."""

    def __init__(self, grid: Timeframe, to: int, length: int) -> None:
        self._grid = grid
        self._to = to
        self._length = length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return Row(self._grid.shift(self._to, -1 - index % self._length), *_NOTHING)


_NOTHING: Final = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
