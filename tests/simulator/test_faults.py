"""Every fault does what it says, as many times and where it is told to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import attrs
import msgspec
import pytest

from rxcandles.simulator import Answer, Asked, Fault, Market, Simulator, faults

NOW = 1_788_220_815  # 2026-09-01T00:00:15Z
TO = "2026-08-31T12:00:00Z"
QUERY = {"market": "KRW-X", "to": TO, "count": 5}


@pytest.fixture
async def sim() -> Any:
    async with Simulator([Market("KRW-X"), Market("KRW-Y")], rate=None, clock=lambda: NOW) as running:
        yield running


async def times(sim: Simulator, ask: Any, **query: Any) -> list[str]:
    """The open times of a page, without their date."""
    return [time[11:16] for time in (await ask(sim, "minutes/1", **{**QUERY, **query})).opens]


async def test_times_and_when(sim: Simulator, ask: Any) -> None:
    """A fault befalls as many requests as told, and only those for which ``when`` is true."""
    sim.faults.add(faults.status(503), times=2, when=lambda asked: asked.market == "KRW-X")
    asked = [(await ask(sim, "days", market=market)).status for market in ("KRW-X", "KRW-Y", "KRW-X", "KRW-X")]
    assert [503, 200, 503, 200] == asked
    assert 0 == len(sim.faults)
    sim.faults.add(faults.status(500))
    assert [500, 500] == [(await ask(sim, "days", market="KRW-X")).status for _ in range(2)]
    sim.faults.clear()
    assert 200 == (await ask(sim, "days", market="KRW-X")).status


async def test_when_sees_the_request(sim: Simulator, ask: Any) -> None:
    """``when`` is told all of the request, and may ask for other pages."""
    seen: list[Asked] = []
    sim.faults.add(faults.status(500), when=lambda asked: seen.append(asked) is not None)
    await ask(sim, "minutes/1", **QUERY)
    await ask(sim, "/v1/market/all")
    candles, markets = seen
    assert ("KRW-X", "1m", 1_788_177_600, 5, 1) == (
        candles.market, str(candles.timeframe), candles.to, candles.count, candles.number
    )  # fmt: skip
    page = candles.page(1_788_177_600, 2)
    assert page is not None
    assert 2 == page.rows == page.text.count("opening_price")
    assert ("/v1/market/all", None, None) == (markets.path, markets.market, markets.page(0, 1))


async def test_refused_requests_meet_no_fault(ask: Any) -> None:
    """A request over the limit uses up no fault."""
    async with Simulator([Market("KRW-X")], rate=1) as sim:
        sim.faults.add(faults.status(503), times=2)
        assert [503, 429] == [(await ask(sim, "days", market="KRW-X")).status for _ in range(2)]
        assert 1 == len(sim.faults)


async def test_faults_add_up(sim: Simulator, ask: Any) -> None:
    """Two faults on one request are applied in the order they were added."""
    sim.faults.add(faults.unordered())
    sim.faults.add(faults.repeated())
    assert ["11:55", "11:55", "11:57", "11:58", "11:59"] == await times(sim, ask)


async def test_own_fault(sim: Simulator, ask: Any) -> None:
    """Any function of the request and its answer is a fault."""

    def shorten(asked: Asked, answer: Answer) -> Answer:
        return answer.with_rows(answer.rows[: (asked.count or 0) - 1])

    sim.faults.add(shorten)
    assert ["11:59", "11:58", "11:57", "11:56"] == await times(sim, ask)
    assert 4 == sim.log[-1].rows


async def test_status(sim: Simulator, ask: Any) -> None:
    """Any status, body, content type and headers can be sent; a header of None is left out."""
    headers = {"Retry-After": "7", "etag": None, "cache-control": "public"}
    sim.faults.add(faults.status(500, b"\xff{", headers, "application/json"))
    reply = await ask(sim, "days", market="KRW-X")
    assert (500, b"\xff{", "application/json") == (reply.status, reply.body, reply.headers["Content-Type"])
    assert ("7", "public") == (reply.headers["Retry-After"], reply.headers["Cache-Control"])
    assert "ETag" not in reply.headers


async def test_error_object(sim: Simulator, ask: Any) -> None:
    """An error may come with status 200."""
    sim.faults.add(faults.error_object(404, "Code not found"))
    reply = await ask(sim, "days", market="KRW-X")
    assert (200, b'{"error":{"name":404,"message":"Code not found"}}') == (reply.status, reply.body)


async def test_limited(sim: Simulator, ask: Any) -> None:
    """A 429 comes with the headers that are given, and else without a Retry-After."""
    sim.faults.add(faults.limited(), when=lambda asked: asked.number == 1)
    sim.faults.add(faults.limited({"Retry-After": "3"}), when=lambda asked: asked.number == 2)
    plain, other = [await ask(sim, "days", market="KRW-X") for _ in range(2)]
    assert [(429, b"Too many API requests.")] * 2 == [(reply.status, reply.body) for reply in (plain, other)]
    assert [None, "3"] == [reply.headers.get("Retry-After") for reply in (plain, other)]


async def test_banned(sim: Simulator, ask: Any) -> None:
    """A 418 says for how long, and the next request is answered as ever."""
    sim.faults.add(faults.banned(90), times=1)
    reply = await ask(sim, "days", market="KRW-X")
    assert 418 == reply.status
    assert " 90 seconds" in json.loads(reply.body)["error"]["message"]
    assert 200 == (await ask(sim, "days", market="KRW-X")).status


@pytest.mark.parametrize("fault", [faults.html(), faults.garbage(), faults.truncated(), faults.nan()])
async def test_not_json(fault: Fault, sim: Simulator, ask: Any) -> None:
    """HTML, garbage, half a body and NaN come with status 200 and can't be decoded."""
    sim.faults.add(fault)
    reply = await ask(sim, "minutes/1", **QUERY)
    assert 200 == reply.status
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError), match="malformed|Invalid|invalid|truncated"):
        _ = reply.candles


