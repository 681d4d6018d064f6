"""A copy has what its source has: candles, coverage, what is provisional or imported, and what is left to ask."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles.__main__ import main
from rxcandles.errors import RequestError, StoreError
from rxcandles.integrity.pending import Pending
from rxcandles.model import Row
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import BEGINNING, END
from rxcandles.stores import SqliteStore, SqlStore
from rxcandles.stores.opening import store_at
from rxcandles.stores.postgres.session import Session
from rxcandles.stores.sql.claiming import uncover
from rxcandles.stores.sql.transaction import transaction
from tests.stores.test_twins import FIRST, HOUR, NAMES, SLOTS, do, opened, write


async def held(store: SqlStore) -> list[object]:
    """All that a copy must have."""
    found: list[object] = [await store.series()]
    for symbol in NAMES:
        claims = await store.claims(symbol, HOUR, BEGINNING, END - 1)
        wrong = await store.impossible(symbol, HOUR, BEGINNING, END - 1)
        found += [
            await store.rows(symbol, HOUR, 0, END - 1, "oldest_first", 99),
            await store.coverage(symbol, HOUR, BEGINNING, END - 1),
            [attrs.astuple(attrs.evolve(claim, times=1, last_heard=claim.first_heard)) for claim in claims],
            [(each.open_time, each.fault) for each in wrong],
            await store.absent_slot(symbol, HOUR),
        ]
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(write, min_size=1, max_size=10), st.integers(0, 6))
def test_copy_is_equal(steps: list[dict[str, Any]], stopped: int) -> None:
    """Whatever was written, the copy is equal, also if it was stopped after some pages and begun again."""

    async def scenario(folder: Path) -> None:
        async with SqliteStore(folder / "old.db") as old:
            for step in steps:
                await do(old, step)
            expected = await held(old)
        pages = 0

        def stop(*_: object) -> None:
            nonlocal pages
            pages += 1
            if pages > stopped:
                raise StoreError("stopped here")

        try:
            await rxcandles.copy_candles(folder / "old.db", folder / "new.db", progress_callback=stop)
        except StoreError:
            await rxcandles.copy_candles(folder / "old.db", folder / "new.db")
        async with SqliteStore(folder / "new.db") as new:
            assert await held(new) == expected
        again = await rxcandles.copy_candles(folder / "old.db", folder / "new.db")
        assert all(each.candles <= sum(map(bool, expected[3::5])) * SLOTS for each in again.series)

    with rxcandles.util.files.temporary_folder() as folder:
        asyncio.run(scenario(Path(folder)))


def row(slot: int, close: float = 2.0, late: int = 0) -> Row:
    """The candle of an hour."""
    return Row(opened(slot), 5.0, 9.0, 1.0, close, 1.0, 5.0, (opened(slot + 1) + late) * 1000)


async def test_to_a_server_and_back(postgres_url: str, tmp_path: Path) -> None:
    """From a file to a server and back nothing changes, with imports and with what a repair has left."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    async with SqliteStore(old) as store:
        await store.write("KRW-BTC", HOUR, [row(slot) for slot in range(29, -1, -1)], (opened(0), opened(30)))
        lines = [f"{opened(slot)},5,9,1,3,2" for slot in range(30, 35)]
        path = tmp_path / "more.csv"
        path.write_text("open_time,open,high,low,close,volume\n" + "\n".join(lines))
        await rxcandles.import_candles(store, "KRW-BTC", "60m", path)
        await Pending(store).question("KRW-BTC", HOUR, SpanSet(((opened(2), opened(4)),)))
    for source, target in ((old, postgres_url), (postgres_url, new)):
        report = await rxcandles.copy_candles(source, target)
        assert [(each.candles, each.imported, each.left_out) for each in report.series] == [(30, 5, ())]
        async with store_at(source) as one, store_at(target) as other:
            assert await held(one) == await held(other)
            assert [e[:5] for e in await one.imports()] == [e[:5] for e in await other.imports()]
            left = [await Pending(store).unsettled("questioned") for store in (one, other)]
            assert left[0] == left[1] != {}
    again = await rxcandles.copy_candles(postgres_url, new)
    assert [(each.candles, each.held, each.imported) for each in again.series] == [(0, 30, 0)]


