"""What a step costs does not depend on how much is stored beside it: counted in SQLite's steps and in calls, not timed.

``python -m profiling costs`` measures the seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles.cli.job_file import read_jobs
from rxcandles.cli.wanted import titles_of
from rxcandles.errors import RequestError
from rxcandles.model import Request, Row
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.stores import SqliteStore

MINUTE = Timeframe.of("1m")
FEW, MANY = 50, 2_000


async def ledger(path: Path, spans: int) -> SqliteStore:
    """Return a store with so many covered minutes, a hole behind each, and a claim in each older one but the newest."""
    store = await SqliteStore.open(path, exchange="simulated")
    await store.write("KRW-BTC", MINUTE, [], (0, 60))
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM coverage")
        covered = [(at * 120, at * 120 + 60) for at in range(1, spans + 1)]
        file.executemany("INSERT INTO coverage VALUES (1, ?, ?, 0)", covered)
        file.executemany(
            "INSERT INTO claims (series, kind, start, stop, first_heard, last_heard, times, due, final)"
            " VALUES (1, 'gap', ?, ?, 1, 1, 1, 1, 0)",
            covered[:-1],
        )
    return store


async def steps(store: SqliteStore, work: Callable[[], Awaitable[object]]) -> int:
    """Return how many of SQLite's steps ``work`` takes."""
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1

    await store._open.call(lambda connection: connection.set_progress_handler(count, 1))
    await work()
    await store._open.call(lambda connection: connection.set_progress_handler(None, 0))
    return counted


WORKS: dict[str, Callable[[SqliteStore, int], Awaitable[object]]] = {
    "coverage": lambda store, newest: store.coverage("KRW-BTC", MINUTE, newest, newest + 60, 200),
    "claims": lambda store, newest: store.claims("KRW-BTC", MINUTE, newest, newest + 60),
    "write": lambda store, newest: store.write(
        "KRW-BTC", MINUTE, [Row(newest + 60, *[1.0] * 6, 0)], (newest + 60, newest + 120)
    ),
}


@pytest.mark.parametrize("work", WORKS)
async def test_older_spans_cost_nothing(tmp_path: Path, work: str) -> None:
    """A look at the newest part of a ledger, and a page written there, take as long however many spans are older."""
    taken = []
    for spans in (FEW, MANY):
        async with await ledger(tmp_path / f"{spans}.db", spans) as store:
            taken.append(await steps(store, lambda: WORKS[work](store, spans * 120)))  # noqa: B023
    assert taken[1] <= taken[0] * 1.5


async def test_plan_asks_once_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan looks into the store some times for each page, not for each covered span."""
    path = tmp_path / "candles.db"
    await (await ledger(path, MANY)).close()
    calls = 0
    call = rxcandles.stores.sqlite.connection.Connection.call

    async def counted(self: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return await call(self, *arguments)

    monkeypatch.setattr(rxcandles.stores.sqlite.connection.Connection, "call", counted)
    async with rxcandles.connect(path, "simulated") as provider:
        request = Request("KRW-BTC", "1m", to=to_datetime(MANY * 120), end=to_datetime(120))
        plan = await provider.plan(request)
    assert len(plan.missing) == MANY - 1
    assert calls < 15 * plan.requests < MANY


def test_sets_look_only_where_they_meet() -> None:
    """What a page takes out of a large set touches the spans around the page alone."""

    whole = SpanSet(tuple((at * 120, at * 120 + 60) for at in range(MANY)))
    page = SpanSet(((120_000, 120_600),))
    assert whole._around(120_000, 120_600) == tuple((at * 120, at * 120 + 60) for at in range(1000, 1005))
    assert page.intersect(whole) == whole.intersect(page) == SpanSet(whole.spans[1000:1005])
    assert len(page.subtract(whole)) == 5


def test_titles() -> None:
    """Series that are asked for twice are told apart by a number."""
    requests = [Request("KRW-BTC", "1m", count=count) for count in (5, 6, 7, 5)] + [Request("KRW-ETH", "1m", count=5)]
    assert list(titles_of(requests).values()) == ["KRW-BTC 1m", "KRW-BTC 1m (2)", "KRW-BTC 1m (3)", "KRW-ETH 1m"]


@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 100_000, "x = " + "{a=" * 50_000, "a" + ".a" * 40_000 + " = 1", "x = " + "1" * 5_000],
    ids=["lists", "tables", "dots", "digits"],
)
def test_deep_job_files(tmp_path: Path, text: str) -> None:
    """A file of jobs whose values lie deep in each other is refused at once, in one short line."""
    path = tmp_path / "jobs.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match="is not a TOML file") as caught:
        read_jobs(str(path))
    assert len(str(caught.value)) < 500
