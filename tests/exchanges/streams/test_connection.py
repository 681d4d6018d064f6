"""Streams over real sockets on loopback: opening, refusals, close codes, torn and long frames, closing."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSCloseCode, web

from rxcandles.errors import (
    BannedError,
    CertificateError,
    ConnectionFailedError,
    ExchangeError,
    RateLimitedError,
    RequestError,
    RequestRejectedError,
    ServerError,
    StreamClosedError,
    StreamRefusedError,
    WrongServerError,
)
from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.streams.machine import SocketStream
from rxcandles.model.naming import SIMULATED_BY, SIMULATED_HEADER
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Beat, Frame
from tests.exchanges.test_tls import GOOD, session
from tests.support.rawserver import RawServer, ok, raw_server
from tests.support.sockets import SocketServer, Talk, raw_frame, socket_server, upbit_candle, upgrade

MINUTE = Timeframe.of("1m")
CANDLE = json.dumps(upbit_candle()).encode()


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a second instead of one for the answer to a close frame."""
    monkeypatch.setattr("rxcandles.exchanges.streams.opening._CLOSING", 0.1)


@asynccontextmanager
async def streaming(url: str, **options: Any) -> AsyncIterator[SocketStream]:
    """A stream of one market, closed at the end."""
    async with UpbitExchange(url, **options) as exchange:
        stream = exchange.stream(["KRW-BTC"], MINUTE)
        try:
            yield stream
        finally:
            await stream.aclose()


async def end(stream: SocketStream) -> ExchangeError:
    """Read to the end, which is an error."""
    with pytest.raises(ExchangeError) as raised:
        async for _ in stream:
            pass
    return raised.value


async def quiet(server: SocketServer, socket: web.WebSocketResponse) -> None:
    """Say nothing."""


def saying(*texts: bytes | str) -> Talk:
    async def talk(server: SocketServer, socket: web.WebSocketResponse) -> None:
        for text in texts:
            await (socket.send_str(text) if isinstance(text, str) else socket.send_bytes(text))

    return talk


# Opening


async def test_what_goes_out() -> None:
    """The upgrade goes to Upbit's path without an ``Origin``; the list and a ping follow."""

    async def up(server: SocketServer, socket: web.WebSocketResponse) -> None:
        server.heard.append(await socket.receive_str())
        await socket.send_bytes(CANDLE)

    async with socket_server(up) as server, streaming(server.url + "/below") as stream:
        frame = await anext(stream)
        assert isinstance(frame, Frame)
        assert frame.row.close == 91157000.0
        [request] = server.requests
        assert request.path == "/below/websocket/v1"
        assert "Origin" not in request.headers
        assert request.headers["User-Agent"].startswith("rxcandles")
        assert "permessage-deflate" in request.headers["Sec-WebSocket-Extensions"]
        assert json.loads(server.heard[0])[1] == {"type": "candle.1m", "codes": ["KRW-BTC"]}


@pytest.mark.parametrize("compress", [True, False])
async def test_texts_bytes_and_deflate(compress: bool) -> None:
    """Text and binary messages, packed or not, are the same candle."""
    talk = saying(CANDLE, CANDLE.decode(), '{"status":"UP"}', b"\xff\xfe")
    async with socket_server(talk, compress=compress) as server, streaming(server.url) as stream:
        one, other, beat = [await anext(stream) for _ in range(3)]
        assert isinstance(one, Frame)
        assert (one, beat) == (other, Beat())


