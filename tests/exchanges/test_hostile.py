"""A server that means harm: whatever it sends, no other host is asked, memory stays small, and every wait ends."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from itertools import count, repeat
from typing import Any

import aiohttp
import pytest
import trustme

from rxcandles.errors import (
    BannedError,
    ConnectionFailedError,
    InvalidResponseError,
    RateLimitedError,
    RequestRejectedError,
    RxCandlesError,
    ServerError,
)
from rxcandles.exchanges import UpbitExchange
from rxcandles.model.timeframe import Timeframe
from tests.support.rawserver import Answer, RawServer, ok, raw_server

MINUTE = Timeframe.of("1m")
TO = 1773240060
MEGABYTE = 1 << 20


async def ask(exchange: UpbitExchange) -> object:
    return await exchange.page("KRW-BTC", MINUTE, TO, 200)


async def ask_markets(exchange: UpbitExchange) -> object:
    return await exchange.markets()


# Redirects


@pytest.mark.parametrize("asking", [ask, ask_markets])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_redirects(status: int, asking: Any) -> None:
    """A redirect is an error that says where to; neither the other host nor this one is asked again."""
    async with raw_server(ok()) as other:
        for location in (other.url + "/v1/market/all", "//" + other.url.split("//")[1], "/elsewhere"):
            async with raw_server(ok(b"", f"Location: {location}", status=status)) as server:
                async with UpbitExchange(server.url) as exchange:
                    with pytest.raises(RequestRejectedError, match="redirect") as caught:
                        await asking(exchange)
                assert repr(location) in str(caught.value)
                assert len(server.requests) == 1
    assert other.connections == 0


@pytest.mark.parametrize("header", ["Refresh: 0; url=", "Alt-Svc: h2=", "Content-Location: ", "Link: rel=next "])
async def test_other_ways_to_point(header: str) -> None:
    """Nor is one that another header points to."""
    async with (
        raw_server(ok()) as other,
        raw_server(ok(b"[]", header + other.url)) as server,
        UpbitExchange(server.url) as exchange,
    ):
        assert await exchange.markets() == []
        assert await exchange.markets() == []
    assert (other.connections, len(server.requests)) == (0, 2)


# Size


def bomb(window: int, megabytes: int = 100) -> bytes:
    """100 MB in 100 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(megabytes)) + packer.flush()


def headers() -> Iterator[bytes]:
    """Header lines without end, no two alike."""
    return (b"".join(b"X-%d-%d: %s\r\n" % (piece, line, b"x" * 1000) for line in range(60)) for piece in count())


BOMB, DEFLATED, BARE = bomb(31), bomb(15), bomb(-15)
GIGABYTE = bomb(15, 1000)
MEMBERS = gzip.compress(b"") * 100_000
"""Two megabytes of gzip that unpack to nothing, and take quadratic time where each member is copied along."""
OK, ERROR = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 500 X\r\n"
CHUNKED, PACKED = b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n"
DEFLATE = b"Content-Encoding: deflate\r\n"
BLANK = b" " * 65_536
LONG = b"x" * 65_536


def sized(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body)


def in_chunk(body: bytes) -> bytes:
    return b"%x\r\n" % len(body) + body + b"\r\n"


