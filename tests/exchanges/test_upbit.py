"""Upbit's client against a real HTTP server on loopback that sends exactly the bytes it is told to."""

import asyncio
import gzip
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from rxcandles.errors import (
    BannedError,
    ConnectionFailedError,
    ExchangeError,
    InvalidResponseError,
    PassingError,
    RateLimitedError,
    RequestError,
    RequestRejectedError,
    RxCandlesError,
    ServerError,
    UnknownMarketError,
)
from rxcandles.exchanges import UpbitExchange
from rxcandles.model import Row
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.ports import Exchange, Market, Page

MINUTE = Timeframe.of("1m")
TO = 1773240060  # 2026-03-11T14:41:00Z
MINUTES = (
    b'[{"market":"KRW-BTC","candle_date_time_utc":"2026-03-11T14:40:00","candle_date_time_kst":"2026-03-11T23:40:00",'
    b'"opening_price":103600000.00000000,"high_price":103600000.00000000,"low_price":103425000.00000000,'
    b'"trade_price":103460000.00000000,"timestamp":1773240059132,"candle_acc_trade_price":164899503.14206000,'
    b'"candle_acc_trade_volume":1.59335120,"unit":1}]'
)
ROW = Row(
    1773240000, 103600000.0, 103600000.0, 103425000.0, 103460000.0, 1.5933512, 164899503.14206, 1773240059132
)  # fmt: skip
DATE = "Date: Wed, 11 Mar 2026 14:41:05 GMT"


class Server:
    """Answers every request with ``answer``'s bytes, and keeps what arrived."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self.left = asyncio.Event()
        self.asked = asyncio.Event()
        self.answer: bytes | None = b""
        self.close = False
        self.url = ""

    def reply(self, status: int, body: bytes = b"", *headers: str, length: int | None = None) -> None:
        """Set the answer: a status, a body, header lines, and a Content-Length that may be wrong."""
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
        self.answer = "\r\n".join(lines).encode() + body
        self.close = length is not None

    @property
    def target(self) -> str:
        """The path and query of the last request, as they came over the wire."""
        return self.requests[-1].split(" ")[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(request.decode())
                self.asked.set()
                if self.answer is not None:
                    writer.write(self.answer)
                    await writer.drain()
                if self.close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.left.set()
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    told = Server()
    told.reply(200, b"[]")
    listening = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    told.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield told


@asynccontextmanager
async def asking(server: Server) -> AsyncIterator[Callable[[], Awaitable[Page]]]:
    async with UpbitExchange(server.url, timeout=5) as exchange:
        yield lambda: exchange.page("KRW-BTC", MINUTE, TO, 200)


async def failure(server: Server, kind: type[RxCandlesError]) -> RxCandlesError:
    """Ask for a page and return the error, which is exactly of ``kind``."""
    async with asking(server) as ask:
        with pytest.raises(RxCandlesError) as caught:
            await ask()
    assert type(caught.value) is kind
    return caught.value


async def test_page(server: Server):
    """A page is its rows, the server's clock and what is left of this second."""
    server.reply(200, MINUTES, DATE, "Remaining-Req: group=candles; min=600; sec=9")
    async with asking(server) as ask:
        page = await ask()
    assert page.rows == [ROW]
    assert (page.server_time, page.remaining) == (1773240065.0, 9)


async def test_port():
    """It is an ``Exchange``."""
    exchange: Exchange = UpbitExchange()
    assert isinstance(exchange, Exchange)
    assert ("upbit", 200, 10.0) == (exchange.name, exchange.page_limit, exchange.rate_limit)


async def test_request(server: Server):
    """What is asked: a path and a query of which every colon is encoded."""
    async with asking(server) as ask:
        assert (await ask()).rows == []
    assert server.target == "/v1/candles/minutes/1?market=KRW-BTC&to=2026-03-11T14%3A41%3A00Z&count=200"


async def test_request_headers(server: Server):
    """Neither an Origin nor a cookie is ever sent; the User-Agent says who asks, and no cache is to answer."""
    server.reply(200, b"[]", "Set-Cookie: a=b")
    async with asking(server) as ask:
        await ask()
        await ask()
    names = {line.split(":")[0].lower() for line in server.requests[-1].split("\r\n")[1:] if line}
    assert names == {"host", "user-agent", "accept", "accept-encoding", "cache-control"}
    assert "User-Agent: rxcandles/" in server.requests[-1]


