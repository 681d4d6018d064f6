"""What a store says it holds: every slot counted once, as what it is."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles import CoverageCell, Covered, RequestError, Row, SqliteStore, Timeframe, coverage_cells, overview
from rxcandles.model.claims import Absence, ConfirmTimes
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import to_datetime
from rxcandles.stores.held import covered_within

MINUTE, MONTH = Timeframe.of("1m"), Timeframe.of("1M")
HOURS = 3
"""The models' day is this long, from noon of 2 January 1970 on."""
NOON = 36 * 3600

spans = st.lists(
    st.tuples(st.integers(0, HOURS * 60 - 1), st.integers(1, 60)).map(lambda each: (each[0], each[0] + each[1])),
    min_size=1,
    max_size=8,
)
traded = st.sets(st.integers(0, HOURS * 60 + 60))


def row(open_time: int) -> Row:
    return Row(open_time, 1, 1, 1, 1, 1, 1, open_time * 1000)


async def fill(store: SqliteStore, proven: list[tuple[int, int]], candles: set[int]) -> None:
    for start, stop in proven:
        rows = [row(NOON + 60 * slot) for slot in sorted(candles, reverse=True) if start <= slot < stop]
        span = (NOON + 60 * start, NOON + 60 * stop)
        empty = SpanSet((span,)).subtract(SpanSet(tuple((each.open_time, each.open_time + 60) for each in rows)))
        absences = [Absence.of("gap", gap, ConfirmTimes()) for gap in empty if gap[1] - gap[0] >= 5 * 60]
        await store.write("KRW-BTC", MINUTE, rows, span, absences)


