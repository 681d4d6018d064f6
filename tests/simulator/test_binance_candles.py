"""The candles that Binance's face shows: every slot, made of the base series; and what goes wrong with them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator import BinanceSimulator, Market
from rxcandles.simulator.faces.binance.form import BINANCE
from rxcandles.simulator.faces.binance.intervals import INTERVALS, interval
from rxcandles.simulator.faces.binance.klines import Klines
from rxcandles.simulator.text import Candle

NOW = 1_788_220_815  # 2026-09-01T00:00:15Z
HOUR, DAY = 3600, 86_400
MIDNIGHT = NOW // DAY * DAY
MINUTE = Timeframe.of("1m")
KLINES = "/api/v3/klines"
OUTAGES = ((MIDNIGHT - 30 * HOUR - 70, MIDNIGHT - 27 * HOUR), (MIDNIGHT - 5 * HOUR, MIDNIGHT - 4 * HOUR + 30))
DENSITIES = (1.0, 0.3, 0.01)
SHORTER = [each for each, seconds in INTERVALS.items() if 60 <= seconds <= DAY]

Rows = Callable[..., Awaitable[list[list[Any]]]]
MARKETS = {
    density: Market("XUSDT", density, listed=MIDNIGHT - 2 * DAY - 777, halts=OUTAGES, base_price=30, dense=True)
    for density in DENSITIES
}


def binance(density: float = 1.0, now: float = NOW, **options: Any) -> BinanceSimulator:
    return BinanceSimulator([MARKETS[density]], **{"rate": None, "clock": lambda: now, **options})


@pytest.fixture
def rows(ask: Any) -> Rows:
    """Ask for candles, which must be served."""

    async def get(sim: BinanceSimulator, **query: Any) -> list[list[Any]]:
        reply = await ask(sim, KLINES, **{"symbol": "XUSDT", "interval": "1m", "limit": 1000, **query})
        assert reply.status == 200, reply.body
        found: list[list[Any]] = json.loads(reply.body)
        return found

    return get


def every_minute(density: float) -> list[Candle]:
    """All minutes until midnight, the slow and obvious way: those that trade, and flat ones where none is shut."""
    traded = {each.open_time: each for each in MARKETS[density]._series(MINUTE).candles(0, MIDNIGHT)}
    found, close = list[Candle](), None
    for at in range(min(traded), MIDNIGHT, 60):
        if any(start <= at and at + 60 <= stop for start, stop in OUTAGES):
            continue
        if at in traded:
            found.append(traded[at])
            close = traded[at].close
        elif close is not None:
            found.append(Candle(at, close, close, close, close, 0, 0, 0))
    return found


def longer(minutes: list[Candle], frame: Timeframe) -> list[tuple[int, ...]]:
    """Candles of another length that minutes make, the slow and obvious way, without the time of the last trade."""
    slots: dict[int, list[Candle]] = {}
    for each in minutes:
        slots.setdefault(frame.floor(each.open_time), []).append(each)
    made = []
    for opened, some in slots.items():
        # A flat minute before the first trade of a slot has the price of the slot before.
        priced = [each for each in some if each.trades] or some
        made.append(
            (
                opened, priced[0].open, max(each.high for each in priced), min(each.low for each in priced),
                priced[-1].close, *(sum(column) for column in list(zip(*some, strict=True))[5:7]),
                *(sum(column) for column in list(zip(*some, strict=True))[8:]),
            )
        )  # fmt: skip
    return made


@pytest.mark.parametrize("density", DENSITIES)
def test_every_slot(density: float) -> None:
    """From the first trade on a slot has a candle unless it lies wholly in an outage; on every interval all adds up."""
    minutes = every_minute(density)
    for name in SHORTER:
        frame = interval(name)
        assert frame is not None
        found = [(*each[:7], *each[8:]) for each in MARKETS[density].candles(frame, 0, MIDNIGHT)]
        whole = [each for each in longer(minutes, frame) if frame.shift(each[0], 1) <= MIDNIGHT]
        assert [each for each in found if frame.shift(each[0], 1) <= MIDNIGHT] == whole, name


@pytest.mark.parametrize("density", DENSITIES)
def test_seconds(density: float) -> None:
    """The seconds of a minute make it, and a second without a trade is flat at the close before it."""
    market, second = MARKETS[density], Timeframe.of("1s")
    for minute in every_minute(density)[3:-1:97]:
        seconds = market.candles(second, minute.open_time, minute.open_time + 60)
        assert [*range(minute.open_time, minute.open_time + 60)] == [each.open_time for each in seconds]
        traded = [each for each in seconds if each.trades]
        assert [sum(column) for column in list(zip(*seconds, strict=True))[5:7]] == [minute.volume, minute.turnover]
        assert [sum(column) for column in list(zip(*seconds, strict=True))[8:]] == list(minute[8:])
        assert all(each.taker_volume <= each.volume for each in seconds)
        closes = [market.candles(second, minute.open_time - 1, minute.open_time)[0].close, *(e.close for e in seconds)]
        assert all(
            each.trades or (each.open, each.high, each.low, each.close, each.volume) == (before,) * 4 + (0,)
            for before, each in zip(closes, seconds, strict=False)
        )
        assert bool(traded) == bool(minute.trades)


@settings(max_examples=80, deadline=None)
@given(
    density=st.sampled_from(DENSITIES),
    name=st.sampled_from([*SHORTER, "3d", "1w", "1M"]),
    since=st.none() | st.integers(MIDNIGHT - 3 * DAY, NOW + HOUR),
    to=st.none() | st.integers(MIDNIGHT - 3 * DAY, NOW + HOUR),
    count=st.integers(1, 1000),
)
def test_pages(density: float, name: str, since: int | None, to: int | None, count: int) -> None:
    """A page is the oldest rows of a span, or the newest, of all that the market has by now."""
    frame, market = interval(name), MARKETS[density]
    assert frame is not None
    end = float("inf") if to is None else to
    there = [each for each in market.candles(frame, 0, NOW + 1, now=NOW) if (since or 0) <= each.open_time < end]
    klines = Klines(market)
    if since is None:
        served = klines.newest(frame, end, count, NOW)
        expected = there[-count:]
    else:
        served = klines.oldest(frame, since, end, count, NOW)
        expected = there[:count]
    found = [int(BINANCE.opened(row)) for row in BINANCE.rows(served.text)[::-1]]
    assert ([each.open_time for each in expected], len(expected)) == (found, served.rows)


async def test_forming(rows: Rows) -> None:
    """The candle of the running slot is there from its first second on: flat, then growing, and final at its end."""
    clock = [float(MIDNIGHT)]
    async with binance(0.3, clock=lambda: clock[0]) as sim:
        volumes = []
        for past in (0.0, 1.5, 20.0, 59.9, 60.5):
            clock[0] = MIDNIGHT - 60 + past + 3600
            [row] = await rows(sim, startTime=(MIDNIGHT - 60 + 3600) * 1000, limit=1)
            assert row[6] == (MIDNIGHT + 3600) * 1000 - 1
            volumes.append(float(row[5]))
        assert volumes == sorted(volumes)
        [final] = MARKETS[0.3].rows("1m", MIDNIGHT - 60 + 3600, MIDNIGHT + 3600)
        assert final.volume == volumes[-1]


async def test_the_truth(rows: Rows) -> None:
    """``market(…).rows`` is what is served, number for number, outages left out."""
    async with binance(0.3) as sim:
        served = await rows(sim, startTime=(MIDNIGHT - 10 * HOUR) * 1000)
        truth = sim.market("XUSDT").rows("1m", MIDNIGHT - 10 * HOUR, NOW, now=NOW)
        assert [tuple(row) for row in truth] == [
            (row[0] // 1000, *map(float, (*row[1:6], row[7])), row[6], None, None, None, row[8], *map(float, row[9:11]))
            for row in served
        ]
        assert len(served) < 10 * 60
        assert any(row.volume == 0 for row in truth)


async def test_off_the_grid(rows: Rows) -> None:
    """A candle may open off the grid in an outage, flat; the truth has none, nor has a slot with another."""
    (start, stop), odd = OUTAGES[0], OUTAGES[0][0] * 1000 + 5_400_789
    market = attrs.evolve(MARKETS[0.3], off_grid=(odd,))
    async with BinanceSimulator([market], rate=None, clock=lambda: float(NOW)) as sim:
        query = {"startTime": start * 1000, "endTime": stop * 1000 - 1}
        for name in ("1m", "1h"):
            found = await rows(sim, interval=name, **query)
            assert [odd] == [row[0] for row in found if row[0] % 60_000]
            [row] = [row for row in found if row[0] == odd]
            assert ("0.00000000", 0) == (row[5], row[8])
            assert row[1] == row[2] == row[3] == row[4]
        assert not [row for row in await rows(sim, interval="12h", **query) if row[0] % 60_000]
        assert market.rows("1m", start, stop) == MARKETS[0.3].rows("1m", start, stop)
    with pytest.raises(RequestError, match="off_grid is 5; take milliseconds within one of the halts"):
        attrs.evolve(market, off_grid=(5,))
