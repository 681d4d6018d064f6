"""Imported candles are never taken for proven: the exchange is asked all the same, and its word counts."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles import MarkedRow, RequestError, Row, SqliteStore, Timeframe, import_candles
from rxcandles.events import EVENTS
from rxcandles.model.timeframe import to_datetime
from rxcandles.simulator import Market, Simulator
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sqlite import schema
from tests.support.audit import Truth, audit

T = 1_704_067_200  # 2024-01-01
NOW = T + 86_400
MINUTE = Timeframe.of("1m")
MARKET = Market("KRW-D900", 0.9)
TRUTH = Truth({"KRW-D900": MARKET}.__getitem__, since=T - 86_400)


def row(slot: int, variant: int) -> Row:
    return Row(T + 60 * slot, 5.0, 9.0, 4.0, 5.0 + variant, 1.0, 0.0, (T + 60 * slot) * 1000)


def ccxt(rows: list[Row]) -> list[list[float]]:
    return [[each.open_time * 1000, *each[1:6]] for each in rows]


async def everything(store: SqliteStore, symbol: str = "KRW-BTC") -> list[MarkedRow]:
    return await store.rows_with_imported(symbol, MINUTE, T, NOW, "oldest_first", 10**6)


async def test_the_exchange_is_still_asked(tmp_path: Path) -> None:
    """A collection over imported candles sends and stores what it would without them, and then they are gone."""
    real = TRUTH.rows("KRW-D900", "1m", T, T + 3600)
    wrong = [each._replace(close=each.low) for each in real]
    asked: dict[str, Any] = {
        "symbol": "KRW-D900",
        "timeframe": "1m",
        "to": to_datetime(T + 1800),
        "end": to_datetime(T),
    }
    async with (
        Simulator([MARKET], rate=None, clock=lambda: NOW) as simulator,
        rxcandles.connect(tmp_path / "candles.db", "simulated", simulator.base_url, rate_limit=None) as provider,
    ):
        store: Any = provider.repository
        await import_candles(store, "KRW-D900", "1m", ccxt(wrong))
        assert await store.count("KRW-D900", MINUTE, 0, NOW) == len(await store.series()) == 0
        assert await store.coverage("KRW-D900", MINUTE, 0, NOW) == []
        held = await provider.get_candles(**asked, order="oldest_first")
        assert [each.row for each in held] == TRUTH.rows("KRW-D900", "1m", T, T + 1800)
        assert simulator.stats.requests > 0
        left = [each for each in wrong if each.open_time >= T + 1800]
        assert await store.imported_count("KRW-D900", MINUTE, 0, NOW) == len(left)
        found = await everything(store, "KRW-D900")
        assert [each[:5] for each in found] == [each[:5] for each in (*(each.row for each in held), *left)]
        assert [each.proven for each in found] == [True] * len(held) + [False] * len(left)
        report = await import_candles(store, "KRW-D900", "1m", ccxt(wrong))
        assert (report.new, report.same, report.covered) == (0, len(left), len(held))
        assert report.differing == sum(each.close != each.low for each in real if each.open_time < T + 1800)
        async with provider.stream_candles(**asked) as stream:
            assert sum([len(chunk) async for chunk, _ in stream]) == len(held)
    assert audit(tmp_path / "candles.db", TRUTH, NOW) >= len(held)


SLOTS = st.dictionaries(st.integers(0, 15), st.integers(0, 1), min_size=1, max_size=10)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("import"), SLOTS, st.booleans()),
        st.tuples(st.just("prove"), SLOTS, st.tuples(st.integers(0, 15), st.integers(1, 8))),
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[asyncio.Runner, SqliteStore]]:
    """A store that is open, with the loop it belongs to."""
    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(":memory:"))
        yield runner, store
        runner.run(store.close())


NUMBERS = count()


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_like_two_dictionaries(opened: tuple[asyncio.Runner, SqliteStore], steps: list[Any]) -> None:
    """However imports and pages follow each other, each candle is there once, proven where it was ever proven."""
    runner, store = opened
    symbol = f"KRW-T{next(NUMBERS)}"
    proven: dict[int, int | None] = {}
    imported: dict[int, int] = {}

    async def live() -> None:
        for step, slots, how in steps:
            if step == "prove":
                start, stop = how[0], how[0] + how[1]
                rows = [row(slot, slots[slot]) for slot in sorted(slots, reverse=True) if start <= slot < stop]
                await store.write(symbol, MINUTE, rows, (T + 60 * start, T + 60 * stop))
                for slot in range(start, stop):
                    proven[slot] = slots.get(slot, proven.get(slot))  # what is stored stays
                    imported.pop(slot, None)
            else:
                await take(slots, replace=how)
            expected = {slot: variant for slot, variant in proven.items() if variant is not None} | imported
            assert [(each.open_time, each.close, each.proven) for each in await everything(store, symbol)] == [
                (T + 60 * slot, 5.0 + expected[slot], slot in proven) for slot in sorted(expected)
            ]
            assert await store.imported_count(symbol, MINUTE, 0, NOW) == len(imported)
            assert sum(each.left for each in await store.imports() if each.symbol == symbol) == len(imported)

    async def take(slots: dict[int, int], *, replace: bool) -> None:
        rows = ccxt([row(*each) for each in slots.items()])
        free = {slot: variant for slot, variant in slots.items() if slot not in proven}
        other = [slot for slot in free if imported.get(slot, free[slot]) != free[slot]]
        if other and not replace:
            with pytest.raises(
                RequestError, match=r"the list, row \d+: .* in what was imported from the list; replace"
            ):
                await import_candles(store, symbol, "1m", rows)
            return
        report = await import_candles(store, symbol, "1m", rows, replace=replace)
        assert (report.replaced, report.covered) == (len(other), len(slots) - len(free))
        assert report.new == len(free.keys() - imported.keys()) + len(other)
        assert report.new + report.same + report.covered == report.rows == len(slots)
        assert report.differing == sum(slot in proven and proven[slot] != slots[slot] for slot in slots)
        imported.update(free)

    runner.run(live())


async def test_twice_changes_nothing(tmp_path: Path) -> None:
    """Importing the same file once more leaves the database as it was; the first import is on record, with its hash."""
    path = tmp_path / "theirs.csv"
    path.write_text("time,open,high,low,close,volume\n2024-01-01,5,6,4,5,1\n2024-01-01,5,6,4,5,1\n")
    async with SqliteStore(tmp_path / "candles.db") as store:
        first = await import_candles(store, "KRW-BTC", "1m", path)
        assert (first.rows, first.new, first.repeated) == (2, 1, 1)
        with closing(sqlite3.connect(store.path)) as database:
            before = list(database.iterdump())
            second = await import_candles(store, "KRW-BTC", "1m", path)
            assert (second.new, second.same) == (0, 1)
            assert list(database.iterdump()) == before
            assert database.execute("SELECT source, open_time_utc, close FROM imported_readable").fetchall() == [
                (str(path), "2024-01-01 00:00:00", 5.0)
            ]
        (record,) = await store.imports()
    assert record[:6] == ("upbit", "KRW-BTC", "1m", str(path), "csv", 1)
    assert record.sha256 is not None
    assert (len(record.sha256), record.left) == (64, 1)


async def test_what_one_file_does_not_have(tmp_path: Path) -> None:
    """A file without turnover contradicts none that has it, and takes nothing away."""
    path = tmp_path / "theirs.csv"
    path.write_text("time,open,high,low,close,volume,turnover\n2024-01-01,5,6,4,5,1,7\n")
    async with SqliteStore(":memory:") as store:
        await import_candles(store, "KRW-BTC", "1m", path)
        assert (await import_candles(store, "KRW-BTC", "1m", [[T * 1000, 5, 6, 4, 5, 1]])).same == 1
        assert [each.turnover for each in await everything(store)] == [7.0]


async def test_log(caplog: pytest.LogCaptureFixture) -> None:
    """An import is one record of the log, with what became of it."""
    caplog.set_level("INFO", "rxcandles.store")
    async with SqliteStore(":memory:") as store:
        await store.write("KRW-BTC", MINUTE, [], (T, T + 120))
        await import_candles(store, "KRW-BTC", "1m", ccxt([row(slot, 1) for slot in range(8)]))
    (record,) = [each for each in caplog.records if getattr(each, "event", "") == "import"]
    fields = {name: getattr(record, name) for name in EVENTS["import"].__annotations__ if name != "seconds"}
    assert fields == {
        "event": "import", "exchange": "upbit", "symbol": "KRW-BTC", "timeframe": "1m", "source": "the list",
        "format": "ccxt", "new": 6, "covered": 2, "differing": 2,
    }  # fmt: skip


async def test_older_version(tmp_path: Path) -> None:
    """A file of version 2 is brought up to date with all its data, and takes imports then."""
    path = tmp_path / "candles.db"
    rows = [row(slot, 0) for slot in range(5)]
    with closing(sqlite3.connect(path)) as database:
        for statement in (*schema.MIGRATIONS[0], *schema.MIGRATIONS[1]):
            database.execute(statement)
        database.execute("INSERT INTO series VALUES (7, 'upbit', 'KRW-BTC', '1m')")
        database.executemany(f"INSERT INTO candles VALUES (7, {', '.join('?' * len(COLUMNS))})", rows)
        database.execute("INSERT INTO coverage VALUES (7, ?, ?, 5)", (T, T + 300))
        database.execute("PRAGMA user_version = 2")
        database.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        database.commit()
    async with SqliteStore(path) as store:
        assert await store.rows("KRW-BTC", MINUTE, 0, NOW, "oldest_first", 9) == rows
        report = await import_candles(store, "KRW-BTC", "1m", ccxt([row(slot, 0) for slot in range(3, 8)]))
        assert (report.new, report.covered, report.differing) == (3, 2, 0)
        assert [each.proven for each in await everything(store)] == [True] * 5 + [False] * 3
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


async def test_verified_and_saved(tmp_path: Path) -> None:
    """A file with imports is in order to ``verify``, and what is saved of a file has them too."""
    path, saved = tmp_path / "candles.db", tmp_path / "saved.db"
    async with SqliteStore(path, exchange="simulated") as store:
        await store.write("KRW-BTC", MINUTE, [row(0, 0)], (T, T + 60))
        await import_candles(store, "KRW-BTC", "1m", ccxt([row(slot, 1) for slot in range(8)]))
        before, imports = await everything(store), await store.imports()
    report = await rxcandles.verify(path)
    assert (report.clean, report.candles) == (True, 1)
    await rxcandles.repair(path, "simulated", into=saved)
    async with SqliteStore(saved, exchange="simulated") as store:
        assert await everything(store) == before
        assert await store.imports() == imports
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE imported")
    assert [each.kind for each in (await rxcandles.verify(path)).findings] == ["wrong_schema"]


class Halting(list[Any]):
    """A list that stops in its middle until it is let go."""

    def __init__(self, rows: list[Any], middle: int) -> None:
        super().__init__(rows)
        self._middle = middle
        self.reached, self.go = threading.Event(), threading.Event()
        self.taken = 0

    def __iter__(self) -> Any:
        for each in super().__iter__():
            self.taken += 1
            if self.taken == self._middle:
                self.reached.set()
                self.go.wait()
            yield each


async def test_cancelled() -> None:
    """An import that is cancelled stops reading soon, and stores nothing."""
    rows = Halting(ccxt([row(slot, 0) for slot in range(1000)]) * 50, 12_000)
    async with SqliteStore(":memory:") as store:
        importing = asyncio.ensure_future(import_candles(store, "KRW-BTC", "1m", rows))
        await asyncio.to_thread(rows.reached.wait)
        importing.cancel()
        await asyncio.sleep(0)
        rows.go.set()
        with pytest.raises(asyncio.CancelledError):
            await importing
        assert rows.taken <= 15_000
        assert await everything(store) == []
        assert await store.imports() == []


async def test_two_at_once(tmp_path: Path) -> None:
    """Two imports into one file, also through two stores, don't disturb each other or a page."""
    async with SqliteStore(tmp_path / "c.db") as one, SqliteStore(tmp_path / "c.db") as other:
        await asyncio.gather(
            import_candles(one, "KRW-BTC", "1m", ccxt([row(slot, 0) for slot in range(500)])),
            import_candles(other, "KRW-BTC", "1m", ccxt([row(slot, 0) for slot in range(250, 750)])),
            import_candles(one, "KRW-ETH", "1m", ccxt([row(slot, 1) for slot in range(500)])),
            one.write("KRW-BTC", MINUTE, [row(10, 1)], (T, T + 1200)),
        )
        assert [each.proven for each in await everything(other)] == [True] + [False] * 730
        assert len(await everything(one, "KRW-ETH")) == 500
