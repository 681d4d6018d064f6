"""What every candle store keeps to, held against an obvious model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxcandles import stored_candles, to_arrow
from rxcandles.errors import RequestError, StoreError
from rxcandles.model import Row
from rxcandles.model.claims import Absence, Claim, ConfirmTimes
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.ports import CandleStore, Covered, Series, with_imported
from rxcandles.stores import SqliteStore
from rxcandles.stores.postgres.store import PostgresStore
from rxcandles.stores.sql.reader import SqlReader
from rxcandles.stores.sql.store import SqlStore

MINUTE = Timeframe.of("1m")
SYMBOL = "KRW-BTC"


def row(slot: int, price: float = 100.5) -> Row:
    return Row(slot * 60, price, price + 2, price - 2, price + 1, 1.25, 125.0, slot * 60_000 + 59_000)


@pytest.fixture(params=["file", "memory", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CandleStore]:
    if request.param == "postgres":
        made: SqlStore = PostgresStore(request.getfixturevalue("shared_postgres_url"))
    else:
        made = SqliteStore(tmp_path / "candles.db" if request.param == "file" else ":memory:")
    async with made as opened:
        assert isinstance(opened, CandleStore)
        yield opened


async def test_empty(store: CandleStore) -> None:
    """An empty store has nothing, and says so without an error."""
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**10) == []
    assert await store.count(SYMBOL, MINUTE, 0, 10**10) == 0
    assert await store.nth_newest(SYMBOL, MINUTE, 0, 10**10, 1) is None
    assert await store.rows(SYMBOL, MINUTE, 0, 10**10, "newest_first", 10) == []
    assert await store.series() == []


async def test_candles_and_coverage_together(store: CandleStore) -> None:
    """What was written is read back whole, and its span is covered with its number of rows."""
    rows = [row(7), row(5), row(4)]
    await store.write(SYMBOL, MINUTE, rows, (240, 480))
    assert await store.rows(SYMBOL, MINUTE, 0, 10**6, "newest_first", 10) == rows
    assert await store.rows(SYMBOL, MINUTE, 0, 10**6, "oldest_first", 10) == rows[::-1]
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**6) == [Covered(240, 480, 3)]
    assert await store.series() == [Series("upbit", SYMBOL, "1m")]


async def test_day_fields(store: CandleStore) -> None:
    """The fields of day candles are kept, exactly."""
    day = Timeframe.of("1d")
    full = Row(86400, 1.0, 2.0, 0.5, 1.5, 3.0, 4509244554633.8315, 172800123, 0.9, 0.6, 0.6666666667)
    await store.write(SYMBOL, day, [full], (86400, 2 * 86400))
    assert await store.rows(SYMBOL, day, 0, 10**6, "newest_first", 10) == [full]


async def test_some_day_fields(store: CandleStore) -> None:
    """A page of which only some candles have the day's fields keeps them, and loses none of the others."""
    day = Timeframe.of("1d")
    plain = row(1440)._replace(timestamp=86_500_000)
    full = plain._replace(open_time=2 * 86400, change_price=0.5)
    await store.write(SYMBOL, day, [full, plain], (86400, 3 * 86400))
    assert await store.rows(SYMBOL, day, 0, 10**6, "newest_first", 10) == [full, plain]


async def test_adjacent_spans_become_one(store: CandleStore) -> None:
    """Spans that touch are one lookup."""
    await store.write(SYMBOL, MINUTE, [row(5)], (300, 360))
    await store.write(SYMBOL, MINUTE, [row(9)], (540, 600))
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**6) == [Covered(540, 600, 1), Covered(300, 360, 1)]
    await store.write(SYMBOL, MINUTE, [row(6)], (360, 540))
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**6) == [Covered(300, 600, 3)]


async def test_proven_empty(store: CandleStore) -> None:
    """A span without a candle is covered, down to the beginning of time."""
    await store.write(SYMBOL, MINUTE, [], (0, 600))
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**6) == [Covered(0, 600, 0)]


