"""Progress, as a callback hears of it."""

from __future__ import annotations

import pytest

from rxcandles import operators as ops
from rxcandles.model.reports import CollectionProgress
from rxcandles.stores import SqliteStore
from tests.support.fakes import FakeExchange, slots
from tests.support.pipelines import asks, collecting


async def test_progress(store: SqliteStore) -> None:
    """Progress counts up to what was asked for, and its estimates end exact."""
    exchange = FakeExchange(slots(3000, 0.3))
    told: list[CollectionProgress] = []
    await ops.run(collecting(asks(count=1000), store, exchange).pipe(ops.report(told.append), ops.summarize()))
    # From the second page on the candle at the seam is read again, as the market is sparse.
    assert [each.current_chunk for each in told] == [1, 2, 3, 4, 5, 6]
    assert [each.collected_count for each in told] == [200, 399, 598, 797, 996, 1000]
    assert [each.total_chunks for each in told] == [6] * 6
    assert told[-1].estimated_remaining_seconds == 0
    assert all(each.current_chunk_range[0] < each.current_chunk_range[1] for each in told)
    assert told[-1].requests == 6


async def test_progress_error_ends_the_run(store: SqliteStore) -> None:
    """An error in the callback is the run's error."""

    def explode(progress: CollectionProgress) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await ops.run(
            collecting(asks(count=1000), store, FakeExchange(slots(2000))).pipe(ops.report(explode), ops.summarize())
        )


@pytest.mark.parametrize("density", [0.3, 0.998])
async def test_progress_with_several_cursors(store: SqliteStore, density: float) -> None:
    """With several cursors too progress ends with what the summary says."""
    exchange = FakeExchange(slots(6000, density), latency=0.001)
    told: list[CollectionProgress] = []
    pipeline = collecting(asks(count=5000), store, exchange, cursors=4)
    summary = await ops.run(pipeline.pipe(ops.report(told.append), ops.summarize()))
    assert told[-1].collected_count == told[-1].total_count == summary.collected_count == 5000
