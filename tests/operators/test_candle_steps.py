"""Dropping repetitions, validating, narrowing and telling of progress, in marbles and against slow models."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex.testing import ReactiveTest, TestScheduler

from rxcandles import operators as ops
from rxcandles.errors import InvalidCandleError, RequestError
from rxcandles.model import ORDERS, CandleData, Order, Request
from rxcandles.model.derived import FilledCandle
from rxcandles.model.reports import CandleProgress
from rxcandles.model.timeframe import to_datetime
from rxcandles.stores import SqliteStore
from tests.support.candlelists import START, cut, market, ordered, through
from tests.support.fakes import NEWEST, NOW, FakeExchange
from tests.support.fakes import slots as fake_slots
from tests.support.virtualloop import run_virtual

on_next, on_completed, on_error, subscribe = (
    ReactiveTest.on_next,
    ReactiveTest.on_completed,
    ReactiveTest.on_error,
    ReactiveTest.subscribe,
)

GOOD = market("1m", [5])[0]
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=40), sizes)
def test_deduplicate(times: list[int], sizes: list[int]) -> None:
    """Of each run of the same time the first is kept, or the last; nothing else is dropped or moved."""
    candles = [attrs.evolve(GOOD, open_seconds=START + 60 * time, volume=n) for n, time in enumerate(times)]
    first = [each for n, each in enumerate(candles) if n == 0 or times[n - 1] != times[n]]
    last = [each for n, each in enumerate(candles) if n == len(times) - 1 or times[n + 1] != times[n]]
    assert through(ops.deduplicate(), cut(candles, sizes)) == (first, None)
    assert through(ops.deduplicate("last"), cut(candles, sizes)) == (last, None)
    lost = OSError("lost")
    assert through(ops.deduplicate("last"), cut(candles, sizes), lost) == (last, lost)


def test_deduplicate_keeps_other_series() -> None:
    """Candles of the same time, but of another market or timeframe, are no repetitions."""
    candles = [GOOD, attrs.evolve(GOOD, symbol="KRW-ETH"), attrs.evolve(GOOD, timeframe="1s")]
    assert through(ops.deduplicate(), [candles]) == (candles, None)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"open_seconds": START + 301}, "off the grid"),
    ({"open": 0.0}, "open is 0.0, not a finite price above 0"),
    ({"high": math.nan}, "high is nan"),
    ({"close": 1e9}, "are not within low"),
    ({"volume": -1.0}, "volume is -1.0"),
    ({"turnover": math.inf}, "turnover is inf"),
    ({"timestamp": 5}, "timestamp is 5"),
    ({"timestamp": None}, "timestamp is None"),
    ({"volume": None}, "no number that can be"),
    ({"change_rate": math.nan}, "change is not finite"),
    ({"symbol": "KRW-ETH"}, "take each series by itself"),
    ({"timeframe": "3m", "open_seconds": START + 360}, "take each series by itself"),
    ({"open_seconds": START + 240}, "it is repeated"),
    ({"open_seconds": START + 180}, "not oldest first; give order='newest_first'"),
]


@pytest.mark.parametrize(("wrong", "words"), BAD)
def test_validate(wrong: dict[str, Any], words: str) -> None:
    """One that can't be is raised after all before it, or left out and told of; the others pass."""
    before, after = market("1m", [0, 1, 4]), market("1m", [7, 8])
    bad = attrs.evolve(GOOD, **wrong)
    lists = [before[:2], [*before[2:], bad, *after]]
    came, error = through(ops.validate(order="oldest_first"), lists)
    assert came == before
    with pytest.raises(InvalidCandleError, match=words) as caught:
        raise error or AssertionError
    assert f"{bad.symbol} {bad.timeframe}, the candle of " in str(caught.value)
    assert through(ops.validate("drop", order="oldest_first"), lists) == (before + after, None)
    told: list[tuple[CandleData, str]] = []
    passed = through(ops.validate(lambda *what: told.append((what[0], str(what[1]))), order="oldest_first"), lists)
    assert passed == (before + after, None)
    assert told == [(bad, str(caught.value))]


def test_validate_callback_raises() -> None:
    """What the function raises ends the stream, after what came before."""
    lost = OSError("full")

    def tell(candle: CandleData, error: InvalidCandleError) -> None:
        raise lost

    assert through(ops.validate(tell, order="oldest_first"), [[GOOD, GOOD]]) == ([GOOD], lost)


def test_validate_knows_what_is_filled_in() -> None:
    """No exchange sends what was filled in: refused, with what to do."""
    flat = FilledCandle(GOOD.symbol, "1m", START, *[GOOD.close] * 4, 0.0, 0.0, GOOD.timestamp)
    with pytest.raises(InvalidCandleError, match="validate before you fill gaps"):
        raise through(ops.validate(), [[flat]])[1] or AssertionError


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, 40)), st.integers(-5, 45), st.integers(1, 20), sizes, st.sampled_from(ORDERS), st.data())
def test_between(
    traded: set[int], first: int, length: int, sizes: list[int], order: Order, data: st.DataObject
) -> None:
    """Just the candles from start to stop pass, in order; with an end left open, all on that side."""
    start = data.draw(st.sampled_from([None, START + first * 60 - 7]))
    stop = data.draw(st.sampled_from([None, START + (first + length) * 60 + 7]))
    candles = market("1m", traded)
    expected = [c for c in candles if (start or 0) <= c.open_seconds < (stop or math.inf)]
    ends = [None if end is None else to_datetime(end) for end in (start, stop)]
    assert through(ops.between(*ends, order=order), cut(ordered(candles, order), sizes)) == (
        ordered(expected, order),
        None,
    )


