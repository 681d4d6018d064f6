"""Each way in which streams go wrong does what it says, and no more."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from rxcandles.simulator import BinanceSimulator, Simulator, streamfaults
from rxcandles.simulator.server import Server
from rxcandles.simulator.sockets import Sockets
from rxcandles.simulator.switchboard import Switchboard
from tests.support import docexamples
from tests.support.docexamples import Documented
from tests.support.streams import connected, ticking, upbit_words, virtual

NOW = 1_788_220_815  # 2026-09-01T00:00:15Z
WORDS = upbit_words("KRW-BTC")
KLINE = "/ws/btcusdt@kline_1m"
UPGRADE = (
    b"GET /websocket/v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def simulator(**options: Any) -> Simulator:
    return Simulator(**{"rate": None, "clock": ticking(NOW), **options})


def binance(**options: Any) -> BinanceSimulator:
    return BinanceSimulator(**{"rate": None, "clock": ticking(NOW), **options})


async def refused(sim: Server) -> int:
    """The status of an upgrade that does not come about."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await connected(sim).__aenter__()
    return caught.value.status


def times(frames: list[Any]) -> list[str]:
    return [frame["candle_date_time_utc"][11:16] for frame in frames]


# Ends.

ENDS: list[tuple[Callable[[Sockets], None], int]] = [
    (lambda sockets: sockets.cut(), 1006),
    (lambda sockets: sockets.cut(inside=True), 1006),
    (lambda sockets: sockets.abort(), 1006),
    (lambda sockets: sockets.close(), 1000),
    (lambda sockets: sockets.close(1001), 1001),
    (lambda sockets: sockets.close(1011, "internal error"), 1011),
]


@pytest.mark.parametrize(("end", "code"), ENDS)
@virtual
async def test_ends(end: Callable[[Sockets], None], code: int) -> None:
    """However a connection ends, the client sees only the code, and comes back as if nothing had been."""
    async with simulator() as sim:
        async with connected(sim, WORDS) as client:
            await client.next()
            end(sim.sockets)
            assert await client.end() == code
        async with connected(sim, WORDS) as client:
            assert (await client.next())["stream_type"] == "SNAPSHOT"
            assert sim.sockets.stats.closes == {code: 1}
            assert sim.sockets.numbers == [2]


@virtual
async def test_one_of_several() -> None:
    """A number picks one connection."""
    async with simulator() as sim, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(sim, "PING")) for _ in range(3)]
        sim.sockets.close(1001, number=2)
        assert await clients[1].end() == 1001
        assert sim.sockets.numbers == [1, 3]
        assert await clients[0].next() == await clients[2].next() == {"status": "UP"}


async def test_torn_frame() -> None:
    """A cut inside of a message sends the first half of the last one, and nothing after it."""
    async with simulator() as sim:
        host, port = sim.base_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(UPGRADE)
        assert b"101 Switching Protocols" in await reader.readuntil(b"\r\n\r\n")
        sim.sockets.cut(inside=True)
        assert await reader.read() == b'\x82\x0f{"stat'
        writer.close()


@virtual
async def test_black_hole() -> None:
    """Nothing comes any more, whatever the client says; new connections are well."""
    async with simulator() as sim:
        async with connected(sim, WORDS, "PING") as client:
            await client.next()
            sim.sockets.black_hole()
            await client.say(WORDS, "PING")
            await client.socket.ping()
            assert await client.until(1000) == []
            assert sim.sockets.stats.open == 1
            async with connected(sim, WORDS) as another:
                await another.next()
        await asyncio.sleep(1)
        assert sim.sockets.stats.open == 0


async def test_leaving_while_nobody_reads() -> None:
    """A client that reads nothing holds up neither the others nor the end of the simulator."""
    before = asyncio.all_tasks()
    async with simulator() as sim:
        host, port = sim.base_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1000)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        words = WORDS.encode()
        writer.write(bytes([0x81, 0x80 + len(words), 0, 0, 0, 0]) + words)  # masked by zeros
        while not sim.sockets.stats.frames:
            await asyncio.sleep(0.001)
        sending = asyncio.create_task(sim.sockets.send(streamfaults.huge(30_000_000)))
        async with connected(sim, WORDS) as client:
            assert (await client.next())["code"] == "KRW-BTC"
        assert not sending.done()
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 1
    await sending
    writer.close()
    assert asyncio.all_tasks() == before


