"""Faults and illnesses, the same for every face, as a client of Binance's meets them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator import Answer, BinanceSimulator, Fault, Illness, Market, faults
from rxcandles.simulator.faces.binance.form import BINANCE
from rxcandles.simulator.faces.binance.klines import Klines

NOW = 1_788_220_815  # 2026-09-01T00:00:15Z
DAY = 86_400
START = NOW // DAY * DAY - 600
KLINES = "/api/v3/klines"
MINUTE, FIVE = Timeframe.of("1m"), Timeframe.of("5m")
MARKET = Market("XUSDT", 0.3, listed=NOW - 2 * DAY, halts=((NOW - DAY, NOW - DAY + 5000),), base_price=30, dense=True)

SOURCE = Klines(MARKET)

Rows = Callable[..., Awaitable[list[list[Any]]]]


def binance(now: float = NOW, **options: Any) -> BinanceSimulator:
    return BinanceSimulator([MARKET], **{"rate": None, "clock": lambda: now, **options})


@pytest.fixture
def rows(ask: Any) -> Rows:
    """Ask for minutes, which must be served: five from START on, unless other ends are given."""

    async def get(sim: BinanceSimulator, **query: Any) -> list[list[Any]]:
        start = {} if "endTime" in query else {"startTime": START * 1000}
        reply = await ask(sim, KLINES, **{"symbol": "XUSDT", "interval": "1m", "limit": 5, **start, **query})
        assert reply.status == 200, reply.body
        found: list[list[Any]] = json.loads(reply.body)
        return found

    return get


@pytest.mark.parametrize(
    ("fault", "row", "column", "value"),
    [
        (faults.edit("trade_price", "1.5"), -1, 4, "1.5"),
        (faults.edit("taker_volume", "7", index=1), -2, 9, "7"),
        (faults.edit("trades", "0"), -1, 8, 0),
        (faults.edit("high", "null"), -1, 2, None),
        (faults.nan(), -1, 4, "NaN"),
        (faults.negative_volume(), -1, 5, "-1.00000000"),
        (faults.high_below_low(), -1, 2, "0.00000001"),
        (faults.future(), -1, 0, (NOW // 60 + 1) * 60_000),
        (faults.misaligned(7), 0, 0, (START - 7) * 1000),
        (faults.unordered(), 0, 0, (START + 240) * 1000),
    ],
)
async def test_candles_that_are_wrong(fault: Fault, row: int, column: int, value: object, rows: Rows) -> None:
    """A fault does to a row what it does on the other faces, in Binance's way of writing, as often as it was to."""
    async with binance() as sim:
        right = await rows(sim)
        sim.faults.add(fault, times=1)
        wrong = await rows(sim)
        assert (value, 5) == (wrong[row][column], len(wrong))
        assert {59_999} == {each[6] - each[0] for each in wrong}
        assert right == await rows(sim)
        assert {12} == {len(each) for each in wrong}


async def test_other_market(rows: Rows) -> None:
    """Candles of Binance don't say whose they are, so they can't say it wrongly."""
    async with binance() as sim:
        right = await rows(sim)
        sim.faults.add(faults.other_market())
        assert right == await rows(sim)


async def test_repeated(rows: Rows) -> None:
    """The newest candle comes twice, in the place of the one before it."""
    async with binance() as sim:
        right = await rows(sim)
        sim.faults.add(faults.repeated())
        assert [*right[:3], right[4], right[4]] == await rows(sim)


