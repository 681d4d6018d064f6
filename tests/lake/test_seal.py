"""Sealed months leave the database: nothing is fetched again, nothing is silently less, and all of it comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles import lake
from rxcandles.errors import LakeError, RequestError, SealedError, StoreError
from rxcandles.lake.manifest import read_manifest
from rxcandles.lake.target import _Folder, target_at
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model import Row, RowWithTrades
from rxcandles.model.claims import Absence
from rxcandles.model.timeframe import END, Timeframe, to_datetime
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.ports import Series
from rxcandles.stores import SqliteStore
from rxcandles.stores.opening import store_at
from rxcandles.stores.overview import overview
from rxcandles.stores.sql.store import SqlStore
from tests.support.fakes import FakeExchange, row
from tests.support.lakes import APRIL, FEBRUARY, JANUARY, MARCH, Killed, Steps, files_in, lake_rows

FRAME = Timeframe.of("240m")
STEP = FRAME.seconds
KEY = ("KRW-BTC", FRAME)
OPENS = [time for time in range(JANUARY, APRIL, STEP) if time // STEP % 5]
"""Every fifth slot is empty."""
NOW = float(APRIL + 10 * 86_400)
FOLDER = "exchange=upbit/symbol=KRW-BTC/timeframe=240m"


async def fill(store: SqlStore, opens: list[int] = OPENS) -> None:
    for first, last in ((JANUARY, FEBRUARY), (FEBRUARY, APRIL)):
        rows = [row(time) for time in opens if first <= time < last]
        await store.write(*KEY, rows[::-1], (first, last))


async def seal(store: SqlStore, folder: Path, older_than: str = "1M", **how: Any) -> lake.Sealing:
    [done] = await lake.seal(store, folder, older_than=older_than, now=NOW, **how)
    return done


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    """Three months, synced into the folder ``lake``."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else tmp_path / "candles.db"
    async with store_at(url) as opened:
        await fill(opened)
        await lake.sync(opened, tmp_path / "lake")
        yield opened


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """The same in memory."""
    async with SqliteStore(":memory:") as opened:
        await fill(opened)
        await lake.sync(opened, tmp_path / "lake")
        yield opened


async def test_seal_and_unseal(both: SqlStore, tmp_path: Path) -> None:
    """Old months leave and come back as they were, each value of each candle."""
    store = both
    before = await store.rows(*KEY, 0, END, "oldest_first", 9999)
    covered = await store.coverage(*KEY, 0, END)
    folder = tmp_path / "lake"
    done = await seal(store, folder, dry_run=True)
    assert (done.months, done.candles, done.left, await store.sealed(*KEY, 0, END)) == (2, 288, (), [])
    done = await seal(store, folder)
    assert (done.start, done.stop) == (to_datetime(JANUARY), to_datetime(MARCH))
    assert (done.months, done.candles) == (2, 288)
    assert await store.count(*KEY, 0, END) == len(before)
    assert await store.coverage(*KEY, 0, END) == covered
    left = await store.call(lambda connection: connection.execute("SELECT count(*) FROM candles").fetchone()[0])
    assert left == len(before) - 288
    assert (await seal(store, folder)).months == 0
    assert [each.months for each in await lake.unseal(store, folder)] == [2]
    assert await store.rows(*KEY, 0, END, "oldest_first", 9999) == before
    assert await store.coverage(*KEY, 0, END) == covered
    assert await lake.unseal(store, folder) == []


