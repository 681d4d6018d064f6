"""A database is repaired: nothing is left, nothing else was touched, and each hole cost its pages and no more."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path
from shutil import copy

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.errors import RequestError, StoreError
from rxcandles.exchanges import UpbitExchange
from rxcandles.integrity.findings import RepairStep
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.simulator import Simulator, faults
from rxcandles.stores import SqliteStore
from rxcandles.stores.sql.claiming import uncover
from tests.support.audit import audit
from tests.support.harm import (
    AT,
    DAY,
    DENSE,
    EMPTY_IN_THE_HALF,
    FIRST,
    HARMS,
    HOURS,
    MARKETS,
    NOW,
    SECOND,
    START,
    TRUTH,
    Harm,
    claimed,
    contents,
    harm,
    make,
    places,
    rows,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which nothing is wrong."""
    path = tmp_path_factory.mktemp("whole") / "candles.db"
    asyncio.run(make(path))
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    """The same, to be harmed."""
    return Path(copy(whole, tmp_path))


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """The exchange that the candles are from."""
    async with Simulator(MARKETS, rate=None, clock=lambda: NOW) as simulator:
        yield simulator


async def repaired(path: Path, sim: Simulator, **how: object) -> rxcandles.RepairReport:
    """Repair it with that exchange."""
    return await rxcandles.repair(path, UpbitExchange(sim.base_url), rate_limit=None, now=NOW, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("done", HARMS.values(), ids=HARMS)
async def test_harm(path: Path, whole: Path, sim: Simulator, done: Harm) -> None:
    """Whatever was harmed is as it was, for just the requests it takes; what is true of the rest is still there."""
    harm(path, *done.done)
    report = await repaired(path, sim)
    assert report.failures == ()
    assert report.after is not None
    assert report.after.wrong == 0
    assert report.repaired
    assert sim.stats.requests == report.requests == done.requests
    audit(path, TRUTH, NOW)
    before, after = contents(whole), contents(path)
    assert after["schema"] == before["schema"]
    gone = before["candles"] - after["candles"]
    assert {row[1:3] for row in gone} == set(done.lost)
    harmed = {place[1:3] for place in done.found} | set(done.lost)
    assert {row for row in before["coverage"] if row[1:3] not in harmed} <= after["coverage"]


async def test_nothing_to_repair(path: Path, sim: Simulator) -> None:
    """Where nothing is wrong nothing is asked, and the file is as it was."""
    before = bytes_of(path)
    report = await repaired(path, sim)
    assert report.repaired
    assert report.before == report.after
    assert (report.steps, report.removed, report.stored, report.requests) == ((), 0, 0, 0)
    assert (sim.stats.requests, bytes_of(path)) == (0, before)


def bytes_of(path: Path) -> bytes:
    """The file itself."""
    return path.read_bytes()


def claims_in(path: Path) -> list[tuple[object, ...]]:
    """The claims in a file."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT series, kind, start, stop, times, due FROM claims ORDER BY 1, 3").fetchall()


async def test_wrong_claims_are_cut_to_what_can_be(path: Path, sim: Simulator) -> None:
    """Of claims that overlap, hold candles or leave the ledger, what can be true stays, still to be asked about."""
    empty = EMPTY_IN_THE_HALF
    harm(
        path,
        claimed(empty - 60, empty + 60, series="3"),
        claimed(empty, empty + 60, "head", series="3"),
        f"INSERT INTO coverage VALUES (1, {FIRST[1] + 6000}, {FIRST[1] + 12000}, 0)",
        claimed(FIRST[1] + 9000, FIRST[1] + 15000),
        claimed(FIRST[1] - 60, FIRST[1] + 60),
    )
    report = await repaired(path, sim)
    assert dict(report.before.counts) == {"wrong_claim": 4}
    assert {(step.symbol, step.claims) for step in report.steps} == {("KRW-ETH", 2), ("KRW-XRP", 2)}
    assert (report.repaired, report.removed, report.requests) == (True, 0, 0)
    assert claims_in(path) == [
        (1, "gap", FIRST[1] + 9000, FIRST[1] + 12000, 1, NOW),
        (3, "gap", empty, empty + 60, 1, NOW),
    ]


async def test_a_claim_that_says_nothing_is_asked_about(path: Path, sim: Simulator) -> None:
    """To drop a claim would be to believe it: one whose values can't be is kept as one that is due at once."""
    empty = EMPTY_IN_THE_HALF
    harm(path, claimed(empty, empty + 60, "rumour", series="3"))
    report = await repaired(path, sim)
    assert report.repaired
    [(series, kind, start, stop, times, due)] = claims_in(path)
    assert (series, kind, start, stop, times) == (3, "gap", empty, empty + 60, 1)
    assert abs(float(str(due)) - time.time()) < 60


async def test_claims_go_with_the_ledger(path: Path, sim: Simulator) -> None:
    """Where a span is taken out of the ledger, the claims in it go too: no claim is left of what is not covered."""
    empty = EMPTY_IN_THE_HALF
    harm(
        path,
        claimed(empty, empty + 60, series="3"),
        f"UPDATE coverage SET stop = {NOW // 60 * 60 + 600} WHERE series = 1 AND start = {SECOND[0]}",
        claimed(SECOND[1], NOW // 60 * 60 + 600, "head"),
    )
    report = await repaired(path, sim)
    assert dict(report.before.counts) == {"future_span": 1, "provisional_absence": 2}
    assert report.repaired
    assert claims_in(path) == [(3, "gap", empty, empty + 60, 1, NOW)]


async def test_dry_run(path: Path, sim: Simulator) -> None:
    """A dry run says what would be done, series by series, and does nothing of it; then it is done so."""
    harm(
        path,
        f"UPDATE candles SET low = high * 2 WHERE series = 1 AND open_time IN ({AT}, {AT + 60}, {AT + 600})",
        f"DELETE FROM candles WHERE series = 2 AND open_time = {DAY[0] + 7200}",
        "INSERT INTO series VALUES (9, 'upbit', 'KRW-ETH', '2h')",
        f"INSERT INTO coverage VALUES (9, {START}, {START + 7200}, 0)",
    )
    before = bytes_of(path)
    report = await repaired(path, sim, dry_run=True)
    assert set(report.steps) == {
        RepairStep("distrust", "upbit", *DENSE, spans=2, candles=3, slots=3),
        RepairStep("distrust", "upbit", *HOURS, spans=1, candles=0, slots=1),
        RepairStep("remove", "upbit", "KRW-ETH", "2h", spans=1, candles=0, slots=0),
    }
    assert (report.removed, report.stored, report.requests, report.after, report.repaired) == (3, 0, 0, None, False)
    assert (sim.stats.requests, bytes_of(path)) == (0, before)
    done = await repaired(path, sim)
    assert (done.steps, done.removed, done.stored, done.requests) == (report.steps, 3, 4, 2)
    assert done.repaired


async def test_restricted(path: Path, sim: Simulator) -> None:
    """Only the series named is repaired, under any of its names."""
    harm(path, "UPDATE coverage SET rows = rows + 1")
    before = contents(path)["coverage"]
    report = await repaired(path, sim, symbol="KRW-ETH", timeframe="1h")
    assert report.repaired
    changed = contents(path)["coverage"] - before
    assert {row[1:3] for row in changed} == {HOURS}


async def test_other_exchanges_are_left(path: Path, sim: Simulator) -> None:
    """Series of another exchange are left as they are, and said to be."""
    harm(path, "UPDATE series SET exchange = 'other'", "UPDATE coverage SET rows = rows + 1")
    before = contents(path)
    report = await repaired(path, sim)
    assert not report.repaired
    assert report.after is not None
    assert dict(report.after.counts) == {"wrong_count": 4}
    assert (contents(path), sim.stats.requests) == (before, 0)


async def test_an_alias_has_more(path: Path, sim: Simulator) -> None:
    """What only another spelling has is fetched for the proper one, and no more than that."""
    harm(path, *HARMS["a timeframe's alias"].done)
    harm(path, f"UPDATE coverage SET stop = {DAY[1] - 36000}, rows = 290 WHERE series = 2")
    harm(path, f"DELETE FROM candles WHERE series = 2 AND open_time >= {DAY[1] - 36000}")
    report = await repaired(path, sim)
    assert (report.repaired, report.stored, sim.stats.requests) == (True, 10, 1)
    assert sum(row[1:3] == HOURS for row in contents(path)["candles"]) == 300
    audit(path, TRUTH, NOW)


@pytest.mark.usefixtures("no_waits")
async def test_what_fails_is_left(path: Path, sim: Simulator) -> None:
    """Where the exchange fails the ledger is true, what is missing is still known, and the next repair fetches it."""
    harm(path, *HARMS["two far apart are gone"].done, f"DELETE FROM candles WHERE series = 2 AND open_time = {DAY[0]}")
    sim.faults.add(faults.garbage())
    report = await repaired(path, sim)
    assert not report.repaired
    assert len(report.failures) == 1
    assert report.after is not None
    missing = [("unfinished_repair", *DENSE, at, at + 60) for at in (AT, AT + 24000)]
    assert places(report.after) == [*missing, ("unfinished_repair", *HOURS, DAY[0], DAY[0] + 3600)]
    audit(path, TRUTH, NOW)
    sim.faults.clear()
    sim.reset_stats()
    again = await repaired(path, sim)
    assert (again.repaired, again.steps, again.stored, sim.stats.requests) == (True, (), 3, 3)
    audit(path, TRUTH, NOW)


@pytest.mark.usefixtures("no_waits")
async def test_collecting_heals(path: Path, sim: Simulator) -> None:
    """What a repair has left any collection that asks for it fetches."""
    harm(path, *HARMS["a candle is gone"].done)
    sim.faults.add(faults.garbage())
    assert not (await repaired(path, sim)).repaired
    sim.faults.clear()
    async with rxcandles.connect(path, UpbitExchange(sim.base_url), rate_limit=None) as provider:
        ends = {"to": to_datetime(FIRST[1]), "end": to_datetime(FIRST[0])}
        assert (await provider.collect_candles_only(*DENSE, **ends)).stored_count == 1  # type: ignore[arg-type]
    assert (await rxcandles.verify(path, now=NOW)).clean


async def test_cancelled_at_any_turn(whole: Path, tmp_path: Path, sim: Simulator) -> None:
    """Cancelled whenever, the ledger is true, and the next repair goes on with just what is missing."""
    seen = Counter[str]()
    for requests in range(3):
        for turns in range(0, 40, 6):
            path = Path(copy(whole, tmp_path / f"{requests} {turns}.db"))
            harm(path, *HARMS["two far apart are gone"].done)
            asked = sim.stats.requests
            task = asyncio.ensure_future(repaired(path, sim))
            while sim.stats.requests < asked + requests and not task.done():
                await asyncio.sleep(0)
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            report = await rxcandles.verify(path, now=NOW)
            seen[next(iter(report.counts), "clean")] += 1
            assert (await repaired(path, sim)).repaired
            audit(path, TRUTH, NOW)
            assert contents(path) == contents(whole)
    assert seen.keys() == {"wrong_count", "unfinished_repair", "clean"}


async def test_killed(path: Path, whole: Path, sim: Simulator) -> None:
    """Killed while it fetches, it has left a true ledger, and the next repair fetches what is missing."""
    harm(path, *HARMS["a candle is gone"].done)
    asked, hold = asyncio.Event(), asyncio.Event()
    sim.faults.add(faults.delay(hold), when=lambda _: asked.set() or True)  # type: ignore[func-returns-value]
    program = (
        "import asyncio, sys, rxcandles;"
        "from rxcandles.exchanges import UpbitExchange;"
        "asyncio.run(rxcandles.repair(sys.argv[1], UpbitExchange(sys.argv[2]), now=float(sys.argv[3])))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(path), sim.base_url, str(NOW))
    await asyncio.wait_for(asked.wait(), 60)
    process.kill()
    await process.wait()
    hold.set()
    sim.faults.clear()
    assert places(await rxcandles.verify(path, now=NOW)) == [("unfinished_repair", *DENSE, AT, AT + 60)]
    audit(path, TRUTH, NOW)
    assert (await repaired(path, sim)).stored == 1
    assert contents(path) == contents(whole)


async def test_what_the_exchange_refuses(path: Path, sim: Simulator) -> None:
    """What the exchange has no longer is given up: it is said so, the rest is repaired, and the ledger is true."""
    harm(path, "UPDATE coverage SET rows = rows + 1", *HARMS["a candle of a sparse market is gone"].done)
    harm(path, f"UPDATE candles SET low = high + 1 WHERE series = 1 AND open_time = {AT}")
    del sim.markets["KRW-XRP"]
    report = await repaired(path, sim)
    assert len(report.failures) == 1
    assert report.failures[0].startswith("KRW-XRP 1m is given up: ")
    assert report.after is not None
    assert report.after.clean
    assert not report.repaired
    audit(path, TRUTH, NOW)
    assert (await repaired(path, sim)).repaired


async def test_what_the_exchange_keeps_no_longer(path: Path, sim: Simulator) -> None:
    """Candles of a second that can't be had again lose their proof and stay; one that can't be goes all the same."""
    old, young = NOW - 100 * 86_400, NOW - 10 * 86_400
    second, held = Timeframe.of("1s"), {start: rows("KRW-ETH", "1s", start, start + 90) for start in (old, young)}
    broken = held[old][7].open_time
    async with SqliteStore(path) as store:
        for start in (old, young):
            await store.write("KRW-ETH", second, held[start], (start, start + 90))
    harm(path, "UPDATE coverage SET rows = rows - 1 WHERE series = 4")
    harm(path, f"UPDATE candles SET low = high * 2 WHERE series = 4 AND open_time = {broken}")
    report = await repaired(path, sim)
    assert report.after is not None
    first = held[old][-1].open_time
    wrong = [place for place in places(report.after) if place[0] != "provisional_absence"]
    assert wrong == [("unproven_candles", "KRW-ETH", "1s", first, held[old][0].open_time + 1)]
    # A page of seconds reaches further back than was asked, as some seconds have no candle.
    spans = (*range(old, old + 90), *range(young, young + 90))
    kept = {row[3] for row in contents(path)["candles"] if row[2] == "1s" and row[3] in spans}
    assert kept == {row.open_time for some in held.values() for row in some} - {broken}
    assert sim.stats.requests == 1
    again = await repaired(path, sim)
    assert (again.repaired, again.removed, sim.stats.requests) == (False, 0, 1)


async def test_a_damaged_file(path: Path, whole: Path, tmp_path: Path, sim: Simulator) -> None:
    """Whatever page is damaged: in place nothing is done; into a new file all comes back that has a name still."""
    original, nameless = bytes_of(path), 0
    for at in range(4096, len(original), 4096):
        damaged = original[:at] + b"\xa5" * 4096 + original[at + 4096 :]
        put(path, damaged)
        report = await repaired(path, sim)
        assert (report.before.damaged, report.after, report.repaired) == (True, None, False)
        new = tmp_path / f"{at}.db"
        with suppress(StoreError):
            sim.reset_stats()
            report = await repaired(path, sim, into=new)
        if report.after is None:
            nameless += 1
            continue
        assert report.repaired
        assert contents(new)["candles"] >= contents(whole)["candles"]
        assert sim.stats.requests <= 12
        audit(new, TRUTH, NOW)
        assert bytes_of(path) == damaged
    assert nameless == 1


async def test_a_table_is_gone(path: Path, whole: Path, sim: Simulator) -> None:
    """A file without its ledger is proven again in a new one."""
    harm(path, "DROP VIEW coverage_readable", "DROP TABLE coverage")
    assert (await repaired(path, sim)).before.damaged
    new = path.with_name("new.db")
    assert (await repaired(path, sim, into=new)).repaired
    assert contents(new)["candles"] >= contents(whole)["candles"]
    audit(new, TRUTH, NOW)


def put(path: Path, values: bytes) -> None:
    """Make this the file."""
    path.write_bytes(values)


async def test_bad_arguments(path: Path, sim: Simulator) -> None:
    """What can't be meant is refused before anything is asked or written."""
    with pytest.raises(RequestError, match="which is there already"):
        await repaired(path, sim, into=path)
    with pytest.raises(RequestError, match="a dry run writes nothing"):
        await repaired(path, sim, into=path.with_name("new.db"), dry_run=True)
    with pytest.raises(RequestError, match="there is no database"):
        await repaired(path.with_name("absent.db"), sim)
    for name, value in (
        ("most", 0), ("dry_run", "no"), ("into", ""), ("progress_callback", 3), ("symbol", "KRW BTC"), ("limiter", 3)
    ):  # fmt: skip
        with pytest.raises(RequestError, match=f"{name} is {value!r}"):
            await rxcandles.repair(path, UpbitExchange(sim.base_url), **{name: value})  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="exchange is 'mine'"):
        await rxcandles.repair(path, "mine")
    assert sorted(each.name for each in folder_of(path) if each.suffix == ".db") == ["candles.db"]
    assert sim.stats.requests == 0


def folder_of(path: Path) -> list[Path]:
    """The files beside it."""
    return list(path.parent.iterdir())


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A day of minutes, collected from the command line."""
    monkeypatch.chdir(tmp_path)
    span = ["--to", "2024-01-02", "--end", "2024-01-01"]
    assert main(["collect", "KRW-ETH", "1m", *span, *SIMULATED, "--quiet"]) == 0
    capsys.readouterr()
    return tmp_path / "candles.db"


SIMULATED = ["--exchange", "simulated", "--rate-limit", "none"]
MIDNIGHT = 1_704_067_200
"""2024-01-01T00:00Z."""


def test_command(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is found, what is done about it, what it took and that nothing is left; a dry run says it before."""
    whole = contents(there)
    harm(there, f"DELETE FROM candles WHERE open_time >= {MIDNIGHT + 600} AND open_time < {MIDNIGHT + 900}")
    assert main(["repair", "--dry-run"]) == 3
    found = (
        "wrong_count: simulated KRW-ETH 1m, 2024-01-01 00:00:00 to 2024-01-02 00:00:00 UTC: "
        "1,435 candles are stored in it where the ledger says 1440"
    )
    assert capsys.readouterr().out.splitlines() == [
        found,
        "nothing was changed; run the command without --dry-run to do this",
        "not repaired, because they are of exchange simulated: rxcandles repair --exchange simulated --dry-run",
    ]
    assert main(["repair", "--dry-run", *SIMULATED]) == 3
    assert capsys.readouterr().out.splitlines() == [
        found,
        "simulated KRW-ETH 1m: would be removed from the coverage: 1 span, with 0 candles; "
        "5 slots would be fetched again",
        "nothing was changed; run the command without --dry-run to do this",
    ]
    assert main(["repair", *SIMULATED]) == 0
    assert capsys.readouterr().out.splitlines() == [
        found,
        "simulated KRW-ETH 1m: removed from the coverage: 1 span, with 0 candles; 5 slots fetched again",
        "0 candles deleted, 5 new stored with 1 request",
        "candles.db: nothing is wrong now",
    ]
    assert contents(there) == whole
    assert main(["repair", *SIMULATED]) == 0
    assert capsys.readouterr().out == "candles.db: 1 series, 1,440 candles, 1 span; nothing is wrong\n"


def test_command_json(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout is one object, the same names every time."""
    harm(there, f"UPDATE candles SET low = high + 1 WHERE open_time = {MIDNIGHT}")
    assert main(["repair", *SIMULATED, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["before"]["counts"] == {"impossible_candle": 1}
    assert report["after"]["clean"] is True
    del report["before"], report["after"]
    assert report == {
        "schema": "rxcandles/repair/1",
        "stopped": False,
        "repaired": True,
        "dry_run": False,
        "steps": [
            {"action": "distrust", "exchange": "simulated", "symbol": "KRW-ETH", "timeframe": "1m", "spans": 1,
             "candles": 1, "slots": 1, "claims": 0}
        ],
        "removed": 1,
        "stored": 1,
        "revised": 0,
        "requests": 1,
        "failures": [],
        "absences": None,
    }  # fmt: skip


def test_command_leaves_something(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is another exchange's is left, and the code says so."""
    harm(there, "UPDATE coverage SET rows = 7")
    assert main(["repair"]) == 3
    out = capsys.readouterr().out.splitlines()
    assert out[-3:] == [
        "candles.db: these findings are left:",
        out[0],
        "not repaired, because they are of exchange simulated: rxcandles repair --exchange simulated",
    ]
    assert main(["repair", "KRW-BTC"]) == 2  # there is no such series


def test_command_refuses(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can't be meant exits 2 with one line, and no file is made."""
    for line in ("--db absent.db", "KRW-ETH 2h", "--dry-run --into new.db", "--into candles.db"):
        assert main(["repair", *line.split(), *SIMULATED]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
    assert [each.name for each in there.parent.iterdir() if each.suffix == ".db"] == ["candles.db"]


def test_command_into(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged file exits 4 and says how; into a new one it is saved and completed."""
    whole = contents(there)
    values = bytes_of(there)
    put(there, values[: 12 * 4096] + b"\xa5" * 4096 + values[13 * 4096 :])
    assert main(["repair", *SIMULATED]) == 4
    assert "--into NEW" in capsys.readouterr().out
    assert main(["repair", *SIMULATED, "--into", "new.db"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "new.db: nothing is wrong now"
    assert contents(there.with_name("new.db")) == whole
    assert main(["verify", "--db", "new.db"]) == 0


async def test_a_file_of_before_gets_its_doubts(path: Path, tmp_path: Path, sim: Simulator) -> None:
    """What is copied out of a file that knew no claims has its doubtful absences found, as a migration finds them."""
    gap = (FIRST[0] + 6000, FIRST[0] + 12000)
    harm(
        path,
        f"DELETE FROM candles WHERE series = 1 AND open_time >= {gap[0]} AND open_time < {gap[1]}",
        f"UPDATE coverage SET rows = rows - 100 WHERE series = 1 AND start = {FIRST[0]}",
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DROP TABLE months")
        database.execute("DROP TABLE claims")
        database.execute("PRAGMA user_version = 3")
    new = tmp_path / "new.db"
    report = await repaired(path, sim, into=new)
    assert report.repaired
    assert (1, "gap", *gap) in {claim[:4] for claim in claims_in(new)}


async def test_what_is_uncovered_is_not_claimed(path: Path) -> None:
    """Where a span loses its cover the claims in it go with it, and what is left of them stays covered."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"INSERT INTO coverage VALUES (2, {DAY[1] + 3600}, {DAY[1] + 36000}, 0)")
        database.execute(claimed(DAY[1] + 3600, DAY[1] + 36000, series="2"))
        uncover(database, 2, SpanSet(((DAY[1] + 7200, DAY[1] + 14400),)))
        left = {(DAY[1] + 3600, DAY[1] + 7200), (DAY[1] + 14400, DAY[1] + 36000)}
        assert {claim[2:4] for claim in claims_in(path)} == left
        assert left < set(database.execute("SELECT start, stop FROM coverage WHERE series = 2"))
