"""Revisions of months: a month's number changes whenever a candle of it does, and only then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles.model import Row
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.ports import Revised
from rxcandles.stores import SqliteStore
from tests.support.virtualloop import run_virtual

DAY = Timeframe.of("1d")
FIRST = 1_704_067_200  # 2024-01-01
DAYS = 90


def row(day: int, close: float, volume: float = 1.0) -> Row:
    """A candle of a day, counted from the first; ``close`` is from 1 to 9."""
    return Row(FIRST + day * 86_400, 5.0, 9.0, 1.0, close, volume, 5.0, (FIRST + (day + 1) * 86_400) * 1000)


PAGES = st.lists(
    st.tuples(st.integers(0, DAYS - 5), st.integers(1, 40), st.sampled_from([2.0, 3.0]), st.booleans()), max_size=12
)


async def revisions(store: SqliteStore) -> dict[int, int]:
    """The revision of each month."""
    months = await store.months("KRW-BTC", DAY, FIRST, FIRST + DAYS * 86_400)
    assert store.reader("KRW-BTC", DAY).months(FIRST, FIRST + DAYS * 86_400) == months
    return {month.start: month.revision for month in months}


async def contents(store: SqliteStore) -> dict[int, Sequence[Row]]:
    """The rows of each month."""
    return {
        month.start: await store.rows("KRW-BTC", DAY, month.start, month.stop, "oldest_first", 99)
        for month in await store.months("KRW-BTC", DAY, FIRST, FIRST + DAYS * 86_400)
    }


@settings(max_examples=40, deadline=None)
@given(PAGES)
def test_revision_follows_rows(pages: list[tuple[int, int, float, bool]]) -> None:
    """Each write that changes a month's rows changes its number, and a page that says the same again does not."""

    async def check() -> None:
        async with SqliteStore(":memory:") as store:
            for start, length, close, without in pages:
                days = range(start, min(start + length, DAYS))
                rows = [row(day, close) for day in reversed(days) if not (without and day % 7 == 0)]
                gone = [FIRST + day * 86_400 for day in days if without and day % 7 == 0]
                proven = FIRST + days[0] * 86_400, FIRST + (days[-1] + 1) * 86_400
                before, numbers = await contents(store), await revisions(store)
                await store.write("KRW-BTC", DAY, rows, proven, gone=gone)
                after, now = await contents(store), await revisions(store)
                for month in now:
                    assert (before[month] == after[month]) == (numbers[month] == now[month])

    run_virtual(check())


async def test_numbers_are_the_stores_own(tmp_path: Path) -> None:
    """Two stores with the same candles have different numbers, also for months that never had one."""
    numbers = []
    for name in ("a.db", "b.db"):
        async with SqliteStore(tmp_path / name) as store:
            assert isinstance(store, Revised)
            await store.write("KRW-BTC", DAY, [row(0, 2.0)], (FIRST, FIRST + 86_400))
            found = await store.months("KRW-BTC", DAY, FIRST - 86_400, FIRST + 86_400)
            assert [month.stop for month in found] == [FIRST, FIRST + 31 * 86_400]
            numbers += [month.revision for month in found]
    assert len(set(numbers)) == 4
    assert all(0 < number < 2**63 for number in numbers)


async def test_repair_changes_numbers(tmp_path: Path) -> None:
    """A repair that deletes candles changes the numbers of their months."""
    path = tmp_path / "candles.db"
    async with SqliteStore(path, exchange="simulated") as store:
        rows = [row(day, 2.0) for day in reversed(range(60))]
        await store.write("KRW-BTC", DAY, rows, (FIRST, FIRST + 60 * 86_400))
        before = await revisions(store)
        await store.call(
            lambda connection: connection.execute("UPDATE candles SET high = 0 WHERE open_time = ?", (FIRST,))
        )
        await rxcandles.repair(path, exchange="simulated", dry_run=False)
        after = await revisions(store)
        held = await store.rows("KRW-BTC", DAY, BEGINNING, END - 1, "oldest_first", 99)
    assert held != rows[::-1]
    assert before[FIRST] != after[FIRST]


@pytest.mark.parametrize("span", [(5, 5), (9, 3)])
async def test_empty_span(tmp_path: Path, span: tuple[int, int]) -> None:
    """No month touches an empty span."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        assert await store.months("KRW-BTC", DAY, *span) == []
