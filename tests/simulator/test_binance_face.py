"""The simulator as Binance, over HTTP: every rule of that exchange that a client may meet."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator import BinanceSimulator, Market, Replay, Simulator
from rxcandles.simulator.faces import face

NOW = 1_788_220_815  # 2026-09-01T00:00:15Z
MINUTE, HOUR, DAY = 60, 3600, 86_400
KLINES = "/api/v3/klines"
CAPITALS = "^[A-Z0-9-_.]{1,20}$"
DIGITS = "^[0-9]{1,20}$"
Rows = Callable[..., Awaitable[list[list[Any]]]]

OUT = (NOW // DAY * DAY - DAY + 5 * HOUR, NOW // DAY * DAY - DAY + 7 * HOUR + 90)
THIN = Market("THINUSDT", 0.1, listed=NOW - 4 * DAY, halts=(OUT,), base_price=20, dense=True)
RECORDED_ROW = (
    '[1634943780000,"60685.22000000","60729.84000000","60670.90000000","60719.27000000","21.63272000",1634943839999,'
    '"1313200.01340410",617,"12.28492000","745719.41022840","0"]'
)
"""As Binance sent it on 2021-10-22."""


def binance(**options: Any) -> BinanceSimulator:
    """A simulator whose clock stands still and that limits nothing unless asked to."""
    return BinanceSimulator(**{"rate": None, "clock": lambda: float(NOW), **options})


def spelled(code: int, message: str) -> bytes:
    return json.dumps({"code": code, "msg": message}, separators=(",", ":")).encode()


@pytest.fixture
def rows(ask: Any) -> Rows:
    """Ask for candles, which must be served: ``await rows(sim, interval="1m", limit=2)``."""

    async def get(sim: BinanceSimulator, **query: Any) -> list[list[Any]]:
        reply = await ask(sim, KLINES, **{"symbol": "BTCUSDT", **query})
        assert reply.status == 200, reply.body
        found: list[list[Any]] = json.loads(reply.body)
        return found

    return get


def opens(found: list[list[Any]]) -> list[int]:
    return [row[0] // 1000 for row in found]


# What was recorded.


async def test_form_of_a_row(ask: Any) -> None:
    """A candle is an array of twelve, of the same types and digits as a recorded one."""
    async with binance() as sim:
        reply = await ask(sim, KLINES, symbol="BTCUSDT", interval="1m", startTime=1_634_943_780_000, limit=1)
        [body] = re.findall(r"\[(\[.*\])\]", reply.body.decode())
        assert re.sub(r"9+", "9", re.sub(r"\d", "9", RECORDED_ROW)) == re.sub(r"9+", "9", re.sub(r"\d", "9", body))
        assert all(len(number.partition(".")[2]) == 8 for number in re.findall(r'"(\d+\.\d+)"', body))
        ours, theirs = json.loads(body), json.loads(RECORDED_ROW)
        assert ([1_634_943_780_000, 1_634_943_839_999], "0") == ([ours[0], ours[6]], ours[11])
        assert [type(each) for each in ours] == [type(each) for each in theirs]


@pytest.mark.parametrize(
    ("interval", "start", "end", "count", "first", "last"),
    [
        ("1m", 1_588_636_800_000, 1_588_636_800_000, 1, 1_588_636_800, 1_588_636_800),
        ("1m", 1_588_740_088_000, 1_588_743_688_000, 60, 1_588_740_120, 1_588_743_660),
        ("1h", 1_591_880_400_000, 1_593_572_400_000, 468, 1_591_880_400, 1_593_572_400),
        ("1d", 1_546_300_800_000, 1_577_836_799_000, 365, 1_546_300_800, 1_577_750_400),
        ("1d", 1_546_300_800_000, 1_577_836_800_000, 366, 1_546_300_800, 1_577_836_800),
    ],
)
async def test_recorded_questions(
    interval: str, start: int, end: int, count: int, first: int, last: int, rows: Rows
) -> None:
    """Both ends are included, ends within slots leave these out, and the outage of 2020-06-28 has no hours."""
    async with binance() as sim:
        found = await rows(sim, interval=interval, startTime=start, endTime=end, limit=1000)
        assert (count, first, last) == (len(found), opens(found)[0], opens(found)[-1])


# What is asked for.


async def test_anchors(rows: Rows) -> None:
    """With startTime the oldest come, without it the newest; whichever they are, oldest first."""
    noon = NOW // DAY * DAY - DAY // 2
    async with binance() as sim:
        oldest = await rows(sim, interval="1m", startTime=noon * 1000, limit=3)
        between = await rows(sim, interval="1m", startTime=noon * 1000, endTime=(noon + DAY) * 1000, limit=3)
        newest = await rows(sim, interval="1m", endTime=noon * 1000, limit=3)
        latest = await rows(sim, interval="1m", limit=3)
        assert [noon, noon + 60, noon + 120] == opens(oldest) == opens(between)
        assert [noon - 120, noon - 60, noon] == opens(newest)
        assert NOW // 60 * 60 == opens(latest)[-1]
        assert [] == await rows(sim, interval="1m", startTime=noon * 1000, endTime=noon * 1000 - 1)
        assert [] == await rows(sim, interval="1m", startTime=(NOW + 60) * 1000)
        assert [] == await rows(sim, interval="1m", endTime=1_500_000_000_000)


async def test_limit_of_a_page(rows: Rows) -> None:
    """A page has 500 candles by default and 1,000 at most."""
    async with binance() as sim:
        assert [500, 7, 1000, 1000] == [
            len(await rows(sim, interval="1m", **some)) for some in ({}, {"limit": 7}, {"limit": 1000}, {"limit": 5000})
        ]


async def test_first_candle(rows: Rows) -> None:
    """From the year 1970 on the first candle is that of the first trade, on every interval."""
    async with binance() as sim:
        assert [1_502_942_400] == opens(await rows(sim, interval="1m", startTime=0, limit=1))
        assert [1_501_545_600] == opens(await rows(sim, interval="1M", startTime=0, limit=1))


@pytest.mark.parametrize(
    "interval", ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]
)
async def test_intervals(interval: str, rows: Rows) -> None:
    """All of Binance's intervals are there; a candle closes a millisecond before the next one opens."""
    async with binance() as sim:
        found = await rows(sim, interval=interval, limit=4)
        assert 4 == len(found)
        assert [row[6] + 1 for row in found[:-1]] == [row[0] for row in found[1:]]
        assert found[-1][0] <= NOW * 1000 <= found[-1][6]


