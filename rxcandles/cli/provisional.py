"""Notes after a run: provisional spans, revised candles, impossible candles."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from rxcandles.cli.text import counted, echo, printable
from rxcandles.cli.times import at_home, home, minute_shown, time_shown, zone_name
from rxcandles.model import CandleData, Request
from rxcandles.model.reports import CollectionSummary, ProvisionalSpan
from rxcandles.model.timeframe import BEGINNING, from_datetime
from rxcandles.operators.summarize import provisional_spans
from rxcandles.ports import CandleStore, Impossible, impossible_in

__all__ = ["Doubts", "Seen", "impossible_text", "provisional_text", "revised_text", "tell_doubts"]

LINES: Final = 3
"""Most series that get their own line if several are collected."""


@attrs.frozen
class Doubts:
    """What is doubtful in one series: provisional spans, revised candles, impossible candles."""

    provisional: Sequence[ProvisionalSpan] = ()
    revised: int = 0
    impossible: Sequence[Impossible] = ()

    @staticmethod
    def of(summary: CollectionSummary) -> Doubts:
        """Return the doubts of a summary."""
        return Doubts(summary.provisional_spans, summary.revised_count)


class Seen:
    """The span and number of the candles that a command has printed, so that its notes are about that span."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._count = 0
        self._oldest = request.stop

    async def impossible(self, store: CandleStore) -> list[Impossible]:
        """Return the impossible candles in that span."""
        start = self._request.start if self._request.start is not None else self._oldest
        if start >= self._request.stop:
            return []
        return await impossible_in(store, self._request.symbol, self._request.timeframe, start, self._request.stop)

    def add(self, candles: Sequence[CandleData]) -> None:
        """Record more candles; only the first and the last are looked at."""
        if candles:
            self._count += len(candles)
            self._oldest = min(self._oldest, *(int(from_datetime(candles[at].open_time)) for at in (0, -1)))

    async def provisional(self, store: CandleStore) -> list[ProvisionalSpan]:
        """Return what is provisional in the request; include all older time if fewer candles exist than requested."""
        request = self._request
        start = request.start
        if start is None:
            start = self._oldest if self._count == request.count else BEGINNING
        return await provisional_spans(store, request, (start, request.stop))


def tell_doubts(found: Mapping[str, Doubts], *, now: float | None = None) -> None:
    """Print on stderr what is provisional and what was revised, a line for each of the first series."""
    now = time.time() if now is None else now
    shown = "have provisional spans; `rxcandles coverage` shows them"
    _tell({title: provisional_text(each.provisional, now) for title, each in found.items()}, shown)
    _tell({title: revised_text(each.revised) for title, each in found.items()}, "have revised candles")


def _tell(lines: Mapping[str, str], what: str) -> None:
    told = [f"{title}: {line}" for title, line in lines.items() if line]
    for line in told[:LINES]:
        echo(printable(line), err=True)
    if len(told) > LINES:
        echo(f"and {len(told) - LINES:,} more series {what}", err=True)


def provisional_text(spans: Sequence[ProvisionalSpan], now: float) -> str:
    """Return one sentence about provisional spans, which names the largest; empty if there are none."""
    if not spans:
        return ""
    largest = max(spans, key=lambda each: each.slots)
    others = [each for each in spans if each is not largest]
    slots = sum(each.slots for each in others)
    more = f"{slots:,} more {'slot' if slots == 1 else 'slots'} in {counted(len(others), 'span')}" if others else ""
    stop = f"{minute_shown(largest.stop)} {zone_name()}"
    if largest.kind == "beginning":
        text = f"nothing is older than {stop} by {_answers(largest)}"
        text += f", and {more} {'is' if slots == 1 else 'are'} empty" if others else ""
    else:
        verb = "is" if largest.slots == 1 else "are"
        text = f"{counted(largest.slots, 'slot')} before {stop} {verb} empty by {_answers(largest)}"
        text += f", and {more}" if others else ""
    return f"{text}; {_again(spans, now)}"


def impossible_text(found: Sequence[Impossible]) -> str:
    """Return one sentence about impossible candles, which are left out; empty if there are none."""
    if not found:
        return ""
    times = ", ".join(time_shown(each.open_time) for each in found[:LINES])
    more = f" and {len(found) - LINES:,} more" if len(found) > LINES else ""
    fault = at_home(found[0].fault)
    whose = "the candle of" if len(found) == 1 else "the candles of"
    return f"left out: {whose} {times}{more} {zone_name()} can't be true ({fault}); the next run asks again"


def revised_text(count: int) -> str:
    """Return one sentence about candles that the exchange has changed since they were stored; empty if none."""
    were = "was" if count == 1 else "were"
    return (
        f"{counted(count, 'candle')} {were} revised: the exchange has changed values that were stored" if count else ""
    )


def _answers(span: ProvisionalSpan) -> str:
    return "one answer" if span.times == 1 else f"{span.times:,} answers"


def _again(spans: Iterable[ProvisionalSpan], now: float) -> str:
    """Return when a run will ask about all of it; include the day if it is not today."""
    due = max(from_datetime(each.asks_again) for each in spans)
    if due <= now:
        return "the next run asks again"
    minute = -(-due // 60) * 60
    same = home(minute).date() == home(now).date()
    return f"the next run after {time_shown(minute, '%H:%M' if same else '%Y-%m-%d %H:%M')} {zone_name()} asks again"
