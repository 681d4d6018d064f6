"""What is in flight is waited for, in a process and between processes on one file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles.errors import ServerError
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.operators import Retry
from rxcandles.stores import SqliteStore
from tests.support.fakes import MINUTE, NEWEST, NOW, FakeExchange, slots

FRAME = Timeframe.of("1m")
ASKED: dict[str, Any] = {"symbol": "KRW-BTC", "timeframe": "1m"}
END = NEWEST + MINUTE
AT_ONCE = Retry(attempts=2, base=0.0, longest=0.0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "candles.db") as opened:
        yield opened


def provider(store: SqliteStore, exchange: FakeExchange, cursors: int = 2) -> rxcandles.CandleDataProvider:
    return rxcandles.CandleDataProvider(
        store, exchange, rxcandles.SlidingWindowLimiter(None), retry=AT_ONCE, cursors=cursors
    )


def ends(newer: int, older: int) -> dict[str, Any]:
    """Slots back from now."""
    return {**ASKED, "to": to_datetime(END - newer * MINUTE), "end": to_datetime(END - older * MINUTE)}


async def listed(of: rxcandles.CandleDataProvider, **asked: Any) -> list[rxcandles.CandleData]:
    return list(await of.get_candles(**asked))


async def streamed(of: rxcandles.CandleDataProvider, **asked: Any) -> list[rxcandles.CandleData]:
    async with of.stream_candles(**asked) as stream:
        return [each async for candles, _ in stream for each in candles]


@pytest.mark.parametrize("cursors", [1, 2, 4])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_the_same_four_times(store: SqliteStore, cursors: int, order: str) -> None:
    """Four calls at once, lists and streams, cost the requests of one, and each has every candle in its order."""
    exchange = FakeExchange(slots(4000), latency=0.002)
    at_once = provider(store, exchange, cursors)
    asked = {**ends(0, 3000), "order": order}
    answers = await asyncio.gather(*(how(at_once, **asked) for how in (listed, streamed, listed, streamed)))
    assert [len(each) for each in answers] == [3000] * 4
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert len(exchange.asked) <= 15 + (cursors > 2)  # where the cuts of many cursors differ, a page may be two


async def test_parts_of_each_other(store: SqliteStore) -> None:
    """Calls that want some of what others fetch cost no page more than there are between them."""
    exchange = FakeExchange(slots(6000), latency=0.002)
    at_once = provider(store, exchange)
    stretches = [(0, 2000), (1000, 3000), (1900, 2100), (0, 4000)]
    answers = await asyncio.gather(*(listed(at_once, **ends(*each)) for each in stretches))
    assert [len(each) for each in answers] == [2000, 2000, 200, 4000]
    assert len(exchange.asked) <= 20 + len(stretches)


async def test_what_was_stored_meanwhile(store: SqliteStore) -> None:
    """A slow stream looks again before each page: what another call has stored since costs it nothing."""
    exchange = FakeExchange(slots(6000))
    at_once = provider(store, exchange, cursors=1)
    async with at_once.stream_candles(
        **ends(0, 4000), config=rxcandles.StreamingConfig(chunk_yield_size=200, buffer_chunks=1)
    ) as stream:
        first, _ = await anext(stream)
        await listed(at_once, **ends(0, 4000))
        assert len(exchange.asked) == 20
        assert len(first) + sum([len(candles) async for candles, _ in stream]) == 4000
    assert len(exchange.asked) == 20


async def test_a_stream_that_stands_still(store: SqliteStore) -> None:
    """It keeps nobody waiting: what it has in flight is stored, and what it has not asked for is free."""
    exchange = FakeExchange(slots(6000))
    at_once = provider(store, exchange)
    config = rxcandles.StreamingConfig(chunk_yield_size=100, buffer_chunks=1)
    one, other = (at_once.stream_candles(**ends(0, 3000), config=config) for _ in range(2))
    async with one, other:
        await anext(one)
        await anext(other)
        async with asyncio.timeout(20):
            assert len(await listed(at_once, **ends(0, 3000))) == 3000
    assert len(exchange.asked) <= 15 + 1


async def test_the_leader_is_cancelled(store: SqliteStore) -> None:
    """One of those that wait goes on in its place."""
    exchange = FakeExchange(slots(4000), latency=0.005)
    at_once = provider(store, exchange, cursors=1)
    leader, *others = [asyncio.create_task(listed(at_once, **ends(0, 1000))) for _ in range(3)]
    while not exchange.asked:
        await asyncio.sleep(0)
    leader.cancel()
    assert [len(each) for each in await asyncio.gather(*others)] == [1000, 1000]
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert len(exchange.asked) <= 5 + 1


async def test_the_leader_fails(store: SqliteStore) -> None:
    """All that waited fail with it, each with an error and a traceback of its own; the next call is asked anew."""
    exchange = FakeExchange(slots(4000), latency=0.002)

    def fail(to: int, count: int) -> None:
        raise ServerError("out of order")

    exchange.before = fail
    at_once = provider(store, exchange, cursors=1)
    errors = await asyncio.gather(*(listed(at_once, **ends(0, 1000)) for _ in range(4)), return_exceptions=True)
    assert [type(each) for each in errors] == [ServerError] * 4
    assert len({id(each) for each in errors}) == len({id(each.__traceback__) for each in errors}) == 4  # type: ignore[union-attr]
    assert len(exchange.asked) == AT_ONCE.attempts
    exchange.before = lambda to, count: None
    assert len(await listed(at_once, **ends(0, 1000))) == 1000


async def test_asked_anew_is_not_satisfied_by_what_was_stored(store: SqliteStore) -> None:
    """``refetch`` asks for all of it, whatever others have in flight."""
    exchange = FakeExchange(slots(4000), latency=0.002)
    at_once = provider(store, exchange, cursors=1)
    _, anew = await asyncio.gather(
        listed(at_once, **ends(0, 1000)), at_once.collect_candles_only(**ends(0, 1000), refetch=True)
    )
    assert anew.api_calls_made >= 5


async def test_two_stores_on_one_file(tmp_path: Path) -> None:
    """As two processes: together they cost what one does; nothing of the reservations is left in the file."""
    exchange = FakeExchange(slots(4000), latency=0.002)
    async with SqliteStore(tmp_path / "a.db") as one, SqliteStore(tmp_path / "a.db") as two:
        answers = await asyncio.gather(
            *(listed(provider(store, exchange, cursors), **ends(0, 3000)) for store, cursors in ((one, 2), (two, 1)))
        )
    assert [len(each) for each in answers] == [3000, 3000]
    assert len(exchange.asked) <= 16
    with closing(sqlite3.connect(tmp_path / "a.db")) as file:
        assert not file.execute("SELECT name FROM sqlite_master WHERE name = 'reservations'").fetchall()


async def test_reservations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reservation keeps others off its span for its time, then it is nobody's, whatever a wrong clock has written."""
    now = [NOW]
    monkeypatch.setattr("time.time", lambda: now[0])
    async with SqliteStore(tmp_path / "a.db") as one, SqliteStore(tmp_path / "a.db") as two:
        assert await one.reserve("KRW-BTC", FRAME, (600, 1200), (0, 1200), 2.0) == (0.0, False)
        assert await one.reserve("KRW-BTC", FRAME, (0, 600), (0, 600), 2.0) == (0.0, False)
        assert (await two.reserve("KRW-BTC", FRAME, (1140, 1800), (0, 1800), 2.0)).left == 0.0
        assert (await two.reserve("KRW-BTC", FRAME, (540, 660), (540, 660), 2.0)).left == pytest.approx(2.0)
        assert await two.reserve("KRW-BTC", FRAME, (1200, 1800), (1200, 1800), 2.0) == (0.0, False)
        assert await two.reserve("KRW-ETH", FRAME, (0, 600), (0, 600), 9.0) == (0.0, False)
        now[0] += 2.5
        assert await two.reserve("KRW-BTC", FRAME, (0, 600), (0, 600), 9.0) == (0.0, False)
        assert (await one.reserve("KRW-BTC", FRAME, (0, 600), (0, 600), 1.0)).left == pytest.approx(3.0)
        now[0] -= 3600  # what was written then would last for an hour
        assert await one.reserve("KRW-BTC", FRAME, (0, 600), (0, 600), 1.0) == (0.0, False)
        await one.write("KRW-BTC", FRAME, [], (0, 600))
        assert await one.reserve("KRW-BTC", FRAME, (0, 600), (0, 600), 1.0) == (0.0, True)