async def test_microseconds(rows: Rows) -> None:
    """Times in microseconds mean the same as those in milliseconds."""
    async with binance() as sim:
        query = {"interval": "1h", "limit": 2}
        milli = await rows(sim, startTime=1_700_000_000_000, **query)
        assert milli == await rows(sim, startTime=1_700_000_000_000_000, **query)


@pytest.mark.parametrize(
    ("zone", "ahead"),
    [("0", 0), ("9", 9 * HOUR), ("-1:00", -HOUR), ("05:45", 5 * HOUR + 45 * MINUTE), ("+14", 14 * HOUR)],
)
async def test_zone(zone: str, ahead: int, rows: Rows) -> None:
    """With timeZone, slots are counted from that zone's midnight, and their candles are made of the minutes in them."""
    async with binance(markets=[THIN]) as sim:
        query = {"symbol": "THINUSDT", "startTime": (NOW - 3 * DAY) * 1000, "endTime": (NOW - DAY // 2) * 1000}
        minutes = THIN.rows("1m", NOW - 5 * DAY, NOW + DAY, now=NOW)
        for interval, seconds in (("4h", 4 * HOUR), ("12h", 12 * HOUR), ("1d", DAY)):
            found = await rows(sim, interval=interval, **query, timeZone=zone)
            assert {0} == {(at + ahead) % seconds for at in opens(found)}
            for row in found:
                inside = [each for each in minutes if row[0] <= each.open_time * 1000 <= row[6]]
                assert float(row[5]) == pytest.approx(sum(each.volume for each in inside))
        month = await rows(sim, symbol="THINUSDT", interval="1M", limit=1, timeZone=zone)
        assert (month[0][0] // 1000 + ahead) % DAY == 0


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"symbol": "NONEUSDT"}, -1121, "Invalid symbol."),
        ({"interval": "10m"}, -1120, "Invalid interval."),
        ({"interval": "1y"}, -1120, "Invalid interval."),
        ({"symbol": None}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ({"interval": None}, -1102, "Mandatory parameter 'interval' was not sent, was empty/null, or malformed."),
        ({"interval": ""}, -1102, "Mandatory parameter 'interval' was not sent, was empty/null, or malformed."),
        ({"symbol": "btc"}, -1100, f"Illegal characters found in parameter 'symbol'; legal range is '{CAPITALS}'."),
        ({"startTime": "-1"}, -1100, f"Illegal characters found in parameter 'startTime'; legal range is '{DIGITS}'."),
        ({"endTime": "now"}, -1100, f"Illegal characters found in parameter 'endTime'; legal range is '{DIGITS}'."),
        ({"limit": "1.5"}, -1100, f"Illegal characters found in parameter 'limit'; legal range is '{DIGITS}'."),
        ({"limit": "0"}, -1130, "Data sent for parameter 'limit' is not valid."),
        ({"limit": ""}, -1105, "Parameter 'limit' was empty."),
        ({"timeZone": "+15"}, -1130, "Data sent for parameter 'timeZone' is not valid."),
        ({"count": "5"}, -1104, "Not all sent parameters were read; read '2' parameter(s) but was sent '3'."),
    ],
)  # fmt: skip
async def test_refusals(query: dict[str, str | None], code: int, message: str, ask: Any) -> None:
    """What can't be answered is refused with status 400, in Binance's own codes and words."""
    async with binance() as sim:
        asked = {
            name: value for name, value in {"symbol": "BTCUSDT", "interval": "1m", **query}.items() if value is not None
        }
        reply = await ask(sim, KLINES, **asked)
        assert (400, spelled(code, message)) == (reply.status, reply.body)