async def test_delay(sim: Simulator, ask: Any) -> None:
    """An answer is held until the event is set, while others pass."""
    gate = asyncio.Event()
    sim.faults.add(faults.delay(gate), times=1)
    held = asyncio.create_task(ask(sim, "days", market="KRW-X"))
    while not sim.stats.simultaneous:
        await asyncio.sleep(0)
    assert 200 == (await ask(sim, "days", market="KRW-Y")).status
    assert not held.done()
    gate.set()
    assert 200 == (await held).status


async def test_delay_of_seconds(sim: Simulator, ask: Any) -> None:
    """An answer can be late by some seconds."""
    sim.faults.add(faults.delay(0.02))
    loop = asyncio.get_running_loop()
    started = loop.time()
    await ask(sim, "days", market="KRW-X")
    assert 0.02 <= loop.time() - started


async def test_client_leaves(sim: Simulator) -> None:
    """A client that leaves ends the wait for its answer."""
    sim.faults.add(faults.delay(asyncio.Event()))
    _, writer = await asyncio.open_connection("127.0.0.1", int(sim.base_url.rpartition(":")[2]))
    writer.write(b"GET /v1/candles/days?market=KRW-X HTTP/1.1\r\nHost: a\r\n\r\n")
    while not sim.stats.simultaneous:
        await asyncio.sleep(0)
    writer.close()
    await writer.wait_closed()
    while sim.stats.simultaneous:
        await asyncio.sleep(0)
    assert 1 == sim.stats.requests


