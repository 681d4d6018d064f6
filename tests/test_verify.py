"""A database is checked: each kind of harm is named, where it is, and nothing else."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from shutil import copy

import pytest
from harm import DENSE, HARMS, MARKETS, NOW, SPARSE, START, Harm, contents, harm, make, places, rows

import rxcandles
from rxcandles.errors import RequestError, SchemaError, StoreError
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import TIMEFRAMES, to_datetime


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


async def test_bounded(path: Path) -> None:
    """The first of each kind are kept and all are counted; several kinds at once come in their order."""
    harm(path, "UPDATE candles SET low = 2 * high WHERE series = 1", "UPDATE coverage SET rows = rows + 1")
    report = await rxcandles.verify(path, now=NOW, most=3)
    assert dict(report.counts) == {"impossible_candle": 700, "wrong_count": 4}
    assert [finding.kind for finding in report.findings] == ["impossible_candle"] * 3 + ["wrong_count"] * 3
    assert [finding.start for finding in report.findings[:2]] == [to_datetime(START), to_datetime(START + 60)]


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
    with pytest.raises(RequestError, match="most is 0"):
        await rxcandles.verify(path, most=0)


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
from harm import MARKETS
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import Timeframe

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
