"""Chance that is the same in every process."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import comb, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.simulator.chance import Binomial, highest, subset


@given(key=st.text(max_size=5), size=st.integers(1, 300), data=st.data())
def test_subset(key: str, size: int, data: st.DataObject) -> None:
    """So many different values, in order; the last can be told alone."""
    some = data.draw(st.integers(0, size))
    chosen = subset(key, range(100, 100 + 3 * size, 3), some)
    assert some == len(chosen)
    assert sorted({*chosen} & {*range(100, 100 + 3 * size, 3)}) == list(chosen)
    if some:
        assert 100 + 3 * highest(key, size, some) == chosen[-1]


@pytest.mark.parametrize(("size", "some"), [(5, 2), (40, 33), (40, 36), (60, 40)])
def test_every_choice_is_as_likely(size: int, some: int) -> None:
    """Each value is chosen as often as any other, alone and with its neighbour."""
    rounds = 3_000
    alone: Counter[int] = Counter()
    paired: Counter[int] = Counter()
    for number in range(rounds):
        chosen = {*subset(f"{number}", range(size), some)}
        alone.update(chosen)
        paired.update(value for value in chosen if value + 1 in chosen)
    for share, counts, values in (
        (some / size, alone, range(size)),
        (some * (some - 1) / (size * (size - 1)), paired, range(size - 1)),
    ):
        error = 5 * sqrt(rounds * share * (1 - share))
        assert [value for value in values if abs(counts[value] - rounds * share) > error] == []


@pytest.mark.parametrize(
    "share", [Fraction(1, 2), Fraction(3, 10), Fraction(1, 50), Fraction(998, 1000), Fraction(1, 10**6)]
)
@pytest.mark.parametrize("trials", [1, 20, 1440])
def test_binomial(trials: int, share: Fraction) -> None:
    """The share of lucks that stand for a number is its chance, to the 2^-30 that luck can tell."""
    drawn = Binomial(trials, share)
    edge = 0
    for number in range(drawn.least, drawn.most + 1):
        low, high = edge, 1 << 32
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if drawn.draw(middle) > number else (middle + 1, high)
        chance = comb(trials, number) * share**number * (1 - share) ** (trials - number)
        assert float(chance) == pytest.approx((low - edge) / 2**32, abs=2**-30)
        edge = low
    assert 1 << 32 == edge


@pytest.mark.parametrize(("share", "always"), [(Fraction(0), 0), (Fraction(1), 1440)])
def test_no_chance(share: Fraction, always: int) -> None:
    """Nothing and everything are certain."""
    drawn = Binomial(1440, share)
    assert {always} == {drawn.draw(luck) for luck in (0, 1, 1 << 31, (1 << 32) - 1)}
    assert always == drawn.most