async def test_reading(both: SqlStore, tmp_path: Path) -> None:
    """A read that needs a sealed candle says where it is and what to do; one that does not need any works."""
    store = both
    await seal(store, tmp_path / "lake")
    says = (
        r"the candles of KRW-BTC 240m of 2024-01 to 2024-02 are sealed: only the lake at .*lake has them; read them"
        r" there, begin later, or bring them back with `rxcandles lake unseal .*lake KRW-BTC 240m`"
    )
    with pytest.raises(SealedError, match=says):
        await store.rows(*KEY, 0, END, "oldest_first", 1)
    reader = store.reader(*KEY)
    march = len([time for time in OPENS if time >= MARCH])
    for read in (
        lambda: reader.rows(JANUARY, FEBRUARY, "newest_first", 1),
        lambda: reader.columns(FEBRUARY + 9 * STEP, MARCH + 9 * STEP, 1),
        lambda: list(rxcandles.stored_candles(store, "KRW-BTC", "240m")),
        lambda: rxcandles.to_arrow(rxcandles.stored_candles(store, "KRW-BTC", "240m")),
        lambda: reader.gathered(MARCH - STEP, APRIL, 9999, list),
        lambda: store.reader_with_imported(*KEY).columns(0, END, 1),
        lambda: reader.rows(0, END, "newest_first", march + 1),
        lambda: reader.rows(0, END, "newest_first", 1, march),
    ):
        with pytest.raises(SealedError):
            read()
    with pytest.raises(SealedError):
        await rxcandles.export_candles(store, "KRW-BTC", "240m", tmp_path / "a.csv")
    with pytest.raises(SealedError):
        [page async for page in store.pages("KRW-BTC", "240m", "2024-02-15", "2024-03-15")]
    with pytest.raises(SealedError):
        await store.with_imported().rows(*KEY, 0, END, "newest_first", 9999)
    assert len(await store.rows(*KEY, 0, END, "newest_first", march)) == march
    assert (
        len(rxcandles.to_arrow(rxcandles.stored_candles(store, "KRW-BTC", "240m", "2024-03-01", "2024-04-01"))) == march
    )
    assert [len(page[0]) for page in reader.gathered(MARCH, APRIL, 9999, list)] == [march]
    done = await rxcandles.export_candles(store, "KRW-BTC", "240m", tmp_path / "b.csv", since=timedelta(days=31))
    assert done.rows == march


async def test_nothing_is_fetched_again(both: SqlStore, tmp_path: Path) -> None:
    """A collection over sealed months sends nothing and counts them, wherever its ends are; a later one goes on."""
    store = both
    await seal(store, tmp_path / "lake")
    exchange = FakeExchange([*OPENS, *range(APRIL, APRIL + 90 * STEP, STEP)])
    provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(1000))
    for start, stop in ((JANUARY, APRIL), (JANUARY + 7 * STEP, FEBRUARY + 31 * STEP)):
        summary = await provider.collect_candles_only("KRW-BTC", "240m", to=to_datetime(stop), end=to_datetime(start))
        expected = len([time for time in OPENS if start <= time < stop])
        assert (summary.collected_count, summary.db_records_count, exchange.asked) == (expected, expected, [])
    summary = await provider.collect_candles_only("KRW-BTC", "240m", count=300, to=to_datetime(APRIL))
    assert (summary.collected_count, exchange.asked) == (300, [])
    summary = await provider.collect_candles_only(
        "KRW-BTC", "240m", to=to_datetime(APRIL + 90 * STEP), end=to_datetime(JANUARY)
    )
    assert (summary.collected_count, len(exchange.asked)) == (len(OPENS) + 90, 1)


async def test_what_an_answer_says(both: SqlStore, tmp_path: Path) -> None:
    """Whatever a page says of a sealed month, the month stays as it is; what lies beside it is written."""
    store = both
    await seal(store, tmp_path / "lake", "2M")
    assert [each.start for each in await store.sealed(*KEY, 0, END)] == [JANUARY]
    last, first = FEBRUARY - STEP, FEBRUARY
    rows = [row(first)._replace(volume=9.0), row(last)._replace(volume=9.0)]
    await store.write(
        *KEY, rows, (JANUARY, FEBRUARY + 2 * STEP), gone=[OPENS[0]], impossible={OPENS[1]: "it is impossible"},
        absences=[Absence("gap", JANUARY, JANUARY + STEP, 1.0, 2.0)],
    )  # fmt: skip
    assert await store.count(*KEY, JANUARY, FEBRUARY) == len([time for time in OPENS if time < FEBRUARY])
    assert (await store.claims(*KEY, 0, END), await store.impossible(*KEY, 0, END)) == ([], [])
    [changed] = await store.rows(*KEY, FEBRUARY, END, "oldest_first", 1)
    assert (changed.open_time, changed.volume) == (FEBRUARY, 9.0)
    assert len(await store.coverage(*KEY, 0, END)) == 1
    await lake.unseal(store, tmp_path / "lake")
    assert (await store.rows(*KEY, last, first, "oldest_first", 1)) == [row(last)] * (last in OPENS)


async def test_verify_and_repair(both: SqlStore, tmp_path: Path) -> None:
    """A check of the database, and of the lake, finds nothing wrong; neither does one after a claim that was void."""
    store = both
    path = getattr(store.path, "url", store.path)
    await seal(store, tmp_path / "lake", "2M")
    assert (await rxcandles.verify(path)).findings == ()
    assert (await lake.verify(store, tmp_path / "lake")).findings == ()
    later = APRIL + 40 * STEP
    gap = Absence("gap", APRIL, later, 1.0, 2.0)
    await store.write(*KEY, [row(later)], (APRIL, later + STEP), absences=[gap], heard=1e9)
    await store.write(*KEY, [row(APRIL + STEP)], (APRIL + STEP, APRIL + 2 * STEP), heard=2e9)
    assert len(await store.coverage(*KEY, 0, END)) > 1, "a part is covered no more, so the spans were counted again"
    assert [each.kind for each in (await rxcandles.verify(path)).findings] == []