async def test_written_again(store: CandleStore) -> None:
    """The same page again changes nothing; a revised candle replaces the old one; a late one is counted."""
    await store.write(SYMBOL, MINUTE, [row(6), row(5)], (300, 480))
    await store.write(SYMBOL, MINUTE, [row(6), row(5)], (300, 480))
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**6) == [Covered(300, 480, 2)]
    await store.write(SYMBOL, MINUTE, [row(7, 70.0), row(6, 60.0)], (360, 480))
    assert await store.rows(SYMBOL, MINUTE, 0, 10**6, "oldest_first", 9) == [row(5), row(6, 60.0), row(7, 70.0)]
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**6) == [Covered(300, 480, 3)]


async def test_series_apart(store: CandleStore) -> None:
    """Symbols and timeframes don't mix; a minute is not a month."""
    await store.write(SYMBOL, MINUTE, [row(5)], (300, 360))
    await store.write(SYMBOL, Timeframe.of("1M"), [row(0)], (0, 2678400))
    await store.write("KRW-ETH", MINUTE, [], (0, 60))
    assert await store.count(SYMBOL, MINUTE, 0, 10**9) == 1
    assert await store.rows(SYMBOL, Timeframe.of("1M"), 0, 10**9, "newest_first", 9) == [row(0)]
    assert await store.count("KRW-ETH", MINUTE, 0, 10**9) == 0


async def test_claims(store: CandleStore) -> None:
    """What is doubtful is kept beside the coverage, in the same write, until an answer settles it."""
    absence = Absence.of("gap", (600, 1200), ConfirmTimes())
    await store.write(SYMBOL, MINUTE, [row(25), row(5)], (0, 1800), [absence], 1000.0)
    (claim,) = await store.claims(SYMBOL, MINUTE, 0, 10**10)
    assert claim == Claim("gap", 600, 1200, 1000, 1000, 1, 4600, 4600)
    assert await store.claims(SYMBOL, MINUTE, 1200, 10**10) == await store.claims("KRW-ETH", MINUTE, 0, 10**10) == []
    assert await store.claims(SYMBOL, MINUTE, 1199, 1200) == [claim]
    # A candle in the midst of it: the part below it, which that answer does not tell of, is asked for again.
    assert await store.write(SYMBOL, MINUTE, [row(15)], (900, 1200), [], 1060.0) == 0
    assert [(each.start, each.stop) for each in await store.claims(SYMBOL, MINUTE, 0, 10**10)] == [(960, 1200)]
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**10) == [Covered(900, 1800, 2), Covered(0, 600, 1)]
    await store.write(SYMBOL, MINUTE, [row(15)], (540, 1200), [], 4600.0)
    assert await store.claims(SYMBOL, MINUTE, 0, 10**10) == []
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**10) == [Covered(0, 1800, 3)]


async def test_revised(store: CandleStore) -> None:
    """A row that comes again with other values replaces the one that is stored, and both are told."""
    assert (await store.write(SYMBOL, MINUTE, [row(2), row(1)], (0, 180))).revised == ()
    again = await store.write(SYMBOL, MINUTE, [row(2, 7.5), row(1)], (0, 180))
    assert (again, list(again.revised)) == (0, [(row(2), row(2, 7.5))])
    assert await store.rows(SYMBOL, MINUTE, 0, 10**10, "newest_first", 9) == [row(2, 7.5), row(1)]


async def test_an_older_version_comes_again(store: CandleStore) -> None:
    """A candle as it stood before its last trades replaces none that has them, unless it is asked for anew."""
    younger = row(1, 7.5)._replace(timestamp=row(1).timestamp - 1000)
    await store.write(SYMBOL, MINUTE, [row(1)], (0, 180))
    again = await store.write(SYMBOL, MINUTE, [row(2), younger], (0, 240))
    assert (again, list(again.revised)) == (0, [])
    assert await store.rows(SYMBOL, MINUTE, 0, 10**10, "newest_first", 9) == [row(2), row(1)]
    anew = await store.write(SYMBOL, MINUTE, [row(2), younger], (0, 240), gone=())
    assert list(anew.revised) == [(row(1), younger)]


