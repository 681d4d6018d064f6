"""Pieces in the wrong order, exchanges of one's own and callbacks: what is wrong is said by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx

from rxcandles import operators as ops
from rxcandles.errors import ExchangeError, PassingError, RequestError
from rxcandles.model import Request
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Page
from rxcandles.stores import SqliteStore
from tests.support.candlelists import market
from tests.support.fakes import NOW, FakeExchange, row, slots
from tests.support.virtualloop import run_virtual

REQUEST = Request("KRW-BTC", "1m", count=300, now=NOW)
STORE: Any = SqliteStore.__new__(SqliteStore)  # never used: the pieces before it are wrong already
EXCHANGE = FakeExchange(slots(400))
CHUNKS = ops.plan_chunks(REQUEST)
FETCHED = CHUNKS.pipe(ops.fetch(EXCHANGE))
LISTS = reactivex.of(market("1m", range(3)))


async def write(items: Any) -> None:
    return None


@pytest.mark.parametrize(
    ("source", "operator", "words"),
    [
        (FETCHED, ops.recall(STORE), r"ops\.recall takes chunks that are stored, and a Chunk came; put ops\.persist"),
        (CHUNKS, ops.persist(STORE), r"ops\.persist takes chunks that are fetched, and a Chunk came; put ops\.fetch"),
        (FETCHED, ops.skip_stored(STORE), r"ops\.skip_stored takes chunks that are not fetched yet"),
        (FETCHED, ops.fetch(EXCHANGE), r"ops\.fetch takes chunks that are not fetched yet"),
        (LISTS, ops.persist(STORE), r"ops\.persist takes chunks, and a list came; it stands before ops\.recall"),
        (LISTS, ops.fetch(EXCHANGE), r"ops\.fetch takes chunks, and a list came"),
        (LISTS, ops.summarize(), r"ops\.summarize takes chunks"),
        (LISTS, ops.report(print), r"ops\.report takes chunks"),
        (LISTS, ops.guard_plan(5), r"ops\.guard_plan takes chunks"),
        (reactivex.of(REQUEST), ops.fetch(EXCHANGE), r"and a Request came; begin with ops\.plan_chunks\(request\)"),
        (CHUNKS, ops.batch(5), r"ops\.batch takes lists, and a Chunk came; where chunks come, put ops\.recall"),
        (CHUNKS, ops.to_list(5), r"ops\.to_list takes lists, and a Chunk came"),
        (CHUNKS, ops.resample("5m"), r"ops\.resample takes lists of candles, and a Chunk came; put ops\.recall"),
        (CHUNKS, ops.fill_gaps(), r"ops\.fill_gaps takes lists of candles"),
        (CHUNKS, ops.validate(), r"ops\.validate takes lists of candles"),
        (CHUNKS, ops.deduplicate(), r"ops\.deduplicate takes lists of candles"),
        (CHUNKS, ops.between(), r"ops\.between takes lists of candles"),
        (CHUNKS, ops.with_progress(print), r"ops\.with_progress takes lists of candles"),
        (CHUNKS, ops.to_sink(write), r"ops\.to_sink takes lists of candles"),
        (CHUNKS, ops.merge_by_time, r"ops\.merge_by_time takes lists of candles"),
        (LISTS.pipe(rx.map(lambda items: items[0])), ops.resample("5m"), r"a CandleData came; put rx\.map"),
        (
            LISTS.pipe(rx.map(lambda items: (items, None))),
            ops.resample("5m"),
            r"a tuple came; begin with ops\.from_stream",
        ),
        (reactivex.of(5), ops.resample("5m"), r"ops\.resample takes lists of candles, and an int came, 5"),
    ],
)
def test_pieces_in_the_wrong_order(source: Observable[Any], operator: Any, words: str) -> None:
    """The operator, what came and what it takes are named, at the first item."""

    async def scenario() -> None:
        with pytest.raises(RequestError, match=words):
            await asyncio.wait_for(ops.run(source.pipe(operator)), 1)

    run_virtual(scenario())


class Own(FakeExchange):
    """An exchange that fails in its own words, or answers in its own shape, as often as it is told."""

    def __init__(self, fail: Callable[[], Any], times: int = 10**6) -> None:
        super().__init__(slots(400))
        self.fail, self.left = fail, times

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Any:
        page = await super().page(symbol, timeframe, to, count)
        if self.left:
            self.left -= 1
            return self.fail()
        return page


def raises(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


class ReadTimeout(Exception):
    """As HTTP clients have it."""


def collected(exchange: Own) -> Any:
    return ops.run(CHUNKS.pipe(ops.fetch(exchange, retry=ops.Retry(3, base=0.1)), rx.count()))


@pytest.mark.parametrize(
    "error", [ConnectionResetError("reset"), TimeoutError(), ReadTimeout("slow"), OSError("no route")]
)
def test_an_own_exchange_fails_for_a_while(error: Exception) -> None:
    """An ``OSError`` or a timeout is tried again; after the last try it is a ``PassingError`` with market and page."""

    async def scenario() -> None:
        assert await collected(Own(raises(error), 2)) == 2
        words = rf"upbit: KRW-BTC 1m, the page of 200 before 2023.*{type(error).__name__}"
        with pytest.raises(PassingError, match=words) as caught:
            await collected(exchange := Own(raises(error)))
        assert len(exchange.asked) == 3
        assert caught.value.__cause__ is error

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        (raises(KeyError("candles")), r"page\(\) raised KeyError: 'candles'"),
        (raises(ZeroDivisionError()), r"page\(\) raised ZeroDivisionError"),
        (lambda: None, r"is to return a Page, and NoneType came, None; return rxcandles\.Page\(rows\)"),
        (lambda: [row(60)], r"is to return a Page, and list came"),
        (lambda: Page(5), r"a list of rows in its Page, and int came, 5"),  # type: ignore[arg-type]
        (lambda: Page([{"open": 5}]), r"Rows in its Page, and dict came, .*; make a rxcandles\.Row of each"),  # type: ignore[list-item]
        (lambda: Page([tuple(row(60))]), r"Rows in its Page, and tuple came"),  # type: ignore[list-item]
    ],
)
def test_an_own_exchange_is_wrong(fail: Callable[[], Any], words: str) -> None:
    """Any other exception, and what is no page, is an ``ExchangeError`` with market and page, and asked once."""

    async def scenario() -> None:
        with pytest.raises(ExchangeError, match=rf"upbit: KRW-BTC 1m, the page of 200 before 2023.*{words}"):
            await collected(exchange := Own(fail))
        assert len(exchange.asked) == 1

    run_virtual(scenario())


def test_callbacks_are_awaited() -> None:
    """An ``async def`` for progress is awaited; a plain function that returns a coroutine is refused, not forgotten."""

    async def scenario() -> None:
        seen: list[Any] = []

        async def tell(progress: Any) -> None:
            await asyncio.sleep(1)
            seen.append(progress)

        assert await ops.run(FETCHED.pipe(ops.report(tell), rx.count())) == 2
        assert await ops.run(LISTS.pipe(ops.with_progress(tell), rx.count())) == 1
        assert [getattr(each, "current_chunk", None) or each.candles for each in seen] == [1, 2, 3]
        with pytest.raises(RequestError, match="make it an `async def`"):
            await ops.run(FETCHED.pipe(ops.report(lambda progress: tell(progress))))

    run_virtual(scenario())
