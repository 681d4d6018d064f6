"""What comes by itself, as from a live source, goes through the same operators as what was asked for."""

from __future__ import annotations

import pytest
import reactivex
from reactivex import operators as rx

from rxcandles import operators as ops
from rxcandles.errors import RequestError, StoreError
from rxcandles.model.reports import CollectionSummary
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Covered
from rxcandles.stores import SqliteStore
from tests.support.fakes import MINUTE, NEWEST, row

ONE_MINUTE = Timeframe.of("1m")


def minutes(*times: int) -> list[tuple[list[int], tuple[int, int]]]:
    """Each minute with what covers it: two slots, the first of which is empty."""
    return [([time], (time - MINUTE, time + MINUTE)) for time in times]


async def test_persist_takes_what_a_live_source_emits() -> None:
    """Rows and their coverage are stored, read back in order and summed up, without a plan and without a request."""
    times = [NEWEST - 4 * MINUTE, NEWEST - 2 * MINUTE, NEWEST]
    live = reactivex.from_iterable(minutes(*times)).pipe(
        rx.map(lambda each: ops.as_chunk("KRW-BTC", "1m", [row(time) for time in each[0]], each[1]))
    )
    async with SqliteStore(":memory:") as store:
        lists = await ops.run(live.pipe(ops.persist(store), ops.recall(store), ops.to_list(100)))
        assert [candle.open_seconds for candle in lists] == times
        assert await store.coverage("KRW-BTC", ONE_MINUTE, 0, NEWEST + MINUTE) == [
            Covered(times[0] - MINUTE, NEWEST + MINUTE, 3)
        ]
        again: CollectionSummary = await ops.run(live.pipe(ops.persist(store), ops.summarize()))
        assert (again.collected_count, again.stored_count, again.api_calls_made) == (3, 0, 0)


async def test_a_live_chunk_proves_no_more_than_it_says() -> None:
    """A row outside of what is covered is refused, and an empty span before anything is written."""
    async with SqliteStore(":memory:") as store:
        outside = ops.as_chunk("KRW-BTC", "1m", [row(NEWEST)], (NEWEST - 2 * MINUTE, NEWEST - MINUTE))
        with pytest.raises((RequestError, StoreError), match="rows"):
            await ops.run(reactivex.of(outside).pipe(ops.persist(store)))
        assert await store.series() == []
    with pytest.raises(RequestError, match="empty"):
        ops.as_chunk("KRW-BTC", "1m", [], (NEWEST + 1, NEWEST + 2))
