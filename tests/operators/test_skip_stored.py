"""What is stored is not asked for: a hole costs its own pages, and what was there before is not counted as new."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles import operators as ops
from rxcandles.stores import SqliteStore
from tests.support.fakes import FakeExchange, slots
from tests.support.pipelines import TIMEFRAME, asks, at, collecting, stored


async def test_holes_are_healed_at_their_price(store: SqliteStore) -> None:
    """Three spans with holes of 300 and 60 slots between them: both healed with three requests.

    The last of each hole reads the three newest candles stored below it again.
    """
    exchange = FakeExchange(slots(3000))
    for newer, older in ((0, 500), (800, 1300), (1360, 2000)):
        await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
    exchange.asked.clear()
    summary = await ops.run(collecting(asks(to=at(0), end=at(2000)), store, exchange).pipe(ops.summarize()))
    assert [count for _, count in exchange.asked] == [200, 100 + 3, 60 + 3]
    assert summary.collected_count == summary.db_records_count == 2000
    assert summary.stored_count == 360
    assert sum(summary.overlap_analysis_results.values()) == summary.chunks_processed


HOLE = st.sampled_from([1, 2, 59, 60, 199, 200, 201, 300, 399, 400, 401, 450]) | st.integers(1, 900)


@settings(deadline=None, max_examples=60)
@given(
    between=st.lists(st.tuples(st.integers(1, 500), HOLE), min_size=1, max_size=4),
    cursors=st.integers(1, 8),
    order=st.sampled_from(["newest_first", "oldest_first"]),
)
async def test_holes_cost_no_more_with_several_cursors(
    between: list[tuple[int, int]], cursors: int, order: str
) -> None:
    """Each hole costs its slots in pages, wherever it lies, however many cursors walk, and up as well as down."""
    holes, position = [], 0
    for kept, hole in between:
        holes.append((position + kept, position + kept + hole))
        position = holes[-1][1]
    last = position + between[0][0]
    exchange = FakeExchange(slots(last + 1000))
    async with SqliteStore(":memory:") as store:
        await _heal(store, exchange, holes, last, cursors, order)


async def _heal(
    store: SqliteStore, exchange: FakeExchange, holes: list[tuple[int, int]], last: int, cursors: int, order: str
) -> None:
    newer = 0
    for top, bottom in (*holes, (last, last)):
        await ops.run(collecting(asks(to=at(newer), end=at(top)), store, exchange).pipe(ops.summarize()))
        newer = bottom
    exchange.asked.clear()
    request = asks(to=at(0), end=at(last), order=order)
    chunks = ops.plan_chunks(request, cursors=cursors).pipe(
        ops.skip_stored(store), ops.fetch(exchange), ops.persist(store), ops.summarize()
    )
    summary = await ops.run(chunks)
    assert summary.collected_count == last
    assert len(exchange.asked) <= sum(-(-(bottom - top) // 200) for top, bottom in holes)


async def test_many_holes_in_a_page(store: SqliteStore) -> None:
    """Ten holes within a page are one request."""
    exchange = FakeExchange(slots(3000))
    for hole in range(10):
        newer, older = hole * 15, hole * 15 + 10
        await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
    exchange.asked.clear()
    await ops.run(collecting(asks(to=at(0), end=at(150)), store, exchange).pipe(ops.summarize()))
    assert len(exchange.asked) == 1


async def test_prepend_append_and_heal(store: SqliteStore) -> None:
    """One call puts older candles in front, newer behind, and fills what is between."""
    exchange = FakeExchange(slots(3000))
    for newer, older in ((400, 600), (700, 900)):
        await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
    exchange.asked.clear()
    await ops.run(collecting(asks(to=at(200), end=at(1100)), store, exchange).pipe(ops.summarize()))
    assert [count for _, count in exchange.asked] == [200, 100 + 3, 200]
    assert len(await stored(store)) == 900
    assert len(await store.coverage("KRW-BTC", TIMEFRAME, 0, 10**12)) == 1


@pytest.mark.parametrize("cursors", [1, 2, 5])
async def test_what_is_older_than_asked_is_counted_once(store: SqliteStore, cursors: int) -> None:
    """A page that runs into the next cursor's part brings nothing older than asked: that is what lies before the span.

    So nothing counts as there before where nothing was.
    """
    exchange = FakeExchange(slots(8000, density=0.3), latency=0.01)
    request = asks(to=at(0), end=at(20_000))
    summary = await ops.run(collecting(request, store, exchange, cursors=cursors).pipe(ops.summarize()))
    rows = await store.rows("KRW-BTC", TIMEFRAME, 0, 10**12, "oldest_first", 10_000)
    older = sum(row.open_time < request.span[0] for row in rows)
    assert (summary.stored_older_count, summary.stored_count) == (older, len(rows))
    assert summary.collected_count == summary.stored_count - older


async def test_overlap_states(store: SqliteStore) -> None:
    """A chunk is told apart by how it lies over what is stored."""
    exchange = FakeExchange(slots(3000))

    async def overlap(newer: int, older: int) -> list[str]:
        summary = await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
        return [name for name, count in summary.overlap_analysis_results.items() if count]

    assert await overlap(1000, 1050) == ["no_overlap"]
    assert await overlap(1000, 1050) == ["complete_overlap"]
    assert await overlap(1020, 1100) == ["partial_start"]
    assert await overlap(990, 1110) == ["partial_middle_fragment"]
    assert await overlap(900, 1110) == ["complete_overlap", "partial_middle_continuous"]


@pytest.mark.parametrize("cursors", [1, 4])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_newly_stored_are_counted_exactly(store: SqliteStore, order: str, cursors: int) -> None:
    """What a page brings of what was proven before, by an earlier run or by its neighbour, is not counted as new."""
    exchange = FakeExchange(slots(3000, 0.3))
    for newer, older in ((300, 600), (1200, 1600), (4000, 4100)):
        await ops.run(collecting(asks(to=at(newer), end=at(older)), store, exchange).pipe(ops.summarize()))
    before = len(await stored(store))
    request = asks(to=at(0), end=at(4050), order=order)
    summary = await ops.run(collecting(request, store, exchange, cursors=cursors).pipe(ops.summarize()))
    assert summary.stored_count == len(await stored(store)) - before