FLOODS: dict[str, tuple[bytes, Iterable[bytes], type[RxCandlesError]]] = {
    "body": (OK + b"\r\n", repeat(BLANK), InvalidResponseError),
    "body in chunks": (OK + CHUNKED + b"\r\n", repeat(b"10000\r\n" + BLANK + b"\r\n"), InvalidResponseError),
    "body that unpacks": (OK + PACKED + sized(BOMB), [BOMB], InvalidResponseError),
    "chunk that unpacks": (
        OK + PACKED + CHUNKED + b"\r\n%x\r\n" % len(BOMB),
        [BOMB, b"\r\n0\r\n\r\n"],
        InvalidResponseError,
    ),
    "deflate that unpacks": (OK + DEFLATE + sized(DEFLATED), [DEFLATED], InvalidResponseError),
    "deflate without a header": (OK + DEFLATE + sized(BARE), [BARE], InvalidResponseError),
    "deflate to a gigabyte": (OK + DEFLATE + sized(GIGABYTE), [GIGABYTE], InvalidResponseError),
    "deflate without end": (OK + DEFLATE + CHUNKED + b"\r\n", repeat(in_chunk(GIGABYTE)), InvalidResponseError),
    "packed as nobody asked": (OK + b"Content-Encoding: br\r\n" + sized(BOMB), [BOMB], ConnectionFailedError),
    "packed twice": (OK + b"Content-Encoding: gzip, gzip\r\n" + sized(BOMB), [BOMB], ConnectionFailedError),
    "gzip of many members": (OK + PACKED + sized(MEMBERS), [MEMBERS], ConnectionFailedError),
    "error": (ERROR + b"\r\n", repeat(BLANK), ServerError),
    "error that unpacks": (ERROR + PACKED + sized(BOMB), [BOMB], ServerError),
    "error that is deflated": (ERROR + DEFLATE + sized(DEFLATED), [DEFLATED], ServerError),
    "error with trailers": (ERROR + CHUNKED + b"\r\n2\r\n[]\r\n0\r\n", headers(), ServerError),
    "headers": (OK, headers(), ConnectionFailedError),
    "one header": (OK + b"X: ", repeat(LONG), ConnectionFailedError),
    "reason": (b"HTTP/1.1 200 ", repeat(LONG), ConnectionFailedError),
    "what is no HTTP": (b"", repeat(LONG), ConnectionFailedError),
    "trailers": (OK + CHUNKED + b"\r\n2\r\n[]\r\n0\r\n", headers(), ConnectionFailedError),
    "one trailer": (OK + CHUNKED + b"\r\n2\r\n[]\r\n0\r\nX: ", repeat(LONG), ConnectionFailedError),
    "chunk extension": (OK + CHUNKED + b"\r\n2;", repeat(LONG), ConnectionFailedError),
    "interim answers": (b"", repeat(b"HTTP/1.1 102 X\r\nX: " + b"x" * 4000 + b"\r\n\r\n"), ConnectionFailedError),
}
"""What is sent without end (or unpacks to a hundred megabytes), and the error that it comes to."""


def flood(head: bytes, pieces: Iterable[bytes]) -> Answer:
    async def answer(server: RawServer, writer: asyncio.StreamWriter) -> None:
        await server.say(writer, head)
        for piece in pieces:
            await server.say(writer, piece)

    return answer


@pytest.mark.parametrize("name", FLOODS)
async def test_floods(name: str) -> None:
    """However much is sent, memory stays within a few times ``max_body``; what has no end is left."""
    head, pieces, expected = FLOODS[name]
    async with (
        raw_server(flood(head, pieces)) as server,
        UpbitExchange(server.url, max_body=MEGABYTE, timeout=0.5) as exchange,
    ):
        tracemalloc.start()
        try:
            with pytest.raises(RxCandlesError) as caught:
                await ask(exchange)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert type(caught.value) is expected
        assert len(str(caught.value)) < 1000
        assert peak < 8 * MEGABYTE
        if not isinstance(pieces, list):
            await asyncio.wait_for(server.left.wait(), 10)


@pytest.mark.parametrize("packed_by_client", [True, False])
async def test_session_of_ones_own(packed_by_client: bool) -> None:
    """The bound holds with a session that unpacks by itself, and with one that does not."""
    async with (
        raw_server(flood(OK + DEFLATE + sized(GIGABYTE), [GIGABYTE])) as server,
        aiohttp.ClientSession(auto_decompress=packed_by_client) as session,
        UpbitExchange(server.url, max_body=MEGABYTE, timeout=5, session=session) as exchange,
    ):
        tracemalloc.start()
        try:
            with pytest.raises(InvalidResponseError, match="longer than max_body"):
                await ask(exchange)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 8 * MEGABYTE


async def test_surplus_is_not_read() -> None:
    """What comes behind a whole answer is not taken for the next one."""
    async with raw_server(ok(b"[]") + ok()) as server, UpbitExchange(server.url) as exchange:
        assert await exchange.markets() == []
        assert await exchange.markets() == []
    assert server.connections == 2


# Time


def slowly(head: bytes, tail: bytes) -> Answer:
    """A byte every so often, for ever, as a server does that wants to hold its clients."""

    async def answer(server: RawServer, writer: asyncio.StreamWriter) -> None:
        await server.say(writer, head)
        while True:
            await server.say(writer, tail)
            await asyncio.sleep(0.01)

    return answer


