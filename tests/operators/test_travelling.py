"""Order and span travel with the lists of a run: nothing is asked twice, and nothing is called whole that isn't."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import Observable
from reactivex import operators as rx

import rxcandles
from rxcandles import operators as ops
from rxcandles.errors import InvalidCandleError
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model import ORDERS, CandleData, Order
from rxcandles.model.derived import ResampledCandle
from rxcandles.model.stretch import Origin, Stretch
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.modes.collector import CandleCollector
from rxcandles.ports import Page
from rxcandles.stores import SqliteStore
from tests.support.candlelists import START, market, ordered
from tests.support.fakes import NEWEST, NOW, FakeExchange
from tests.support.fakes import slots as minutes
from tests.support.virtualloop import run_virtual

FIVE = Timeframe.of("5m")
Op = Callable[[Observable[Any]], Observable[Any]]


def told(traded: set[int], first: int, stop: int, size: int, order: Order, gaps: int) -> Iterator[Stretch[CandleData]]:
    """The candles of the minutes from ``first`` to ``stop`` as ``recall`` hands them out; ``gaps`` vary its cuts."""
    low, high = START + 60 * first, START + 60 * stop
    inside = [candle for candle in market("1m", traded) if low <= candle.open_seconds < high]
    candles, upward = ordered(inside, order), order == "oldest_first"
    origin = Origin(order)
    before = low if upward else high
    for number, at in enumerate(range(0, len(candles), size)):
        part, after = candles[at : at + size], candles[at + size :]
        edge = part[-1].open_seconds + upward
        if gaps >> number & 1:  # it was known to be empty up to the next one
            edge = after[0].open_seconds + (not upward) if after else high if upward else low
        origin.last, origin.edge = number + 1, edge
        yield Stretch(part, origin, (before, edge) if upward else (edge, before), number + 1)
        before = edge
    origin.edge = high if upward else low


def made(traded: set[int], first: int, stop: int) -> dict[int, CandleData]:
    """What the exchange makes of the minutes from ``first`` to ``stop``."""
    minutes = market("1m", {slot for slot in traded if first <= slot < stop})
    parts: dict[int, list[CandleData]] = {}
    for each in minutes:
        parts.setdefault(FIVE.floor(each.open_seconds), []).append(each)
    return {
        at: CandleData(
            "KRW-BTC", "5m", at, part[0].open, max(c.high for c in part), min(c.low for c in part), part[-1].close,
            sum(c.volume for c in part), sum(c.turnover for c in part), part[-1].timestamp,
        )
        for at, part in parts.items()
    }  # fmt: skip


def complete(lists: Iterator[Any], *operators: Op, target: str = "5m") -> dict[int, CandleData]:
    """The candles that ``resample`` calls complete, behind the operators, with nothing said again."""
    got: list[ResampledCandle] = []
    ends: list[Exception | None] = []
    pipeline = reactivex.from_iterable(lists)
    for operator in (*operators, ops.resample(target, partial="mark")):
        pipeline = pipeline.pipe(operator)
    pipeline.subscribe(got.extend, ends.append, lambda: ends.append(None))
    assert ends == [None]
    assert len({each.open_seconds for each in got}) == len(got)
    return {c.open_seconds: CandleData(c.symbol, c.timeframe, *c.row) for c in got if c.complete}


runs = st.tuples(st.sets(st.integers(0, 60)), st.integers(0, 30), st.integers(1, 60), st.integers(1, 9))
between = st.sampled_from(
    [
        [],
        [ops.batch(7)],
        [ops.validate()],
        [ops.deduplicate("last"), ops.batch(2)],
        [ops.batch(30), ops.deduplicate(), ops.validate("drop")],
        [rx.map(lambda items: items[:])],
        [ops.tee(lambda items: None), ops.with_progress(lambda progress: None)],
    ]
)


@settings(max_examples=150, deadline=None)
@given(runs, between, st.sampled_from(ORDERS), st.integers(0, 2**20))
def test_all_of_a_run_is_whole(run: Any, operators: list[Op], order: Order, gaps: int) -> None:
    """Every slot that was asked for as a whole is complete, however it is traded and the lists are cut."""
    traded, first, length, size = run
    stop = first + length
    got = complete(told(traded, first, stop, size, order, gaps), *operators)
    low, high = START + 60 * first, START + 60 * stop
    truth = made(traded, 0, 200)
    within = {at for at in truth if low <= at and at + 300 <= high}
    assert within <= got.keys()
    assert got == {at: truth[at] for at in got}


@settings(max_examples=150, deadline=None)
@given(runs, st.sampled_from(ORDERS), st.integers(0, 2**20), st.integers(0, 12), st.sampled_from("tdbf"))
def test_what_is_narrowed_is_not_called_whole(run: Any, order: Order, gaps: int, number: int, how: str) -> None:
    """Lists that are left out or not taken, a part of the time, a span that failed: complete is only what is true."""
    traded, first, length, size = run
    stop, truth = first + length, made(traded, 0, 200)
    lists = told(traded, first, stop, size, order, gaps)
    if how == "t":
        got = complete(lists, rx.take(number))
    elif how == "d":
        later = (ops.deduplicate("last"), ops.validate(), ops.batch(3), rx.map(lambda items: items[:]))[gaps % 4]
        got = complete(lists, rx.filter(lambda items: items.number != number), later)
    elif how == "b":
        low, high = START + 60 * number, START + 60 * (number + 23)
        got = complete(lists, ops.between(to_datetime(low), to_datetime(high)), ops.batch(4))
        asked = range(max(first, number), min(stop, number + 23))
        assert {at for at in truth if {(at - START) // 60 + n for n in range(5)} <= {*asked}} <= got.keys()
    else:
        failed = (START + 60 * number, START + 60 * number + 60)

        def failing() -> Iterator[Stretch[CandleData]]:
            for each in told(traded - {number}, first, stop, size, order, gaps):
                each.origin.lacking = lambda: (failed,)  # type: ignore[attr-defined]
                yield each

        got = complete(failing())
        assert FIVE.floor(failed[0]) not in got
    assert got == {at: truth[at] for at in got}


@settings(max_examples=60, deadline=None)
@given(runs, st.sampled_from(ORDERS), st.integers(0, 2**20))
def test_longer_and_longer(run: Any, order: Order, gaps: int) -> None:
    """Minutes made into five and those into fifteen are complete where fifteen made at once are."""
    traded, first, length, size = run
    once = complete(told(traded, first, first + length, size, order, gaps), target="15m")
    twice = complete(told(traded, first, first + length, size, order, gaps), ops.resample("5m"), target="15m")
    low, high = START + 60 * first, START + 60 * (first + length)
    within = {at for at in once if low <= at and at + 900 <= high}
    assert within <= twice.keys()
    assert twice == {at: once[at] for at in twice}


def test_a_list_is_a_list() -> None:
    """It is equal to one, and copies, pickles and what is made of it are plain lists."""
    (stretch,) = told({1, 2, 3}, 0, 5, 9, "newest_first", 0)
    plain = list(stretch)
    assert stretch == plain
    for each in (copy.copy(stretch), pickle.loads(pickle.dumps(stretch)), stretch[::-1], [*stretch], stretch + plain):
        assert type(each) is list
    assert isinstance(stretch[1:], Stretch)
    assert stretch[0] is plain[0]


@pytest.mark.parametrize("order", ORDERS)
def test_from_the_provider(order: Order, tmp_path: Path) -> None:
    """Days of a market with few trades, from a stream and from a pipeline, in any order, said once."""
    start, stop = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC)
    days = ["2024-03-01T00:00:00", "2024-03-02T00:00:00", "2024-03-03T00:00:00"]
    if order == "newest_first":
        days.reverse()

    async def times(source: Observable[Any]) -> list[str]:
        lists = await ops.run(source.pipe(rx.to_list()))
        return [candle.candle_date_time_utc for items in lists for candle in items]

    async def scenario() -> None:
        async with rxcandles.connect(tmp_path / "a.db", exchange="simulated", rate_limit=None) as provider:
            asked = {"to": stop, "end": start, "order": order}
            stream = provider.stream_candles("KRW-RARE", "1m", **asked)  # type: ignore[arg-type]
            minutes = ops.from_stream(stream).pipe(ops.validate())
            assert await times(minutes.pipe(ops.resample("60m"), ops.resample("1d"), ops.fill_gaps())) == days
            request = rxcandles.Request("KRW-RARE", "1m", **asked)  # type: ignore[arg-type]
            recalled = provider.collector.chunks(request).pipe(ops.recall(provider.repository, page=50))
            last = await ops.run(recalled)
            edge = last[-1].open_time
            assert edge not in (start, stop)  # the edge of a day is a minute without a trade, or this shows nothing
            merged = ops.merge_by_time(recalled, recalled.pipe(rx.take(1)))
            assert await times(merged.pipe(ops.deduplicate(), ops.resample("1d", partial="keep"))) == days
            assert await times(recalled.pipe(ops.resample("1d"))) == days

    asyncio.run(scenario())


class Glitching(FakeExchange):
    """An exchange that has one candle with values that can't be."""

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """The page, with what is wrong in it."""
        page = await super().page(symbol, timeframe, to, count)
        rows = [each._replace(high=1.0) if each.open_time == NEWEST - 3000 else each for each in page.rows]
        return attrs.evolve(page, rows=rows, server_time=NOW)