async def test_seam(rows: Rows) -> None:
    """The page repeats what the page before had last: the candle before startTime, or the one after endTime."""
    async with binance() as sim:
        before = await rows(sim, endTime=START * 1000)
        sim.faults.add(faults.seam())
        assert [START - 60, *range(START, START + 240, 60)] == [row[0] // 1000 for row in await rows(sim)]
        short = await rows(sim, startTime=START * 1000, endTime=(START + 60) * 1000)
        assert [START - 60, START, START + 60] == [row[0] // 1000 for row in short]
        assert before == await rows(sim, endTime=START * 1000 - 1)


async def test_half_a_page(rows: Rows) -> None:
    """A fault of one's own takes rows newest first and may leave some out, whatever order they are sent in."""
    async with binance() as sim:
        right = await rows(sim)
        sim.faults.add(lambda _, answer: answer.with_rows(answer.rows[:2]))
        assert right[3:] == await rows(sim)
        assert 2 == sim.log[-1].rows


async def test_revised(rows: Rows) -> None:
    """A candle that comes again has another volume, the same from then on; one that was not sent yet is right."""
    async with binance() as sim:
        sim.faults.add(faults.revised())
        first = await rows(sim)
        again = await rows(sim, limit=6)
        assert [2 * float(row[5]) for row in first] == [float(row[5]) for row in again[:5]]
        assert [[*row[:5], *row[6:]] for row in first] == [[*row[:5], *row[6:]] for row in again[:5]]
        assert again[:5] == await rows(sim)
        assert MARKET.rows("1m", START + 300, START + 360)[0].volume == float(again[5][5])


@pytest.mark.parametrize(
    ("fault", "status", "after", "starts"),
    [
        (faults.status(503), 503, None, b""),
        (faults.limited(), 429, "45", b'{"code":-1003,"msg":"Too much request weight used;'),
        (faults.limited({"Retry-After": "1"}), 429, "1", b'{"code":-1003'),
        (faults.banned(300), 418, "300", b'{"code":-1003,"msg":"Way too much request weight used; IP banned until'),
        (faults.waf(), 403, None, b"<html>\r\n<head><title>403 Forbidden</title></head>"),
        (faults.html(), 200, None, b"<!DOCTYPE html>"),
        (faults.error_object(), 200, None, b'{"code":-1000,"msg":"Invalid parameter.'),
        (faults.garbage(), 200, None, b"\x00"),
        (faults.truncated(), 200, None, b"[["),
    ],
)
async def test_whole_answers(fault: Fault, status: int, after: str | None, starts: bytes, ask: Any) -> None:
    """Refusals and errors on demand are in Binance's words, with its Retry-After."""
    async with binance() as sim:
        sim.faults.add(fault)
        reply = await ask(sim, KLINES, symbol="XUSDT", interval="1m", limit=5)
        assert (status, after) == (reply.status, reply.headers.get("Retry-After"))
        assert reply.body.startswith(starts)


async def test_lost_connections(ask: Any) -> None:
    """A connection is cut before the answer or in it, as on every face."""
    async with binance() as sim:
        cuts: list[Fault] = [faults.drop("before"), faults.drop("headers"), faults.drop("body")]
        for cut in cuts:
            sim.faults.clear()
            sim.faults.add(cut)  # every time, since aiohttp asks once more where it had connected before
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await ask(sim, KLINES, symbol="XUSDT", interval="1m", limit=1000)
        assert {0} == set(sim.stats.by_status)


# Illnesses.

near = st.integers(NOW - 2000, NOW + 120)
times = st.integers(NOW - 2 * DAY - 3600, NOW + 3600) | near
spans = st.builds(lambda start, length: (start, start + length), times, st.integers(1, 60) | st.integers(1, DAY))
illnesses = st.builds(
    Illness,
    lag=st.sampled_from([0, 6, 60, 0.5]) | st.integers(0, 3 * DAY),
    lost=st.lists(spans, max_size=3).map(tuple),
    keeps=st.none() | st.integers(0, 3 * DAY),
    without_newest=st.integers(0, 3) | st.integers(0, 300),
    late=st.sampled_from([0, 6, 0.25, 60, 400]),
)


def view(illness: Illness, frame: Timeframe, now: float) -> dict[float, str]:
    """All rows that a replica has, by open time, the slow and obvious way."""
    now -= illness.lag
    has: dict[float, str] = {}
    for candle in MARKET.candles(frame, 0, now + 1, now=now):
        opened, end = candle.open_time, frame.shift(candle.open_time, 1)
        if any(start <= opened and end <= stop for start, stop in illness.lost):
            continue
        if illness.keeps is not None and now - opened > illness.keeps:
            continue
        then = min(now, max(opened, end - illness.late)) if now < end + illness.late else now
        for row in BINANCE.rows(SOURCE.newest(frame, opened + 1, 1, then).text):
            if BINANCE.opened(row) == opened:
                has[opened] = row
    return has


@settings(max_examples=40, deadline=None)
@given(
    illness=illnesses,
    since=st.none() | times,
    to=st.just(inf) | times,
    count=st.integers(1, 200),
    now=st.integers(NOW - 600, NOW + 600) | st.floats(NOW - 60, NOW + 60),
)
def test_replica(illness: Illness, since: int | None, to: float, count: int, now: float) -> None:
    """Whatever a replica lacks, the page is the oldest or the newest of what it has, row for row."""
    has = view(illness, FIVE, now)
    there = [row for opened, row in has.items() if (-inf if since is None else since) <= opened < to]
    source, left_out = SOURCE, illness.without_newest
    if since is None:
        served = illness.newest(source, FIVE, to, count, now, BINANCE)
        expected = there[: max(0, len(there) - left_out)][-count:]
    else:
        served = illness.oldest(source, FIVE, since, to, count, now, BINANCE)
        expected = there[:count][: max(0, min(count, len(there)) - left_out)]
    assert (expected, len(expected)) == (BINANCE.rows(served.text)[::-1], served.rows)


async def test_maintenance(rows: Rows, ask: Any) -> None:
    """An empty replica answers all with an empty list and status 200; the log says that it was ill."""
    async with binance() as sim:
        sim.illnesses.add(Illness(empty=True))
        assert [] == await rows(sim)
        assert b"[]" == (await ask(sim, "/api/v3/exchangeInfo")).body
        assert (True, START) == (sim.log[-1].ill, sim.log[-1].since)


async def test_answers_of_ones_own(rows: Rows) -> None:
    """A fault that makes an answer from nothing is sent as it is, and sees where the page begins."""
    async with binance() as sim:
        sim.faults.add(lambda asked, _: Answer(body=f"[[{asked.since}]]"))
        assert [[START]] == await rows(sim)
