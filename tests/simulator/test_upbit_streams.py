"""Upbit's streams on virtual time: what the exchange sends, when, and what it closes for."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rxcandles.simulator import Market, Simulator
from tests.support.streams import Client, connected, ticking, upbit_words, virtual

NOW = 1_788_220_815  # 2026-09-01T00:00:15Z


def simulator(**options: Any) -> Simulator:
    return Simulator(**{"rate": None, "clock": ticking(NOW), **options})


def opened(frame: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(frame["candle_date_time_utc"]).replace(tzinfo=UTC).timestamp())


def same(sim: Simulator, frame: dict[str, Any], now: float) -> bool:
    """Whether a frame tells what pages tell at ``now``, when no trade can have been stored later."""
    start = opened(frame)
    rows = sim.market(frame["code"]).rows(frame["type"].removeprefix("candle."), start, start + 1, now)
    names = (
        "opening_price", "high_price", "low_price", "trade_price",
        "candle_acc_trade_volume", "candle_acc_trade_price", "timestamp",
    )  # fmt: skip
    told = [row._replace(timestamp=min(row.timestamp, int(now * 1000)))[1:8] for row in rows]
    return told == [tuple(frame[name] for name in names)]


@virtual
async def test_one_truth() -> None:
    """Each frame is the candle that a page has at that moment; together they are every change of every second."""
    loop = asyncio.get_running_loop()
    async with simulator() as sim, connected(sim, upbit_words("KRW-BTC", "KRW-XRP")) as client:
        sim.reset_stats()
        assert sim.sockets.stats.open == 1
        frames: list[dict[str, Any]] = []
        while loop.time() < 450:
            frames.append(await client.next())
            assert same(sim, frames[-1], NOW + loop.time())
        frames += await client.until(450.5)
        for code in ("KRW-BTC", "KRW-XRP"):
            told = [frame for frame in frames if frame["code"] == code]
            assert told[0]["stream_type"] == "SNAPSHOT"
            assert {frame["stream_type"] for frame in told[1:]} == {"REALTIME"}
            rows = [sim.market(code).rows("1m", NOW - 3600, now, now)[-1] for now in range(NOW, NOW + 450)]
            changes = {tuple(row) for row in rows}
            assert {(opened(frame), frame["candle_acc_trade_volume"]) for frame in told} >= {
                (row[0], row[5]) for row in changes
            }
            final = {row.open_time: row for row in sim.market(code).rows("1m", NOW + 45, NOW + 405)}
            last = {opened(frame): frame["candle_acc_trade_volume"] for frame in told}
            assert {time: last[time] for time in final} == {time: row.volume for time, row in final.items()}
        assert sim.sockets.stats.frames == len(frames)


@virtual
async def test_silence_where_nothing_trades() -> None:
    """A market that does not trade has one snapshot, of the candle before; an unknown code has nothing."""
    markets = [Market("KRW-OFF", halts=((NOW - 300, NOW + 10_000),))]
    async with simulator(markets=markets) as sim, connected(sim, "PING") as client:
        await client.say(upbit_words("KRW-OFF", "KRW-NOPE", "krw-off"))
        found = await client.until(1000)
        frames = [each for each in found if each != {"status": "UP"}]
        assert [(frame["code"], frame["stream_type"]) for frame in frames] == [("KRW-OFF", "SNAPSHOT")]
        assert opened(frames[0]) < NOW // 60 * 60 == NOW - 15
        assert len(found) == 101


@virtual
async def test_up_every_ten_seconds() -> None:
    """A text ``PING`` starts ``UP`` at each ten seconds of the exchange's clock, which keeps the connection open."""
    loop = asyncio.get_running_loop()
    async with simulator() as sim, connected(sim, "PING") as client:
        times = []
        for _ in range(20):
            assert await client.next() == {"status": "UP"}
            times.append(loop.time())
        assert times == [5.0 + 10 * number for number in range(20)]


