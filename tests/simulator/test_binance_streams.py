"""Binance's streams on virtual time: what the exchange sends, when, and what it closes for."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rxcandles.simulator import BinanceSimulator
from tests.support.streams import connected, ticking, virtual

NOW = 1_788_220_815  # 2026-09-01T00:00:15Z
BOTH = "/stream?streams=btcusdt@kline_1m/rareusdt@kline_1m"


def simulator(**options: Any) -> BinanceSimulator:
    return BinanceSimulator(**{"rate": None, "clock": ticking(NOW), **options})


def subscribed(*streams: str, number: int = 1, method: str = "SUBSCRIBE") -> str:
    return json.dumps({"method": method, "params": streams, "id": number})


def same(sim: BinanceSimulator, kline: dict[str, Any], now: float) -> bool:
    """Whether a candle is what pages have at ``now``."""
    opens = kline["t"] // 1000
    rows = sim.market(kline["s"]).rows(kline["i"], opens, opens + 1, now)
    numbers = [float(kline[name]) for name in "ohlcvq"]
    told = (opens, *numbers, kline["T"], None, None, None, kline["n"], float(kline["V"]), float(kline["Q"]))
    return [tuple(row) for row in rows] == [told]


@virtual
async def test_one_truth() -> None:
    """Each frame is the candle that a page has; each slot has a closed one 5 ms after its end, traded or not."""
    loop = asyncio.get_running_loop()
    async with simulator() as sim, connected(sim, path=BOTH) as client:
        ends: dict[tuple[str, int], float] = {}
        last: dict[str, int] = {}
        for event in await client.until(200):
            assert event["stream"] == f"{event['data']['s'].lower()}@kline_1m"
            kline, now = event["data"]["k"], event["data"]["E"] / 1000
            assert same(sim, kline, now)
            assert kline["t"] >= last.get(kline["s"], 0)
            last[kline["s"]] = kline["t"]
            if kline["x"]:
                ends[kline["s"], kline["t"]] = now
            else:
                assert now % 2 == 0
                assert kline["t"] <= now * 1000 <= kline["T"]
        opens = range(NOW - 15, NOW + 180, 60)
        assert ends == {
            (symbol, time * 1000): time + 60.005 for symbol in ("BTCUSDT", "RAREUSDT") for time in opens[:3]
        }
        assert loop.time() == 200


@virtual
async def test_a_second_each() -> None:
    """Candles of a second are closed each second; the delay of closing can be set."""
    async with simulator() as sim:
        sim.closed_after = 0.4
        async with connected(sim, path="/ws/btcusdt@kline_1s") as client:
            found = await client.until(10)
        closed = [(event["k"]["t"], event["E"]) for event in found if event["k"]["x"]]
        assert closed == [(NOW * 1000 + 1000 * number, NOW * 1000 + 1000 * number + 1400) for number in range(9)]


@virtual
async def test_only_what_changes() -> None:
    """In a minute in which nobody trades there is one frame while it runs, flat and without numbers of trades."""
    async with simulator() as sim, connected(sim, path="/ws/rareusdt@kline_1m") as client:
        events = await client.until(3600)
        quiet = [each["k"] for each in events if not each["k"]["n"]]
        assert {(each["f"], each["L"], each["v"]) for each in quiet} == {(-1, -1, "0.00000000")}
        counts = {time: [each["x"] for each in quiet if each["t"] == time] for time in {each["t"] for each in quiet}}
        whole = [time for time in counts if not sim.market("RAREUSDT").rows("1m", time // 1000, time // 1000 + 1)[0][5]]
        assert len(whole) > 40
        assert all(counts[time] == [False, True] for time in whole if time < (NOW + 3540) * 1000)


@virtual
async def test_words() -> None:
    """Subscribing adds and is acknowledged; what can't be had is told, and never ends the connection."""
    async with simulator() as sim, connected(sim, path="/ws") as client:
        await client.say(subscribed("btcusdt@kline_1m"), subscribed("ethusdt@kline_5m", "nope@kline_1m", number=2))
        assert await client.some(2) == [{"result": None, "id": 1}, {"result": None, "id": 2}]
        assert {event["s"] for event in await client.until(20)} == {"BTCUSDT", "ETHUSDT"}
        await client.say(
            subscribed("btcusdt@kline_1m", number=3, method="UNSUBSCRIBE"), '{"method":"LIST_SUBSCRIPTIONS","id":4}'
        )
        found = await client.until(60)
        assert [each for each in found if "id" in each] == [
            {"result": None, "id": 3},
            {"result": ["ethusdt@kline_5m", "nope@kline_1m"], "id": 4},
        ]
        assert {event["s"] for event in found if "s" in event} == {"ETHUSDT"}
        await client.say(
            '{"method":"SET_PROPERTY","params":["combined",true],"id":5}',
            '{"method":"GET_PROPERTY","params":["combined"],"id":6}',
        )
        found = await client.until(120)
        assert [each for each in found if "id" in each] == [{"result": None, "id": 5}, {"result": True, "id": 6}]
        assert {each["stream"] for each in found if "id" not in each} == {"ethusdt@kline_5m"}
        for wrong in (
            "nonsense",
            "[]",
            '{"id":1}',
            '{"method":"DANCE","id":7}',
            '{"method":"SUBSCRIBE","params":3,"id":8}',
        ):
            await client.say(wrong)
        assert [each["error"]["code"] for each in await client.until(120.5)] == [2, 2, 2, 2, 2]


