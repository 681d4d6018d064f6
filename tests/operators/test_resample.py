"""Longer candles of shorter ones are those that the exchange would make, and what may be cut says so."""

from __future__ import annotations

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex.testing import ReactiveTest, TestScheduler

from rxcandles import operators as ops
from rxcandles.errors import InvalidCandleError, RequestError
from rxcandles.model import ORDERS, CandleData, Order, Request
from rxcandles.model.derived import ResampledCandle
from rxcandles.model.timeframe import Timeframe, to_datetime
from tests.support.candlelists import START, cut, market, ordered, through
from tests.support.virtualloop import run_virtual

PAIRS = [
    ("1s", "1m"), ("1m", "3m"), ("1m", "5m"), ("5m", "60m"), ("60m", "1d"), ("240m", "1d"), ("1d", "1w"),
    ("60m", "1w"), ("1d", "1M"), ("1d", "1y"), ("1M", "1y"), ("5m", "5m"),
]  # fmt: skip
LATER = 4_000_000_000.0

slots = st.sets(st.integers(0, 90), min_size=1)
sizes = st.lists(st.integers(1, 30), min_size=1, max_size=4)


def made(candles: list[CandleData], target: Timeframe) -> dict[int, CandleData]:
    """What the exchange makes of all trades: slot by slot, each from a list of its own."""
    parts: dict[int, list[CandleData]] = {}
    for candle in candles:
        parts.setdefault(target.floor(candle.open_seconds), []).append(candle)
    return {
        time: CandleData(
            "KRW-BTC", target.name, time, each[0].open, max(c.high for c in each), min(c.low for c in each),
            each[-1].close, sum(c.volume for c in each), sum(c.turnover for c in each), each[-1].timestamp,
        )
        for time, each in parts.items()
    }  # fmt: skip


def plain(candle: ResampledCandle) -> CandleData:
    return CandleData(candle.symbol, candle.timeframe, *candle.row)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PAIRS), slots, st.integers(0, 90), st.integers(1, 90), sizes, st.sampled_from(ORDERS))
def test_true_to_the_exchange(
    pair: tuple[str, str], traded: set[int], first: int, length: int, sizes: list[int], order: Order
) -> None:
    """Of a span of a market: what is called complete is what the exchange has, and all that lies within is complete."""
    grid, target = map(Timeframe.of, pair)
    start = grid.shift(grid.floor(START), first)
    stop = grid.shift(start, length)
    everything = market(grid.name, traded)
    truth = made(everything, target)
    asked = [candle for candle in everything if start <= candle.open_seconds < stop]
    request = Request("KRW-BTC", grid, to=to_datetime(stop), end=to_datetime(start), now=LATER)
    lists = cut(ordered(asked, order), sizes)

    got, error = through(ops.resample(target, order=order, partial="mark", request=request), lists)
    assert error is None
    times = [each.open_seconds for each in got]
    assert times == [each.open_seconds for each in ordered(list(made(asked, target).values()), order)]
    assert all(plain(each) == truth[each.open_seconds] for each in got if each.complete)
    within = {time for time in truth if start <= time and target.shift(time, 1) <= stop}
    assert within == {each.open_seconds for each in got if each.complete} & within
    assert [plain(each) for each in got] == ordered(list(made(asked, target).values()), order)

    dropped, _ = through(ops.resample(target, order=order, request=request), lists)
    kept, _ = through(ops.resample(target, order=order, partial="keep", request=request), lists)
    assert dropped == [plain(each) for each in got if each.complete]
    assert kept == [plain(each) for each in got]

    unknown, _ = through(ops.resample(target, order=order, partial="mark"), lists)
    assert [plain(each) for each in unknown] == kept
    assert all(plain(each) == truth[each.open_seconds] for each in unknown if each.complete)
    assert all(each.complete for each in unknown[1:-1])


