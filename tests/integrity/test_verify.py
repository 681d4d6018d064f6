"""A database is checked: each kind of harm is named, where it is, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.errors import InvalidResponseError, RequestError, SchemaError, StoreError, UnknownMarketError
from rxcandles.exchanges import UpbitExchange
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe, time_text, to_datetime
from rxcandles.operators import Retry
from rxcandles.simulator import Simulator, faults
from rxcandles.stores import SqliteStore
from tests.support.harm import (
    DENSE,
    EMPTY_IN_THE_HALF,
    HALF,
    HARMS,
    MARKETS,
    NOW,
    SPARSE,
    START,
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


def bytes_of(path: Path) -> bytes:
    """The file itself."""
    return path.read_bytes()


async def test_clean(path: Path) -> None:
    """Where nothing is wrong nothing is found, all of it was looked at, and the file is as it was before."""
    before = bytes_of(path)
    report = await rxcandles.verify(path, now=NOW)
    assert (report.clean, report.damaged, report.findings, dict(report.counts)) == (True, False, (), {})
    assert (report.series, report.spans) == (3, 4)
    assert report.candles == len(contents(path)["candles"])
    assert bytes_of(path) == before


async def test_every_timeframe(tmp_path: Path) -> None:
    """Candles of all timeframes are on their grids, weeks, months and years too, and a ledger may begin with time."""
    path, now = tmp_path / "candles.db", 1_772_000_007
    async with SqliteStore(path) as store:
        for frame in TIMEFRAMES:
            stop = frame.floor(now)
            start = frame.shift(stop, -300) if frame.seconds and frame.seconds < 7 * 86_400 else 0
            await store.write("KRW-ETH", frame, MARKETS[0].rows(frame, start, stop)[::-1], (start, stop))
    report = await rxcandles.verify(path, now=now)
    assert report.findings == ()
    assert report.series == len(TIMEFRAMES)


@pytest.mark.parametrize("done", HARMS.values(), ids=HARMS)
async def test_harm(path: Path, done: Harm) -> None:
    """Every kind of harm is found where it is, and nothing else."""
    harm(path, *done.done)
    report = await rxcandles.verify(path, now=NOW)
    assert places(report) == list(done.found)
    assert sum(report.counts.values()) == len(done.found)


async def test_a_provisional_absence_is_a_note(path: Path) -> None:
    """What is empty by the word of one answer is told with its place and when it is asked about again; all is well."""
    empty = EMPTY_IN_THE_HALF
    harm(path, claimed(empty, empty + 60, series="3"))
    report = await rxcandles.verify(path, now=NOW)
    assert (report.clean, report.wrong, dict(report.counts)) == (True, 0, {"provisional_absence": 1})
    assert places(report) == [("provisional_absence", *SPARSE, empty, empty + 60)]
    assert report.findings[0].detail == (
        f"1 slot is empty (gap) by one answer; asked about again from {time_text(NOW)} on"
    )


@pytest.mark.parametrize(
    ("harmed", "says"),
    [
        ("kind = 'rumour'", "no claim can have these values"),
        ("times = 0", "no claim can have these values"),
        ("due = 'soon'", "no claim can have these values"),
        ("start = start + 1", "where no 1m candle opens"),
    ],
)
async def test_a_claim_that_cannot_be(path: Path, harmed: str, says: str) -> None:
    """A claim that says nothing anybody could mean is wrong, and the note is not told besides."""
    harm(path, claimed(EMPTY_IN_THE_HALF, EMPTY_IN_THE_HALF + 60, series="3"), f"UPDATE claims SET {harmed}")
    report = await rxcandles.verify(path, now=NOW)
    assert (report.clean, report.wrong, [each.kind for each in report.findings]) == (False, 1, ["wrong_claim"])
    assert says in report.findings[0].detail


async def test_bounded(path: Path) -> None:
    """The first of each kind are kept and all are counted; several kinds at once come in their order."""
    harm(path, "UPDATE candles SET low = 2 * high WHERE series = 1", "UPDATE coverage SET rows = rows + 1")
    report = await rxcandles.verify(path, now=NOW, most=3)
    assert dict(report.counts) == {"impossible_candle": 700, "wrong_count": 4}
    assert [finding.kind for finding in report.findings] == ["impossible_candle"] * 3 + ["wrong_count"] * 3
    assert [finding.start for finding in report.findings[:2]] == [to_datetime(START), to_datetime(START + 60)]


async def test_flat(path: Path) -> None:
    """A hundred times as many findings take no more memory."""
    peaks = []
    for slots in (100, 10_000):
        harm(
            path,
            f"WITH RECURSIVE slots (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM slots WHERE n < {slots}) INSERT OR"
            f" REPLACE INTO candles SELECT 1, {START} - n * 60, 1, 2, 3, 1, 1, 1, {START}000, 0, 0, 0 FROM slots",
        )
        tracemalloc.start()
        report = await rxcandles.verify(path, now=NOW, most=10)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert dict(report.counts) == {"impossible_candle": slots, "unproven_candles": 1}
    assert peaks[1] < peaks[0] * 1.2 + 10_000


async def test_words(path: Path) -> None:
    """A finding says what is wrong with the values, for people."""
    harm(path, f"UPDATE candles SET high = 1 WHERE series = 1 AND open_time = {START}")
    (finding,) = (await rxcandles.verify(path, now=NOW)).findings
    row = rows(*DENSE, START, START + 60)[0]
    assert (finding.exchange, finding.symbol, finding.timeframe) == ("upbit", *DENSE)
    assert finding.detail == f"open {row.open!r} and close {row.close!r} are not within low {row.low!r} and high 1.0"


async def test_restricted(path: Path) -> None:
    """A symbol, or a symbol and a timeframe under any of its names, are all that is looked at."""
    harm(path, "UPDATE coverage SET rows = rows + 1")
    assert [each[1:3] for each in places(await rxcandles.verify(path, "KRW-XRP", now=NOW))] == [SPARSE]
    hours = await rxcandles.verify(path, "KRW-ETH", "1h", now=NOW)
    assert ([each[1:3] for each in places(hours)], hours.series) == ([("KRW-ETH", "60m")], 1)
    assert (await rxcandles.verify(path, "KRW-BTC", now=NOW)).series == 0
    with pytest.raises(RequestError, match="timeframe is '2h'"):
        await rxcandles.verify(path, "KRW-ETH", "2h")
    with pytest.raises(RequestError, match="sample is 3, but no exchange"):
        await rxcandles.verify(path, sample=3)
    for name, value in (
        ("most", 0), ("sample", -1), ("seed", "x"), ("now", "noon"), ("exchange", "upbit"), ("limiter", 3), ("retry", 3)
    ):  # fmt: skip
        with pytest.raises(RequestError, match=f"{name} is {value!r}"):
            await rxcandles.verify(path, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="path is 3"):
        await rxcandles.verify(3)  # type: ignore[arg-type]


async def test_damaged_pages(path: Path) -> None:
    """A file of which a page was overwritten is damaged, whichever it is, and nothing else is said of it."""
    whole = bytes_of(path)
    for at in range(4096, len(whole), 4096):
        overwrite(path, at, b"\xa5" * 4096)
        report = await rxcandles.verify(path, now=NOW)
        assert set(report.counts) == {"damaged_file"}, at
        assert report.damaged
        overwrite(path, 0, whole)
    overwrite(path, 0, b"\xa5" * 4096)
    with pytest.raises(StoreError, match="not a database, or a damaged one|restore a copy"):
        await rxcandles.verify(path, now=NOW)


async def test_any_bytes(path: Path) -> None:
    """Whatever bytes are overwritten: a report comes of it, or an error that says what to do."""
    whole, luck, outcomes = bytes_of(path), random.Random(3), Counter[str]()
    for _ in range(300):
        length = luck.choice([1, 2, 8, 100, 3000])
        overwrite(path, luck.randrange(len(whole) - length), luck.randbytes(length))
        try:
            report = await rxcandles.verify(path, now=NOW)
        except StoreError:
            outcomes["refused"] += 1
        else:
            outcomes["damaged" if report.damaged else "clean" if report.clean else "wrong"] += 1
        overwrite(path, 0, whole)
    assert outcomes["damaged"] > 20
    assert outcomes["wrong"] > 20


def overwrite(path: Path, at: int, values: bytes) -> None:
    """Write into the file itself."""
    with path.open("r+b") as file:
        assert file.seek(0, 2) >= at + len(values)
        file.seek(at)
        file.write(values)


async def test_cut_short(path: Path) -> None:
    """So is one that lacks its end, even where SQLite can do without that."""
    size = len(bytes_of(path))
    for lacking in (1, 4096, size // 2):
        with path.open("r+b") as file:
            file.truncate(size - lacking)
        assert (await rxcandles.verify(path, now=NOW)).damaged, lacking


async def test_wrong_schema(path: Path) -> None:
    """A table that lacks columns, or is not there, is named."""
    harm(path, "DROP VIEW candles_readable", "ALTER TABLE candles DROP COLUMN volume", "DROP TABLE coverage")
    report = await rxcandles.verify(path, now=NOW)
    assert report.damaged
    assert [finding.detail for finding in report.findings] == [
        "the table candles lacks volume, or has another key",
        "the table coverage is not there",
    ]


async def test_no_candle_database(tmp_path: Path) -> None:
    """What is no database of ours is an error that says so; one that is empty yet is in order."""
    with pytest.raises(RequestError, match="there is no database"):
        await rxcandles.verify(tmp_path / "absent.db")
    text = tmp_path / "text.db"
    text.write_text("no database" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        await rxcandles.verify(text)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE theirs (x)")
    with pytest.raises(SchemaError, match="another program's"):
        await rxcandles.verify(other)
    empty = tmp_path / "empty.db"
    empty.touch()
    assert (await rxcandles.verify(empty)).clean
    async with SqliteStore(tmp_path / "new.db"):
        assert (await rxcandles.verify(tmp_path / "new.db")).clean
    harm(tmp_path / "new.db", "PRAGMA user_version = 99")
    with pytest.raises(SchemaError, match="schema version 99"):
        await rxcandles.verify(tmp_path / "new.db")


WRITER = """
import asyncio, sys
from tests.support.harm import MARKETS
from rxcandles.stores import SqliteStore
from rxcandles.model.timeframe import Timeframe