@pytest.mark.parametrize("timeframe", TIMEFRAMES, ids=str)
async def test_paths(server: Server, timeframe: Timeframe):
    """Every timeframe has its path."""
    paths = {"1s": "seconds", "1d": "days", "1w": "weeks", "1M": "months", "1y": "years"}
    expected = paths.get(timeframe.name, f"minutes/{timeframe.name[:-1]}")
    async with UpbitExchange(server.url + "/") as exchange:
        await exchange.page("KRW-BTC", timeframe, TO, 1)
    assert server.target == f"/v1/candles/{expected}?market=KRW-BTC&to=2026-03-11T14%3A41%3A00Z&count=1"


async def test_base_path(server: Server):
    """A base URL may have a path."""
    async with UpbitExchange(server.url + "/upbit/") as exchange:
        await exchange.markets()
    assert server.target == "/upbit/v1/market/all"


async def test_markets(server: Server):
    """Markets come in the exchange's order, with both names; other regions send no Korean one."""
    server.reply(
        200,
        '[{"market":"KRW-BTC","korean_name":"비트코인","english_name":"Bitcoin","market_event":{"warning":false}},'
        '{"market":"SGD-XRP","english_name":"XRP","market_warning":"NONE"}]'.encode(),
    )
    async with UpbitExchange(server.url) as exchange:
        assert await exchange.markets() == [Market("KRW-BTC", "Bitcoin", "비트코인"), Market("SGD-XRP", "XRP", "")]


async def test_gzip(server: Server):
    """A compressed answer is read."""
    server.reply(200, gzip.compress(MINUTES), "Content-Encoding: gzip")
    async with asking(server) as ask:
        assert (await ask()).rows == [ROW]


async def test_connection_kept(server: Server):
    """One connection serves request after request."""
    async with asking(server) as ask:
        for _ in range(5):
            await ask()
    assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, b'{"error":{"name":400,"message":"specified unit is not valid."}}', RequestRejectedError, "unit is not"),
        (400, b'{"error":{"name":"bad","message":"of the gateway"}}', RequestRejectedError, "of the gateway"),
        (400, b"", RequestRejectedError, "400: no message"),
        (403, b"<html>no</html>", RequestRejectedError, "<html>"),
        (404, b'{"error":{"name":404,"message":"Code not found"}}', UnknownMarketError, "delisted"),
        (
            404,
            b'{"error":{"name":"not_found","message":"no Route matched with those values"}}',
            RequestRejectedError,
            "no Route",
        ),
        (404, b"", RequestRejectedError, "404"),
        (429, b"Too many API requests.", RateLimitedError, "Too many API requests."),
        (429, b'{"error":{"name":429,"message":"slow down"}}', RateLimitedError, "slow down"),
        (429, b"", RateLimitedError, "429"),
        (418, b"", BannedError, "418"),
        (500, b"", ServerError, "500"),
        (503, b'{"error":{"name":"service_unavailable","message":"maintenance"}}', ServerError, "maintenance"),
        (204, b"", InvalidResponseError, "204"),
        (304, b"", RequestRejectedError, "304"),
    ],
)
async def test_status(server: Server, status: int, body: bytes, kind: type[RxCandlesError], words: str):
    """Every status is its own error, which names what was asked for and what the server said."""
    server.reply(status, body)
    message = str(await failure(server, kind))
    assert "KRW-BTC 1m, 200 before 2026-03-11T14:41:00Z" in message
    assert words in message


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect(server: Server, status: int):
    """A redirect is not followed; the error names where it pointed."""
    server.reply(status, b"", f"Location: {server.url}/elsewhere")
    error = await failure(server, RequestRejectedError)
    assert f"{server.url}/elsewhere" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Retry-After: 3", 3.0),
        ("Retry-After: 1000000000", 1e9),
        ("Retry-After: Wed, 11 Mar 2026 14:41:35 GMT", 30.0),
        ("Retry-After: Wed, 11 Mar 2026 14:40:00 GMT", 0.0),
        ("Retry-After: soon", None),
        ("X-Other: 1", None),
    ],
)
async def test_retry_after(server: Server, header: str, expected: float | None):
    """A 429 or a 503 tells how long to wait: in seconds, or until a date by the server's own clock."""
    for status, kind in ((429, RateLimitedError), (503, ServerError)):
        server.reply(status, b"", DATE, header)
        error = await failure(server, kind)
        assert isinstance(error, PassingError)
        assert error.retry_after == expected


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        ("", "X-Other: 1", None),
        ("", "Retry-After: 120", 120.0),
        ("blocked for 90 seconds", "X-Other: 1", 90.0),
        ("blocked for 2 minutes", "X-Other: 1", 120.0),
        ("60초 동안 차단되었습니다", "X-Other: 1", 60.0),
        ("300", "X-Other: 1", 300.0),
        ('{"error":{"name":418,"message":"Blocked for 45 seconds."}}', "X-Other: 1", 45.0),
        ('{"error":{"name":418,"message":"Banned"}}', "X-Other: 1", None),
        ('{"retry_after": 30}', "X-Other: 1", 30.0),
        ("blocked for 90 seconds", "Retry-After: 100", 100.0),
        ("I'm a teapot", "X-Other: 1", None),
    ],
)
async def test_ban(server: Server, body: str, header: str, expected: float | None):
    """A 418 tells how long the block lasts where its header or its body says so."""
    server.reply(418, body.encode(), header)
    error = await failure(server, BannedError)
    assert isinstance(error, BannedError)
    assert error.seconds == expected