async def test_target_keeps_its_own(tmp_path: Path) -> None:
    """What the target has and the source lacks stays; a later version of a candle wins, wherever it is."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    async with SqliteStore(old) as one, SqliteStore(new) as other:
        await one.write("KRW-BTC", HOUR, [row(1, 3.0, late=9), row(0, 2.0)], (opened(0), opened(2)))
        await other.write("KRW-BTC", HOUR, [row(5), row(1, 2.0), row(0, 4.0, late=9)], (opened(0), opened(6)))
        await rxcandles.copy_candles(old, new)
        rows = await other.rows("KRW-BTC", HOUR, 0, END - 1, "oldest_first", 9)
        assert rows == [row(0, 4.0, late=9), row(1, 3.0, late=9), row(5)]


async def test_source_is_repaired_meanwhile(
    shared_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a repair takes out of the source while it is copied is not covered in the target either."""
    monkeypatch.setattr("rxcandles.interchange.copying._PAGE", 10)
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    gone = (opened(15), opened(16))
    for source, target in ((old, shared_postgres_url), (shared_postgres_url, new)):
        async with store_at(source) as store:
            await store.write("KRW-BTC", HOUR, [row(slot) for slot in range(29, -1, -1)], (opened(0), opened(30)))
            number = await store.series_id("KRW-BTC", HOUR)

        def repair(_: object, done: int, source: str | Path = source, number: int = number) -> None:
            if done > 10:
                return
            if source == old:
                connection: Any = sqlite3.connect(old, isolation_level=None)
            else:
                connection = Session(str(source))
                connection.connect()
            with contextlib.closing(connection), transaction(connection):
                connection.execute("DELETE FROM candles WHERE series = ? AND open_time = ?", (number, gone[0]))
                uncover(connection, number, SpanSet((gone,)))

        await rxcandles.copy_candles(source, target, progress_callback=repair)
        async with store_at(target) as copied:
            spans = [each.span for each in await copied.coverage("KRW-BTC", HOUR, BEGINNING, END - 1)]
            assert spans == [(gone[1], opened(30)), (opened(0), gone[0])]
            assert await copied.count("KRW-BTC", HOUR, 0, END - 1) == 29


async def test_again(tmp_path: Path) -> None:
    """A value that differs while the time stamps agree is seen with ``again``."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    async with SqliteStore(old) as one, SqliteStore(new) as other:
        await one.write("KRW-BTC", HOUR, [row(0, 3.0)], (opened(0), opened(1)))
        await other.write("KRW-BTC", HOUR, [row(0, 2.0)], (opened(0), opened(1)))
        assert (await rxcandles.copy_candles(old, new)).candles == 0
        assert (await rxcandles.copy_candles(old, new, again=True)).candles == 1
        assert await other.rows("KRW-BTC", HOUR, 0, END - 1, "oldest_first", 9) == [row(0, 3.0)]


async def test_refused(tmp_path: Path) -> None:
    """A database is not copied into itself, nor one that is not there, nor a series that it has not."""
    path = tmp_path / "old.db"
    with pytest.raises(RequestError, match="there is no database"):
        await rxcandles.copy_candles(path, tmp_path / "new.db")
    async with SqliteStore(path) as store:
        await store.write("KRW-BTC", HOUR, [row(0)], (FIRST, opened(1)))
    (tmp_path / "other.db").symlink_to(path)
    with pytest.raises(RequestError, match="source and target are both"):
        await rxcandles.copy_candles(path, tmp_path / "other.db")
    with pytest.raises(RequestError, match="nothing is stored of KRW-ETH"):
        await rxcandles.copy_candles(path, tmp_path / "new.db", "KRW-ETH")


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command tells what was copied and what was there, and exits with 1 if an import contradicts the target."""
    old, new = str(tmp_path / "old.db"), str(tmp_path / "new.db")
    for number, path in enumerate((old, new)):
        csv = tmp_path / f"{number}.csv"
        csv.write_text(f"open_time,open,high,low,close,volume\n{FIRST},5,9,1,{2 + number},2\n")
        assert main(["import", str(csv), "--symbol", "KRW-BTC", "--timeframe", "60m", "--db", path]) == 0
    capsys.readouterr()
    assert main(["copy", old, new]) == 1
    assert "replace (--replace)" in capsys.readouterr().err
    assert main(["copy", old, str(tmp_path / "third.db")]) == 0
    assert "KRW-BTC 60m: 0 candles copied, 1 imported" in capsys.readouterr().out
