"""Every mode, cancelled at every point where it waits: nothing runs on, nothing is half stored, and it can go on.

On the virtual clock, with a real SQLite file whose statements are run in place, so that each run takes the same turns
of the loop and each of them is visited.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.timeframe import to_datetime
from rxcandles.stores.sqlite.connection import Connection
from tests.support.fakes import MINUTE, NEWEST, FakeExchange, slots
from tests.support.virtualloop import VirtualLoop

TIMES = slots(130, 0.8, seed=2)
ASKED: dict[str, Any] = {"symbol": "KRW-BTC", "timeframe": "1m", "count": 100, "to": to_datetime(NEWEST + MINUTE)}

Mode = Callable[[rxcandles.CandleDataProvider], Awaitable[object]]


async def _storage(provider: rxcandles.CandleDataProvider) -> object:
    return await provider.collect_candles_only(**ASKED)


async def _collection(provider: rxcandles.CandleDataProvider) -> object:
    return await provider.get_candles(**ASKED)


async def _oldest_first(provider: rxcandles.CandleDataProvider) -> object:
    asked = {**ASKED, "count": None, "end": to_datetime(TIMES[40])}
    return await provider.get_candles(**asked, order="oldest_first")


async def _streaming(provider: rxcandles.CandleDataProvider) -> object:
    config = rxcandles.StreamingConfig(chunk_yield_size=15, buffer_chunks=1)
    async with provider.stream_candles(**ASKED, config=config) as stream:
        async for _ in stream:
            await asyncio.sleep(0.1)
    return None


async def _many(provider: rxcandles.CandleDataProvider) -> object:
    requests = [rxcandles.Request(symbol, "1m", count=60, to=ASKED["to"]) for symbol in ("KRW-BTC", "KRW-ETH")]
    return await provider.collect_many(requests)


MODES: dict[str, Mode] = {
    "storage-only": _storage,
    "collection": _collection,
    "oldest first": _oldest_first,
    "streaming": _streaming,
    "many": _many,
}


async def _in_place(self: Connection, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    await asyncio.sleep(0)
    connection: Any = self._conn
    result = work(connection, *arguments, **named)
    await asyncio.sleep(0)
    return result


class _Turning(VirtualLoop):
    """A loop that counts its turns, and does something at a certain one."""

    turns = 0
    last: int | None = None
    end: Callable[[], object] = staticmethod(lambda: None)

    def _run_once(self) -> None:
        if self.turns == self.last:
            self.end()
        self.turns += 1
        super()._run_once()  # type: ignore[misc]


def _turning(run: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=_Turning) as runner:
        return runner.run(run)


class _Run:
    """One run of a mode on a file, cancelled after so many turns of the loop, or never."""

    def __init__(self, path: Path, mode: Mode, cursors: int) -> None:
        self.path = path
        self.mode = mode
        self.cursors = cursors

    async def __call__(self, turns: int | None) -> int:
        """Return the turns that were taken."""
        exchange = FakeExchange(TIMES, latency=0.05)
        exchange.page_limit = 20
        limiter = SlidingWindowLimiter(10)
        connected = sqlite3.connect

        def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
            return connected(*arguments, **named, check_same_thread=False)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite3, "connect", connect)
            store = await rxcandles.SqliteStore.open(self.path)
            patch.setattr(Connection, "call", _in_place)
            provider = rxcandles.CandleDataProvider(store, exchange, limiter, cursors=self.cursors)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, _Turning)
            task: asyncio.Future[object] = asyncio.ensure_future(self.mode(provider))
            loop.turns, loop.last, loop.end = 0, turns, task.cancel
            (result,) = await asyncio.gather(task, return_exceptions=True)
            taken, loop.last = loop.turns, None
            assert not isinstance(result, Exception), repr(result)
            others = asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]
            assert not others, f"after {turns} turns: {others}"
            assert exchange.under_way == 0
            assert limiter.stats().waiting == 0
            inner: Any = store._open._conn
            assert not inner.in_transaction
            await store.close()
        _whole(self.path)
        return taken


def _whole(path: Path) -> None:
    """The ledger is true: what it calls covered is there, and nothing else is."""
    with closing(sqlite3.connect(path)) as database:
        for (number,) in database.execute("SELECT id FROM series").fetchall():
            spans = database.execute("SELECT start, stop, rows FROM coverage WHERE series = ?", (number,)).fetchall()
            rows = {row[0] for row in database.execute("SELECT open_time FROM candles WHERE series = ?", (number,))}
            covered = {time for time in TIMES for start, stop, _ in spans if start <= time < stop}
            assert rows == covered
            assert sum(count for *_, count in spans) == len(rows)


@pytest.mark.parametrize("cursors", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_cancelled_anywhere(mode: str, cursors: int, tmp_path: Path) -> None:
    """Cancelled after any number of turns, a mode leaves no task, no request, no transaction and a true ledger."""
    turns = _turning(_Run(tmp_path / "whole.db", MODES[mode], cursors)(None))
    assert turns > 40
    visited = 0
    for number in range(turns):
        taken = _turning(_Run(tmp_path / f"{number}.db", MODES[mode], cursors)(number))
        assert number <= taken
        visited += 1
    assert visited >= 40
    # What was cancelled goes on: from the last file everything comes.
    _turning(_Run(tmp_path / f"{turns // 2}.db", MODES[mode], cursors)(None))
    with closing(sqlite3.connect(tmp_path / f"{turns // 2}.db")) as database:
        (held,) = database.execute("SELECT count(*) FROM candles WHERE series = 1").fetchone()
    assert held >= (60 if mode == "many" else 90 if mode == "oldest first" else 100)