async def doubted_in(store: SqliteStore) -> set[int]:
    """The slots that claims say are empty."""
    claims = await store.claims("KRW-BTC", MINUTE, 0, 2 * NOON)
    return {(time - NOON) // 60 for claim in claims for time in range(claim.start, claim.stop, 60)}


@settings(max_examples=40, deadline=None)
@given(spans, traded, st.integers(0, 200), st.integers(1, 200), st.integers(1, 250))
def test_cells_against_a_slow_model(
    proven: list[tuple[int, int]], candles: set[int], start: int, length: int, number: int
) -> None:
    """The cells of any span are those that looking at every single slot finds, and lie end to end."""
    known = {slot for first, last in proven for slot in range(first, last)}
    stop = start + length

    async def ask() -> tuple[list[CoverageCell], set[int]]:
        async with SqliteStore(":memory:") as store:
            await fill(store, proven, candles)
            ends = (NOON + 60 * start, NOON + 60 * stop)
            return await coverage_cells(store, "KRW-BTC", "1m", ends, number), await doubted_in(store)

    found, doubted = asyncio.run(ask())
    assert len(found) == min(number, length)
    edges = [found[0].start, *(cell.stop for cell in found)]
    assert edges == [cell.start for cell in found] + [NOON + 60 * stop]
    for cell in found:
        slots = set(range((cell.start - NOON) // 60, (cell.stop - NOON) // 60))
        assert (cell.slots, cell.stored) == (len(slots), len(slots & known & candles))
        assert (cell.no_trade, cell.missing) == (len((slots & known) - candles), len(slots - known))
        assert cell.provisional == len(slots & doubted)
    assert max(cell.slots for cell in found) - min(cell.slots for cell in found) <= 1


@settings(max_examples=25, deadline=None)
@given(spans, traded, st.integers(0, 200), st.integers(1, 200))
def test_overview_against_a_slow_model(
    proven: list[tuple[int, int]], candles: set[int], start: int, length: int
) -> None:
    """Of any span it tells the candles, the slots without a trade, the missing ones and the gaps that these make."""
    known = {slot for first, last in proven for slot in range(first, last)}
    held = sorted(known & candles)
    oldest = held[0] if held else max(slot for slot in known if slot - 1 not in known)
    asked = range(start, start + length)
    missing = [slot for slot in asked if slot not in known]

    async def ask() -> None:
        async with SqliteStore(":memory:") as store:
            await fill(store, proven, candles)
            ends = to_datetime(NOON + 60 * asked.start), to_datetime(NOON + 60 * asked.stop)
            found = await overview(store, "KRW-BTC", "1m", *ends)
            assert bool(found) == (oldest < asked.stop and asked.start <= max(known))
            for each in found:
                assert (each.start, each.stop) == ends
                assert each.candles == len(set(asked) & set(held))
                assert each.no_trade == len(set(asked) & known) - each.candles
                assert each.missing == len(missing)
                assert each.provisional == len(set(asked) & await doubted_in(store))
                assert each.holes == sum(slot - 1 not in missing for slot in missing)
            whole = await overview(store)
            assert whole[0].candles == len(held)
            assert whole[0].start == to_datetime(NOON + 60 * oldest)
            assert whole[0].stop == to_datetime(NOON + 60 * (max(known) + 1))

    asyncio.run(ask())


class Counting(SqliteStore):
    """A store that counts how often it is asked."""

    asked = 0

    async def coverage(self, *arguments: Any, **named: Any) -> list[Covered]:
        self.asked += 1
        return await super().coverage(*arguments, **named)

    async def count(self, *arguments: Any, **named: Any) -> int:
        self.asked += 1
        return await super().count(*arguments, **named)


async def test_ten_thousand_holes() -> None:
    """A ledger of 10,000 holes is read in pages of 1,000, with no question for each hole, and counted right."""
    async with Counting(":memory:") as store:
        await store.write("KRW-BTC", MINUTE, [row(0)], (0, 60))

        def cut(connection: object) -> None:
            execute = connection.executemany  # type: ignore[attr-defined]
            execute("INSERT INTO coverage VALUES (1, ?, ?, 0)", [(120 * at, 120 * at + 60) for at in range(1, 10_001)])

        await store._open.call(cut)
        (found,) = await overview(store)
        cells = await coverage_cells(store, "KRW-BTC", "1m", (0, 120 * 10_001), 100)
        assert store.asked < 30
        assert (found.candles, found.holes, found.missing, found.no_trade) == (1, 10_000, 10_000, 10_000)
        assert [cell.missing for cell in cells[:5]] == [100] * 5
        assert sum(cell.no_trade for cell in cells) == 10_000
        proven = [each.start async for each in covered_within(store, "KRW-BTC", MINUTE, (0, 120 * 10_001))]
        assert proven == [120 * at for at in range(10_000, -1, -1)]


async def test_calendar() -> None:
    """Months are counted as months."""
    async with SqliteStore(":memory:") as store:
        start, stop = (int(to_datetime(0).replace(year=year).timestamp()) for year in (2020, 2022))
        await store.write("KRW-BTC", MONTH, [row(start)], (0, stop))
        (found,) = await overview(store)
        assert (found.candles, found.no_trade, found.missing) == (1, 23, 0)
        cells = await coverage_cells(store, "KRW-BTC", "1M", (start, stop), 8)
        assert [cell.slots for cell in cells] == [3] * 8
        assert [cell.stored for cell in cells] == [1, *[0] * 7]


async def test_sizes(tmp_path: Path) -> None:
    """The bytes of all series together are those of their table, shared by the number of candles."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        assert await overview(store) == []
        for symbol, count in (("KRW-BTC", 3000), ("KRW-ETH", 1000)):
            await store.write(symbol, MINUTE, [row(60 * at) for at in range(count, 0, -1)], (0, 60 * count + 60))
        btc, eth = await overview(store)
        pages = await store._open.rows("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        assert btc.size == pytest.approx(3 * eth.size, abs=2)
        assert 0.5 < (btc.size + eth.size) / pages[0][0] <= 1
        assert btc.size_source in ("dbstat", "average")


@pytest.mark.parametrize(
    ("since", "to", "says"),
    [
        (datetime(2024, 1, 2), datetime(2024, 1, 2), "not after since"),
        (None, datetime(1969, 1, 1), "to is .*; give a time from 1970 on"),
        ("2024", None, "since is '2024'; write '2024-01-31'"),
    ],
)
async def test_ends_that_cannot_be_meant(since: datetime | None, to: datetime | None, says: str) -> None:
    """Ends in the wrong order, and what is no instant, are refused."""
    async with SqliteStore(":memory:") as store:
        with pytest.raises(RequestError, match=says):
            await overview(store, since=since, to=to)