async def test_sync_after_a_seal(store: SqlStore, tmp_path: Path) -> None:
    """A sync leaves sealed files as they are, knows them without the manifest, and claims them in no other lake."""
    folder = tmp_path / "lake"
    await seal(store, folder)
    before = {name: stat for name, stat in files_in(folder).items() if name.endswith(".parquet")}
    for manifest in (True, False):
        if not manifest:
            (folder / FOLDER / "_manifest.json").unlink()
        [done] = await lake.sync(store, folder)
        assert (done.candles, done.sealed, done.removed) == (len(OPENS), 2, 0)
        found = files_in(folder)
        assert {name: stat for name, stat in found.items() if "2024-03" not in name and "manifest" not in name} == {
            name: stat for name, stat in before.items() if "2024-03" not in name
        }
        assert (await lake.verify(store, folder)).findings == ()
    [done] = await lake.sync(store, tmp_path / "other")
    assert (done.files, done.written) == (1, 1)
    manifest = read_manifest(target_at(tmp_path / "other"), Series("upbit", "KRW-BTC", "240m"))
    assert manifest is not None
    assert list(manifest.evidence.covered) == [(MARCH, APRIL)]
    assert (await lake.verify(store, tmp_path / "other")).findings == ()


@pytest.mark.parametrize("harm", ["gone", "changed"])
async def test_the_only_copy(harm: str, store: SqlStore, tmp_path: Path) -> None:
    """A sealed file that is gone or changed is told by sync, verify and unseal, and touched by none."""
    folder = tmp_path / "lake"
    await seal(store, folder)
    path = folder / FOLDER / "2024-01.parquet"
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + b"x")
    with pytest.raises(LakeError, match=r"2024-01.parquet is not (there|what was sealed), and the database does not"):
        await lake.sync(store, folder)
    kinds = [each.kind for each in (await lake.verify(store, folder)).findings]
    assert kinds == ["missing_file" if harm == "gone" else "changed_file"]
    with pytest.raises(LakeError):
        await lake.unseal(store, folder)
    assert len(await store.sealed(*KEY, 0, END)) == 2
    path.write_bytes(content)
    assert [each.months for each in await lake.unseal(store, folder)] == [2]


async def test_copies_of_months(tmp_path: Path) -> None:
    """A frame is not made of a copy of a month that was sealed since; when the month is back, the frame is the same."""
    hour = Timeframe.of("60m")
    async with SqliteStore(tmp_path / "candles.db") as store:
        rows = [row(time) for time in range(JANUARY, FEBRUARY, 3600)]
        await store.write("KRW-BTC", hour, rows[::-1], (JANUARY, FEBRUARY))
        stored = rxcandles.stored_candles(store, "KRW-BTC", "60m")
        before = rxcandles.to_arrow(stored)
        assert rxcandles.to_arrow(stored) == before
        await lake.sync(store, tmp_path / "lake")
        assert (await seal(store, tmp_path / "lake")).months == 1
        with pytest.raises(SealedError):
            rxcandles.to_arrow(stored)
        await lake.unseal(store, tmp_path / "lake")
        assert rxcandles.to_arrow(stored) == before


async def test_another_lake_may_bring_it_back(store: SqlStore, tmp_path: Path) -> None:
    """The lake may have moved; the file counts."""
    await seal(store, tmp_path / "lake")
    (tmp_path / "lake").rename(tmp_path / "moved")
    [back] = await lake.unseal(store, tmp_path / "moved", since="2024-02-10")
    assert (back.months, back.start) == (1, to_datetime(FEBRUARY))


async def test_overview(store: SqlStore, tmp_path: Path) -> None:
    """The overview counts sealed candles, and says how many they are."""
    await seal(store, tmp_path / "lake")
    [each] = await overview(store)
    assert (each.candles, each.sealed, each.start) == (len(OPENS), 288, to_datetime(OPENS[0]))