@virtual
async def test_idle() -> None:
    """Without a word from either side a connection is closed after 60 seconds, and no frame says so."""
    loop = asyncio.get_running_loop()
    async with simulator() as sim:
        async with connected(sim) as client:
            assert await client.end() == 1006
            assert loop.time() == 60
        async with connected(sim) as client:
            await asyncio.sleep(50)
            await client.socket.ping()
            assert await client.end() == 1006
            assert loop.time() == 60 + 50 + 60
        assert sim.sockets.stats.closes == {1006: 2}


@virtual
async def test_subscribing_replaces() -> None:
    """A second subscription ends the first; the server's list of them is that of the last."""
    async with simulator() as sim, connected(sim, upbit_words("KRW-BTC")) as client:
        await client.next()
        await client.say(upbit_words("KRW-ETH", "KRW-XRP"))
        assert {frame["code"] for frame in await client.until(60)} == {"KRW-ETH", "KRW-XRP"}
        await client.say('[{"ticket":"mine"},{"method":"LIST_SUBSCRIPTIONS"}]')
        answers = [each for each in await client.until(61) if "method" in each]
        assert answers == [
            {
                "method": "LIST_SUBSCRIPTIONS",
                "result": [{"type": "candle.1m", "codes": ["KRW-ETH", "KRW-XRP"]}],
                "ticket": "mine",
            }
        ]


SIMPLE = ["ty", "cd", "cdttmu", "cdttmk", "op", "hp", "lp", "tp", "catv", "catp", "tms", "st"]


@virtual
async def test_formats() -> None:
    """The same candle in four formats; asking for the list changes the format of the stream."""
    async with simulator() as sim:
        told = {}
        for format in ("DEFAULT", "SIMPLE", "JSON_LIST", "SIMPLE_LIST"):
            async with connected(sim, upbit_words("KRW-BTC", format=format)) as client:
                told[format] = await client.next()
        assert list(told["SIMPLE"]) == SIMPLE
        assert list(told["SIMPLE"].values()) == list(told["DEFAULT"].values())
        assert [told["DEFAULT"]] == told["JSON_LIST"]
        assert [told["SIMPLE"]] == told["SIMPLE_LIST"]
        async with connected(sim, upbit_words("KRW-BTC")) as client:
            await client.say('[{"ticket":"x"},{"method":"LIST_SUBSCRIPTIONS"},{"format":"SIMPLE"}]')
            _, answer, frame = await client.some(3)
            assert list(answer) == ["mthd", "rslt", "tckt"]
            assert list(frame) == SIMPLE


@virtual
async def test_only_one_kind() -> None:
    """``is_only_snapshot`` brings one frame, ``is_only_realtime`` all but that one."""
    async with simulator() as sim:
        async with connected(sim, upbit_words("KRW-BTC", is_only_snapshot=True)) as client:
            assert [frame["stream_type"] for frame in await client.until(50)] == ["SNAPSHOT"]
        async with connected(sim, upbit_words("KRW-BTC", is_only_realtime=True)) as client:
            assert {frame["stream_type"] for frame in await client.until(100)} == {"REALTIME"}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("hello", "WRONG_FORMAT"),
        ("{}", "WRONG_FORMAT"),
        ('[{"ticket":"x"},{"type":"candle.1m","codes":["KRW-BTC"]},{"format":"XML"}]', "WRONG_FORMAT"),
        ('[{"type":"candle.1m","codes":["KRW-BTC"]}]', "NO_TICKET"),
        ('[{"ticket":"x"}]', "NO_TYPE"),
        ('[{"ticket":"x"},{"type":"candle.1m"}]', "NO_CODES"),
        ('[{"ticket":"x"},{"type":"candle.1m","codes":[]}]', "NO_CODES"),
        ('[{"ticket":"x"},{"type":"candle.2m","codes":["KRW-BTC"]}]', "INVALID_PARAM"),
        ('[{"ticket":"x"},{"type":"candle.1m","codes":"KRW-BTC"}]', "INVALID_PARAM"),
    ],
)
@virtual
async def test_errors(words: str, name: str) -> None:
    """What can't be had is answered by an error, and a normal close 0.16 seconds later."""
    async with simulator() as sim, connected(sim, words) as client:
        assert (await client.next())["error"]["name"] == name
        assert await client.end() == 1000
        assert asyncio.get_running_loop().time() == pytest.approx(0.16)


