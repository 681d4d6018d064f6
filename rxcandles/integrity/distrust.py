"""Decide from findings which spans and candles of a store can't be trusted.

Only what a finding names is doubted, and nothing becomes covered here. If a covered span holds fewer candles than its
count says, any of its empty slots may lack one: the empty slots are doubted, the candles are not. If it holds more, any
candle may be false: the whole span is doubted. Candles outside coverage are fetched again, not deleted, since somebody
asked for them once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from operator import itemgetter

import attrs

from rxcandles.integrity.aliases import exchange_of
from rxcandles.integrity.examine import Examination, Stored
from rxcandles.integrity.findings import NOTE_KINDS, Finding, RepairStep
from rxcandles.integrity.mend import NO_TIME, Mending, RepairPlan, grid_spans
from rxcandles.integrity.pending import ledger_spans
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, from_datetime
from rxcandles.ports import Series
from rxcandles.stores.sql.conditions import is_span, on_grid_sql
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.reading import COUNT_SQL
from rxcandles.stores.sql.sealing import sealed_count, sealed_spans

__all__ = ["Untrusted"]


@attrs.define
class _Doubted:
    """What is doubted about one series."""

    untrusted: list[Span] = attrs.field(factory=list)
    worthless: list[Span] = attrs.field(factory=list)
    """Spans whose candles are wrong in themselves, so that deleting them loses nothing."""
    wanted: list[Span] = attrs.field(factory=list)
    """Spans that another spelling of the series had."""
    disclaimed: list[Span] = attrs.field(factory=list)
    """Spans without candles for which it is unknown whether they were fetched."""
    questioned: list[Span] = attrs.field(factory=list)
    """Spans in which the exchange has other candles."""
    claims: int = 0
    """Number of wrong claims; writing a series' coverage anew corrects all of them."""


class _Ledger:
    """The coverage of a series as it is stored; spans may overlap."""

    def __init__(self, connection: Sql, number: int) -> None:
        sql = "SELECT start, stop, rows FROM coverage WHERE series = ? ORDER BY start"
        self._spans = [each for each in connection.execute(sql, (number,)) if is_span(*each[:2])]
        self._reached = list(accumulate((stop for _, stop, _ in self._spans), max))
        self.covered = SpanSet(tuple((start, stop) for start, stop, _ in self._spans))

    def around(self, start: int, stop: int) -> Iterator[tuple[int, int, object]]:
        """Yield the spans that overlap ``[start, stop)``, each with its count of rows."""
        first = bisect_right(self._reached, start)
        last = bisect_left(self._spans, stop, key=itemgetter(0))
        return (each for each in self._spans[first:last] if each[1] > start)