def test_between_ends_early() -> None:
    """The first candle beyond ends it and lets the source go, with what was in the same list before it."""
    scheduler = TestScheduler()
    candles = market("1m", range(9))
    source = scheduler.create_hot_observable(
        on_next(210, candles[:2]), on_next(220, candles[2:5]), on_next(230, candles[5:8]), on_next(240, candles[8:])
    )
    start = to_datetime(START + 180)
    narrowed = source.pipe(ops.between(start, start + timedelta(minutes=3), order="oldest_first"))
    result = scheduler.start(lambda: narrowed)
    assert result.messages == [on_next(220, candles[3:5]), on_next(230, candles[5:6]), on_completed(230)]
    assert source.subscriptions == [subscribe(200, 230)]


def test_between_spares_the_exchange() -> None:
    """Of a long collection the narrow end is taken: the rest is not asked for, and no task is left."""

    async def scenario() -> None:
        exchange = FakeExchange(fake_slots(20_000), latency=0.1)
        async with SqliteStore(":memory:") as store:
            request = Request("KRW-BTC", "1m", count=20_000, now=NOW)
            since = to_datetime(NEWEST - 99 * 60)
            stream = ops.plan_chunks(request).pipe(
                ops.skip_stored(store), ops.fetch(exchange, ahead=2), ops.persist(store), ops.recall(store),
                ops.between(since), ops.with_backpressure(),
            )  # fmt: skip
            assert sum([len(items) async for items in stream]) == 100
            assert stream.stats().tasks == 0
            assert len(exchange.asked) <= 8

    run_virtual(scenario())


def test_between_takes_several_series_but_no_disorder() -> None:
    """Equal times of two markets are in order; a step back is an error."""
    one, other = market("1m", [1, 2], "KRW-BTC"), market("1m", [1, 2], "KRW-ETH")
    mixed = [one[0], other[0], one[1], other[1]]
    assert through(ops.between(order="oldest_first"), [mixed]) == (mixed, None)
    came, error = through(ops.between(), [mixed])
    assert came == mixed[:2]
    with pytest.raises(InvalidCandleError, match="give order='oldest_first'"):
        raise error or AssertionError


def test_an_empty_span() -> None:
    """A stop that is not after start is refused with both."""
    with pytest.raises(RequestError, match=r"stop is .*; give a time after start, 2024"):
        ops.between(to_datetime(START), to_datetime(START))


def test_with_progress() -> None:
    """Every list is told before it passes: counts, rate, position, and what remains of the total."""
    scheduler = TestScheduler()
    candles = market("1m", range(6))
    source = scheduler.create_hot_observable(
        on_next(210, candles[:2]), on_next(215, []), on_next(220, candles[2:6]), on_completed(230)
    )
    told: list[CandleProgress] = []
    clock = iter([100.0, 102.0, 103.0])
    result = scheduler.start(lambda: source.pipe(ops.with_progress(told.append, total=12, clock=lambda: next(clock))))
    assert result.messages == source.messages
    assert told == [
        CandleProgress(2, 1, candles[1].open_time, 2.0, 12),
        CandleProgress(6, 2, candles[5].open_time, 3.0, 12),
    ]
    assert [(each.candles_per_second, each.estimated_remaining_seconds) for each in told] == [(1.0, 10.0), (2.0, 3.0)]
    assert CandleProgress(2, 1, candles[0].open_time, 0.0).candles_per_second == 0
    assert CandleProgress(2, 1, candles[0].open_time, 1.0).estimated_remaining_seconds is None


def test_progress_raises() -> None:
    """What the callback raises ends the stream as its error."""
    lost = OSError("gone")

    def tell(progress: CandleProgress) -> None:
        raise lost

    assert through(ops.with_progress(tell), [[GOOD]]) == ([], lost)


def test_resample_without_trades() -> None:
    """Candles of volume 0 count for the prices of a slot only where nobody traded in all of it."""
    flat = attrs.evolve(GOOD, volume=0.0, turnover=0.0)
    start = GOOD.open_seconds - GOOD.open_seconds % 300

    def minute(at: int, price: float, volume: float) -> CandleData:
        prices = dict.fromkeys(("open", "high", "low", "close"), price)
        stamp = (start + at * 60) * 1000
        return attrs.evolve(flat, open_seconds=start + at * 60, volume=volume, timestamp=stamp, **prices)

    quiet = [minute(at, 50, 0.0) for at in range(5)]
    mixed = [minute(5, 50, 0.0), minute(6, 60, 1.0), minute(7, 60, 0.0), minute(8, 70, 2.0), minute(9, 70, 0.0)]
    for order in ("oldest_first", "newest_first"):
        candles = [*quiet, *mixed][:: 1 if order == "oldest_first" else -1]
        made, error = through(ops.resample("5m", order=order, partial="keep"), [candles])  # type: ignore[arg-type]
        assert error is None
        one, other = made if order == "oldest_first" else made[::-1]
        assert (one.open, one.high, one.low, one.close, one.volume) == (50, 50, 50, 50, 0)
        assert (other.open, other.high, other.low, other.close, other.volume) == (60, 70, 60, 70, 3)
        assert other.timestamp == mixed[-1].timestamp
