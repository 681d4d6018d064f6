"""Slots without a trade are made visible, marked, in bounded lists, and only as they are asked for."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as rx

from rxcandles import operators as ops
from rxcandles.errors import InvalidCandleError
from rxcandles.model import ORDERS, CandleData, Order
from rxcandles.model.derived import FilledCandle, NoTrade
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe, to_datetime
from tests.support.candlelists import START, cut, market, ordered
from tests.support.virtualloop import run_virtual


async def filled(policy: Literal["flat", "null"], lists: list[Any], order: Order, size: int = 1000) -> list[list[Any]]:
    return await ops.run(ops.from_demand(lists).pipe(ops.fill_gaps(policy, order=order, size=size), rx.to_list()))


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(TIMEFRAMES),
    st.sets(st.integers(0, 60), min_size=1),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.sampled_from(ORDERS),
    st.integers(1, 20),
)
def test_every_slot(grid: Timeframe, traded: set[int], sizes: list[int], order: Order, size: int) -> None:
    """Every slot from the first to the last has one: what was there as it was, the others flat at the close before."""
    candles = market(grid.name, traded)
    expected: list[CandleData] = []
    nothing: list[CandleData | NoTrade] = []
    there = {candle.open_seconds: candle for candle in candles}
    time = candles[0].open_seconds
    while time <= candles[-1].open_seconds:
        if time in there:
            last = there[time]
            expected.append(last)
            nothing.append(last)
        else:
            close = last.close
            flat = FilledCandle("KRW-BTC", grid.name, time, close, close, close, close, 0, 0, last.timestamp)
            expected.append(flat)
            nothing.append(NoTrade("KRW-BTC", grid.name, time))
        time = grid.shift(time, 1)
    lists = cut(ordered(candles, order), sizes)
    flat_lists = run_virtual(filled("flat", lists, order, size))
    null_lists = run_virtual(filled("null", lists, order, size))
    assert [each for items in flat_lists for each in items] == ordered(expected, order)
    assert [each for items in null_lists for each in items] == ordered(nothing, order)  # type: ignore[arg-type]
    assert all(1 <= len(items) <= size for items in flat_lists + null_lists)


def test_marked() -> None:
    """What was filled in says so, is equal to no candle that was sent, and a slot without a trade has no price."""
    one, other = market("1m", [0, 2])
    ((_, flat, _),) = run_virtual(filled("flat", [[one, other]], "oldest_first"))
    ((_, null, _),) = run_virtual(filled("null", [[one, other]], "oldest_first"))
    assert (one.traded, flat.traded, null.traded) == (True, False, False)
    assert flat != CandleData(flat.symbol, flat.timeframe, *flat.row)
    assert not isinstance(null, CandleData)
    assert (null.open, null.high, null.low, null.close, null.timestamp, null.volume, null.turnover) == (
        *[None] * 5,
        0,
        0,
    )
    assert null.open_time == flat.open_time == to_datetime(START + 60)
    assert null.close_time == flat.close_time == to_datetime(START + 120)


def test_a_million_slots_come_as_they_are_asked_for() -> None:
    """A gap of a million slots: who takes two lists has made three or four to be made, and leaving stops it at once."""
    candles = market("1m", [0, 1_000_000])

    async def scenario() -> None:
        made = 0

        def count(_: object) -> None:
            nonlocal made
            made += 1

        async with ops.from_demand([candles[::-1]]).pipe(
            ops.fill_gaps(size=100), rx.do_action(count), ops.with_backpressure(2)
        ) as stream:
            first, second = await anext(stream), await anext(stream)
            assert (len(first), len(second)) == (100, 100)
            assert second[0].open_seconds == START + (1_000_000 - 100) * 60
            for _ in range(100):
                await asyncio.sleep(0)
            assert made <= 4
        assert stream.stats().tasks == 0

    run_virtual(scenario())


def test_the_loop_gets_its_turns() -> None:
    """Where the consumer always has room, a long gap does not keep the loop."""
    candles = market("1m", [0, 20_000])

    async def scenario() -> None:
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(tick())
        source = reactivex.of(candles)
        slots = await ops.run(source.pipe(ops.fill_gaps(order="oldest_first", size=100), rx.map(len), rx.sum()))
        other.cancel()
        assert slots == 20_001
        assert turns >= 200

    run_virtual(scenario())


@pytest.mark.parametrize("order", ORDERS)
def test_an_error_comes_after_what_was_before_it(order: Order) -> None:
    """The source's error, and that of a candle against the order, comes after the gaps before it are filled."""
    candles = ordered(market("1m", [0, 3, 6]), order)

    async def scenario() -> None:
        lost = OSError("lost")
        broken = reactivex.concat(ops.from_demand([candles]), reactivex.throw(lost))
        for source, words in ((broken, "lost"), (ops.from_demand([[*candles, candles[1]]]), "give order=")):
            came: list[Any] = []
            with pytest.raises((OSError, InvalidCandleError), match=words):
                async for items in source.pipe(ops.fill_gaps(order=order), ops.with_backpressure()):
                    came += items
            assert len(came) == 7

    run_virtual(scenario())
