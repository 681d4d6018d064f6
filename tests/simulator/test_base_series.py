"""Every timeframe is made of one base series of minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import comb, sqrt

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.model import Row
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.simulator import Market
from rxcandles.simulator.text import UNIT, Candle

pytestmark = pytest.mark.exhaustive

DAY = 86_400
NOW = 1_790_000_000  # 2026-09-21T14:13:20Z
DENSITIES = {1.0: 12, 0.998: 12, 0.3: 40, 0.02: 500, 0.0001: 4000}
"""Each with days enough to have candles of every length."""

CUTS = ("nothing", "halts", "delisting", "a day but for a minute")
PRICES = (100_000_000.0, 3_000.0, 45.0, 1.2e-7)
SECOND, MINUTE = Timeframe.of("1s"), Timeframe.of("1m")
LONGER = TIMEFRAMES[2:]


def market(density: float, cut: str = "nothing", price: float = PRICES[0]) -> Market:
    """A market that is listed in the middle of a minute, so many days ago that all of its minutes can be added up."""
    symbol = "KRW-X" if price >= 1 else "BTC-X"
    made = Market(symbol, density, listed=NOW - DENSITIES[density] * DAY - 777, base_price=price)
    day = NOW // DAY * DAY
    if cut == "halts":
        halts = ((day - 5 * DAY - 5_000, day - 3 * DAY + 5_030), (day - 7_230, day - 3_600), (day + 60, day + 120))
        return attrs.evolve(made, halts=halts)
    if cut == "delisting":
        return attrs.evolve(made, delisted=NOW - DAY - 31)
    if cut == "a day but for a minute":
        inner = made.rows("1m", day - DAY + 60, day - 60)
        kept = inner[len(inner) // 2].open_time if inner else day - 3_600
        return attrs.evolve(made, halts=((day - DAY, kept), (kept + 60, day)))
    return made


def candles(market: Market, frame: Timeframe, start: float = 0, now: float | None = None) -> list[Candle]:
    """All candles from ``start`` on in whole numbers, oldest first; with ``now`` the last one may be forming."""
    series = market._series(frame)
    if now is None:
        return [*series.candles(start, NOW)]
    current = frame.floor(now)
    forming = series.at(current, now)
    return [*series.candles(start, current), *([forming] if forming else [])]


def resample(made_of: Iterable[Candle], frame: Timeframe) -> list[Candle]:
    """The slow obvious way to longer candles."""
    slots: dict[int, Candle] = {}
    for each in made_of:
        slot = frame.floor(each.open_time)
        before = slots.get(slot)
        if before is None:
            slots[slot] = each._replace(open_time=slot)
        else:
            slots[slot] = Candle(
                slot,
                before.open,
                max(before.high, each.high),
                min(before.low, each.low),
                each.close,
                before.volume + each.volume,
                before.turnover + each.turnover,
                each.timestamp,
                before.trades + each.trades,
                before.taker_volume + each.taker_volume,
                before.taker_turnover + each.taker_turnover,
            )
    return [*slots.values()]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("density", DENSITIES)
def test_longer_candles_are_made_of_minutes(density: float, cut: str) -> None:
    """Every candle of every timeframe is what the minutes in it make, number for number, and there is no other."""
    made = market(density, cut)
    stop = made.delisted or NOW
    minutes = [each for each in candles(made, MINUTE) if each.open_time < stop]
    assert len(minutes) > 100 or density < 0.02
    for frame in LONGER:
        past = [each for each in candles(made, frame) if frame.shift(each.open_time, 1) <= NOW]
        assert past == [each for each in resample(minutes, frame) if frame.shift(each.open_time, 1) <= NOW], frame


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("density", DENSITIES)
def test_forming_candles_are_made_of_minutes(density: float, cut: str) -> None:
    """What a candle holds by now is what its closed minutes and the one that is forming make."""
    made = market(density, cut)
    last = candles(made, MINUTE, now=(made.delisted or NOW) - 1)[-1].open_time
    for now in (NOW + 0.5, NOW // DAY * DAY, NOW // DAY * DAY + 90, last + 59.5, last + 60, last + 31.25):
        if not made.known(now):
            continue
        minutes = candles(made, MINUTE, now=now)
        for frame in LONGER:
            slot = frame.floor(now)
            within = [each for each in minutes if each.open_time >= slot]
            assert candles(made, frame, slot, now=now) == resample(within, frame), (frame, now)


@pytest.mark.parametrize("price", PRICES)
@pytest.mark.parametrize("density", [1.0, 0.998, 0.3, 0.02])
def test_minutes_are_made_of_seconds(density: float, price: float) -> None:
    """The seconds of a minute make its candle: 1 to 60 of them, none where it does not trade."""
    made = market(density, price=price)
    start = NOW // 60 * 60 - int(7_200 / min(1, 4 * density)) // 60 * 60
    for now in (NOW // 60 * 60, NOW + 0.25, NOW // 60 * 60 + 59.999):
        seconds = candles(made, SECOND, start, now)
        assert candles(made, MINUTE, start, now) == resample(seconds, MINUTE)
        counts = Counter(each.open_time // 60 for each in seconds)
        assert 1 <= min(counts.values())
        assert max(counts.values()) <= 60
        assert 10 < len({*counts.values()})
    # What was final once is what stays.
    minute = NOW // 60 * 60
    kept = [each for each in candles(made, SECOND, start) if each.open_time < minute]
    assert kept == [each for each in candles(made, SECOND, start, minute) if each.open_time < minute]


@pytest.mark.parametrize("price", PRICES)
def test_seconds_and_minutes_are_sound(price: float) -> None:
    """Low and high enclose open, close and mean price, and turnover is what the exchange can print."""
    made = market(0.998, price=price)
    moments = [NOW + part / 7 for part in range(700)]
    forming = [
        each for now in moments for frame in (SECOND, MINUTE) if (each := made._series(frame).at(frame.floor(now), now))
    ]
    final = [*candles(made, SECOND, NOW - 3_600, NOW), *candles(made, MINUTE, NOW - 5 * DAY, NOW)]
    for each in (*forming, *final):
        assert 0 < each.low <= min(each.open, each.close)
        assert max(each.open, each.close) <= each.high
        assert each.low * each.volume <= each.turnover * UNIT <= each.high * each.volume
        assert each.volume > 0
        assert each.turnover % (1000 if price >= 1 else 1) == 0


def test_rows_are_floats_of_the_sums() -> None:
    """The numbers of ``rows`` are those nearest to the exact sums, however long the candle is."""
    made = market(0.998)
    minutes = candles(made, MINUTE, now=NOW)
    for frame in LONGER:
        exact = resample(minutes, frame)
        rows = made.rows(frame, 0, NOW + 1, now=NOW)
        assert [Row(each[0], *(number / UNIT for number in each[1:7]), each[7])[:8] for each in exact] == [
            row[:8] for row in rows
        ]


@settings(deadline=None, max_examples=150)
@given(
    density=st.sampled_from([1.0, 0.95, 0.6, 0.3, 0.05, 0.01]),
    seed=st.integers(0, 10**6),
    listed=st.integers(NOW - 3 * DAY, NOW),
    lifetime=st.integers(1, 4 * DAY),
    halts=st.lists(
        st.tuples(st.integers(NOW - 3 * DAY, NOW), st.sampled_from([1, 59, 60, 61, 3_600, 100_000])), max_size=4
    ),
    now=st.floats(NOW - 3 * DAY, NOW + DAY),
    frame=st.sampled_from(LONGER),
)
def test_any_market_at_any_time(
    density: float,
    seed: int,
    listed: int,
    lifetime: int,
    halts: list[tuple[int, int]],
    now: float,
    frame: Timeframe,
) -> None:
    """Whatever is cut out of a market, and whenever it is looked at: its candles are what its minutes make then."""
    made = Market(
        "KRW-X",
        density,
        seed=seed,
        listed=listed,
        delisted=listed + lifetime,
        halts=[(start, start + length) for start, length in halts],
    )
    minutes = candles(made, MINUTE, now=now)
    assert candles(made, frame, now=now) == resample(minutes, frame)
    assert [each for each in minutes if not listed - 60 < each.open_time < listed + lifetime] == []
    assert [
        (each.open_time, start)
        for each in minutes
        for start, length in halts
        if start <= each.open_time and each.open_time + 60 <= start + length
    ] == []


@pytest.mark.parametrize("density", [0.5, 0.3, 0.02, 0.001])
def test_gaps_are_memoryless(density: float) -> None:
    """Each minute trades by the same chance whatever went before, so that the lengths of gaps tell nothing."""
    days = min(20_000, int(40 / density))
    made = Market("KRW-X", density, listed=0)
    base, last = made._base(), NOW // DAY
    opens = [time // 60 for day in range(last - days, last) for time in base.minutes(day).opens]
    slots = days * 1440
    assert len(opens) == pytest.approx(slots * density, abs=5 * sqrt(slots * density))
    gaps = [after - before for before, after in zip(opens, opens[1:], strict=False)]
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999):
        length = next(length for length in range(1, 100_000) if 1 - (1 - density) ** length >= quantile)
        expected = 1 - (1 - density) ** length
        error = 5 * sqrt(expected * (1 - expected) / len(gaps))
        assert sum(gap <= length for gap in gaps) / len(gaps) == pytest.approx(expected, abs=error)
    # A gap after a long one is as long as any other.
    usual = sum(gaps) / len(gaps)
    after_long = [after for before, after in zip(gaps, gaps[1:], strict=False) if before > usual]
    assert sum(after_long) / len(after_long) == pytest.approx(usual, rel=5 / sqrt(len(after_long)))
    # Every hour of the day trades as often.
    hours = Counter(minute % 1440 // 60 for minute in opens)
    assert 24 == len(hours)
    mean = len(opens) / 24
    assert [hour for hour, count in hours.items() if abs(count - mean) > 5 * sqrt(mean)] == []


@pytest.mark.parametrize("name", ["3m", "60m", "240m", "1d"])
@pytest.mark.parametrize("density", [0.3, 0.02, 0.0001])
def test_density_of_longer_slots(name: str, density: float) -> None:
    """A longer slot has a candle by the chance that one of its minutes trades."""
    frame = Timeframe.of(name)
    slots = 2_000
    start = NOW // DAY * DAY - slots * frame.seconds
    rows = Market("KRW-X", density, listed=0).rows(name, start, NOW // DAY * DAY)
    expected = 1 - (1 - density) ** (frame.seconds // 60)
    error = 5 * sqrt(slots * expected * (1 - expected)) + 1
    assert slots * expected == pytest.approx(len(rows), abs=error)


def test_minutes_of_a_day_are_binomial() -> None:
    """As many minutes of a day trade as chance would have it, not each day as many."""
    base = Market("KRW-X", 0.002, listed=0)._base()
    counts = Counter(len(base.minutes(day).opens) for day in range(2_000))
    for number in range(8):
        chance = comb(1440, number) * 0.002**number * 0.998 ** (1440 - number)
        assert 2_000 * chance == pytest.approx(counts[number], abs=5 * sqrt(2_000 * chance))


@pytest.mark.parametrize("name", ["1w", "1M", "1y"])
def test_long_candles_need_no_minute(name: str) -> None:
    """Weeks, months and years of a market are made without a minute, but where a halt cuts into a day."""
    frame = Timeframe.of(name)
    for halts, days in (((), 1), (((NOW - 60 * DAY, NOW - 50 * DAY),), 3)):
        made = Market("KRW-X", 0.9, listed=1_506_297_600, halts=halts)
        page = made.newest(frame, frame.floor(NOW), 200, NOW)
        slots = frame.slots(frame.floor(1_506_297_600), frame.floor(NOW))
        assert min(200, slots) == page.rows
        assert made._base().minutes.cache_info().misses < days


def test_order_of_asking_changes_nothing() -> None:
    """Candles are the same whichever timeframe was asked for before, and from wherever a page begins."""
    one, other = Market("KRW-X", 0.9), Market("KRW-X", 0.9)
    frames = [frame for frame in TIMEFRAMES if frame.name != "1y"]
    first = {frame: one.newest(frame, NOW, 150, NOW).text for frame in frames}
    for frame in reversed(frames):
        other.newest(frame, NOW - 17 * DAY, 3, NOW)
    assert first == {frame: other.newest(frame, NOW, 150, NOW).text for frame in reversed(frames)}
