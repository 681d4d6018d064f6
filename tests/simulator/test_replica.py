"""What an ill replica sends is the right answer to the same request, from what it has."""

from __future__ import annotations

from functools import cache
from math import inf
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator import Answer, Illness, Market, Replay
from rxcandles.simulator.answers import opened
from rxcandles.simulator.illness import WELL, merged
from rxcandles.simulator.market import Served
from tests.support.replica import read, view

NOW = 1_788_221_415  # 2026-09-01T00:10:15Z
DAY = 86_400
LISTED = NOW - 2 * DAY
DENSITIES = (1, 0.3, 0.02)
MINUTE, FIVE, DAYS, MONTH = map(Timeframe.of, ("1m", "5m", "1d", "1M"))

times = st.integers(LISTED - 3600, NOW + 3600)
near = st.integers(NOW - 900, NOW + 60)
spans = st.builds(lambda start, length: (start, start + length), times | near, st.integers(1, 60) | st.integers(1, DAY))
lags = st.sampled_from([0, 6, 60, 0.5]) | st.integers(0, 3 * DAY)
illnesses = st.builds(
    Illness,
    lag=lags,
    lost=st.lists(spans, max_size=4).map(tuple),
    keeps=st.none() | st.integers(0, 3 * DAY),
    without_newest=st.integers(0, 3) | st.integers(0, 300),
    late=st.sampled_from([0, 6, 0.25, 60, 400]),
)


@cache
def market(density: float) -> Market:
    halt = (NOW - DAY, NOW - DAY + 5000)
    return Market("KRW-X", density, listed=LISTED, halts=(halt,), base_price=5000)


@cache
def recorded() -> Replay:
    """All that a market would have sent in its last five hours, as recorded bodies."""
    source = Market("KRW-X", 0.3, listed=NOW - 5 * 3600)
    return Replay([source.newest(frame, inf, 400, NOW + DAY).text for frame in (MINUTE, FIVE)])


@pytest.mark.parametrize("density", DENSITIES)
@settings(max_examples=60, deadline=None)
@given(
    illness=illnesses,
    timeframe=st.sampled_from([MINUTE, FIVE, DAYS, MONTH]),
    to=st.just(inf) | times | near,
    count=st.integers(1, 200),
    now=st.integers(NOW - 600, NOW + 600) | st.floats(NOW - 60, NOW + 60),
)
def test_made_up(density: float, illness: Illness, timeframe: Timeframe, to: float, count: int, now: float) -> None:
    """Whatever it lacks, and all of it together: the page is that of the slow model, row for row."""
    page = illness.newest(market(density), timeframe, to, count, now)
    rows = read(page.text)
    assert page.rows == len(rows)
    assert view(illness, market(density), timeframe, to, count, now) == rows


@pytest.mark.parametrize("density", DENSITIES)
@settings(max_examples=40, deadline=None)
@given(
    lag=st.sampled_from([0, 1, 2.5]),
    late=st.sampled_from([0, 6, 0.25]),
    lost=st.lists(st.builds(lambda a, n: (NOW - a, NOW - a + n), st.integers(0, 200), st.integers(1, 90))),
    keeps=st.none() | st.integers(0, 200),
    count=st.integers(1, 60),
    now=st.floats(NOW - 5, NOW + 5),
)
def test_seconds(density: float, count: int, now: float, **lacks: Any) -> None:
    """Candles of one second too, of which several are late at once."""
    illness = Illness(**lacks)
    source = Market("KRW-X", density, listed=NOW - 400)
    second = Timeframe.of("1s")
    assert view(illness, source, second, inf, count, now) == read(illness.newest(source, second, inf, count, now).text)


@settings(max_examples=60, deadline=None)
@given(
    illness=illnesses,
    timeframe=st.sampled_from([MINUTE, FIVE, MONTH]),
    to=st.just(inf) | near,
    count=st.integers(1, 200),
    now=near,
)
def test_recorded(illness: Illness, timeframe: Timeframe, to: float, count: int, now: float) -> None:
    """A recorded market can be ill as a made-up one."""
    page = illness.newest(recorded(), timeframe, to, count, now)
    assert view(illness, recorded(), timeframe, to, count, now) == read(page.text)


@pytest.mark.parametrize("density", DENSITIES)
def test_one_by_one(density: float) -> None:
    """Each lack changes a page in its own way, and the rows that are sent are byte for byte the exchange's."""

    def sent(illness: Illness, to: float = inf, count: int = 4000) -> list[str]:
        return Answer(body=illness.newest(market(density), MINUTE, to, count, NOW).text).rows

    everything = sent(WELL)
    opens = [opened(row) for row in everything]
    assert [] == sent(Illness(empty=True))
    assert [] == sent(Illness(without_newest=4000))
    assert everything[2:12] == sent(Illness(without_newest=2), count=10)
    assert everything[8:18] == sent(Illness(without_newest=1), opens[6], 10)
    assert everything[:11] == sent(Illness(keeps=NOW - opens[10]))
    assert everything[:10] == sent(Illness(keeps=NOW - opens[10] - 1))
    assert everything[:5] + everything[8:13] == sent(Illness(lost=((opens[7], opens[5] + 60),)), count=10)
    pages = (sent(Illness(lag=NOW - opens[2] - second)) for second in range(1, 60))
    forming, *rest = next(page for page in pages if opened(page[0]) == opens[2])  # from its first trade on
    assert (opens[2], everything[3:]) == (opened(forming), rest)
    assert forming != everything[2]