async def test_parameter_given_twice(ask: Any) -> None:
    """A parameter that is given twice is refused by name."""
    async with binance() as sim:
        reply = await ask(sim, f"{KLINES}?symbol=BTCUSDT&symbol=ETHUSDT&interval=1m")
        assert spelled(-1101, "Duplicate values for parameter 'symbol' detected.") == reply.body


async def test_other_paths(ask: Any) -> None:
    """The clock and the ping are there, and an unknown path has a page of HTML; none is logged as a page."""
    async with binance() as sim:
        assert b"{}" == (await ask(sim, "/api/v3/ping")).body
        assert {"serverTime": NOW * 1000} == json.loads((await ask(sim, "/api/v3/time")).body)
        unknown = await ask(sim, "/api/v4/klines")
        assert (404, "text/html") == (unknown.status, unknown.headers["Content-Type"])
        assert not sim.log


async def test_exchange_info(ask: Any) -> None:
    """The list of markets names what is traded, for what money, in which steps; it can be asked for one or some."""
    async with binance(markets=[THIN, Market("ETHBTC", listed=NOW - DAY), Market("SOONUSDT", listed=NOW + DAY)]) as sim:
        info = json.loads((await ask(sim, "/api/v3/exchangeInfo")).body)
        assert [("THINUSDT", "THIN", "USDT"), ("ETHBTC", "ETH", "BTC")] == [
            (each["symbol"], each["baseAsset"], each["quoteAsset"]) for each in info["symbols"]
        ]
        assert {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000} in info[
            "rateLimits"
        ]
        [one] = json.loads((await ask(sim, "/api/v3/exchangeInfo", symbol="THINUSDT")).body)["symbols"]
        step = float(one["filters"][0]["tickSize"])
        assert all(
            round(row.close / step) == pytest.approx(row.close / step) for row in THIN.rows("1h", NOW - DAY, NOW)
        )
        some = json.loads((await ask(sim, "/api/v3/exchangeInfo", symbols='["ETHBTC"]')).body)["symbols"]
        assert ["ETHBTC"] == [each["symbol"] for each in some]
        for query in ({"symbol": "NONE"}, {"symbols": '["NONE"]'}, {"symbols": "ETHBTC"}, {"symbol": "SOONUSDT"}):
            reply = await ask(sim, "/api/v3/exchangeInfo", **query)
            assert (400, spelled(-1121, "Invalid symbol.")) == (reply.status, reply.body)


# One base series, and a face for each exchange.


async def test_two_faces_of_one_market(ask: Any, rows: Rows) -> None:
    """What Upbit's face shows of a market is what Binance's shows where somebody traded, number for number."""
    market = Market("XUSDT", 0.3, listed=NOW - DAY, base_price=100)
    async with Simulator([market], rate=None, clock=lambda: NOW) as upbit, binance(markets=[market]) as sim:
        one = (await ask(upbit, "minutes/1", market="XUSDT", count=200)).candles
        other = [row for row in await rows(sim, symbol="XUSDT", interval="1m", limit=1000) if row[8]][-len(one) :]
        assert [
            [float(row[column]) for column in (1, 2, 3, 4, 5, 7)] for row in other
        ] == [
            [
                float(each[name])
                for name in (
                    "opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume",
                    "candle_acc_trade_price",
                )
            ]
            for each in reversed(one)
        ]  # fmt: skip


async def test_another_market_in_its_place(rows: Rows) -> None:
    """A market that a test puts in the place of another is served from then on."""
    async with binance(markets=[THIN]) as sim:
        start = NOW // 60 * 60 - 600
        query = {"symbol": "THINUSDT", "interval": "1m", "startTime": start * 1000}
        before = await rows(sim, **query)
        sim.markets["THINUSDT"] = attrs.evolve(THIN, halts=((start, start + 300),))
        after = await rows(sim, **query)
        assert ([*range(start, NOW, 60)], before[5:]) == (opens(before), after)


def test_faces_by_name() -> None:
    """A face is made by the exchange's name; another one is refused by name."""
    assert (Simulator, BinanceSimulator) == (type(face("upbit")), type(face("binance", rate=None)))
    with pytest.raises(RequestError, match="face is 'kraken'; take 'upbit' or 'binance'"):
        face("kraken")


def test_markets_for_it() -> None:
    """Recorded answers of Upbit can't be shown as Binance's, and weights are whole numbers."""
    with pytest.raises(RequestError, match="made-up markets"):
        BinanceSimulator([Replay([Market("KRW-X").newest(Timeframe.of("1m"), NOW, 1, NOW).text])])
    with pytest.raises(RequestError, match="rate is 0.5"):
        BinanceSimulator(rate=0.5)  # type: ignore[arg-type]