@virtual
async def test_zones_and_lengths() -> None:
    """A stream may count its candles in another zone; every length that pages have has a stream."""
    names = [f"btcusdt@kline_{name}" for name in ("1h", "1d", "3d", "1w", "1M")]
    async with simulator() as sim, connected(sim, path=f"/ws/{'/'.join(names)}/btcusdt@kline_1d@+08:00") as client:
        opens = {(each["k"]["i"], each["k"]["t"] // 1000) for each in await client.until(1.5)}
        day = NOW - 15
        assert {("1h", day), ("1d", day), ("1d", day - 8 * 3600), ("1M", day)} <= opens
        assert {name for name, _ in opens} == {"1h", "1d", "3d", "1w", "1M"}


@virtual
async def test_pings() -> None:
    """The server pings every 20 seconds, and leaves a client that has not answered for a minute."""
    loop = asyncio.get_running_loop()
    async with simulator() as sim:
        async with connected(sim, path="/ws", autoping=False) as client:
            pings = [(await client.socket.receive()).data for _ in range(3)]
            assert pings == [b"%d" % (1000 * (NOW + 20 * number)) for number in (1, 2, 3)]
            assert await client.end() == 1006
            assert loop.time() == 80
        async with connected(sim, path="/ws") as client:
            assert await client.until(1000) == []


@virtual
async def test_a_day() -> None:
    """After 24 hours, or what a test makes of them, a connection is closed."""
    loop = asyncio.get_running_loop()
    async with simulator() as sim, connected(sim, path="/ws") as client:
        assert sim.sockets.max_age == 86_400
        sim.sockets.max_age = 1000
        assert await client.end() == 1001
        assert loop.time() == 1000


@virtual
async def test_limits() -> None:
    """300 connections in five minutes, 5 messages a second, 1024 streams; an unknown path is not there."""
    async with simulator(rate=6000) as sim:
        for status in (404, 404):
            with pytest.raises(aiohttp.WSServerHandshakeError, match=str(status)):
                await connected(sim, path="/wss").__aenter__()
        async with connected(sim, path="/ws") as client:
            await client.say(subscribed(*(f"a{number}usdt@kline_1m" for number in range(1025))))
            assert (await client.next())["error"]["code"] == 2
            await client.say(*['{"method":"LIST_SUBSCRIPTIONS","id":4}'] * 6)
            assert await client.end() == 1008
        for _ in range(299):
            sim.sockets.gate.ask(0, asyncio.get_running_loop().time())
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            await connected(sim, path="/ws").__aenter__()


@virtual
async def test_announced_restart() -> None:
    """``serverShutdown`` comes first; what connects in between stays."""
    loop = asyncio.get_running_loop()
    async with simulator() as sim, connected(sim, path="/ws") as old:
        await sim.sockets.restart(lead=5)
        assert await old.next() == {"e": "serverShutdown", "E": NOW * 1000}
        async with connected(sim, path="/ws") as new:
            assert await old.end() == 1001
            assert loop.time() == 5
            assert await new.until(10) == []


@virtual
async def test_as_recorded(recorded: Path) -> None:
    """Frames have the fields of recorded ones, in their order, and values of the same form."""

    def form(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return [(each, form(each, inner)) for each, inner in value.items()]
        text = "" if name in ("s", "stream") else re.sub(r"\d+", "9", str(value))
        return type(value).__name__, text.removeprefix("-")

    lines = (recorded.parent / "recorded-other" / "ws_binance_tr_candles.txt").read_text().splitlines()
    wanted = {str(form("", json.loads(line.partition(": ")[2]))) for line in lines}
    async with simulator() as sim, connected(sim, path=BOTH) as client:
        messages = [await client.socket.receive() for _ in range(70)]
    assert {str(form("", json.loads(each.data))) for each in messages} == wanted
    assert {each.type for each in messages} == {aiohttp.WSMsgType.TEXT}