def test_lag_has_the_forming_candle_as_it_stood() -> None:
    """At second 6 a replica that is 10 s behind has the minute before as it stood at second 56."""
    source, at = market(1), NOW - 15 + 6
    then = read(source.newest(MINUTE, inf, 2, at - 10).text)
    assert then == read(Illness(lag=10).newest(source, MINUTE, inf, 2, at).text)
    assert source.rows(MINUTE, then[0].open_time, at) != then[:1]


def test_late_is_late_and_never_goes_back() -> None:
    """A candle grows, stands still from 6 s before its end, and is right from 6 s after it on."""
    source, end = market(1), NOW - 15
    volumes = []
    for at in range(end - 60, end + 10):
        row = read(Illness(late=6).newest(source, MINUTE, end, 1, at).text)[0]
        volumes.append(row.volume if row.open_time == end - 60 else 0.0)  # before the first trade of the minute
    final = source.rows(MINUTE, end - 60, end)[0].volume
    assert sorted(volumes) == volumes
    assert final >= volumes[65] == volumes[54] >= volumes[53] >= volumes[30] > 0.0
    assert final > volumes[30]
    assert [final] * 4 == volumes[66:]


def test_late_before_its_first_trade() -> None:
    """Where a slot's first trade is one of the late ones, there is no candle yet, and the page reaches further back."""
    source, end = market(1), NOW - 15

    class Quiet:
        """A market that trades in the last ten seconds of a minute only."""

        symbol = english_name = korean_name = "KRW-X"
        known = source.known

        def newest(self, timeframe: Timeframe, to: float, count: int, now: float) -> Served:
            return source.newest(timeframe, to if now % 60 >= 50 else min(to, timeframe.floor(now)), count, now)

    def opens(at: float) -> list[int]:
        return [row.open_time for row in read(Illness(late=20).newest(Quiet(), MINUTE, inf, 2, at).text)]

    assert [end - 120, end - 180] == opens(end - 1) == opens(end) == opens(end + 19)
    assert [end - 60, end - 120] == opens(end + 20)


def test_longer_candles_stay() -> None:
    """A lost hour takes all its minutes and the hour itself, and no longer candle; half an hour takes no hour."""
    source, start = market(1), NOW - NOW % 3600 - 4 * 3600
    hour = Timeframe.of("60m")

    def lacking(timeframe: Timeframe, lost: tuple[int, int]) -> list[int]:
        whole, less = (
            {row.open_time for row in read(each.newest(source, timeframe, inf, 1000, NOW).text)}
            for each in (WELL, Illness(lost=(lost,)))
        )
        return sorted(whole - less)

    assert [*range(start, start + 3600, 60)] == lacking(MINUTE, (start, start + 3600))
    assert [start] == lacking(hour, (start, start + 3600))
    assert [] == lacking(DAYS, (start, start + 3600))
    assert [] == lacking(hour, (start + 1, start + 3600))
    assert 59 == len(lacking(MINUTE, (start + 1, start + 3600)))


def test_adjacent_spans_are_one() -> None:
    """Two lost spans that meet within a slot hide it, as one span would."""
    halves = Illness(lost=((NOW - 45, NOW - 15), (NOW - 75, NOW - 45)))
    assert ((NOW - 75, NOW - 15),) == halves.lost
    assert NOW - 135 == read(halves.newest(market(1), MINUTE, inf, 2, NOW).text)[1].open_time


@pytest.mark.parametrize("density", DENSITIES)
def test_years_are_passed_at_once(density: float) -> None:
    """A lost span of years, or thousands of lost minutes, take a few questions of the source; a page takes moments."""
    source, asked = Market("KRW-X", density), 0

    class Counted:
        """Counts what a source is asked."""

        symbol = english_name = korean_name = "KRW-X"
        known = source.known

        def newest(self, *query: Any) -> Any:
            nonlocal asked
            asked += 1
            return source.newest(*query)

    for lost in (((NOW - 2000 * DAY, NOW - 3600),), tuple((time, time + 60) for time in range(60, NOW, 7200))):
        asked = 0
        began = perf_counter()
        assert 200 == Illness(lost=lost[-5000:]).newest(Counted(), MINUTE, inf, 200, NOW).rows
        assert asked <= 6
        assert perf_counter() - began < 1  # a few ms on a machine that has nothing else to do


def test_worst_of_each() -> None:
    """A replica with several illnesses has the worst of each kind; one with none is well."""
    some = (
        Illness(lag=6, lost=((0, 60),), keeps=DAY, late=1),
        Illness(lag=2, lost=((60, 90),), keeps=60, without_newest=1),
    )
    assert Illness(lag=6, lost=((0, 90),), keeps=60, without_newest=1, late=1) == merged(some) == merged(some[::-1])
    assert merged((*some, Illness(empty=True))).empty
    assert 1 == merged((*some, Illness(late=0.5, late_by=0.5))).late_by
    assert 30 == merged((*some, Illness(late_by=30))).late_by
    assert WELL is merged(())


@pytest.mark.parametrize(
    "wrong",
    [
        {"lag": -1}, {"lag": "6"}, {"lag": inf}, {"lost": ((60, 0),)}, {"lost": (0, 60)}, {"keeps": -1},
        {"empty": 1}, {"without_newest": -1}, {"without_newest": 0.5}, {"late": -1},
        {"late_by": -1},
    ],
    ids=str,
)  # fmt: skip
def test_out_of_bounds(wrong: dict[str, Any]) -> None:
    """What no replica can have is refused by name."""
    with pytest.raises(RequestError, match=next(iter(wrong))):
        Illness(**wrong)


def test_a_lag_of_ages() -> None:
    """A replica of before the market, or of before 1970, has nothing."""
    assert [0, 0] == [Illness(lag=lag).newest(market(1), MINUTE, inf, 9, NOW).rows for lag in (5 * DAY, 1e300)]
