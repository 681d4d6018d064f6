"""What is said after a run of what is taken for empty until it is asked about again, and of candles that changed."""

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
"""Series that have a line of their own where several are collected."""


@attrs.frozen
class Doubts:
    """What of one series is not sure, or was not."""

    provisional: Sequence[ProvisionalSpan] = ()
    revised: int = 0
    impossible: Sequence[Impossible] = ()

    @staticmethod
    def of(summary: CollectionSummary) -> Doubts:
        """Return what a summary says of it."""
        return Doubts(summary.provisional_spans, summary.revised_count)


class Seen:
    """How far the candles reach that a command has printed, so that it is known what it speaks of."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._count = 0
        self._oldest = request.stop

    async def impossible(self, store: CandleStore) -> list[Impossible]:
        """Return which candles in between could not be true."""
        start = self._request.start if self._request.start is not None else self._oldest
        if start >= self._request.stop:
            return []
        return await impossible_in(store, self._request.symbol, self._request.timeframe, start, self._request.stop)

    def add(self, candles: Sequence[CandleData]) -> None:
        """Hear of some more; only their ends are looked at."""
        if candles:
            self._count += len(candles)
            self._oldest = min(self._oldest, *(int(from_datetime(candles[at].open_time)) for at in (0, -1)))

    async def provisional(self, store: CandleStore) -> list[ProvisionalSpan]:
        """Return what of the request is provisional; where the market has fewer candles than asked for, all before."""
        request = self._request
        start = request.start
        if start is None:
            start = self._oldest if self._count == request.count else BEGINNING
        return await provisional_spans(store, request, (start, request.stop))


def tell_doubts(found: Mapping[str, Doubts], *, now: float | None = None) -> None:
    """Write on stderr, a line for each of the first few series, what is provisional and what was revised."""
    now = time.time() if now is None else now
    shown = "have such spans; rxcandles coverage shows them"
    _tell({title: provisional_text(each.provisional, now) for title, each in found.items()}, shown)
    _tell({title: revised_text(each.revised) for title, each in found.items()}, "have revised candles")


def _tell(lines: Mapping[str, str], what: str) -> None:
    told = [f"{title}: {line}" for title, line in lines.items() if line]
    for line in told[:LINES]:
        echo(printable(line), err=True)
    if len(told) > LINES:
        echo(f"and {len(told) - LINES:,} series more {what}", err=True)


def provisional_text(spans: Sequence[ProvisionalSpan], now: float) -> str:
    """Return one sentence on what is provisional, of which the largest is told; empty where nothing is."""
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
    """Return one sentence on candles that are left out as they can't be true; empty for none."""
    if not found:
        return ""
    times = ", ".join(time_shown(each.open_time) for each in found[:LINES])
    more = f" and {len(found) - LINES:,} more" if len(found) > LINES else ""
    fault = at_home(found[0].fault)
    whose = "the candle of" if len(found) == 1 else "the candles of"
    return f"left out: {whose} {times}{more} {zone_name()} can't be true ({fault}); the next run asks again"


def revised_text(count: int) -> str:
    """Return one sentence on candles that came with other values than they were stored with; empty for none."""
    were, they = ("was", "it was") if count == 1 else ("were", "they were")
    return f"{counted(count, 'candle')} {were} revised: the exchange changed what {they} stored with" if count else ""


def _answers(span: ProvisionalSpan) -> str:
    return "one answer" if span.times == 1 else f"{span.times:,} answers"


def _again(spans: Iterable[ProvisionalSpan], now: float) -> str:
    """Say from when on a run asks about all of it; with the day where that is another one than today."""
    due = max(from_datetime(each.asks_again) for each in spans)
    if due <= now:
        return "the next run asks again"
    minute = -(-due // 60) * 60
    same = home(minute).date() == home(now).date()
    return f"the next run after {time_shown(minute, '%H:%M' if same else '%Y-%m-%d %H:%M')} {zone_name()} asks again"
