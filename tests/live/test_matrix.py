"""Each fault of an exchange or of its stream becomes a delay, never a wrong candle."""

from __future__ import annotations

import pytest

from tests.support.matrix import MATRIX
from tests.support.scenarios import Scenario, follow_through

BYTES = {1, 18, 19}
"""These are followed through with real bytes, in ``test_matrix_bytes``."""
ONE_A_CASE = {each.case: each for each in reversed(MATRIX) if each.case not in BYTES}.values()
"""The worst fault of each other number; all of them take `python -m profiling follow_matrix`."""


@pytest.mark.parametrize("scenario", ONE_A_CASE, ids=lambda each: f"{each.case} {each.name}")
def test_a_fault_is_a_delay(scenario: Scenario) -> None:
    """A fast, a slow and a late reader are given the truth, once, in order; it heals in time, within few requests."""
    assert scenario.broken(follow_through(scenario)) == []