# Before the first message.


@virtual
async def test_refused() -> None:
    """Upgrades are refused for a time, or so many times; the limit may bring a block."""
    async with simulator() as sim:
        sim.sockets.refuse(403, seconds=600)
        assert await refused(sim) == 403
        await asyncio.sleep(599)
        assert await refused(sim) == 403
        await asyncio.sleep(1)
        async with connected(sim):
            pass
        sim.sockets.refuse(429, times=1)
        assert await refused(sim) == 429
        async with connected(sim):
            pass
        sim.sockets.cut_upgrades(2)  # aiohttp tries once more
        with pytest.raises(aiohttp.ClientError):
            await connected(sim).__aenter__()
        assert (sim.sockets.stats.connects, sim.sockets.stats.refused) == (2, 5)
    async with simulator(rate=10) as sim:
        sim.sockets.gate.block = 600
        async with AsyncExitStack() as stack:
            for _ in range(5):
                await stack.enter_async_context(connected(sim))
            assert await refused(sim) == 429
        await asyncio.sleep(599)
        assert await refused(sim) == 429
        await asyncio.sleep(1)
        async with connected(sim):
            pass


@virtual
async def test_restart() -> None:
    """All connections end without a word, and nobody gets in while the server is down."""
    async with simulator() as sim, connected(sim, WORDS) as client:
        await sim.sockets.restart(down=30)
        assert await client.end() == 1006
        assert await refused(sim) == 503
        await asyncio.sleep(30)
        async with connected(sim, WORDS) as client:
            await client.next()


# Silence.


@virtual
async def test_stall() -> None:
    """No candle comes for a while, though UP does; afterwards the stream goes on where the market is."""
    async with simulator() as sim, connected(sim, WORDS, "PING") as client:
        await client.next()
        sim.sockets.stall(180)
        assert await client.until(179.5) == [{"status": "UP"}] * 18
        after = [each for each in await client.until(240) if "code" in each]
        assert times(after)[0] == "00:03"


@virtual
async def test_mute() -> None:
    """Some of the subscriptions are lost, until the client subscribes again."""
    async with simulator() as sim, connected(sim, upbit_words("KRW-BTC", "KRW-ETH")) as client:
        await client.some(2)
        sim.sockets.mute("KRW-BTC")
        assert {frame["code"] for frame in await client.until(60)} == {"KRW-ETH"}
        await client.say(upbit_words("KRW-BTC", "KRW-ETH"))
        assert {frame["code"] for frame in await client.until(120)} == {"KRW-BTC", "KRW-ETH"}
        sim.sockets.mute()
        assert await client.until(150) == []
    async with binance() as sim, connected(sim, path=KLINE) as client:
        sim.sockets.mute("BTCUSDT")
        assert await client.until(200) == []
        await client.say('{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":1}')
        assert len(await client.until(260)) > 10


@virtual
async def test_forget() -> None:
    """The first subscription holds; the next one over the same connection loses everything, once."""
    async with simulator() as sim, connected(sim) as client:
        sim.sockets.forget()
        await client.say(WORDS)
        await client.next()
        await client.say(WORDS)
        assert await client.until(30) == []
        await client.say(WORDS)
        assert (await client.next())["stream_type"] == "SNAPSHOT"


# Candles that come too often, too late, or not at all.


@virtual
async def test_again() -> None:
    """What a market stands at comes once more, as a snapshot or not; so does what it was before."""
    async with simulator() as sim, connected(sim, WORDS) as client:
        seen = await client.until(60.5)
        await sim.sockets.send()
        await sim.sockets.send(streamfaults.snapshot())
        await sim.sockets.send(streamfaults.snapshot(), previous=True)
        await sim.sockets.send(ago=20)
        assert await client.some(4) == [
            seen[-1],
            {**seen[-1], "stream_type": "SNAPSHOT"},
            {**[frame for frame in seen if times([frame]) == ["00:00"]][-1], "stream_type": "SNAPSHOT"},
            [frame for frame in seen if frame["timestamp"] <= (NOW + 40.5) * 1000][-1],
        ]
        sim.sockets.add(streamfaults.twice(), times=1)
        first, second, third = await client.some(3)
        assert first == second != third