async def test_large_write(store: CandleStore) -> None:
    """More rows than one statement takes are stored all the same."""
    rows = [row(slot) for slot in range(5000, 0, -1)]
    await store.write(SYMBOL, MINUTE, rows, (60, 5001 * 60))
    assert await store.count(SYMBOL, MINUTE, 0, 10**9) == 5000
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**9) == [Covered(60, 5001 * 60, 5000)]


async def test_large_write_over_what_is_there(store: CandleStore) -> None:
    """A large write over covered spans keeps the ledger exact."""
    await store.write(SYMBOL, MINUTE, [row(slot) for slot in range(1500, 0, -1)], (60, 1501 * 60))
    await store.write(SYMBOL, MINUTE, [row(slot) for slot in range(4000, 0, -1)], (0, 4001 * 60))
    assert await store.coverage(SYMBOL, MINUTE, 0, 10**9) == [Covered(0, 4001 * 60, 4000)]


async def test_reading_while_writing(store: CandleStore) -> None:
    """A synchronous reader in the middle of writes disturbs none of them."""
    await store.write(SYMBOL, MINUTE, [row(1)], (60, 120))
    reader = store.reader(SYMBOL, MINUTE)
    for slot in range(2, 60):
        task = asyncio.ensure_future(store.write(SYMBOL, MINUTE, [row(slot)], (slot * 60, slot * 60 + 60)))
        await asyncio.sleep(0)
        assert reader.count(0, 10**9) >= slot - 1
        await task