async def main(path, start):
    async with SqliteStore(path) as store:
        for number in range(10**9):
            span = (start - 600 * number, start - 600 * number + 600 - 60 * (number % 3))
            rows = MARKETS[number % 2].rows("1m", *span)[::-1]
            await store.write(MARKETS[number % 2].symbol, Timeframe.of("1m"), rows, span)
            if number == 10:
                print("writing", flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_while_another_process_writes(path: Path) -> None:
    """What another process writes meanwhile is never half seen."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", WRITER, str(path), str(START - 600)], stdout=subprocess.PIPE, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"writing\n"
            seen = []
            while len(seen) < 20 or seen[0] == seen[-1]:
                report = await rxcandles.verify(path, now=NOW)
                assert report.findings == ()
                seen.append(report.candles)
        finally:
            process.kill()


async def test_cancelled(path: Path) -> None:
    """Cancelled in its midst it stops, and the file can be written to and checked as before."""
    for turns in range(12):
        task = asyncio.ensure_future(rxcandles.verify(path, now=NOW))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result().clean
    assert (await rxcandles.verify(path, now=NOW)).clean


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """The exchange that the candles are from."""
    async with Simulator(MARKETS, rate=None, clock=lambda: NOW) as simulator:
        yield simulator


FAST = Retry(base=0.001, longest=0.002)


async def sampled(path: Path, sim: Simulator, *series: str, sample: int = 12, seed: int = 0, now: float = NOW) -> Any:
    """Hold some of it against that exchange."""
    limiter = SlidingWindowLimiter(None)
    async with UpbitExchange(sim.base_url) as exchange:
        return await rxcandles.verify(
            path, *series, exchange=exchange, limiter=limiter, sample=sample, seed=seed, now=now, retry=FAST
        )


def half(path: Path, *statements: str) -> None:
    """Harm the sparse series, and correct its ledger, so that nothing can be seen from the file alone."""
    harm(path, *statements)
    harm(path, "UPDATE coverage SET rows = (SELECT count(*) FROM candles WHERE series = 3) WHERE series = 3")


async def test_same_as_the_exchange(path: Path, sim: Simulator) -> None:
    """Where the exchange has the same nothing is found; a page is a request, and the seed chooses."""
    report = await sampled(path, sim, sample=30)
    assert (report.findings, report.samples, sim.stats.requests) == ((), 30, 30)
    first = Counter((asked.market, asked.timeframe, asked.to) for asked in sim.log)
    assert len({asked[:2] for asked in first}) == 3
    await sampled(path, sim, sample=30)
    assert Counter((asked.market, asked.timeframe, asked.to) for asked in sim.log) == first + first
    await sampled(path, sim, sample=30, seed=1)
    assert Counter((asked.market, asked.timeframe, asked.to) for asked in sim.log) != first + first + first


async def test_other_than_the_exchange(path: Path, sim: Simulator) -> None:
    """Values that differ, a candle that only one of the two has: each is found that a page shows, once."""
    times = [row.open_time for row in rows(*SPARSE, *HALF)][::-1]
    gap = next(time for time in range(times[0], times[-1], 60) if time not in times)
    half(
        path,
        f"UPDATE candles SET volume = volume + 1 WHERE series = 3 AND open_time = {times[20]}",
        f"DELETE FROM candles WHERE series = 3 AND open_time = {times[150]}",
        f"INSERT INTO candles SELECT 3, {gap}, 5, 6, 4, 5, 1, 1, {gap * 1000}, NULL, NULL, NULL",
    )
    assert (await rxcandles.verify(path, now=NOW)).clean
    report = await sampled(path, sim, *SPARSE)
    assert places(report) == [
        ("missing_candle", *SPARSE, times[150], times[150] + 60),
        ("extra_candle", *SPARSE, gap, gap + 60),
        ("different_candle", *SPARSE, times[20], times[20] + 60),
    ]
    volume = rows(*SPARSE, times[20], times[20] + 1)[0].volume
    assert report.findings[-1].detail == f"volume is {volume + 1!r}, there {volume!r}"
    assert 12 < sim.stats.requests <= 24


async def test_only_what_is_old_enough(path: Path, sim: Simulator) -> None:
    """What has been over for less than an hour is not compared; nor what the exchange no longer keeps."""
    report = await sampled(path, sim, *SPARSE, now=HALF[1])
    assert report.samples == 12
    assert all(asked.to is not None and asked.to <= HALF[1] - 3600 for asked in sim.log)
    assert (await sampled(path, sim, *SPARSE, now=HALF[0] + 3600)).samples == 0
    sim.log.clear()
    second = Timeframe.of("1s")
    async with SqliteStore(path) as store:
        for days in (100, 10):
            span = (NOW - days * 86_400, NOW - days * 86_400 + 90)
            await store.write("KRW-ETH", second, rows("KRW-ETH", "1s", *span), span)
    report = await sampled(path, sim, "KRW-ETH", "1s")
    assert (report.findings, report.samples) == ((), 12)
    assert {asked.to for asked in sim.log} == {NOW - 10 * 86_400 + 90}


async def test_exchange_fails(path: Path, sim: Simulator) -> None:
    """What the exchange answers instead of a page ends it by its name."""
    sim.faults.add(faults.garbage())
    with pytest.raises(InvalidResponseError):
        await sampled(path, sim)
    sim.faults.clear()
    del sim.markets["KRW-XRP"]
    with pytest.raises(UnknownMarketError):
        await sampled(path, sim, *SPARSE)


SPAN = ["--to", "2024-01-02", "--end", "2024-01-01"]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A day of minutes, collected from the command line."""
    monkeypatch.chdir(tmp_path)
    collect = ["collect", "KRW-ETH", "1m", *SPAN, "--exchange", "simulated", "--rate-limit", "none", "--quiet"]
    assert main(collect) == 0
    capsys.readouterr()
    return tmp_path / "candles.db"


def test_command(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each finding, up to a number of each kind, then what was seen and what to do; the code says it too."""
    assert main(["verify"]) == 0
    assert capsys.readouterr().out == "candles.db: 1 series, 1,440 candles, 1 span; nothing is wrong\n"
    assert main(["verify", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    harm(there, "UPDATE candles SET low = 2 * high WHERE open_time % 600 = 0")
    assert main(["verify", "--most", "2"]) == 3
    first, second, more, seen = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "impossible_candle: simulated KRW-ETH 1m, 2024-01-01 00:00:00 to 2024-01-01 00:01:00 UTC: open "
    )
    assert second.startswith("impossible_candle: simulated KRW-ETH 1m, 2024-01-01 00:10:00 to ")
    assert more == "impossible_candle: 142 more"
    assert seen == (
        "candles.db: 1 series, 1,440 candles, 1 span; 144 findings; "
        "rxcandles repair --exchange simulated --dry-run says what to do"
    )


def test_command_json(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout is one object, the same names every time."""
    harm(there, "UPDATE coverage SET rows = 7")
    assert main(["verify", "KRW-ETH", "1m", "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert report.pop("findings") == [
        {
            "kind": "wrong_count",
            "exchange": "simulated",
            "symbol": "KRW-ETH",
            "timeframe": "1m",
            "start": "2024-01-01T00:00:00Z",
            "stop": "2024-01-02T00:00:00Z",
            "detail": "1,440 candles are stored in it where the ledger says 7",
        }
    ]
    assert report == {
        "path": "candles.db", "series": 1, "candles": 1440, "spans": 1, "imported": 0, "samples": 0,
        "counts": {"wrong_count": 1}, "clean": False, "damaged": False, "stopped": False,
        "schema": "rxcandles/verify/1",
    }  # fmt: skip


def test_command_against_exchange(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against the exchange: what a page shows is found, and the file is not touched."""
    words = ["verify", "--against-exchange", "9", "--seed", "3", "--exchange", "simulated", "--rate-limit", "none"]
    assert main(words) == 0
    assert capsys.readouterr().out.endswith("1 span, 9 pages compared with the exchange; nothing is wrong\n")
    harm(there, "UPDATE candles SET turnover = turnover + 1")
    before = bytes_of(there)
    assert main(words) == 3
    assert "different_candle: simulated KRW-ETH 1m, 2024-01-01 " in capsys.readouterr().out
    assert bytes_of(there) == before


@pytest.mark.parametrize(
    "words", [["verify", "--against-exchange", "3"], ["repair", "--absences"], ["repair", "--refetch"]], ids=str
)
def test_nothing_to_ask_about(there: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A check of an exchange of which nothing is held is no check: it says so, and whose candles there are."""
    main(["collect", "KRW-ETH", "1m", *SPAN, "--base-url", "http://127.0.0.1:1", "--name", "upbit", "--quiet"])
    capsys.readouterr()  # it leaves a name without coverage
    assert main(words) == 1
    said = {
        "verify": "no page was compared: candles.db has no candles of 'upbit' that are older than an hour",
        "repair": "nothing was fetched again: candles.db has no such candles of 'upbit'",
    }[words[0]]
    assert capsys.readouterr().err.endswith(
        f"rxcandles: {said}; it has candles of 'simulated': add --exchange simulated\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--db", "absent.db"], 2, "there is no database 'absent.db'"),
        (["--db", "absent.db", "--against-exchange", "3"], 2, "there is no database 'absent.db'"),
        (["KRW-ETH", "2h"], 2, "timeframe is '2h'"),
        (["KRW ETH"], 2, "symbol is 'KRW ETH'"),
        (["--against-exchange", "0"], 2, "0 is not in the range"),
        (["--seed", "3"], 2, "--against-exchange"),
        (["--db", "text.db"], 1, "not a database"),
    ],
)
def test_command_refuses(
    words: list[str], code: int, said: str, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can't be checked is one line on stderr, and no file is made."""
    Path("text.db").write_text("no database" * 1000)
    assert main(["verify", *words]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert not Path("absent.db").exists()


def test_command_damaged(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged file has a code of its own, and what to do with it is said."""
    overwrite(there, 8 * 4096, b"\xa5" * 4096)
    assert main(["verify"]) == 4
    *_, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("candles.db is damaged and can't be repaired in place: restore a copy")
    assert second.endswith("rxcandles repair --into NEW")
    assert main(["verify", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["damaged"] is True