async def test_repair(tmp_path: Path) -> None:
    """A repair mends what is wrong beside sealed months, and leaves them; a copy of what can be read has them, too."""
    path = tmp_path / "candles.db"
    async with SqliteStore(path) as store:
        await fill(store)
        await lake.sync(store, tmp_path / "lake")
        await seal(store, tmp_path / "lake")
        before = await store.sealed(*KEY, 0, END)

        def harm(connection: Any) -> None:
            connection.execute("UPDATE candles SET high = -1 WHERE open_time = ?", (OPENS[-1],))
            connection.execute("DELETE FROM candles WHERE open_time = ?", (OPENS[-9],))

        await store.call(harm)
    assert {each.kind for each in (await rxcandles.verify(path)).findings} == {"impossible_candle", "wrong_count"}
    exchange = FakeExchange(OPENS)
    await rxcandles.repair(path, exchange, rate_limit=None)
    assert (await rxcandles.verify(path)).findings == ()
    await rxcandles.repair(path, exchange, rate_limit=None, into=tmp_path / "saved.db")
    assert (await rxcandles.verify(tmp_path / "saved.db")).findings == ()
    async with SqliteStore(tmp_path / "saved.db") as store:
        assert await store.sealed(*KEY, 0, END) == before
        assert await store.count(*KEY, 0, END) == len(OPENS)
        with pytest.raises(LakeError, match="from another database"):
            await lake.sync(store, tmp_path / "lake")
        [done] = await lake.sync(store, tmp_path / "lake", replace=True)
        assert (done.sealed, done.written, (await lake.verify(store, tmp_path / "lake")).findings) == (2, 1, ())


async def test_a_copy_is_refused(tmp_path: Path) -> None:
    """A copy to another database would not have the sealed candles, so it is refused."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        await fill(store)
        await lake.sync(store, tmp_path / "lake")
        await seal(store, tmp_path / "lake")
    with pytest.raises(SealedError):
        await rxcandles.copy_candles(tmp_path / "candles.db", tmp_path / "copy.db")


# What stays, and why.


@pytest_asyncio.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        await fill(opened)
        await lake.sync(opened, tmp_path)
        yield opened


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("gap", "it has gaps"),
        ("claim", "a part of it is provisional"),
        ("change", "its file is not as the database is; sync first"),
        ("bytes", "its file has changed since it was written; remove it, and sync first"),
        ("gone", "its file is not as the database is; sync first"),
    ],
)
async def test_what_stays(what: str, why: str, file: SqliteStore, tmp_path: Path) -> None:
    """A month that is not wholly proven, or whose file is not as the store is, stays, and the reason is told."""
    path = tmp_path / FOLDER / "2024-01.parquet"
    end = (FEBRUARY - STEP, FEBRUARY)
    if what == "gap":
        await file.write(*KEY, [], end, impossible={end[0]: "it is impossible"}, gone=[end[0]])
        await lake.sync(file, tmp_path)
    elif what == "claim":
        await file.write(*KEY, [], end, gone=[end[0]], absences=[Absence("gap", *end, 1.0, 2.0)])
        await lake.sync(file, tmp_path)
    elif what == "change":
        await file.write(*KEY, [row(OPENS[0])._replace(volume=5.5)], (OPENS[0], OPENS[0] + STEP), gone=[])
    elif what == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[::-1])
    done = await seal(file, tmp_path)
    assert (done.left, done.months) == (((to_datetime(JANUARY), why),), 1)
    assert [each.start for each in await file.sealed(*KEY, 0, END)] == [FEBRUARY]


async def test_mistakes(file: SqliteStore, tmp_path: Path) -> None:
    """Another database, a lake that was never synced, a length that is none."""
    async with SqliteStore(":memory:") as other:
        await fill(other)
        with pytest.raises(LakeError, match="KRW-BTC 240m is in it from another database; sync it first"):
            await seal(other, tmp_path)
    with pytest.raises(LakeError, match="KRW-BTC 240m is not in it; sync it first"):
        await seal(file, tmp_path / "none")
    with pytest.raises(RequestError, match="older_than is 'soon'"):
        await seal(file, tmp_path, "soon")
    day = Timeframe.of("1d")
    await file.write("KRW-BTC", day, [row(JANUARY)], (JANUARY, JANUARY + 86_400))
    await lake.sync(file, tmp_path)
    assert [each.months for each in await lake.seal(file, tmp_path, None, "1d", older_than="1M", now=NOW)] == [0]


async def test_wrong_candles_do_not_come_back(file: SqliteStore, tmp_path: Path) -> None:
    """Candles other than those that were sealed change nothing."""
    await seal(file, tmp_path)
    with pytest.raises(StoreError, match="the file has 1 candles, which are not the"):
        await file.unseal(*KEY, JANUARY, lambda: iter([[row(OPENS[0])]]))
    assert len(await file.sealed(*KEY, 0, END)) == 2
    assert await file.count(*KEY, 0, END) == len(OPENS)


async def test_connection_is_lost_meanwhile(postgres_url: str, tmp_path: Path) -> None:
    """A month whose candles were half back when the server ended the connection comes back as a whole."""
    async with store_at(postgres_url) as store:
        await fill(store)
        await lake.sync(store, tmp_path)
        before = await store.rows(*KEY, 0, FEBRUARY, "oldest_first", 9999)
        await seal(store, tmp_path)
        begun: list[int] = []

        def pages() -> Iterator[Sequence[Row]]:
            begun.append(len(begun))
            yield before[:50]
            if len(begun) == 1:
                with psycopg.connect(postgres_url, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
            yield before[50:]

        assert await store.unseal(*KEY, JANUARY, pages) == len(before)
        assert begun == [0, 1]
        assert await store.rows(*KEY, 0, FEBRUARY, "oldest_first", 9999) == before


async def test_trades(tmp_path: Path) -> None:
    """Candles with trades come back with them."""
    async with SqliteStore(":memory:") as store:
        rows: list[Row] = [RowWithTrades(*row(time), time % 7, 0.5, 50.0) for time in OPENS if time < FEBRUARY]
        await store.write(*KEY, rows[::-1], (JANUARY, FEBRUARY))
        await lake.sync(store, tmp_path)
        await seal(store, tmp_path)
        await lake.unseal(store, tmp_path)
        assert await store.rows(*KEY, 0, END, "oldest_first", 9999) == rows


async def test_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal that ends at any step has lost nothing: the next one does the rest, and all of it comes back."""
    steps = Steps(monkeypatch, _Folder)
    for last in (0, 2, 3, 5, 6):
        folder = tmp_path / str(last)
        async with SqliteStore(":memory:") as store:
            steps.last = None
            await fill(store)
            await lake.sync(store, folder)
            steps.done, steps.last = 0, last
            if last < 6:
                with pytest.raises(Killed):
                    await seal(store, folder)
            steps.last = None
            await lake.sync(store, folder)
            await seal(store, folder)
            assert len(await store.sealed(*KEY, 0, END)) == 2
            assert (await lake.verify(store, folder)).findings == ()
            assert len(lake_rows(folder)) == len(OPENS)
            await lake.unseal(store, folder)
            assert await store.rows(*KEY, 0, END, "oldest_first", 9999) == [row(time) for time in OPENS]


