"""Which pages are asked about a second time, and what the answer may be."""

from __future__ import annotations

import pytest
from fakes import MINUTE, row

from rxcandles.errors import InvalidResponseError
from rxcandles.exchanges.doubts import Doubt, doubt
from rxcandles.timeframe import Timeframe

FRAME = Timeframe.of("1m")
TO = 1_700_000_040 // MINUTE * MINUTE


def rows(*slots: int) -> list:
    """Candles so many slots before ``TO``."""
    return [row(TO - slot * MINUTE) for slot in slots]


def asked(page: list, full: bool = True, count: int = 200, start: int = 0, stop: int = TO) -> Doubt | None:
    return doubt(page, full, timeframe=FRAME, to=TO, count=count, unknown=(start, stop))


@pytest.mark.parametrize(
    ("page", "believed"),
    [
        (rows(*range(1, 201)), True),
        (rows(*range(3, 203)), True),
        (rows(*range(5, 205)), False),
        (rows(*range(1, 2000, 10)), True),
        (rows(*range(100, 2100, 10)), True),
        (rows(*range(140, 2140, 10)), False),
        (rows(30), True),
        (rows(60), False),
        (rows(), True),
    ],
    ids=["whole", "two empty", "four empty", "sparse", "as sparse", "too sparse", "one", "one far away", "nothing"],
)
def test_gaps(page: list, believed: bool) -> None:
    """A gap before ``to`` is believed while the page's own density makes it likely enough."""
    assert (asked(page) is None) is believed


def test_gap_before_what_is_over() -> None:
    """Slots that are not over yet are no gap, nor are those that the store knows of."""
    assert asked(rows(*range(100, 300)), stop=TO - 99 * MINUTE) is None
    assert asked(rows(*range(100, 300)), start=TO - 2 * MINUTE) is None
    assert asked(rows(*range(100, 300)), start=TO - 3 * MINUTE) is not None


@pytest.mark.parametrize("count", [1, 2, 200])
def test_questions(count: int) -> None:
    """The end of history is asked about behind the oldest candle, a gap at its place; never with the same count."""
    end = asked(rows(1), full=False, count=count)
    gap = asked(rows(300), count=count)
    empty = asked([], full=False, count=count)
    assert end is not None
    assert gap is not None
    assert empty is not None
    assert (end.to, end.newest) == (TO - MINUTE, None)
    assert (gap.to, gap.newest) == (TO, TO - 300 * MINUTE)
    assert (empty.to, empty.newest) == (TO, None)
    assert count not in (end.count, gap.count, empty.count)


def test_settled() -> None:
    """An answer that says the same settles it; any other refuses the page, with what both said."""
    end, gap = asked(rows(1), full=False), asked(rows(300))
    assert end is not None
    assert gap is not None
    end.settle([])
    gap.settle(rows(300, 301))
    with pytest.raises(InvalidResponseError, match=r"a page of 1 where 200 were asked .* asked again there is one of"):
        end.settle(rows(2))
    with pytest.raises(InvalidResponseError, match="leaves 299 slots before .* asked again there is one of"):
        gap.settle(rows(299, 300))
    with pytest.raises(InvalidResponseError, match="asked again there is none"):
        gap.settle([])
