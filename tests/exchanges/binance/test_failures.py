"""What Binance's errors become, and what of its limit they tell."""

from __future__ import annotations

import pytest

import rxcandles
from rxcandles import (
    BannedError,
    ExchangeError,
    InvalidResponseError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    Timeframe,
    UnknownMarketError,
)
from rxcandles.exchanges.answers import Refused
from rxcandles.exchanges.binance import BinanceExchange
from rxcandles.exchanges.binance.failures import failure, used_weight
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.timeframe import to_datetime
from rxcandles.operators import Retry, fetch, plan_chunks
from tests.support.binance import END, kline
from tests.support.rawserver import ok, raw_server
from tests.support.servers import FixedServer, collect
from tests.support.virtualloop import run_virtual

FRAME = Timeframe.of("1m")
NOW = 1_784_600_000.0
TOO_MUCH = b'{"code":-1003,"msg":"Too much request weight used; current limit is 6000 request weight per 1 MINUTE."}'
BANNED = (
    b'{"code":-1003,"msg":"Way too much request weight used; IP banned until 1784600120000. Please use WebSocket."}'
)
RESTRICTED = b'{"code":0,"msg":"Service unavailable from a restricted location."}'

CASES = [
    (400, b'{"code":-1121,"msg":"Invalid symbol."}', None, UnknownMarketError, "Invalid symbol. (code -1121)"),
    (400, b'{"code":-1120,"msg":"Invalid interval."}', None, RequestRejectedError, "take another one"),
    (400, b'{"code":-1102,"msg":"Mandatory parameter."}', None, RequestRejectedError, "Mandatory parameter."),
    (429, TOO_MUCH, 12.0, RateLimitedError, "it asks to wait 12 s"),
    (400, TOO_MUCH, None, RateLimitedError, "too many requests"),
    (418, BANNED, 180.0, BannedError, "it asks to wait 180 s"),
    (418, BANNED, None, BannedError, "it asks to wait 120 s"),
    (418, b"", None, BannedError, "this address is blocked: no message"),
    (451, RESTRICTED, None, RequestRejectedError, "--base-url https://data-api.binance.vision --name binance"),
    (403, b"<html>ERROR: The request could not be satisfied</html>", None, RequestRejectedError, "firewall"),
    (500, b'{"code":-1000,"msg":"An unknown error."}', None, ServerError, "An unknown error."),
    (503, b"<html>Service Unavailable</html>", None, ServerError, "Service Unavailable"),
    (400, b'{"code":-1008,"msg":"Server is currently overloaded."}', None, ServerError, "overloaded"),
    (200, b'{"code":-9999,"msg":"Something new."}', None, InvalidResponseError, "with an error: Something new."),
    (200, b'{"code":-1121,"msg":"Invalid symbol."}', None, UnknownMarketError, "Invalid symbol."),
    (400, b'{"code":-1130,"msg":"\x1b[31mred"}', None, RequestRejectedError, "\\x1b[31mred"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "wait", "kind", "said"), CASES)
def test_errors(status: int, body: bytes, wait: float | None, kind: type[ExchangeError], said: str):
    """Each error has the class of what can be done about it, and says what the exchange has said."""
    error = failure(Refused(status, body, f"the page: somebody answered {status}", wait, NOW))
    assert type(error) is kind
    assert said in str(error)
    assert str(error).startswith(f"the page: somebody answered {status}")


def test_waits():
    """Seconds to wait are those of ``Retry-After``, or up to the end of the ban that the body names."""
    assert getattr(failure(Refused(429, TOO_MUCH, "x", 12.0, NOW)), "retry_after", None) == 12.0
    assert getattr(failure(Refused(418, BANNED, "x", None, NOW)), "seconds", None) == 120.0
    assert getattr(failure(Refused(418, BANNED, "x", None, NOW + 999)), "seconds", None) == 0.0


@pytest.mark.parametrize(
    ("header", "used"), [("2", 2), (" 5998 ", 5998), ("", None), ("many", None), ("-1", None), ("9" * 30, None)]
)
def test_used_weight(header: str, used: float | None):
    """A header that says no number says nothing."""
    assert used_weight({"X-MBX-USED-WEIGHT-1M": header}) == used
    assert used_weight({}) is None


async def test_over_http():
    """Over a connection: the headers of a page, and the status and ``Retry-After`` of a ban."""
    body = str([kline((END - 60) * 1000)]).replace("'", '"').encode()
    page = ok(body, "Date: Tue, 14 Nov 2023 22:15:05 GMT", "X-MBX-USED-WEIGHT: 7", "X-MBX-USED-WEIGHT-1M: 7")
    async with raw_server(page) as server, BinanceExchange(server.url) as exchange:
        found = await exchange.page("BTCUSDT", FRAME, END, 5)
        assert (found.used, found.server_time, found.rows[0].open_time) == (7, END + 5, END - 60)
        assert server.requests[0].startswith(b"GET /api/v3/klines?symbol=BTCUSDT&interval=1m&endTime=")
    async with (
        raw_server(ok(BANNED, "Retry-After: 180", status=418)) as server,
        BinanceExchange(server.url) as exchange,
    ):
        with pytest.raises(BannedError) as caught:
            await exchange.page("BTCUSDT", FRAME, END, 5)
        assert (caught.value.status, caught.value.seconds) == (418, 180)


@pytest.mark.parametrize(
    "body", [b"", b"<html><body>Hello</body></html>", b'[[1700000040000,"1.0","1', b"{}", b"null", b'[["x"]]', b"[[]]"]
)
async def test_invalid_answers(body: bytes):
    """An empty body, an HTML page and half a page with status 200 are tried again, and then an error quotes them."""
    request = rxcandles.Request("BTCUSDT", "1m", count=5, to=to_datetime(END))
    async with raw_server(ok(body)) as server, BinanceExchange(server.url) as exchange:
        with pytest.raises(InvalidResponseError, match="the answer is no page of candles"):
            await rxcandles.run(plan_chunks(request).pipe(fetch(exchange, retry=Retry(attempts=3, base=0, longest=0))))
        assert len(server.requests) == 3


@pytest.mark.parametrize("latency", [0.02, 0.2])
def test_the_weight_of_a_minute(latency: float):
    """By the limit and the cost that it declares, at least 97 % of a minute's weight is used, and nothing refused."""
    limit, cost = BinanceExchange.limit, BinanceExchange.page_cost(1000)

    async def scenario() -> None:
        limiter, server = SlidingWindowLimiter(limit), FixedServer(6000, 60)
        took = await collect(limiter, server, 4500, cost=cost, workers=16, latency=latency, jitter=latency / 10)
        assert server.refused == limiter.stats().limited == limiter.stats().foreign == 0
        assert server.taken / 100 > 0.97 * (took - 60)

    run_virtual(scenario())
