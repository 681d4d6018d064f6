"""The strip of coverage, pixel by pixel: the share of each kind of slot in each column.

The page draws the same (``assets/strip.js``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from rxcandles.charts.reading import ChartData
from rxcandles.model.spans import Span, runs

__all__ = ["Counts", "Kinds", "columns"]

_NOTHING: Final = 1e-6
"""Counts below this are rounding errors of a sum."""


class Kinds(NamedTuple):
    """Numbers of slots, or of pixels, by kind."""

    stored: float
    imported: float
    no_trade: float
    provisional: float
    missing: float
    impossible: float


class Counts:
    """Counts the slots of ``data`` by kind, up to any place in time."""

    def __init__(self, data: ChartData) -> None:
        self._slot = data.slot
        self._slots = data.slots
        self._proven, self._doubted = _Before(data.proven), _Before(data.provisional)
        self._impossible = _Before(data.impossible)
        # These count candles, by position in the columns.
        self._imported = _Before(runs(data.imported))
        self._within = _Before([(self._place(start), self._place(stop)) for start, stop in data.proven])

    def between(self, first: float, last: float) -> Kinds:
        """Return how many slots of each kind lie from ``first`` to ``last``, which may be fractions."""
        return _less(self._up_to(self._inside(last)), self._up_to(self._inside(first)))

    def _inside(self, slot: float) -> float:
        return min(max(slot, 0.0), float(self._slots))

    def _place(self, slot: int) -> int:
        return bisect_left(self._slot, slot)

    def _up_to(self, slot: float) -> Kinds:
        whole = int(slot)
        at = self._place(whole)
        part = slot - whole if at < len(self._slot) and self._slot[at] == whole else 0.0
        imported, within = (
            spans.at(at) + part * (spans.at(at + 1) - spans.at(at)) for spans in (self._imported, self._within)
        )
        held, empty, doubted = at + part, self._proven.at(slot) - within, self._doubted.at(slot)
        never = self._impossible.at(slot)
        return Kinds(held - imported, imported, empty - doubted, doubted, slot - held - empty - never, never)


def columns(counts: Counts, edges: Sequence[float], height: int) -> list[Kinds | None]:
    """Return the pixels of each kind in the columns between ``edges`` (in slots) of a strip ``height`` pixels high.

    A fraction of a pixel that is left of a column is carried to the next, so that the area of each kind is its true
    share at any width. A column without a slot is None.
    """
    found: list[Kinds | None] = []
    rest = [0.0] * len(Kinds._fields)
    for first, last in pairwise(edges):
        kinds = counts.between(first, last)
        slots = sum(kinds)
        found.append(_divided(kinds, height * slots / (last - first), height, rest) if slots else None)
    return found


def _divided(counts: Kinds, room: float, most: int, rest: list[float]) -> Kinds:
    """Return ``counts`` as whole pixels, ``room`` of them in all; ``rest`` holds the fractions carried in, then out."""
    slots = sum(counts)
    wanted = [count * room / slots + owed for count, owed in zip(counts, rest, strict=True)]
    pixels = [max(0, int(value + 1e-9)) if count else 0 for count, value in zip(counts, wanted, strict=True)]
    left = min(most, round(room)) - sum(pixels)
    while left:
        sign = 1 if left > 0 else -1
        able = [at for at, count in enumerate(counts) if count and (sign > 0 or pixels[at])]
        if not able:
            break
        pixels[max(able, key=lambda at: sign * (wanted[at] - pixels[at]))] += sign
        left -= sign
    rest[:] = [value - number for value, number in zip(wanted, pixels, strict=True)]
    return Kinds(*pixels)


def _less(more: Kinds, less: Kinds) -> Kinds:
    differences = (mine - theirs for mine, theirs in zip(more, less, strict=True))
    return Kinds(*(each if each > _NOTHING else 0.0 for each in differences))


class _Before:
    """Counts how much of ascending spans lies before a place."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._starts = [start for start, _ in spans]
        self._sums = [0, *accumulate(stop - start for start, stop in spans)]

    def at(self, place: float) -> float:
        """Return the amount before ``place``."""
        at = bisect_left(self._starts, place) - 1
        return 0 if at < 0 else self._sums[at] + min(place, self._spans[at][1]) - self._spans[at][0]