@settings(max_examples=60, deadline=None)
@given(slots, st.integers(1, 90), sizes, st.sampled_from(ORDERS))
def test_cut_by_a_count_or_an_error(traded: set[int], count: int, sizes: list[int], order: Order) -> None:
    """Where a count, or an error, cut what came, nothing is called complete that isn't; the error comes last."""
    target = Timeframe.of("5m")
    everything = market("1m", traded)
    truth = made(everything, target)
    stop = to_datetime(everything[-1].open_seconds + 60)
    request = Request("KRW-BTC", "1m", count=count, to=stop, now=LATER)
    asked = cut(ordered(everything[-count:], order), sizes)
    lost = OSError("lost")
    for lists, fault in ((asked, None), (asked[: len(asked) // 2], lost)):
        got, error = through(ops.resample("5m", order=order, partial="mark", request=request), lists, fault)
        assert error is fault
        assert all(plain(each) == truth[each.open_seconds] for each in got if each.complete)


def test_flow() -> None:
    """A candle comes out when the next slot begins, the last at the end; the source is let go then."""
    scheduler = TestScheduler()
    candles = market("1m", [0, 1, 2, 3, 4, 5, 9, 14])
    source = scheduler.create_hot_observable(
        ReactiveTest.on_next(210, candles[:3]),
        ReactiveTest.on_next(220, []),
        ReactiveTest.on_next(230, candles[3:6]),
        ReactiveTest.on_next(240, candles[6:]),
        ReactiveTest.on_completed(250),
    )
    five = list(made(candles, Timeframe.of("5m")).values())
    result = scheduler.start(lambda: source.pipe(ops.resample("5m", order="oldest_first")))
    assert result.messages == [
        ReactiveTest.on_next(230, five[:1]),
        ReactiveTest.on_next(240, five[1:2]),
        ReactiveTest.on_next(250, five[2:]),
        ReactiveTest.on_completed(250),
    ]
    assert source.subscriptions == [ReactiveTest.subscribe(200, 250)]


def test_two_subscriptions_share_nothing() -> None:
    """The same description runs twice with the same result."""
    candles = market("1m", range(12))
    resampled = reactivex.of(candles[:7], candles[7:]).pipe(ops.resample("3m", order="oldest_first"))
    first, second = [], []  # type: ignore[var-annotated]
    resampled.subscribe(first.extend)
    resampled.subscribe(second.extend)
    assert first == second == list(made(candles, Timeframe.of("3m")).values())


def test_into_days_and_weeks() -> None:
    """Hours make UTC days, days make weeks from Monday and true months; what belongs to day candles alone is None."""
    (day,), _ = through(ops.resample("1d", order="oldest_first"), [market("60m", range(24))])
    assert (day.open_time.isoformat(), day.timeframe) == ("2024-02-19T00:00:00+00:00", "1d")
    assert (day.prev_closing_price, day.change_price, day.change_rate) == (None, None, None)
    weeks, _ = through(ops.resample("1w"), [market("1d", range(15))[::-1]])
    assert [week.candle_date_time_utc[:10] for week in weeks] == ["2024-02-26", "2024-02-19"]
    months, _ = through(ops.resample("1M", order="oldest_first", partial="mark"), [market("1d", range(50))])
    assert [(month.candle_date_time_utc[:10], month.complete) for month in months] == [
        ("2024-02-01", False),
        ("2024-03-01", True),
        ("2024-04-01", False),
    ]


@pytest.mark.parametrize(
    ("given", "target"), [("5m", "1m"), ("3m", "10m"), ("1w", "1M"), ("1w", "1y"), ("1M", "1d"), ("1y", "1M")]
)
def test_what_does_not_divide(given: str, target: str) -> None:
    """A timeframe of which the candles are no whole parts is refused: at once where the request tells, else by them."""
    candles = market(given, range(3))
    got, error = through(ops.resample(target, order="oldest_first"), [candles])
    assert (got, type(error)) == ([], RequestError)
    assert str(error).startswith(f"timeframe is '{target}'; the candles are {given}; take one")
    with pytest.raises(RequestError, match=f"the candles are {given}"):
        ops.resample(target, request=Request("KRW-BTC", given, count=5))


def test_disorder() -> None:
    """Candles against the order, repeated, or of two series are an error that says what to do, after what is whole."""
    minutes = market("1m", range(10))
    for wrong, words in (
        (minutes[6], "not oldest first; give order='newest_first'"),
        (minutes[9], r"repeated; ops.deduplicate\(\)"),
        (market("1m", [11], "KRW-ETH")[0], "of KRW-BTC 1m; take each series by itself"),
        (market("3m", [9])[0], "of KRW-BTC 1m; take each series by itself"),
    ):
        got, error = through(ops.resample("5m", order="oldest_first"), [[*minutes, wrong]])
        assert len(got) == 2
        with pytest.raises(InvalidCandleError, match=words):
            raise error or AssertionError


def test_not_of_what_was_filled() -> None:
    """A slot without a trade has no candle: filled candles are refused, with what to do."""
    candles = market("1m", [0, 9])

    async def scenario() -> None:
        with pytest.raises(InvalidCandleError, match="resample before you fill gaps"):
            await ops.run(
                reactivex.of(candles).pipe(
                    ops.fill_gaps(order="oldest_first"), ops.resample("5m", order="oldest_first"), ops.to_list(9)
                )
            )

    run_virtual(scenario())