@virtual
async def test_limits() -> None:
    """5 connections a second, one in ten seconds with an Origin; 5 messages a second and 100 a minute."""
    async with simulator(rate=10) as sim:
        clients = [connected(sim) for _ in range(6)]
        opened = [await each.__aenter__() for each in clients[:5]]
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            await clients[5].__aenter__()
        remaining = [each.socket._response.headers["Remaining-Req"] for each in opened]
        assert [f"group=websocket; min=300; sec={number}" for number in (4, 3, 2, 1, 0)] == remaining
        await asyncio.sleep(1)
        async with connected(sim, origin="https://example.com"):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                await connected(sim, origin="https://example.com").__aenter__()
        await opened[0].say(*["PING"] * 6)
        assert await opened[0].end() == 1008
        for _ in range(25):
            await opened[1].say(*["PING"] * 4)
            await asyncio.sleep(1)
        await opened[1].say("PING")
        assert await opened[1].end() == 1008
        for each in clients[:5]:
            await each.__aexit__(None, None, None)
        assert (sim.sockets.stats.connects, sim.sockets.stats.refused) == (6, 2)


@virtual
async def test_a_clock_moved_by_hand() -> None:
    """With a clock that stands still nothing comes; ``step`` says what is due when it was moved."""
    now = [float(NOW)]
    async with simulator(clock=lambda: now[0]) as sim, connected(sim, upbit_words("KRW-BTC")) as client:
        assert [frame["stream_type"] for frame in await client.until(20)] == ["SNAPSHOT"]
        now[0] += 1
        await sim.sockets.step()
        assert same(sim, await client.next(), now[0])


@virtual
async def test_steps_alone() -> None:
    """Without pumping time goes by and nothing comes, until a step says what is due."""
    async with simulator() as sim:
        sim.sockets.pumping = False
        async with connected(sim, upbit_words("KRW-BTC")) as client:
            assert [frame["stream_type"] for frame in await client.until(30)] == ["SNAPSHOT"]
            await sim.sockets.step()
            assert [same(sim, frame, NOW + 30) for frame in await client.until(60)] == [True]


async def test_leaving_closes_all() -> None:
    """The end of the simulator ends open connections at once, and leaves no task behind."""
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        async with Simulator() as sim:
            client = Client(await session.ws_connect(sim.ws_url))
            await client.say(upbit_words("KRW-BTC"))
            await client.next()
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < 1
        assert await client.end() == 1006
        assert asyncio.all_tasks() == before
        assert sim.sockets.stats.open == 0
        assert sim.sockets.stats.closes == {1006: 1}


@virtual
async def test_as_recorded(recorded: Path) -> None:
    """Frames have the fields of recorded ones, in their order, and values of the same form."""

    def form(text: str) -> list[tuple[str, str]]:
        pairs = json.loads(text, object_pairs_hook=list, parse_float=str, parse_int=str)
        return [(name, "".join("9" if letter.isdigit() else letter for letter in value)) for name, value in pairs]

    def kind(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(name, value.lstrip("9") if "price" in name or "volume" in name else value) for name, value in pairs]

    lines = (recorded / "ws_candle1m_frames_20260730.jsonl").read_text().splitlines()
    async with simulator() as sim:
        for codes, line in (("candle.1m", lines[0]), ("candle.5m", lines[5])):
            async with connected(sim, upbit_words("KRW-BTC", kind=codes)) as client:
                message = await client.socket.receive()
                assert message.type is aiohttp.WSMsgType.BINARY
                assert kind(form(message.data.decode())) == kind(form(line))