async def test_nth_newest(store: CandleStore) -> None:
    """Counted from the newest, from 1."""
    await store.write(SYMBOL, MINUTE, [row(9), row(7), row(5)], (0, 600))
    assert [await store.nth_newest(SYMBOL, MINUTE, 0, 600, nth) for nth in (1, 2, 3, 4)] == [540, 420, 300, None]


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
@pytest.mark.parametrize("size", [1, 3, 5, 100])
async def test_pages(store: CandleStore, order: str, size: int) -> None:
    """Pages are full but for the last, in order, and their ends may be given either way round."""
    await store.write(SYMBOL, MINUTE, [row(slot) for slot in (9, 8, 7, 4, 3)], (0, 600))
    ends = (to_datetime(0), to_datetime(600))
    pages = [page async for page in store.pages(SYMBOL, "1m", *ends, order, size)]  # type: ignore[arg-type]
    times = [candle.open_seconds // 60 for page in pages for candle in page]
    assert times == ([9, 8, 7, 4, 3] if order == "newest_first" else [3, 4, 7, 8, 9])
    assert all(len(page) == size for page in pages[:-1])
    assert await store.get_candles_by_range(SYMBOL, "1m", *ends[::-1], order) == [c for page in pages for c in page]  # type: ignore[arg-type]


async def test_range_is_half_open(store: CandleStore) -> None:
    """The older end is included, the newer excluded."""
    await store.write(SYMBOL, MINUTE, [row(7), row(6), row(5)], (300, 480))
    found = await store.get_candles_by_range(SYMBOL, "1m", to_datetime(420), to_datetime(300))
    assert [candle.open_seconds for candle in found] == [360, 300]


async def test_bad_ranges(store: CandleStore) -> None:
    """An empty range, a wrong timeframe, a wrong symbol are refused."""
    with pytest.raises(RequestError, match="empty"):
        await store.get_candles_by_range(SYMBOL, "1m", to_datetime(300), to_datetime(300))
    with pytest.raises(RequestError, match="timeframe is '2m'"):
        await store.get_candles_by_range(SYMBOL, "2m", to_datetime(0), to_datetime(300))
    with pytest.raises(RequestError, match="symbol"):
        await store.get_candles_by_range("'; DROP", "1m", to_datetime(0), to_datetime(300))


async def test_reader(store: CandleStore) -> None:
    """The synchronous reader sees the same, also after the store is closed (a file)."""
    await store.write(SYMBOL, MINUTE, [row(slot) for slot in (9, 8, 7)], (0, 600))
    reader = store.reader(SYMBOL, MINUTE)
    assert reader.count(0, 600) == 3
    assert reader.rows(0, 600, "oldest_first", 2, 1) == [row(8), row(9)]


async def test_gathered(store: CandleStore) -> None:
    """Rows gathered by one statement come some at a time, in the columns that a page has; a frame is made of them."""
    await store.write(SYMBOL, MINUTE, [row(slot) for slot in range(1200, 0, -1)], (0, 1201 * 60))
    for reader in (store.reader(SYMBOL, MINUTE), with_imported(store, True).reader(SYMBOL, MINUTE)):
        assert isinstance(reader, SqlReader)
        pages = reader.gathered(60, 1200 * 60, 1150, list)
        assert [len(page[0]) for page in pages] == [500, 500, 150]
        assert [sum(column, ()) for column in zip(*pages, strict=True)] == reader.columns(60, 1200 * 60, 1150)
        assert reader.gathered(0, 60, 1150, list) == []
    for _ in range(2):
        table = to_arrow(stored_candles(store, SYMBOL, MINUTE))
        assert table["timestamp"].to_pylist() == [row(slot).timestamp for slot in range(1, 1201)]


async def test_closed(store: CandleStore) -> None:
    """A closed store says that it is closed; closing twice is fine."""
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.count(SYMBOL, MINUTE, 0, 1)


async def test_cancelled_writes(store: CandleStore) -> None:
    """Writes cancelled at any moment leave no transaction open, and of each either all or nothing."""
    for attempt in range(20):
        rows = [row(slot + 200 * attempt) for slot in range(200)]
        task = asyncio.ensure_future(store.write(SYMBOL, MINUTE, rows, (12_000 * attempt, 12_000 * (attempt + 1))))
        for _ in range(attempt % 5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.write("KRW-ETH", MINUTE, [row(1)], (60, 120))
    covered = await store.coverage(SYMBOL, MINUTE, 0, 10**9)
    assert await store.count(SYMBOL, MINUTE, 0, 10**9) == sum(each.rows for each in covered)
    assert all(each.rows * 60 == each.stop - each.start for each in covered)


pages = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 12), st.frozensets(st.integers(0, 52), max_size=20)), max_size=12
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages=pages)
def test_ledger_against_model(pages: list[tuple[int, int, frozenset[int]]]) -> None:
    """Whatever is written in whatever order, coverage is the union of the spans, with their rows; new ones are told."""

    async def scenario() -> None:
        covered: set[int] = set()
        stored: set[int] = set()
        async with SqliteStore(":memory:") as store:
            for start, length, slots in pages:
                inside = sorted((slot for slot in slots if start <= slot < start + length), reverse=True)
                new = await store.write(
                    SYMBOL, MINUTE, [row(slot) for slot in inside], (start * 60, (start + length) * 60)
                )
                assert new == len(set(inside) - covered)
                covered.update(range(start, start + length))
                stored.update(inside)
            expected = []
            for slot in sorted(covered):
                if slot - 1 not in covered:
                    stop = next(end for end in range(slot, 100) if end not in covered)
                    expected.append(Covered(slot * 60, stop * 60, sum(slot <= each < stop for each in stored)))
            assert await store.coverage(SYMBOL, MINUTE, 0, 10**9) == expected[::-1]
            assert await store.count(SYMBOL, MINUTE, 0, 10**9) == len(stored)

    with asyncio.Runner() as runner:
        runner.run(scenario())