def test_a_candle_that_cannot_be_true(tmp_path: Path) -> None:
    """The longer candle with its slot is marked as not complete; those beside it are."""

    async def scenario() -> None:
        async with SqliteStore(tmp_path / "a.db") as store:
            request = rxcandles.Request(
                "KRW-BTC", "1m", to=to_datetime(NEWEST), end=to_datetime(NEWEST - 6000), now=NOW
            )
            limiter = SlidingWindowLimiter(None)
            chunks = CandleCollector(store, Glitching(minutes(150)), limiter).chunks(request, on_failure="skip")
            marked = chunks.pipe(ops.recall(store), ops.resample("5m", partial="mark"), ops.to_list(99))
            partial = [each.open_seconds for each in await ops.run(marked) if not each.complete]
            assert FIVE.floor(NEWEST - 3000) in partial
            assert len(partial) == 3  # and those that the two ends cut

    run_virtual(scenario())


def test_an_order_that_is_given_counts() -> None:
    """A stream against the order that is said is an error, also where its lists know better."""
    ends: list[Exception] = []
    lists = reactivex.from_iterable(told({1, 2}, 0, 5, 9, "oldest_first", 0))
    lists.pipe(ops.validate(order="newest_first")).subscribe(on_error=ends.append)
    with pytest.raises(InvalidCandleError, match="not newest first"):
        raise ends[0]
