"""The machine of streams over a connection in memory, on virtual time: what it gives, drops, sends, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rxcandles.errors import RequestError, StreamClosedError, StreamRefusedError
from rxcandles.exchanges.streams.budget import Budget
from rxcandles.exchanges.streams.machine import SocketStream
from rxcandles.exchanges.streams.wire import Kind, Message
from rxcandles.exchanges.upbit.stream import UpbitDialect
from rxcandles.model.limit import Limit
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Beat, Frame, FrameStream
from tests.support.sockets import OPENED, STAMP, Door, MemoryWire, run_hour, upbit_candle

MINUTE = Timeframe.of("1m")
UP = {"status": "UP"}
PING = Message(Kind.PING, b"p")


def streamed(*symbols: str, door: Door | None = None) -> tuple[SocketStream, MemoryWire]:
    door = door or Door()
    return SocketStream(UpbitDialect(MINUTE), symbols or ("KRW-BTC",), door), door.wire


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on virtual time, and hold that it leaves no task behind."""

    async def run() -> None:
        await test()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def sync() -> None:
        run_hour(run())

    sync.__name__, sync.__doc__ = test.__name__, test.__doc__
    return sync


@virtually
async def test_frames_and_beats() -> None:
    """Candles come as frames, everything else as beats, in their order, and each is counted."""
    stream, wire = streamed()
    assert isinstance(stream, FrameStream)
    wire.put(UP, upbit_candle(), PING, Message(Kind.PONG, b""), upbit_candle(stream_type="SNAPSHOT"))
    heard = [await anext(stream) for _ in range(5)]
    assert [type(each) for each in heard] == [Beat, Frame, Beat, Beat, Frame]
    assert wire.pongs == [b"p"]
    counts = stream.counts
    assert (counts.messages, counts.frames, counts.beats, counts.dropped) == (5, 2, 3, {})
    assert counts.bytes == sum(len(json.dumps(each)) for each in (UP, upbit_candle(), upbit_candle())) + 1
    assert counts.to_dict()["sent"] == counts.sent
    await stream.aclose()


@virtually
async def test_the_order_of_arrival() -> None:
    """Frames are given as they come, also a snapshot of a window behind the newest one: order is for others."""
    stream, wire = streamed()
    for clock, seconds, kind in [("45", 31, "SNAPSHOT"), ("46", 118, "REALTIME"), ("45", 59, "SNAPSHOT")]:
        stamp = (OPENED + seconds) * 1000
        wire.put(upbit_candle(candle_date_time_utc=f"2026-07-30T07:{clock}:00", timestamp=stamp, stream_type=kind))
    frames = [await anext(stream) for _ in range(3)]
    told = [(each.row.open_time - OPENED, each.snapshot) for each in frames if isinstance(each, Frame)]
    assert told == [(0, True), (60, False), (0, True)]
    await stream.aclose()


@virtually
async def test_nothing_is_opened_before_it_is_asked_for() -> None:
    """The connection opens with the first ``anext``, which sends the list and a ping."""
    door = Door()
    stream, wire = streamed("KRW-BTC", "KRW-ETH", "KRW-BTC", door=door)
    await stream.subscribe(["KRW-BTC", "KRW-ETH"])
    await asyncio.sleep(100)
    assert door.opened == 0
    wire.put(UP)
    await anext(stream)
    await asyncio.sleep(0)
    assert door.opened == 1
    assert [json.loads(text)[1]["codes"] if text != "PING" else text for text in wire.texts()] == [
        ["KRW-BTC", "KRW-ETH"],
        "PING",
    ]
    await stream.aclose()