@pytest.mark.parametrize(
    ("answer", "kind", "wait", "words"),
    [
        (ok(b"slow down", "Retry-After: 3", status=429), RateLimitedError, 3.0, "too many requests"),
        (ok(b"", "Retry-After: 600", status=403), BannedError, 600.0, "this address is refused"),
        (ok(b'{"error":{"message":"blocked for 10 minutes"}}', status=418), BannedError, 600.0, "is blocked"),
        (ok(b"", status=404), RequestRejectedError, None, "404"),
        (ok(b"", "Location: https://other.example/", status=302), RequestRejectedError, None, "not followed"),
        (ok(b"", "Retry-After: 9", status=503), ServerError, 9.0, "503"),
        (ok(b"<html>"), ConnectionFailedError, None, "where a WebSocket is expected: '<html>'"),
        (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", ConnectionFailedError, None, "speaks"),
        (b"nonsense\r\n\r\n", ConnectionFailedError, None, "no HTTP"),
    ],
)
async def test_a_refused_upgrade(answer: bytes, kind: type[ExchangeError], wait: float | None, words: str) -> None:
    """What is answered instead of a WebSocket is the error of a page, with its seconds; no other host is asked."""
    async with raw_server(answer) as server, streaming(server.url) as stream:
        error = await end(stream)
    assert type(error) is kind
    assert error.retry_after == wait
    assert words in str(error)
    assert len(server.requests) == 1


async def test_no_server() -> None:
    """Where nothing listens, and where nothing answers, the connection fails within the timeout."""
    async with raw_server(None) as server:
        url = server.url
        async with streaming(url, timeout=0.05) as stream:
            assert "nothing whole within 0.05 s" in str(await end(stream))
    async with streaming(url) as stream:
        assert type(await end(stream)) is ConnectionFailedError


async def test_certificates() -> None:
    """An invalid certificate is refused; that of a CA that the session trusts is not."""
    async with raw_server(b"", GOOD) as server:
        async with streaming(server.url) as stream:
            assert type(await end(stream)) is CertificateError
        assert server.requests == []

    async def candle(server: RawServer, writer: asyncio.StreamWriter) -> None:
        await server.say(writer, upgrade(server) + raw_frame(CANDLE))

    async with raw_server(candle, GOOD) as server, session() as ours, streaming(server.url, session=ours) as stream:
        assert isinstance(await anext(stream), Frame)
        await stream.aclose()
        assert not ours.closed


async def test_simulators() -> None:
    """A simulator says so in its answer to the upgrade, and is held to it as for pages."""
    async with socket_server(saying(CANDLE)) as server, streaming(server.url, simulated=True) as stream:
        assert type(await end(stream)) is WrongServerError
    async with socket_server(saying(CANDLE), {SIMULATED_HEADER: SIMULATED_BY}) as server:
        async with streaming(server.url, simulated=False) as stream:
            assert type(await end(stream)) is WrongServerError
        async with streaming(server.url, simulated=True) as stream:
            assert isinstance(await anext(stream), Frame)


async def test_by_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is asked for the exchange's host; its password is in no error, of pages neither."""
    async with raw_server(ok(b"", status=407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:secret@"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with streaming("https://api.upbit.com") as stream:
            errors = [await end(stream)]
        async with UpbitExchange() as exchange:
            with pytest.raises(ConnectionFailedError) as raised:
                await exchange.markets()
        errors.append(raised.value)
        assert [each.split(b" HTTP")[0] for each in proxy.requests] == [b"CONNECT api.upbit.com:443"] * 2
    for error in errors:
        assert "the proxy answered 407" in str(error)
        assert "secret" not in "".join(traceback.format_exception(error))


async def test_the_server_s_clock() -> None:
    """``Date`` of the upgrade is the clock against which candles of the future are held."""
    date = {"Date": "Thu, 30 Jul 2026 07:40:00 GMT"}
    later = json.dumps(
        upbit_candle(code="KRW-BTC", candle_date_time_utc="2026-07-30T07:42:00", timestamp=1785397320000)
    )
    for headers, dropped in ((date, {"future": 1}), ({"Date": "Thu, 30 Jul 2026 07:42:00 GMT"}, {})):
        async with socket_server(saying(later, '{"status":"UP"}'), headers) as server, streaming(server.url) as stream:
            heard = [await anext(stream)]
            while heard[-1] != Beat():
                heard.append(await anext(stream))
            assert stream.counts.dropped == dropped


# Ends


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1008, 1011, 1012, 4290])
async def test_close_codes(code: int) -> None:
    """The code and the words of the server's close frame are in the error."""

    async def close(server: SocketServer, socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(CANDLE)
        await socket.close(code=code, message=b"bye \x1b[31m")

    async with socket_server(close) as server, streaming(server.url) as stream:
        assert isinstance(await anext(stream), Frame)
        error = await end(stream)
    assert isinstance(error, StreamClosedError)
    assert error.code == code
    assert rf"stream of 1m candles: the connection has ended with code {code}: 'bye \x1b[31m'" in str(error)


async def test_an_error_frame_then_a_normal_close() -> None:
    """Upbit's way to refuse: an error, then 1000. It is a refusal, not an end that is tried again."""

    async def refuse(server: SocketServer, socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b'{"error":{"name":"INVALID_PARAM","message":"wrong codes"}}')
        await socket.close()

    async with socket_server(refuse) as server, streaming(server.url) as stream:
        error = await end(stream)
    assert isinstance(error, StreamRefusedError)
    assert "INVALID_PARAM: wrong codes" in str(error)


RAW_ENDS = {
    "no close frame": (b"", 1006),
    "inside a head": (b"\x82", 1006),
    "inside a frame": (raw_frame(CANDLE)[:100], 1006),
    "between parts of a message": (raw_frame(CANDLE[:50], first=0), 1006),
    "a close frame without a code": (raw_frame(b"", 8), 1005),
    "a part of nothing": (raw_frame(b"x", 0), 1002),
    "an unknown kind": (raw_frame(b"x", 3), 1002),
    "a packed frame that nobody agreed on": (raw_frame(b"x", first=0xC0), 1002),
    "longer than a megabyte": (raw_frame(b"x" * 100, length=5_000_000), 1009),
    "longer than a memory": (raw_frame(b"x", length=2**63 - 1), 1009),
    "longer than a megabyte in parts": (raw_frame(b"x" * 600_000, first=0) + raw_frame(b"x" * 600_000, 0), 1009),
}


@pytest.mark.parametrize("name", RAW_ENDS)
async def test_ends_in_bytes(name: str) -> None:
    """Wherever the bytes stop, or whatever they are, what was whole is given and the rest is an end with a code."""
    tail, code = RAW_ENDS[name]

    async def say(server: RawServer, writer: asyncio.StreamWriter) -> None:
        await server.say(writer, upgrade(server) + raw_frame(CANDLE[:50], first=0) + raw_frame(CANDLE[50:], 0) + tail)
        if code != WSCloseCode.MESSAGE_TOO_BIG:
            writer.close()

    async with raw_server(say) as server, streaming(server.url) as stream:
        assert isinstance(await anext(stream), Frame)
        error = await end(stream)
    assert isinstance(error, StreamClosedError)
    assert error.code == code
    assert stream.counts.dropped == ({"long": 1} if code == WSCloseCode.MESSAGE_TOO_BIG else {})


async def test_a_message_that_unpacks_without_end() -> None:
    """A small message that unpacks to more than a megabyte is given up, and not unpacked."""
    talk = saying("x" * (5 << 20))
    async with socket_server(talk, compress=True) as server, streaming(server.url) as stream:
        error = await end(stream)
    assert isinstance(error, StreamClosedError)
    assert error.code == 1009
    assert stream.counts.dropped == {"long": 1}


async def test_pings_of_the_protocol() -> None:
    """A ping is answered with its own bytes and gives a beat; so does a pong."""
    pongs: list[bytes] = []

    async def ping(server: SocketServer, socket: web.WebSocketResponse) -> None:
        await socket.ping(b"now")
        await socket.pong(b"")
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.PONG:
                pongs.append(bytes(message.data))
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                return

    async with socket_server(ping, autoping=False) as server, streaming(server.url) as stream:
        assert [await anext(stream) for _ in range(2)] == [Beat(), Beat()]
        await asyncio.sleep(0.01)
    assert pongs == [b"now"]


async def test_a_flood() -> None:
    """A server that sends pings without end is left."""

    async def flood(server: RawServer, writer: asyncio.StreamWriter) -> None:
        await server.say(writer, upgrade(server))
        while True:
            await server.say(writer, raw_frame(b"", 9) * 1000)

    async with raw_server(flood) as server, streaming(server.url) as stream:
        error = await end(stream)
        await asyncio.wait_for(server.left.wait(), 5)
    assert "10 messages in a row make no sense" in str(error)


# Closing


async def test_closing_is_normal() -> None:
    """We leave with code 1000, at once, and a read that waits ends."""
    async with socket_server(quiet) as server, streaming(server.url) as stream:
        waiting = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
        while not server.heard:
            await asyncio.sleep(0.001)
        began = time.monotonic()
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert time.monotonic() - began < 0.5
        while server.open:
            await asyncio.sleep(0.001)
        assert server.codes == [1000]


@pytest.mark.parametrize("chatty", [False, True])
async def test_a_black_hole_is_left(chatty: bool) -> None:
    """A server that never answers the close frame, silent or talking on, holds nobody for longer than the bound."""

    async def hold(server: RawServer, writer: asyncio.StreamWriter) -> None:
        await server.say(writer, upgrade(server) + raw_frame(CANDLE))
        while chatty:
            await server.say(writer, raw_frame(CANDLE))
            await asyncio.sleep(0.01)

    tasks = asyncio.all_tasks()
    async with raw_server(hold) as server, streaming(server.url) as stream:
        assert isinstance(await anext(stream), Frame)
        client = asyncio.all_tasks() - tasks
        began = time.monotonic()
        await stream.aclose()
        assert 0.05 < time.monotonic() - began < 0.5
        assert len(asyncio.all_tasks() - tasks) < len(client)


async def test_nothing_is_left_behind() -> None:
    """However a stream ends, no task, no connection and no warning remains."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with socket_server(saying(CANDLE)) as server, UpbitExchange(server.url) as exchange:
            before = asyncio.all_tasks()
            for cancelled in (False, True):
                stream = exchange.stream(["KRW-BTC"], MINUTE)
                await anext(stream)
                if cancelled:
                    reading = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
                    await asyncio.sleep(0.01)
                    reading.cancel()
                    await asyncio.wait([reading])
                await stream.aclose()
            for pause in (0, 0, 0.0005, 0.001, 0.002, 0.003):  # cancelled somewhere in the opening
                stream = exchange.stream(["KRW-BTC"], MINUTE)
                reading = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
                await asyncio.sleep(pause)
                reading.cancel()
                await asyncio.wait([reading])
                await stream.aclose()
            while server.open:
                await asyncio.sleep(0.001)
            assert {task for task in asyncio.all_tasks() - before if "stream" in repr(task.get_coro())} == set()
        del stream, reading
    assert [str(each.message) for each in warned] == []


# Addresses and arguments


def test_addresses() -> None:
    """Upbit's own streams are where it says; those of another server are below its address, with its scheme."""
    urls = [
        UpbitExchange(*base)._stream_url()
        for base in ([], ["https://api.upbit.com/"], ["http://127.0.0.1:8080/x/"], ["HTTPS://Mirror.example"])
    ]
    assert urls == [
        "wss://api.upbit.com/websocket/v1",
        "wss://api.upbit.com/websocket/v1",
        "ws://127.0.0.1:8080/x/websocket/v1",
        "wss://Mirror.example/websocket/v1",
    ]


async def test_arguments() -> None:
    """A market or timeframe that there can't be, too many markets, and a closed exchange are told at once."""
    exchange = UpbitExchange()
    for symbols, timeframe, words in [
        (["BTC-KRW"], "1m", "did you mean"),
        (["KRW-BTC"], "1d", "Upbit streams 1s, 1m"),
        ([f"KRW-A{number}" for number in range(201)], "1m", "201 markets"),
    ]:
        with pytest.raises(RequestError, match=words):
            exchange.stream(symbols, Timeframe.of(timeframe))
    await exchange.close()
    with pytest.raises(ExchangeError, match="closed"):
        exchange.stream(["KRW-BTC"], MINUTE)