@virtual
async def test_reordered() -> None:
    """Candles come two by two, the later one first: volumes go back, and a window ends after the next began."""
    async with simulator() as sim, connected(sim, WORDS) as well, connected(sim, WORDS) as client:
        assert await well.next() == await client.next()
        sim.sockets.add(streamfaults.reordered(), number=2)
        right, wrong = await asyncio.gather(well.until(100.5), client.until(100.5))
        turned = [each for pair in zip(right[1::2], right[::2], strict=False) for each in pair]
        assert wrong == turned[: len(wrong)]
        assert len(wrong) > 20
        assert times(wrong) != sorted(times(wrong))


@virtual
async def test_unfinished() -> None:
    """Without what comes after its end, the last candle shown of a window lacks its last trades."""
    async with simulator() as sim, connected(sim, WORDS) as client:
        sim.sockets.add(streamfaults.unfinished())
        shown: dict[str, float] = {}
        while asyncio.get_running_loop().time() < 900:
            frame = await client.next()
            assert frame["timestamp"] < NOW * 1000 + asyncio.get_running_loop().time() * 1000 + 1
            shown[frame["candle_date_time_utc"]] = frame["candle_acc_trade_volume"]
        rows = sim.market("KRW-BTC").rows("1m", NOW - 15, NOW - 15 + 60 * 14)
        lacking = [row.volume > volume for row, volume in zip(rows, shown.values(), strict=False)]
        assert 0 < sum(lacking) < len(lacking) == 14


@virtual
async def test_unclosed() -> None:
    """A closed frame is left out; those of the slots around it come."""
    async with binance() as sim, connected(sim, path=KLINE) as client:
        sim.sockets.add(streamfaults.unclosed(), times=1, when=lambda shown: shown.closed is True)
        closed = [event["k"]["t"] for event in await client.until(240) if event["k"]["x"]]
        assert closed == [(NOW - 15 + 60 * number) * 1000 for number in (1, 2, 3)]


@virtual
async def test_lag() -> None:
    """The stream tells what the market was so long before, pages what it is."""
    async with simulator() as sim:
        sim.sockets.lag = 5
        async with connected(sim, WORDS) as client:
            while asyncio.get_running_loop().time() < 120:
                frame = await client.next()
                now = NOW + asyncio.get_running_loop().time()
                market = sim.market("KRW-BTC")
                assert frame["candle_acc_trade_volume"] in [
                    row.volume for row in market.rows("1m", NOW - 120, NOW + 200, now - 5)[-2:]
                ]
            assert market.rows("1m", NOW - 120, NOW + 200, now)[-1].timestamp >= frame["timestamp"]


# Candles that there are not.


@virtual
async def test_invented() -> None:
    """A candle is shown that pages don't have: of a slot that does not trade, or flat and late."""
    async with simulator() as sim, connected(sim, upbit_words("KRW-RARE")) as client:
        await client.next()
        quiet = NOW - 15 - 60
        await sim.sockets.send(streamfaults.invented(quiet))
        await sim.sockets.send(streamfaults.flat(quiet))
        traded, flat = await client.some(2)
        assert sim.market("KRW-RARE").rows("1m", quiet, quiet + 60) == []
        assert times([traded, flat]) == ["23:59", "23:59"]
        assert [each["candle_acc_trade_volume"] for each in (traded, flat)] == [1.0, 0.0]
        assert flat["opening_price"] == flat["high_price"] == flat["low_price"] == flat["trade_price"]
    async with binance() as sim, connected(sim, path=KLINE) as client:
        await sim.sockets.send(streamfaults.invented(quiet))
        kline = (await client.next())["k"]
        assert (kline["t"], kline["x"]) == (quiet * 1000, True)