async def test_ban_cut_short(server: Server):
    """A 418 is a 418 even where its body never arrives whole."""
    server.reply(418, b"blo", length=100)
    await failure(server, BannedError)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":{"name":404,"message":"Code not found"}}', "Code not found"),
        (b"<html>maintenance</html>", "<html>maintenance"),
        (b"", "no page"),
        (b"null", "null"),
        (MINUTES[:-1], "no page"),
        (MINUTES.replace(b"KRW-BTC", b"KRW-ETH"), "KRW-ETH"),
        (MINUTES.replace(b'"unit":1', b'"unit":3'), "unit 3"),
        (MINUTES.replace(b"103425000.00000000", b"NaN"), "no page"),
    ],
)
async def test_wrong_body(server: Server, body: bytes, words: str):
    """A 200 that holds something else is invalid; the error quotes how it begins."""
    server.reply(200, body)
    message = str(await failure(server, InvalidResponseError))
    assert "KRW-BTC 1m, 200 before 2026-03-11T14:41:00Z" in message
    assert words in message
    assert repr(body[:30].decode())[:-1] in message


async def test_too_long(server: Server):
    """A body over the bound is refused before it is read to its end, also one that unpacks to more."""
    for body, *headers in ((b"[" + b" " * 100_000,), (gzip.compress(b" " * 10_000_000), "Content-Encoding: gzip")):
        server.reply(200, body, *headers)
        async with UpbitExchange(server.url, max_body=50_000) as exchange:
            with pytest.raises(InvalidResponseError, match="longer than max_body, 50000 bytes"):
                await exchange.page("KRW-BTC", MINUTE, TO, 200)


async def test_cut_short(server: Server):
    """A body that ends too early is a failed connection, worth another try, with its cause chained."""
    server.reply(200, MINUTES[:100], length=len(MINUTES))
    error = await failure(server, ConnectionFailedError)
    assert "cut short" in str(error)
    assert isinstance(error.__cause__, aiohttp.ClientPayloadError)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"SSH-2.0-OpenSSH\r\n\r\n"])
async def test_no_answer(server: Server, answer: bytes):
    """So is a connection that closes without an answer, or answers something that is no HTTP."""
    server.answer, server.close = answer, True
    await failure(server, ConnectionFailedError)


async def test_garbled(server: Server):
    """So is a body that can't be unpacked."""
    server.reply(200, b"not gzip", "Content-Encoding: gzip")
    await failure(server, ConnectionFailedError)


async def test_refused():
    """So is a port where nobody listens; the message has the host, and neither path nor query."""
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    host = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()
    await listening.wait_closed()
    async with UpbitExchange(f"http://{host}/secret-path") as exchange:
        with pytest.raises(ConnectionFailedError, match="refused") as caught:
            await exchange.page("KRW-BTC", MINUTE, TO, 200)
    assert host in str(caught.value)
    assert "secret-path" not in str(caught.value)


async def test_timeout(server: Server):
    """So is a server that stays silent for longer than the timeout."""
    server.answer = None
    async with UpbitExchange(server.url, timeout=0.05) as exchange:
        with pytest.raises(ConnectionFailedError, match=r"nothing whole within 0\.05 s"):
            await exchange.page("KRW-BTC", MINUTE, TO, 200)


async def test_tls():
    """A server that can't do TLS is not spoken to in plain text: nothing of the request reaches it."""
    heard = bytearray()

    async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4096))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak_plainly, "127.0.0.1", 0) as listening:
        url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with UpbitExchange(url) as exchange:
            with pytest.raises(ConnectionFailedError, match="TLS failed"):
                await exchange.page("KRW-BTC", MINUTE, TO, 200)
    assert heard
    assert b"candles" not in heard


async def test_cancelled(server: Server):
    """Cancelling passes through and drops the connection; the exchange stays usable."""
    server.answer = None
    async with asking(server) as ask:
        task = asyncio.ensure_future(ask())
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.left.wait()
        server.reply(200, MINUTES)
        assert (await ask()).rows == [ROW]


