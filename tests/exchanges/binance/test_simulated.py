"""Binance's adapter against the simulator's face of it, over HTTP: what comes is the truth, number for number."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import rxcandles
from rxcandles.model.candles import Order, Row
from rxcandles.model.timeframe import to_datetime
from rxcandles.simulator import BinanceSimulator, Market, faults

OUT = (1_518_049_680, 1_518_168_480)
"""2018-02-08T00:28Z to 2018-02-09T09:28Z, when Binance was out."""
MARKET = Market(
    "XUSDT", 0.4, listed=OUT[0] - 86_400, halts=(OUT,), base_price=12, dense=True, off_grid=(OUT[1] * 1000 - 3_285_211,)
)
STOP = OUT[1] + 7200


@pytest.fixture
async def simulator() -> AsyncIterator[BinanceSimulator]:
    async with BinanceSimulator([MARKET], rate=None, clock=lambda: STOP + 86_400.0) as running:
        yield running


async def candles(provider: rxcandles.CandleDataProvider, mode: str, timeframe: str, order: Order) -> list[Row]:
    """All candles of the span around the outage, by one of the modes."""
    since, until = to_datetime(MARKET.listed), to_datetime(STOP)
    if mode == "get":
        return [
            each.row for each in await provider.get_candles("XUSDT", timeframe, since=since, until=until, order=order)
        ]
    if mode == "collect":
        await provider.collect_candles_only("XUSDT", timeframe, since=since, until=until)
        return await candles(provider, "get", timeframe, order)
    async with provider.stream_candles("XUSDT", timeframe, since=since, until=until, order=order) as stream:
        return [each.row async for chunk, _ in stream for each in chunk]


@pytest.mark.parametrize("order", rxcandles.model.ORDERS)
@pytest.mark.parametrize("mode", ["get", "collect", "stream"])
async def test_around_an_outage(simulator: BinanceSimulator, mode: str, order: Order) -> None:
    """Every mode in either order has each candle with all it says; what is off the grid in the outage is left out."""
    async with rxcandles.connect(":memory:", "binance", simulator.base_url, rate_limit=None) as provider:
        for timeframe in ("1m", "60m", "1d"):
            truth = MARKET.rows(timeframe, MARKET.listed, STOP)
            found = await candles(provider, mode, timeframe, order)
            assert found == (truth if order == "oldest_first" else truth[::-1]), timeframe


async def test_revised(simulator: BinanceSimulator) -> None:
    """A page that comes again with other values: the newest are kept, and the summary counts them."""
    simulator.faults.add(faults.revised())
    asked = {"since": to_datetime(STOP - 3600), "until": to_datetime(STOP)}
    async with rxcandles.connect(":memory:", "binance", simulator.base_url, rate_limit=None) as provider:
        first = list(await provider.get_candles("XUSDT", "1m", **asked))
        summary = await provider.collect_candles_only("XUSDT", "1m", refetch=True, **asked)
        again = list(await provider.get_candles("XUSDT", "1m", **asked))
    assert [2 * each.volume for each in first] == [each.volume for each in again]
    assert summary.revised_count == sum(each.traded for each in first) > 0


async def test_off_grid_alone_proves_nothing() -> None:
    """A page with no row on the grid, all inside one slot, is an error: older candles are not taken for gone."""
    day = 1_518_048_000
    off = tuple((day + 800 * each) * 1000 + 1 for each in range(200))
    market = Market("XUSDT", 0.4, listed=day - 864_000, halts=((day, day + 172_800),), base_price=12, off_grid=off)
    async with (
        BinanceSimulator([market], rate=None, clock=lambda: day + 864_000.0) as simulator,
        rxcandles.connect(
            ":memory:", "binance", simulator.base_url, rate_limit=None, retry=rxcandles.Retry(attempts=1)
        ) as provider,
    ):
        with pytest.raises(rxcandles.IncompleteError, match="inside one slot"):
            await provider.collect_candles_only(
                "XUSDT", "1d", since=to_datetime(day - 432_000), until=to_datetime(day + 259_200)
            )
