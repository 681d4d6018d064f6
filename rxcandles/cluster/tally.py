"""The progress of a request, from that of its parts on many workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import attrs

from rxcandles.cluster.messages import Done
from rxcandles.cluster.parts import Part
from rxcandles.model import Request
from rxcandles.model.joining import joined
from rxcandles.model.reports import CollectionProgress, CollectionSummary

__all__ = ["Tally"]

_ADDED: Final = (
    "current_chunk", "collected_count", "requests", "retries", "rate_limited", "stored_before", "gaps_found", "revised",
)  # fmt: skip
"""Fields of the progress that add up over parts."""


class Tally:
    """What has come of one request: its parts that are done, and the newest progress of those under way."""

    def __init__(self, request: Request, page: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.summary: CollectionSummary | None = None
        """That of the parts that are done."""
        self._request = request
        self._page = page
        self._clock = clock
        self._began = clock()
        self._done = dict.fromkeys(_ADDED, 0)
        self._done_slots = 0
        self._under_way: dict[int, tuple[int, CollectionProgress | None]] = {}
        self._last: CollectionProgress | None = None

    def begun(self, part: Part) -> None:
        """Record that a part is under way."""
        self._under_way[part.number] = (part.request.most, None)

    def heard(self, number: int, progress: CollectionProgress) -> None:
        """Record the newest progress of a part; that of one that is done comes too late and changes nothing."""
        if number in self._under_way:
            self._under_way[number] = (self._under_way[number][0], progress)
            self._last = progress

    def done(self, part: Part, done: Done) -> None:
        """Record the end of a part."""
        slots, progress = self._under_way.pop(part.number, (0, None))
        if done.summary is not None:
            self.summary = done.summary if self.summary is None else joined((self.summary, done.summary))
            self._done_slots += slots
            self._last = progress = done.progress or progress
            if progress is not None:
                for name in _ADDED:
                    self._done[name] += getattr(progress, name)

    @property
    def progress(self) -> CollectionProgress | None:
        """The progress of the whole request; None before any."""
        if self._last is None:
            return None
        heard = [(slots, each) for slots, each in self._under_way.values() if each is not None]
        added = {name: self._done[name] + sum(getattr(each, name) for _, each in heard) for name in _ADDED}
        held, elapsed = added["collected_count"], self._clock() - self._began
        most = self._request.most
        # What is not begun has as many candles a slot as what is done.
        left = most - self._done_slots - sum(slots for slots, _ in heard)
        density = self._done["collected_count"] / self._done_slots if self._done_slots else 1.0
        total = self._done["collected_count"] + sum(each.total_count for _, each in heard) + round(left * density)
        total = max(held, min(total, most))
        return attrs.evolve(
            self._last,
            **added,
            total_chunks=added["current_chunk"] + -(-(total - held) // self._page),
            total_count=total,
            estimated_remaining_seconds=elapsed / held * (total - held) if held else 0.0,
            elapsed_seconds=elapsed,
        )

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._began