@virtually
async def test_pings() -> None:
    """A ping goes out every ten seconds, whether the stream is read or not."""
    stream, wire = streamed()
    wire.put(UP)
    await anext(stream)
    await asyncio.sleep(65)
    assert [time for time, text in wire.sent if text == "PING"] == [0, 10, 20, 30, 40, 50, 60]
    await stream.aclose()


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (b"<html>", "json"),
        (upbit_candle(code="KRW-ETH"), "symbol"),
        (upbit_candle(code="krw-btc"), "symbol"),
        (upbit_candle(type="candle.3m"), "timeframe"),
        (upbit_candle(low_price=0), "values"),
        (upbit_candle(low_price=-1.0), "values"),
        (upbit_candle(high_price=91142001.0), "values"),
        (upbit_candle(candle_acc_trade_volume=-0.1), "values"),
        (upbit_candle(timestamp=10**30), "values"),
        (upbit_candle(timestamp=0), "values"),
        (upbit_candle(candle_date_time_utc="2026-07-30T07:45:01"), "grid"),
        (upbit_candle(candle_date_time_utc="2026-07-30T07:46:00"), "future"),
        (upbit_candle(candle_date_time_utc="2026-07-31T07:45:00", timestamp=STAMP + 86_400_000), "future"),
        (upbit_candle(timestamp=STAMP + 86_400_000), "future"),
    ],
)
def test_garbage(other: dict[str, Any] | bytes, reason: str) -> None:
    """What makes no sense is dropped and counted; the tenth in a row ends the connection, a candle begins anew."""

    async def run() -> None:
        stream, wire = streamed(door=Door(MemoryWire(server_time=STAMP / 1000)))
        wire.put(*[other] * 9, upbit_candle(), *[other] * 9, upbit_candle())
        assert [type(await anext(stream)) for _ in range(2)] == [Frame, Frame]
        assert stream.counts.dropped == {reason: 18}
        wire.put(*[other] * 9, UP, other, upbit_candle())
        assert await anext(stream) == Beat()
        with pytest.raises(StreamClosedError, match=f"10 messages in a row make no sense.*{reason} 28"):
            await anext(stream)
        assert wire.closed
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    run_hour(run())


@virtually
async def test_the_future_without_a_clock() -> None:
    """Without the server's clock a candle is held against its own stamp only; ours is never asked."""
    stream, wire = streamed()
    later = upbit_candle(candle_date_time_utc="2126-07-30T07:45:00", timestamp=STAMP + 3_155_673_600_000)
    wire.put(upbit_candle(candle_date_time_utc="2026-07-30T07:46:00"), later)
    frame = await anext(stream)
    assert isinstance(frame, Frame)
    assert frame.row.open_time == OPENED + 3_155_673_600
    assert stream.counts.dropped == {"future": 1}
    await stream.aclose()


@virtually
async def test_a_flood_of_pings() -> None:
    """Five pings a second are answered; more are garbage, and the tenth of those ends the connection."""
    stream, wire = streamed()
    wire.put(*[PING] * 5)
    assert [await anext(stream) for _ in range(5)] == [Beat()] * 5
    await asyncio.sleep(1)
    wire.put(*[PING] * 100)
    assert [await anext(stream) for _ in range(5)] == [Beat()] * 5
    with pytest.raises(StreamClosedError, match="pings 10"):
        await anext(stream)
    assert len(wire.pongs) == 10
    assert stream.counts.messages == 20


@virtually
async def test_an_error_of_the_exchange() -> None:
    """An error frame ends the stream with the exchange's words, and the connection is closed."""
    stream, wire = streamed()
    wire.put(upbit_candle(), {"error": {"name": "NO_CODES", "message": "no codes"}})
    await anext(stream)
    with pytest.raises(StreamRefusedError, match="stream: the exchange refuses the subscription: NO_CODES: no codes"):
        await anext(stream)
    assert wire.closed


@virtually
async def test_another_list() -> None:
    """A new list is sent as a whole after a second; candles of markets that are no longer on it are not given."""
    stream, wire = streamed("KRW-BTC", "KRW-ETH")
    wire.put(UP)
    await anext(stream)
    await asyncio.sleep(5)
    await stream.subscribe(["KRW-ETH", "KRW-XRP"])
    wire.put(upbit_candle(), upbit_candle(code="KRW-ETH"))
    frame = await anext(stream)
    assert isinstance(frame, Frame)
    assert frame.symbol == "KRW-ETH"
    assert stream.counts.unwanted == 1
    assert stream.counts.dropped == {}
    await asyncio.sleep(4)
    assert [(time, text) for time, text in wire.sent if text != "PING"][1:] == [(6.0, wire.texts()[-1])]
    assert json.loads(wire.texts()[-1])[1]["codes"] == ["KRW-ETH", "KRW-XRP"]
    assert stream.counts.resubscribes == 1
    await stream.aclose()


@virtually
async def test_fifty_changes_in_ten_seconds() -> None:
    """Changes are gathered: the newest list goes out once a second, and the exchange's limits hold."""
    stream, wire = streamed()
    wire.put(UP)
    await anext(stream)
    for number in range(50):
        await stream.subscribe([f"KRW-A{number}"])
        await asyncio.sleep(0.2)
    await asyncio.sleep(2)
    lists = [(time, json.loads(text)[1]["codes"]) for time, text in wire.sent if text != "PING"]
    assert len(lists) <= 12
    assert lists[-1][1] == ["KRW-A49"]
    assert lists[-1][0] <= 11.0
    assert all(later - earlier >= 0.99 for (earlier, _), (later, _) in zip(lists[1:], lists[2:], strict=False))
    await stream.aclose()