SLOW: dict[str, Answer | None] = {
    "silent": None,
    "status": slowly(b"HTTP/1.1 200 ", b"O"),
    "headers": slowly(OK + b"X: ", b"x"),
    "body": slowly(OK + b"Content-Length: 100000\r\n\r\n", b" "),
    "chunks": slowly(OK + CHUNKED + b"\r\n", b"1\r\n \r\n"),
    "until closed": slowly(OK + b"\r\n", b" "),
    "trailers": slowly(OK + CHUNKED + b"\r\n0\r\n", b"X: x\r\n"),
    "interim": slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("asking", [ask, ask_markets])
@pytest.mark.parametrize("name", SLOW)
async def test_slow(name: str, asking: Any) -> None:
    """``timeout`` is for the whole answer: a server that drips, byte by byte, is given up like one that is silent."""
    async with raw_server(SLOW[name]) as server, UpbitExchange(server.url, timeout=0.15) as exchange:
        with pytest.raises(ConnectionFailedError, match=r"nothing whole within 0\.15 s"):
            await asking(exchange)
        await asyncio.wait_for(server.left.wait(), 10)


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimitedError), (418, BannedError), (503, ServerError)])
async def test_slow_error(status: int, kind: type[RxCandlesError]) -> None:
    """An error's status counts, even where its body drips for ever."""
    answer = slowly(b"HTTP/1.1 %d X\r\nContent-Length: 100000\r\n\r\n" % status, b" ")
    async with raw_server(answer) as server, UpbitExchange(server.url, timeout=0.15) as exchange:
        with pytest.raises(kind):
            await ask(exchange)
        await asyncio.wait_for(server.left.wait(), 10)


async def test_slow_handshake() -> None:
    """So is a server that never ends its TLS handshake."""
    async with raw_server(None) as server:
        async with UpbitExchange(server.url.replace("http:", "https:"), timeout=0.15) as exchange:
            with pytest.raises(ConnectionFailedError, match=r"within 0\.15 s"):
                await ask(exchange)
        await asyncio.wait_for(server.left.wait(), 10)
    assert server.requests == []


async def test_slow_connection() -> None:
    """So is one that does not take connections any more: its queue is full, and the kernel keeps silent."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(address)
        async with UpbitExchange(f"http://127.0.0.1:{address[1]}", timeout=5, connect_timeout=0.15) as exchange:
            with pytest.raises(ConnectionFailedError, match=r"no connection within 0\.15 s|refused"):
                await ask(exchange)
        for each in fillers:
            each.close()


async def test_slow_name() -> None:
    """So is a name server that never answers."""

    class Mute(aiohttp.abc.AbstractResolver):
        async def resolve(self, *_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()

        async def close(self) -> None:
            pass

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Mute())) as session,
        UpbitExchange("http://name.example", timeout=0.15, session=session) as exchange,
    ):
        with pytest.raises(ConnectionFailedError, match=r"within 0\.15 s"):
            await ask(exchange)


async def test_slow_neighbour() -> None:
    """Waiting for one of the ``connections`` counts too."""
    async with raw_server(None) as server, UpbitExchange(server.url, timeout=5, connections=1) as patient:
        holding = asyncio.ensure_future(ask(patient))
        while not server.requests:
            await asyncio.sleep(0)
        patient._timeout = 0.15
        with pytest.raises(ConnectionFailedError, match=r"within 0\.15 s"):
            await ask(patient)
        assert server.connections == 1
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding


async def test_slow_goodbye() -> None:
    """Closing waits for nobody: not for an answer under way, and not for the end of a TLS connection."""
    ca = trustme.CA()
    theirs, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    ca.issue_cert("127.0.0.1").configure_cert(theirs)
    ca.configure_trust(ours)

    async def once(server: RawServer, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            await server.say(writer, ok())
        else:
            writer.transport.pause_reading()  # and so never hears of the end
            asked.set()
            await writer.wait_closed()

    asked = asyncio.Event()
    async with raw_server(once, theirs) as server:
        exchange = UpbitExchange(server.url, timeout=60)
        exchange._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ours))
        assert await ask(exchange)
        under_way = asyncio.ensure_future(ask(exchange))
        await asked.wait()
        await asyncio.wait_for(exchange.close(), 10)
        with pytest.raises(ConnectionFailedError):
            await under_way