async def test_closed(server: Server):
    """Closing twice is fine; asking after it is an error that no retry mends, and opens nothing."""
    exchange = UpbitExchange(server.url)
    await exchange.markets()
    await exchange.close()
    await exchange.close()
    with pytest.raises(ExchangeError, match="closed") as caught:
        await exchange.markets()
    assert not isinstance(caught.value, PassingError)


async def test_session_given(server: Server):
    """A session of the user's is used and left open; one that sends an Origin is refused."""
    async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
        async with UpbitExchange(server.url, session=session) as exchange:
            await exchange.markets()
        assert not session.closed
    assert "X-Mine: yes" in server.requests[-1]
    async with aiohttp.ClientSession(headers={"origin": "http://example.com"}) as session:
        with pytest.raises(RequestError, match="Origin"):
            UpbitExchange(server.url, session=session)


@pytest.mark.parametrize("symbol", ["KRW-BTC", "BTC-1INCH", "USDT-A", "KRW-" + "A" * 20])
def test_symbol(symbol: str):
    """QUOTE-BASE, capital letters and digits."""
    UpbitExchange().check(symbol, MINUTE)


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "KRW",
        "KRW-",
        "-BTC",
        "KRW_BTC",
        "KRW-BTC,KRW-ETH",
        "BTC-KRW",
        "BTC/KRW",
        "KRW-A/B",
        "KRW-" + "A" * 41,
        "KRW-ＢTC",
        "KRW-BTC\n",
        7,
    ],
)
def test_bad_symbol(symbol: str):
    """Anything else is refused with its value and the right form."""
    with pytest.raises(RequestError, match="'KRW-BTC'") as caught:
        UpbitExchange().check(symbol, MINUTE)
    assert repr(symbol) in str(caught.value)


def test_lower_symbol():
    """Where only the case is wrong the error says so."""
    with pytest.raises(RequestError, match="did you mean 'KRW-BTC'"):
        UpbitExchange().check("krw-btc", MINUTE)
    with pytest.raises(RequestError, match="did you mean 'USDT-BTC', or the exchange 'binance'"):
        UpbitExchange().check("BTCUSDT", MINUTE)


@pytest.mark.parametrize("symbol", ["60m", "1h", "1M"])
def test_a_timeframe_for_a_market(symbol):
    """Where a timeframe stands in the market's place, no market of that name is proposed."""
    with pytest.raises(RequestError, match=r"that is a timeframe; write the market before it, such as 'KRW-BTC'$"):
        UpbitExchange().check(symbol, MINUTE)


async def test_another_loop():
    """Entered in one event loop and used in another, it says so at once: its connections are the first one's."""
    async with UpbitExchange("http://127.0.0.1:9") as exchange:
        in_a_thread = asyncio.to_thread(asyncio.run, exchange.page("KRW-BTC", MINUTE, 60, 1))
        with pytest.raises(ExchangeError, match=r"was opened in another event loop.*take `rxcandles\.open\(…\)`"):
            await in_a_thread


def test_bad_timeframe():
    """A length that Upbit does not have is refused."""
    with pytest.raises(RequestError, match="2w"):
        UpbitExchange().check("KRW-BTC", Timeframe("2w", 14 * 86_400))


@pytest.mark.parametrize(("to", "count"), [(TO, 0), (TO, 201), (TO, True), (-1, 1), (10**12, 1)])
async def test_bad_page(server: Server, to: int, count: int):
    """A count or a time out of bounds is refused before anything is sent."""
    async with UpbitExchange(server.url) as exchange:
        with pytest.raises(RequestError):
            await exchange.page("KRW-BTC", MINUTE, to, count)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.upbit.com",
        "ftp://api.upbit.com",
        "https://",
        "https://x:99999",
        "https://x?y=1",
        "https://x#y",
        "http://a b",
        None,
    ],
)
def test_bad_url(url: str):
    """A base URL without scheme or host, or with a query, is refused with its value; a query may hold a key."""
    with pytest.raises(RequestError) as caught:
        UpbitExchange(url)
    assert repr(re.split("[?#]", url)[0] if url else url) in str(caught.value)


def test_secret_url():
    """One with a password too, without repeating it."""
    with pytest.raises(RequestError, match="password") as caught:
        UpbitExchange("https://me:hunter2@api.upbit.com")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", 0), ("timeout", float("nan")), ("connect_timeout", -1), ("connections", 0), ("max_body", 0)],
)
def test_bad_settings(name: str, value: float):
    """Settings that can't be meant are refused with their name and value."""
    with pytest.raises(RequestError, match=f"{name} is {value!r}"):
        UpbitExchange(**{name: value})


def test_import_is_light():
    """Importing the module, even making an exchange, loads no HTTP client."""
    program = (
        "import sys; from rxcandles.exchanges.upbit import UpbitExchange; UpbitExchange();"
        "print([name for name in ('aiohttp', 'yarl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
