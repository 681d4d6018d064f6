"""Exchanges that answer in other ways than Upbit: what a page proves, it says; what comes of it is the truth."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles import Order, Page, Timeframe
from rxcandles.exchanges.upbit import UpbitExchange
from rxcandles.model.timeframe import to_datetime
from tests.support.fakes import row
from tests.support.toys import END, KINDS, LIMIT, LISTED, MINUTE, Declared, Knowing, Rows, Tail, Toy, Windows, truth


async def collected(exchange: Toy, path: Path | str, **asked: Any) -> tuple[list[int], int]:
    """Return the open times that come of a request, and how many pages it took."""
    before = exchange.pages
    async with rxcandles.connect(path, exchange=exchange) as provider:  # type: ignore[arg-type]
        candles = await provider.get_candles("TOY", "1m", **asked)
        return [candle.open_seconds for candle in candles], exchange.pages - before


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
@pytest.mark.parametrize("share", [1.0, 0.06])
@pytest.mark.parametrize("kind", KINDS)
async def test_modes_are_true(kind: type[Toy], share: float, order: Order, tmp_path: Path) -> None:
    """By span and by count, from above the listing and from before it, over holes: all that exists, fetched once."""
    exchange = kind(share)
    way = slice(None, None, -1 if order == "oldest_first" else 1)
    inside = (END - 640 * MINUTE, END - 20 * MINUTE)
    over = (LISTED - 3000 * MINUTE, LISTED + 700 * MINUTE)
    path = tmp_path / "candles.db"
    for start, stop in [inside, (inside[0] - 60, END), over, (over[0] - 6000, over[1] + 6000), (LISTED - 60, END)]:
        found, _ = await collected(exchange, path, to=to_datetime(stop), end=to_datetime(start), order=order)
        assert found == truth(exchange, start, stop)[way]
        again, pages = await collected(exchange, path, to=to_datetime(stop), end=to_datetime(start), order=order)
        assert (again, pages) == (found, 0 if kind is not Tail else pages)
    counted = kind(share)
    for count in (10, 500, 20_000):
        found, _ = await collected(counted, tmp_path / "counted.db", count=count, to=to_datetime(END), order=order)
        assert found == truth(counted, 0, END)[:count][way]


@pytest.mark.parametrize("kind", [Windows, Declared, Knowing])
async def test_requests_of_windows(kind: type[Toy]) -> None:
    """A sparse market costs hardly more windows than hold what is asked for, and never one for each candle."""
    exchange = kind(0.06)
    newest = truth(exchange, 0, END)[:500]
    holding = ceil((END - newest[-1]) / (LIMIT * MINUTE))
    found, pages = await collected(exchange, ":memory:", count=500, to=to_datetime(END))
    assert (found, pages <= 1.3 * holding + 1) == (newest, True)
    assert exchange.others <= 1


@pytest.mark.parametrize("kind", [Windows, Declared, Knowing])
async def test_a_quiet_week(kind: type[Toy], tmp_path: Path) -> None:
    """Windows in which nobody traded are no beginning of history: what is older comes all the same."""
    quiet = (END - 8000 * MINUTE, END - 3000 * MINUTE)
    exchange = kind(0.5, [quiet])
    found, _ = await collected(exchange, tmp_path / "candles.db", count=3000, to=to_datetime(END))
    assert found == truth(exchange, 0, END)[:3000]


async def test_what_is_no_longer_there() -> None:
    """A tail gives what it has, and says nothing of what is older: that is neither held nor asked for ever."""
    exchange = Tail(0.5)
    async with rxcandles.connect(":memory:", exchange=exchange) as provider:  # type: ignore[arg-type]
        summary = await provider.collect_candles_only("TOY", "1m", count=5000, to=to_datetime(END))
        covered = await provider.repository.coverage("TOY", Timeframe.of("1m"), 0, END)
    assert (summary.collected_count, exchange.pages <= 3) == (720, True)
    assert [(each.start, each.stop) for each in covered] == [(exchange.times[0], END)]


async def test_an_adapter_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Pages that don't say what they cover are taken for the newest rows, which the log says once a run."""

    class Silent(Rows):
        def answer(self, to: int, count: int) -> Page:
            return Page(super().answer(to, count).rows)

    found, pages = await collected(Silent(1.0), ":memory:", count=1000, to=to_datetime(END))
    assert (len(found), pages) == (1000, 4)
    assert [each.message for each in caplog.records if "do not say what they cover" in each.message] == [
        "toy: its pages do not say what they cover, and are taken for the newest candles before a time; "
        "return Page.before(rows, to, count) where that is so, else Page(rows, covered=(start, stop))"
    ]


def test_upbit_says_it_by_the_rule() -> None:
    """As many rows as were asked for reach to the oldest; fewer, to the beginning, or to what Upbit keeps."""
    rows = [row(time) for time in range(END - 60, END - 660, -60)]
    assert Page.before(rows, END, 10).covered == (END - 600, END)
    assert (Page.before(rows, END, 11).covered, Page.before(rows, END, 11).history_starts) == ((0, END), True)
    kept = Page.before(rows, END, 11, kept_since=END - 6000)
    assert (kept.covered, kept.history_starts) == ((END - 6000, END), False)
    assert UpbitExchange.page_limit == 200