async def test_a_change_at_the_last_moment(file: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A candle that comes between the comparison and the deletion keeps its month in the database."""
    real = SqliteStore.seal

    async def late(store: SqliteStore, *given: Any) -> Any:
        await store.write(*KEY, [row(OPENS[0])._replace(volume=7.0)], (OPENS[0], OPENS[0] + STEP), gone=[])
        return await real(store, *given)

    monkeypatch.setattr(SqliteStore, "seal", late)
    done = await seal(file, tmp_path, "2M")
    assert done.left == ((to_datetime(JANUARY), "its candles have changed meanwhile; sync, then seal again"),)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


SLOTS = st.integers(-3, (APRIL - JANUARY) // STEP + 3)


@settings(max_examples=10, deadline=None)
@given(
    opens=st.sets(st.integers(0, (MARCH - JANUARY) // STEP - 1), min_size=1, max_size=60),
    asked=st.lists(st.tuples(SLOTS, SLOTS, st.integers(1, 70)), min_size=3, max_size=12),
)
def test_counts(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory, opens: set[int], asked: Any) -> None:
    """Counts, places and open times are those from before the seal, for any span."""
    times = sorted({JANUARY + STEP * each for each in opens} | {MARCH})

    async def play(folder: Path) -> None:
        async with SqliteStore(":memory:") as store:
            await fill(store, times)
            spans = [(JANUARY + STEP * one, JANUARY + STEP * other, nth) for one, other, nth in asked if one < other]
            before = [await told(store, *each) for each in spans]
            await lake.sync(store, folder)
            await seal(store, folder)
            assert [await told(store, *each) for each in spans] == before

    async def told(store: SqliteStore, start: int, stop: int, nth: int) -> Any:
        span = (start, stop)
        reader = store.reader(*KEY)
        return (
            await store.count(*KEY, *span), await store.nth_newest(*KEY, *span, nth), reader.count(*span),
            await store.opens(*KEY, *span, "newest_first", nth), reader.opens(*span, "oldest_first", nth),
        )  # fmt: skip

    runner.run(play(tmp_path_factory.mktemp("counts")))
