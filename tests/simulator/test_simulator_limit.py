"""The limits, on a clock of the test's own."""

from __future__ import annotations

import pytest

from rxcandles.errors import RequestError
from rxcandles.simulator.limit import Limit, Window


def test_window_slides() -> None:
    """A request passes if fewer than the limit passed within the second before it."""
    window = Window(3)
    assert [2, 1, 0, None] == [window.take(now) for now in (0.0, 0.5, 0.75, 0.875)]
    assert [None, 0, None, 0] == [window.take(now) for now in (0.999, 1.0, 1.49, 1.5)]


def test_one_bucket_for_all_candles() -> None:
    """The header counts down from 9, and the market list has a count of its own."""
    limit = Limit(10, 20)
    headers = [limit.ask("candles", 0.0).remaining_req for _ in range(10)]
    assert [f"group=candles; min=600; sec={left}" for left in range(9, -1, -1)] == headers
    assert (429, None, 0.0) == limit.ask("candles", 0.5)
    assert "group=market; min=600; sec=9" == limit.ask("market", 0.5).remaining_req
    assert "group=candles; min=600; sec=9" == limit.ask("candles", 1.0).remaining_req


def test_refusals_do_not_count() -> None:
    """What was refused does not keep the window full."""
    limit = Limit(1, 20)
    assert [200, 429, 429, 200] == [limit.ask("candles", now).status for now in (0.0, 0.5, 0.9, 1.0)]


def test_origin() -> None:
    """With an Origin header one request passes in ten seconds, in a group of its own."""
    limit = Limit(10, 20)
    assert "group=origin; min=6; sec=0" == limit.ask("candles", 0.0, origin=True).remaining_req
    assert [429, 429, 200] == [
        limit.ask(group, at, origin=True).status for group, at in (("candles", 1.0), ("market", 9.9), ("market", 10.0))
    ]
    assert 200 == limit.ask("candles", 1.0).status


def test_block_doubles() -> None:
    """The refusal after 20 within ten seconds brings a block of everything for 60 s, the next one for 120 s."""
    limit = Limit(1, 20)
    assert [200, *[429] * 20] == [limit.ask("candles", 0.0).status for _ in range(21)]
    assert (418, None, 60.0) == limit.ask("candles", 0.5)
    assert (418, None, 10.0) == limit.ask("market", 50.5)
    assert 200 == limit.ask("candles", 60.5).status
    assert [429] * 20 == [limit.ask("candles", 60.6).status for _ in range(20)]
    assert (418, None, 120.0) == limit.ask("candles", 60.7)


def test_old_refusals_are_forgotten() -> None:
    """Twenty refusals in more than ten seconds bring no block."""
    limit = Limit(1, 2)
    assert [200, 429, 429] == [limit.ask("candles", now).status for now in (0.0, 0.1, 0.2)]
    assert [200, 429] == [limit.ask("candles", now).status for now in (10.15, 10.2)]


def test_no_limit() -> None:
    """Without a rate everything passes, and the header tells of a limit of which nothing is used."""
    limit = Limit(None, 1)
    for origin in (False, True):
        verdicts = {limit.ask("candles", 0.0, origin=origin) for _ in range(1000)}
        assert {(200, "group=candles; min=600; sec=9", 0.0)} == verdicts


def test_no_block() -> None:
    """Without ban_after nobody is blocked."""
    limit = Limit(1, None)
    assert {200, 429} == {limit.ask("candles", 0.0).status for _ in range(1000)}


def test_slow_rates() -> None:
    """A rate below 1 lets one request pass in so many seconds; a broken one no more than fewer than it."""
    limit = Limit(0.5, None)
    assert [200, 429, 200] == [limit.ask("candles", now).status for now in (0.0, 1.9, 2.0)]
    limit = Limit(2.5, None)
    assert ["sec=2", "sec=1", "sec=0"] == [(limit.ask("candles", 0.0).remaining_req or "")[-5:] for _ in range(3)]
    assert 429 == limit.ask("candles", 0.0).status


@pytest.mark.parametrize(
    ("rate", "ban_after", "name"), [(0, 20, "rate"), (-1, 20, "rate"), (float("nan"), 20, "rate"), (10, 0, "ban_after")]
)
def test_bad_arguments(rate: float, ban_after: int, name: str) -> None:
    """Arguments out of bounds are refused by name."""
    with pytest.raises(RequestError, match=name):
        Limit(rate, ban_after)