async def raw(sim: Simulator, most: int = 1 << 20) -> tuple[bytes, bool]:
    """What comes over the wire for a page, and whether the connection was reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sim.base_url.rpartition(":")[2]))
    writer.write(b"GET /v1/candles/minutes/1?market=KRW-X&count=200 HTTP/1.1\r\nHost: a\r\n\r\n")
    got = b""
    try:
        while len(got) < most and (part := await reader.read(65_536)):
            got += part
    except ConnectionResetError:
        return got, True
    finally:
        writer.transport.abort()
    return got, False


async def test_drop_before(sim: Simulator) -> None:
    """A connection can end before there is any answer."""
    sim.faults.add(faults.drop())
    assert (b"", False) == await raw(sim)
    assert {0: 1} == sim.stats.by_status
    assert 0 == sim.log[-1].status


async def test_drop_in_body(sim: Simulator) -> None:
    """A connection can end half way in a body whose whole length was promised."""
    sim.faults.add(faults.drop("body"))
    got, reset = await raw(sim)
    head, _, body = got.partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
    assert (promised // 2, False) == (len(body), reset)


async def test_reset_after_headers(sim: Simulator) -> None:
    """A connection can be reset after the headers, with next to nothing of the body."""
    sim.faults.add(faults.drop("headers"))
    got, reset = await raw(sim)
    assert reset
    assert len(got.partition(b"\r\n\r\n")[2]) <= 1


async def test_drops_are_errors_to_a_client(sim: Simulator, ask: Any) -> None:
    """An HTTP client takes each of them for an error."""
    for cut in ("before", "headers", "body"):
        sim.faults.clear()
        sim.faults.add(faults.drop(cut))  # type: ignore[arg-type]
        with pytest.raises(aiohttp.ClientError):
            await ask(sim, "minutes/1", **QUERY)


async def test_endless(sim: Simulator) -> None:
    """An endless body ends when the client leaves."""
    sim.faults.add(faults.endless())
    got, reset = await raw(sim, most=1 << 20)
    assert (False, True) == (reset, len(got) >= 1 << 20)
    while sim.stats.simultaneous:
        await asyncio.sleep(0)
    assert 0 == sim.stats.simultaneous


async def test_other_market(sim: Simulator, ask: Any) -> None:
    """All candles may say that they are of another market."""
    sim.faults.add(faults.other_market("KRW-Z"))
    assert ["KRW-Z"] * 5 == [candle["market"] for candle in (await ask(sim, "minutes/1", **QUERY)).candles]


async def test_misaligned(sim: Simulator, ask: Any) -> None:
    """All candles may lie off the grid, in both times."""
    sim.faults.add(faults.misaligned(30))
    reply = await ask(sim, "minutes/1", **QUERY)
    assert "2026-08-31T11:58:30" == reply.opens[0]
    assert "2026-08-31T20:58:30" == reply.candles[0]["candle_date_time_kst"]


async def test_order(sim: Simulator, ask: Any) -> None:
    """Candles may come oldest first, or the newest twice."""
    sim.faults.add(faults.unordered(), times=1)
    assert ["11:55", "11:56", "11:57", "11:58", "11:59"] == await times(sim, ask)
    sim.faults.add(faults.repeated(), times=1)
    assert ["11:59", "11:59", "11:57", "11:56", "11:55"] == await times(sim, ask)


async def test_future(sim: Simulator, ask: Any) -> None:
    """The newest candle may be of a slot that has not begun."""
    sim.faults.add(faults.future())
    assert ["2026-09-01T00:01:00", "2026-08-31T11:58:00"] == (await ask(sim, "minutes/1", **QUERY)).opens[:2]


async def test_values(sim: Simulator, ask: Any) -> None:
    """The newest candle may have a volume below zero, a high below its low, or any other value."""
    sim.faults.add(faults.negative_volume())
    sim.faults.add(faults.high_below_low())
    sim.faults.add(faults.edit("timestamp", '"soon"', index=4))
    candles = (await ask(sim, "minutes/1", **QUERY)).candles
    assert -1 == candles[0]["candle_acc_trade_volume"]
    assert candles[0]["high_price"] < candles[0]["low_price"]
    assert "soon" == candles[4]["timestamp"]
    assert 0 < candles[1]["candle_acc_trade_volume"]


async def test_seam(sim: Simulator, ask: Any) -> None:
    """A page may begin with the candle that opens at ``to``, the last of the page before."""
    sim.faults.add(faults.seam())
    assert ["12:00", "11:59", "11:58", "11:57", "11:56"] == await times(sim, ask)
    assert 404 == (await ask(sim, "days", market="KRW-NONE", to=TO)).status


async def test_dated(sim: Simulator, ask: Any) -> None:
    """A ``Date`` may be off, or missing."""
    sim.faults.add(faults.dated(-5), times=1)
    sim.faults.add(faults.dated(None), times=1, when=lambda asked: asked.number == 2)
    dates = [(await ask(sim, "minutes/1", market="KRW-X")).headers.get("Date") for _ in range(3)]
    assert dates == ["Tue, 01 Sep 2026 00:00:10 GMT", None, "Tue, 01 Sep 2026 00:00:15 GMT"]


async def test_stale(sim: Simulator, ask: Any) -> None:
    """The first page may come again and again, for its own market and timeframe."""
    sim.faults.add(faults.stale())
    first = await times(sim, ask)
    assert first == await times(sim, ask, to="2026-08-31T09:00:00Z")
    assert "09:00" > (await times(sim, ask, market="KRW-Y", to="2026-08-31T09:00:00Z"))[0]


@pytest.mark.parametrize(
    "fault",
    [
        faults.other_market(), faults.misaligned(), faults.unordered(), faults.repeated(), faults.future(),
        faults.nan(), faults.negative_volume(), faults.high_below_low(), faults.seam(),
    ],
)  # fmt: skip
async def test_empty_pages_stay(fault: Fault, sim: Simulator, ask: Any) -> None:
    """Where there are no candles there is nothing to spoil."""
    sim.faults.add(fault)
    reply = await ask(sim, "minutes/1", market="KRW-X", to="2017-01-01T00:00:00Z")
    assert (200, b"[]") == (reply.status, reply.body)
    assert 200 == (await ask(sim, "/v1/market/all")).status


def test_rows_of_an_answer() -> None:
    """An answer gives its candles as texts, and takes others."""
    answer = Answer(body='[{"a":1},{"b":2}]')
    assert ['{"a":1}', '{"b":2}'] == answer.rows
    assert '[{"b":2}]' == answer.with_rows(answer.rows[1:]).body
    assert [[], [], []] == [attrs.evolve(answer, body=body).rows for body in ("[]", '{"error":1}', b"\xff")]