GARBAGE: list[tuple[streamfaults.Change, Callable[[Any], bool]]] = [
    (streamfaults.other_market(), lambda frame: frame["code"] == "KRW-OTHER"),
    (streamfaults.other_timeframe(), lambda frame: frame["type"] == "candle.5m"),
    (streamfaults.price_zero(), lambda frame: frame["trade_price"] == frame["high_price"] == 0),
    (streamfaults.off_grid(7), lambda frame: frame["candle_date_time_utc"].endswith(":07")),
    (streamfaults.huge(1_000_000), lambda value: value == "x" * (1_000_000 - 2)),
    (streamfaults.edited(high="1"), lambda frame: frame["high_price"] == 1),
]


@virtual
async def test_garbage() -> None:
    """Messages that are no candles of what was asked for come once, and the stream goes on."""
    async with simulator() as sim, connected(sim, WORDS) as client:
        await client.next()
        for change, right in GARBAGE:
            await sim.sockets.send(change)
            assert right(await client.next())
        await sim.sockets.send(streamfaults.not_json())
        with pytest.raises(json.JSONDecodeError):
            json.loads((await client.socket.receive()).data)
        await sim.sockets.pings(1000)
        assert (await client.next())["code"] == "KRW-BTC"


# Bytes.


@pytest.mark.parametrize(
    ("style", "letters"), [("exponent", "7.1554E7"), ("long", "71554000.0000000000000000"), ("short", "71554000")]
)
@virtual
async def test_numbers(style: Any, letters: str) -> None:
    """The same numbers in other letters."""
    async with simulator() as sim:
        async with connected(sim, WORDS) as client:
            right = await client.next()
        sim.sockets.add(streamfaults.numbers(style))
        async with connected(sim, WORDS) as client:
            message = await client.socket.receive()
            assert f'"opening_price":{letters},' in message.data.decode()
            assert json.loads(message.data) == right


@virtual
async def test_kinds_of_messages() -> None:
    """Text or binary messages, compressed or not: the same candle."""
    async with simulator() as sim:
        told = []
        for binary, deflate in ((None, True), (False, True), (True, False)):
            sim.sockets.binary, sim.sockets.deflate = binary, deflate
            async with connected(sim, WORDS, compress=15) as client:
                message = await client.socket.receive()
                told.append((message.type.name, bool(client.socket.compress), json.loads(message.data)))
        assert [each[:2] for each in told] == [("BINARY", True), ("TEXT", True), ("BINARY", False)]
        assert told[0][2] == told[1][2] == told[2][2]


@virtual
async def test_clear() -> None:
    """All of it can be taken back."""
    async with simulator() as sim, connected(sim, WORDS) as client:
        await client.next()
        sim.sockets.stall()
        sim.sockets.refuse(403)
        sim.sockets.add(streamfaults.twice())
        sim.sockets.clear()
        frames = await client.until(30.5)
        assert len(frames) == len({frame["timestamp"] for frame in frames}) > 5
        async with connected(sim):
            pass


# Examples.


def examples() -> Iterator[Documented]:
    members = (
        *vars(Sockets).items(),
        *vars(Switchboard).items(),
        *((name, getattr(streamfaults, name)) for name in streamfaults.__all__),
    )
    names = SimpleNamespace(__all__=["sim", "streamfaults"], sim=None, streamfaults=streamfaults)
    for name, thing in members:
        if inspect.isfunction(thing) and ">>>" in (thing.__doc__ or ""):
            yield Documented(name, thing, names)


@virtual
async def test_examples() -> None:
    """The examples of the documentation run."""
    every = list(examples())
    assert len(every) > 25
    async with simulator() as sim:
        for each in every:
            each.module.sim = sim
            async with connected(sim, WORDS) as client:
                await client.next()
                assert await docexamples.run_prompts(each) == []
            sim.sockets.clear()


def test_every_fault_has_an_example() -> None:
    """Each name that a user may call has one."""
    without = {name for name in streamfaults.__all__ if ">>>" not in (getattr(streamfaults, name).__doc__ or "")}
    assert without == {"Change", "Planned"}
