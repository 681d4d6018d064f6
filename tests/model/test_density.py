"""Which absences of a page are doubtful."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.model.density import UNLIKELY, Trend, doubtful_gaps, is_unlikely
from rxcandles.model.timeframe import Timeframe
from tests.support.fakes import MINUTE

FRAME = Timeframe.of("1m")
TO = 1_700_000_040 // MINUTE * MINUTE
DENSE, SPARSE = Trend(400, 0), Trend(120, 280)


def opens(*slots: int) -> list[int]:
    """Open times so many slots before ``TO``."""
    return [TO - slot * MINUTE for slot in slots]


@pytest.mark.parametrize(
    ("trend", "gap", "places", "doubtful"),
    [
        (DENSE, 0, 1, False),
        (DENSE, 1, 1, True),
        (DENSE, 1, 200, False),
        (DENSE, 2, 200, True),
        (SPARSE, 12, 1, False),
        (SPARSE, 13, 1, True),
        (SPARSE, 27, 200, False),
        (SPARSE, 29, 200, True),
        (Trend(), 6, 1, False),
        (Trend(), 7, 1, True),
    ],
)
def test_unlikely(trend: Trend, gap: int, places: int, doubtful: bool) -> None:
    """A gap is doubtful where chance makes one so long less often than once in a hundred times."""
    assert is_unlikely(gap, trend, places) is doubtful


def test_an_hour_is_missing() -> None:
    """The longest gap does not hide itself in the density that it is judged by."""
    page = opens(*range(1, 100), *range(160, 261))
    gaps, trend = doubtful_gaps(page, FRAME, Trend(), 200)
    assert gaps == [(TO - 159 * MINUTE, TO - 99 * MINUTE)]
    assert trend.empty == 0


def test_two_hours_are_missing() -> None:
    """Nor do two gaps hide each other."""
    page = opens(*range(1, 60), *range(120, 180), *range(240, 300))
    assert len(doubtful_gaps(page, FRAME, Trend(), 200)[0]) == 2


@pytest.mark.parametrize("density", [0.998, 0.9, 0.3, 0.02])
def test_chance_is_believed(density: float) -> None:
    """Of a market that trades by chance, a run of 100,000 candles has next to no doubtful gaps."""
    luck, trend, places, found, time = random.Random(1), Trend(), 0, 0, TO
    for _ in range(500):
        page = [time]
        while len(page) < 200:
            time -= MINUTE
            if luck.random() < density:
                page.append(time)
        gaps, trend = doubtful_gaps(page, FRAME, trend, max(200, places))
        found += len(gaps)
        places += 200
    assert found <= 1


def test_months() -> None:
    """Slots of no fixed length are counted on their grid."""
    month = Timeframe.of("1M")
    first = month.floor(TO)
    page = [month.shift(first, -number) for number in (0, 1, 2, 3, 4, 5, 6, 7, 30, 31, 32)]
    gaps, _ = doubtful_gaps(page, month, Trend(200, 0), 11)
    assert gaps == [(month.shift(first, -29), month.shift(first, -7))]


@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=60), st.integers(1, 10_000), st.floats(0, 400), st.floats(0, 400)
)
def test_as_the_slow_way(steps: list[int], places: int, rows: float, empty: float) -> None:
    """The same gaps are found by judging each one by itself."""
    page = [TO]
    for step in steps:
        page.append(page[-1] - step * MINUTE)
    missing = sum(steps) + 1 - len(page)
    usual = Trend(rows, empty).add(len(page), missing - max(step - 1 for step in steps))
    slow = [
        (page[number + 1] + MINUTE, page[number])
        for number, step in enumerate(steps)
        if step > 1 and places * usual.empty_share ** (step - 1) < UNLIKELY
    ]
    assert doubtful_gaps(page, FRAME, Trend(rows, empty), places)[0] == slow