class Untrusted:
    """Collects what can't be trusted, one finding at a time, and plans the repair.

    It looks only at series of ``exchange``, and at rows that belong to no series. Memory grows with the doubtful spans.

    * ``page``: the most candles of a request. Candles outside coverage that are at most so many slots apart are fetched
      together, which costs no more requests.
    * ``kept``: returns for how many seconds the exchange keeps candles of a timeframe; None means for ever. Older
      candles can't be fetched again, so they lose their coverage but are not deleted.
    """

    def __init__(
        self,
        connection: Sql,
        examination: Examination,
        *,
        exchange: str,
        page: int,
        kept: Callable[[Timeframe], int | None],
    ) -> None:
        self._connection = connection
        self._examination = examination
        self._exchange = exchange
        self._page = page
        self._kept = kept
        self._series: defaultdict[Series, _Doubted] = defaultdict(_Doubted)
        self._removed: list[Stored] = []
        self._orphans = False
        self._read: tuple[int, _Ledger] | None = None

    def add(self, finding: Finding) -> None:
        """Add one finding; notes are ignored."""
        if finding.kind in NOTE_KINDS:
            return
        if finding.kind == "orphaned_rows":
            self._orphans = True
        stored = self._examination.stored.get(Series(finding.exchange, finding.symbol, finding.timeframe))
        if stored is None:
            return
        if stored.proper is None:
            if exchange_of(stored.series) in (None, self._exchange.casefold()):
                self._removed.append(stored)
        elif stored.proper.exchange != self._exchange:
            return
        elif finding.kind == "alias_series":
            self._removed.append(stored)
            self._series[stored.proper].wanted.extend(self._all_of(stored))
        elif finding.kind != "unfinished_repair":
            self._doubt(stored, finding, self._series[stored.series])

    def ask_anew(self, span: Span) -> None:
        """Question everything stored within ``span``, in all series examined."""
        for stored in self._examination.stored.values():
            ours = stored.proper == stored.series and stored.series.exchange == self._exchange
            if ours and ledger_spans(self._connection, stored.id).intersect(SpanSet((span,))):
                self._series[stored.series].questioned.append(span)

    def _doubt(self, stored: Stored, finding: Finding, doubted: _Doubted) -> None:
        if finding.kind == "wrong_claim":
            doubted.claims += 1
            return
        if finding.start is None or finding.stop is None:
            return  # rows without a valid time are deleted whenever coverage is written anew
        start, stop = int(from_datetime(finding.start)), int(from_datetime(finding.stop))
        frame = Timeframe.of(stored.series.timeframe)
        if finding.kind in ("off_grid_candle", "impossible_candle"):
            _append(doubted.worthless, (start, stop))
        elif finding.kind == "unproven_candles":
            doubted.untrusted.extend(_runs(frame, self._opens(stored.id, frame, start, stop), self._page))
        elif finding.kind == "off_grid_span":
            doubted.untrusted.append((frame.floor(stop), stop))
        elif finding.kind == "future_span":
            # The end is false, so the true end is unknown; the span is certain only up to its newest candle.
            newest = max(self._opens(stored.id, frame, start, frame.floor(self._examination.now)), default=None)
            doubted.disclaimed.append((start if newest is None else frame.shift(newest, 1), stop))
        elif finding.kind == "missing_candle":
            if not any(span[0] <= start < span[1] for span in doubted.untrusted[-1:]):
                doubted.untrusted.extend(self._emptiness(stored.id, frame, start))
        elif finding.kind in ("extra_candle", "different_candle"):
            # A page costs the same as one candle, and wrong candles seldom come alone.
            half = self._page // 2
            doubted.questioned.append((max(BEGINNING, frame.shift(start, -half)), frame.shift(stop, half)))
        elif finding.kind == "wrong_count":
            doubted.untrusted.extend(self._miscounted(stored.id, frame, start, stop))

    def _miscounted(self, number: int, frame: Timeframe, start: int, stop: int) -> Iterable[Span]:
        counts = {(first, last): rows for first, last, rows in self._ledger(number).around(start, stop)}
        right = {span for span, rows in counts.items() if self._count(number, frame, span) == rows}
        rows = counts[start, stop]
        whole = not isinstance(rows, int) or self._count(number, frame, (start, stop)) > rows
        found = [(start, stop)] if whole else _gaps(frame, self._opens(number, frame, start, stop), start, stop)
        return SpanSet(tuple(found)).subtract(SpanSet(tuple(right)))

    def _emptiness(self, number: int, frame: Timeframe, opened: int) -> Iterator[Span]:
        """Yield the whole absence around ``opened``: the exchange has a candle in it, so none of it stays covered."""
        sql = (
            "SELECT (SELECT max(open_time) FROM candles WHERE series = :series AND open_time BETWEEN 0 AND :opened),"
            " (SELECT min(open_time) FROM candles WHERE series = :series AND open_time BETWEEN :opened + 1 AND :end)"
        )
        older, newer = self._connection.execute(sql, {"series": number, "opened": opened, "end": END}).fetchone()
        if older == opened:
            return  # the candle has been stored since
        around = (BEGINNING if older is None else frame.shift(int(older), 1), END if newer is None else int(newer))
        for span in self._ledger(number).covered.intersect(SpanSet((around,))):
            if span[0] <= opened < span[1]:
                yield span

    def _ledger(self, number: int) -> _Ledger:
        """Return the coverage of a series; the last one is cached, since findings come series by series."""
        if self._read is None or self._read[0] != number:
            self._read = number, _Ledger(self._connection, number)
        return self._read[1]

    def _all_of(self, stored: Stored) -> Iterator[Span]:
        """Yield the spans that a spelling of a series has, by its coverage and by its candles."""
        if stored.proper is None:
            return
        frame = Timeframe.of(stored.proper.timeframe)
        yield from ledger_spans(self._connection, stored.id)
        yield from _runs(frame, self._opens(stored.id, frame, 0, END), self._page)

    def _opens(self, number: int, frame: Timeframe, start: int, stop: int) -> Iterator[int]:
        sql = (
            "SELECT open_time FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
            f" AND {on_grid_sql(frame)} ORDER BY open_time"
        )
        return (opened for (opened,) in self._connection.execute(sql, (number, start, stop)))

    def _count(self, number: int, frame: Timeframe, span: Span) -> int:
        sql = f"{COUNT_SQL} AND {on_grid_sql(frame)}"
        held = int(self._connection.execute(sql, (number, *span)).fetchone()[0])
        return held + sealed_count(self._connection, number, *span)

    def plan(self) -> RepairPlan:
        """Return what the repair has to do."""
        steps: list[RepairStep] = []
        mendings: list[Mending] = []
        for series, doubted in self._series.items():
            mending = self._mending(series, doubted)
            mendings.append(mending)
            if series in self._examination.stored:
                steps += self._steps(mending, doubted)
        for stored in self._removed:
            candles, spans = (
                self._connection.execute(f"SELECT count(*) FROM {table} WHERE series = ?", (stored.id,)).fetchone()[0]
                for table in ("candles", "coverage")
            )
            steps.append(RepairStep("remove", *stored.series, spans=spans, candles=candles, slots=0))
        removed = tuple(stored.id for stored in self._removed)
        return RepairPlan(tuple(mendings), removed, self._orphans, tuple(steps))

    def _mending(self, series: Series, doubted: _Doubted) -> Mending:
        frame, now = Timeframe.of(series.timeframe), self._examination.now
        current, kept = frame.floor(now), self._kept(frame)
        since = 0 if kept is None else frame.ceil(now - kept)
        future, to_be_had = SpanSet(((current, END),)), SpanSet(((since, current),))
        # The candles of sealed months are in a lake; nothing here is wrong with them.
        stored = self._examination.stored.get(series)
        sealed = SpanSet() if stored is None else sealed_spans(self._connection, stored.id, BEGINNING, END)
        to_be_had = to_be_had.subtract(sealed)
        worthless = SpanSet(tuple(doubted.worthless)).union(future)
        untrusted = SpanSet(tuple(doubted.untrusted)).union(worthless).subtract(sealed)
        fetched = untrusted.union(SpanSet(tuple(doubted.wanted))).intersect(to_be_had)
        return Mending(
            series=series,
            untrusted=untrusted.union(SpanSet(tuple(doubted.disclaimed))).subtract(sealed),
            dropped=untrusted.intersect(to_be_had).union(worthless),
            fetched=grid_spans(frame, fetched),
            questioned=grid_spans(frame, self._questioned(series, doubted).intersect(to_be_had)),
        )

    def _questioned(self, series: Series, doubted: _Doubted) -> SpanSet:
        if not doubted.questioned:
            return SpanSet()
        # Ask only for what was covered before.
        ledger = ledger_spans(self._connection, self._examination.stored[series].id)
        return SpanSet(tuple(doubted.questioned)).intersect(ledger)

    def _steps(self, mending: Mending, doubted: _Doubted) -> Iterator[RepairStep]:
        """Yield what the repair does about a series: at most two steps."""
        frame, questioned = Timeframe.of(mending.series.timeframe), mending.questioned
        number = self._examination.stored[mending.series].id
        step = attrs.evolve(self._step(mending), claims=doubted.claims)
        if any((step.spans, step.candles, step.slots, step.claims)) or not questioned:
            yield step
        if questioned:
            yield RepairStep(
                "question",
                *mending.series,
                spans=len(questioned),
                candles=sum(self._count(number, frame, span) for span in questioned),
                slots=sum(frame.slots(*span) for span in questioned),
            )

    def _step(self, mending: Mending) -> RepairStep:
        number = self._examination.stored[mending.series].id
        frame = Timeframe.of(mending.series.timeframe)
        past = SpanSet(((BEGINNING, frame.floor(self._examination.now)),))
        candles = self._connection.execute(f"SELECT count(*) FROM candles WHERE series = ? AND {NO_TIME}", (number,))
        dropped = candles.fetchone()[0]
        for span in mending.dropped:
            dropped += self._connection.execute(COUNT_SQL, (number, *span)).fetchone()[0]
        return RepairStep(
            "distrust",
            *mending.series,
            spans=len(grid_spans(frame, mending.untrusted.intersect(past))),
            candles=dropped,
            slots=sum(frame.slots(*span) for span in mending.fetched),
        )


def _append(spans: list[Span], span: Span) -> None:
    """Append to ascending spans; adjacent spans are joined, so that a whole series takes no more memory than a slot."""
    if spans and spans[-1][1] == span[0]:
        span = (spans.pop()[0], span[1])
    spans.append(span)


def _gaps(frame: Timeframe, opens: Iterable[int], start: int, stop: int) -> Iterator[Span]:
    """Yield the runs of slots in ``[start, stop)`` that are not in ``opens``, ascending."""
    for opened in opens:
        if opened > start:
            yield (start, opened)
        start = frame.shift(opened, 1)
    if start < stop:
        yield (start, stop)


def _runs(frame: Timeframe, opens: Iterable[int], page: int) -> Iterator[Span]:
    """Yield spans of candles, ascending; more than ``page`` slots between two candles start a new span."""
    first = last = None
    for opened in opens:
        if first is not None and last is not None and frame.slots(last, opened) > page:
            yield (first, frame.shift(last, 1))
            first = None
        first = opened if first is None else first
        last = opened
    if first is not None and last is not None:
        yield (first, frame.shift(last, 1))