@virtually
async def test_the_budget_of_a_minute() -> None:
    """A list that changes each second for ten minutes stays below 100 messages in any minute, pings included."""
    stream, wire = streamed()
    wire.put(UP)
    await anext(stream)
    for number in range(600):
        await stream.subscribe([f"KRW-A{number}"])
        await asyncio.sleep(1)
    times = [time for time, _ in wire.sent]
    assert all(sum(start <= time < start + 60 for time in times) <= 100 for start in times)
    assert all(sum(start <= time < start + 1 for time in times) <= 5 for start in times)
    await stream.aclose()


def test_budget() -> None:
    """Several limits hold together, at any moment."""
    budget, now, sent = Budget([Limit(5), Limit(20, window=60)]), 0.0, []
    while len(sent) < 50:
        now = max(now, budget.free_at(now))
        budget.spend(now)
        sent.append(now)
    assert sent[:6] == [0, 0, 0, 0, 0, 1]
    assert all(sum(start <= time < start + 60 for time in sent) <= 20 for start in sent)
    assert sent[20] == 60


@pytest.mark.parametrize(
    ("symbols", "words"), [([], "name one market"), ([f"A{n}" for n in range(201)], "201 markets")]
)
def test_lists_that_can_not_be(symbols: list[str], words: str) -> None:
    """No market, or more than a connection may have, are refused before anything is sent."""
    with pytest.raises(RequestError, match=words):
        SocketStream(UpbitDialect(MINUTE), symbols, Door())
    stream, _ = streamed()

    with pytest.raises(RequestError, match=words):
        asyncio.run(stream.subscribe(symbols))


# Ends


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1008, 1011, 1012, 4290])
def test_ends(code: int) -> None:
    """Every end is an error with its code; what came before is given."""

    async def run() -> None:
        stream, wire = streamed()
        wire.put(upbit_candle(), Message(Kind.END, code=code, words="bye"))
        await anext(stream)
        with pytest.raises(StreamClosedError, match=f"ended with code {code}: bye") as raised:
            await anext(stream)
        assert raised.value.code == code
        assert raised.value.retryable

    run_hour(run())


@virtually
async def test_closing() -> None:
    """Closing ends a pending read, may be repeated, and leaves nothing behind."""
    stream, wire = streamed()
    wire.put(UP)
    await anext(stream)
    pending = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
    await asyncio.sleep(1)
    await asyncio.gather(stream.aclose(), stream.aclose())
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await pending
    assert [each async for each in stream] == []


@virtually
async def test_closing_before_and_while_it_opens() -> None:
    """A stream that was never opened closes; one that is being opened stops."""
    door = Door()
    stream, _ = streamed(door=door)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    door = Door(seconds=5)
    stream, _ = streamed(door=door)
    pending = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
    await asyncio.sleep(1)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await pending
    assert door.opened == 0


@virtually
async def test_cancelled_while_it_opens() -> None:
    """A cancelled ``anext`` stops the opening; the next one opens again."""
    door = Door(seconds=5)
    stream, wire = streamed(door=door)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await anext(stream)
    assert door.opened == 0
    wire.put(upbit_candle())
    assert isinstance(await anext(stream), Frame)
    await stream.aclose()


@virtually
async def test_cancelled_at_any_moment() -> None:
    """However often ``anext`` is cancelled, and whenever, no message is lost."""
    stream, wire = streamed(door=Door(seconds=0.5))
    heard: list[float] = []

    async def tell() -> None:
        for number in range(40):
            wire.put(upbit_candle(candle_acc_trade_volume=float(number)))
            await asyncio.sleep(0.3)

    telling = asyncio.create_task(tell())
    for turn in range(2000):
        reading = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
        await asyncio.sleep(0 if turn % 3 else 0.07 * (turn % 11))
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            frame = reading.result()
            assert isinstance(frame, Frame)
            heard.append(frame.row.volume)
    await telling
    assert heard == [float(number) for number in range(40)]
    await stream.aclose()


@virtually
async def test_a_fault_of_the_sender_is_raised() -> None:
    """What fails in sending is raised by the next read, not lost in a task."""

    class Broken(UpbitDialect):
        def ping(self) -> str:
            raise ZeroDivisionError("no ping")

    door = Door()
    stream = SocketStream(Broken(MINUTE), ["KRW-BTC"], door)
    with pytest.raises(ZeroDivisionError, match="no ping"):
        await anext(stream)
    assert door.wire.closed
