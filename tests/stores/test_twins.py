"""A file and a server, given the same pages, have the same of everything."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxcandles.model import Row, RowWithTrades
from rxcandles.model.claims import Absence, AbsenceKind, ConfirmTimes
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.ports import Followed
from rxcandles.stores import SqliteStore, SqlStore
from rxcandles.stores.postgres.store import PostgresStore
from tests.support.postgres import EMPTY

HOUR = Timeframe.of("60m")
SLOTS = 40
FIRST = 1_706_659_200  # 2024-01-31, so that the slots are of two months
NAMES = ("KRW-BTC", "BTCUSDT")

kinds: Sequence[AbsenceKind] = ("head", "gap", "beginning")
write = st.fixed_dictionaries(
    {
        "what": st.just("write"), "symbol": st.sampled_from(NAMES), "start": st.integers(0, SLOTS - 1),
        "length": st.integers(1, 12), "slots": st.frozensets(st.integers(0, SLOTS), max_size=20),
        "close": st.sampled_from([2.0, 3.0]), "volume": st.sampled_from([1.0, 2.0]),
        "late": st.integers(0, 2), "absence": st.none() | st.sampled_from(kinds), "heard": st.integers(0, 9000),
        "gone": st.booleans(), "impossible": st.booleans(), "trades": st.booleans(),
        "absent": st.sampled_from([None, "no_trade", "outage"]),
    }
)  # fmt: skip
follow = st.fixed_dictionaries(
    {
        "what": st.just("follow"),
        "symbol": st.sampled_from(NAMES),
        "start": st.integers(0, 20),
        "length": st.integers(1, 20),
    }
)
reserve = st.fixed_dictionaries(
    {
        "what": st.just("reserve"),
        "symbol": st.sampled_from(NAMES),
        "start": st.integers(0, 20),
        "length": st.integers(1, 9),
    }
)


def opened(slot: int) -> int:
    """When a slot opens."""
    return FIRST + slot * 3600


async def do(store: SqlStore, step: dict[str, Any]) -> object:
    """Do one step with a store; return what it says."""
    symbol, start, stop = step["symbol"], step["start"], min(step["start"] + step["length"], SLOTS)
    stop = max(stop, start + 1)
    span = (opened(start), opened(stop))
    if step["what"] == "follow":
        await store.follow(symbol, HOUR, Followed(*span, span[1], "polling", "", 5.0))
        return await store.followed(symbol, HOUR)
    if step["what"] == "reserve":
        return (await store.reserve(symbol, HOUR, span, span, 2.0)).held
    slots = sorted((slot for slot in step["slots"] if start <= slot < stop), reverse=True)
    rows: list[Row] = [
        Row(
            opened(slot), 5.0, 9.0, 1.0, step["close"], step["volume"], 5.0, (opened(slot) + 3600 + step["late"]) * 1000
        )
        for slot in slots
    ]
    if step["trades"] and symbol == NAMES[1]:
        rows = [RowWithTrades(*row, 7, 0.5, None) for row in rows]
    without = [opened(slot) for slot in range(start, stop) if slot not in slots]
    wrong = dict.fromkeys(without[:1], "low is above high") if step["impossible"] else {}
    absences = []
    if step["absence"] and slots and step["absence"] == "head" and slots[0] + 1 < stop:
        absences = [Absence.of("head", (opened(slots[0] + 1), span[1]), ConfirmTimes())]
    elif step["absence"] and slots and slots[-1] > start:
        absences = [Absence.of(step["absence"], (span[0], opened(slots[-1])), ConfirmTimes())]
    written = await store.write(
        symbol, HOUR, rows, span, absences, heard=1e9 + step["heard"], gone=without if step["gone"] else None,
        said=1e9 + step["heard"], impossible=wrong, absent=step["absent"],
    )  # fmt: skip
    return (int(written), list(written.revised), list(written.removed), list(written.void))


async def told(store: SqlStore) -> object:
    """All that a store says of what it has."""
    found: list[object] = [await store.series()]
    for symbol in NAMES:
        for order in ("newest_first", "oldest_first"):
            found.append(await store.rows(symbol, HOUR, 0, END - 1, order, 99))  # type: ignore[arg-type]
        found += [
            await store.coverage(symbol, HOUR, BEGINNING, END - 1),
            await store.coverage(symbol, HOUR, opened(5), opened(15), 2),
            await store.claims(symbol, HOUR, BEGINNING, END - 1),
            await store.impossible(symbol, HOUR, BEGINNING, END - 1),
            await store.absent_slot(symbol, HOUR),
            await store.nth_newest(symbol, HOUR, 0, END - 1, 3),
            await store.followed(symbol, HOUR),
        ]
        news = await store.news(symbol, HOUR, opened(30), opened(SLOTS), 999, 0)
        found += [news.rows, news.changes]
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(write | write | write | follow | reserve, min_size=1, max_size=14))
def test_twins(shared_postgres_url: str, steps: list[dict[str, Any]]) -> None:
    """Each step says the same of both, both have the same after it, and the same months have changed."""

    async def scenario() -> None:
        async with SqliteStore(":memory:") as file, PostgresStore(shared_postgres_url) as server:
            await server.call(lambda connection: connection.native(EMPTY, binary=False))
            for step in steps:
                before = [await months(store) for store in (file, server)]
                assert await do(file, step) == await do(server, step)
                assert await told(file) == await told(server)
                after = [await months(store) for store in (file, server)]
                changed = [list(map(operator.ne, *each)) for each in zip(before, after, strict=True)]
                assert changed[0] == changed[1]

    asyncio.run(scenario())


async def months(store: SqlStore) -> list[int]:
    """The revisions of all months of both series."""
    return [each.revision for symbol in NAMES for each in await store.months(symbol, HOUR, FIRST, opened(SLOTS))]
