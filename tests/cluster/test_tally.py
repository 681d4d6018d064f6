"""The progress of a request is that of its parts, added up; late and repeated reports change nothing."""

from __future__ import annotations

import attrs

from rxcandles import CollectionProgress, CollectionSummary, Request
from rxcandles.cluster.messages import Done, plain_progress, progress_of
from rxcandles.cluster.parts import Part, in_turn
from rxcandles.cluster.tally import Tally
from rxcandles.model.timeframe import to_datetime

STOP = 1_700_000_040
WHOLE = Request("KRW-BTC", "1m", to=to_datetime(STOP), end=to_datetime(STOP - 400 * 60))
PARTS = list(in_turn([WHOLE], 100, lambda request: True))


def progress(held: int, total: int, requests: int = 1) -> CollectionProgress:
    range_ = (to_datetime(STOP - 60), to_datetime(STOP))
    return CollectionProgress(requests, 9, held, 9.0, range_, total_count=total, requests=requests)


def done(part: Part, held: int) -> Done:
    assert part.request.start is not None
    span = (to_datetime(part.request.start), to_datetime(part.request.stop))
    summary = CollectionSummary(held, held, span, 2, 1.0, 2, {"no_overlap": 2})
    return Done("a", "10.0.0.7", summary=summary, progress=progress(held, held, 2))


def test_adds_up() -> None:
    """Done parts count for good, those under way by their newest report, and the rest is as dense as what is done."""
    now = [100.0]
    tally = Tally(WHOLE, 50, lambda: now[0])
    assert tally.progress is None
    for part in PARTS[:3]:
        tally.begun(part)
    tally.heard(0, progress(20, 100))
    now[0] += 10
    assert _told(tally) == (20, 400, 1)
    tally.heard(0, progress(50, 60))
    tally.heard(1, progress(10, 80))
    assert _told(tally) == (60, 340, 2)  # 60 + 80 + 200 slots
    tally.done(PARTS[0], done(PARTS[0], 50))
    assert _told(tally) == (60, 230, 3)  # 50 + 80 + half of 200 slots
    tally.heard(0, progress(7, 7))
    assert _told(tally) == (60, 230, 3)
    for part in PARTS[1:]:
        tally.begun(part)
        tally.done(part, done(part, 50))
    assert _told(tally) == (200, 200, 8)
    last = tally.progress
    assert last is not None
    assert (last.elapsed_seconds, last.estimated_remaining_seconds, last.total_chunks) == (10, 0, 8)
    assert tally.summary is not None
    assert (tally.summary.collected_count, tally.summary.time_range) == (200, tuple(map(to_datetime, WHOLE.span)))


def _told(tally: Tally) -> tuple[int, int, int]:
    found = tally.progress
    assert found is not None
    return found.collected_count, found.total_count, found.requests


def test_travels_as_numbers() -> None:
    """Progress that is sent as texts and numbers is the same on the other side."""
    sent = progress(5, 7)
    plain = plain_progress(sent)
    assert all(isinstance(value, int | float | tuple) for value in plain.values())
    assert progress_of(plain) == sent
    assert set(plain) == {field.name for field in attrs.fields(CollectionProgress)}
