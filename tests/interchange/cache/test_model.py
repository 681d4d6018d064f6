"""Copies of months as a state machine: whatever happens to rows, to the file and to copies, frames are the rows.

The rows are read beside it by ``sqlite3``. Candles are of days, so that months are short, and any month is copied.
``RXCANDLES_EXAMPLES=200`` in the environment makes it a long run.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

import pyarrow
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import rxcandles
from rxcandles.integrity.mend import Mending, RepairPlan, mend
from rxcandles.interchange.cache import copies, folder, months
from rxcandles.model import Row
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.ports import Series
from rxcandles.stores import SqliteStore
from tests.support.fakes import row

_A = TypeVar("_A")

FRAME = Timeframe.of("1d")
DAY = 86_400
BEGIN = 1_704_067_200  # 2024-01-01
DAYS = 120
SYMBOLS = ("KRW-A", "KRW-B")
EXAMPLES = int(os.environ.get("RXCANDLES_EXAMPLES", "5"))

days = st.integers(0, DAYS - 1)
symbols = st.sampled_from(SYMBOLS)
places = st.integers(0, 1000)


def opened(day: int) -> int:
    return BEGIN + day * DAY


def plain(table: Any) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


class CopiedMonths(RuleBasedStateMachine):
    """A store, its rows and its copies, and people who do things to all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = Path(tempfile.mkdtemp())
        self._path = self._folder / "candles.db"
        self._cache = self._folder / "candles.db.cache"
        self._clock = SimpleNamespace(time=lambda: opened(100))
        self._patches = [
            patch.object(months, "SMALLEST", 2),
            patch.object(months, "PART", 11),
            patch.object(months, "PAGE", 1),
            patch.object(months, "time", self._clock),
            patch.object(folder, "_LOG", SimpleNamespace(info=lambda *_: None)),
        ]
        for each in self._patches:
            each.start()
        self._stamp = 0
        self._open()
        for symbol in SYMBOLS:
            self.write(symbol, 0, 100)

    def _open(self) -> None:
        self._store = self._run(SqliteStore.open(self._path))

    def _run(self, work: Coroutine[Any, Any, _A]) -> _A:
        async def go() -> _A:
            return await work

        return self._runner.run(go())

    def teardown(self) -> None:
        self._run(self._store.close())
        self._runner.close()
        for each in self._patches:
            each.stop()
        shutil.rmtree(self._folder)

    def _sequence(self, symbol: str, first: int = 0, last: int = DAYS) -> rxcandles.CandleSequence:
        return rxcandles.stored_candles(
            self._store, symbol, FRAME, to_datetime(opened(first)), to_datetime(opened(last))
        )

    def _rows(self, symbol: str, first: int = 0, last: int = DAYS) -> list[tuple[Any, ...]]:
        sql = (
            "SELECT candles.* FROM candles JOIN series ON id = series WHERE symbol = ? AND open_time >= ?"
            " AND open_time < ? ORDER BY open_time"
        )
        with closing(sqlite3.connect(self._path)) as file:
            found = file.execute(sql, (symbol, opened(first), opened(last))).fetchall()
        return [(to_datetime(each[1]), *each[2:]) for each in found]

    def _files(self) -> list[Path]:
        there = sorted(self._cache.iterdir()) if self._cache.is_dir() else []
        return [each for each in there if each.is_file() and not each.is_symlink()]

    @invariant()
    def frames_are_the_rows(self) -> None:
        for symbol in SYMBOLS:
            table = rxcandles.to_arrow(self._sequence(symbol))
            assert plain(table) == self._rows(symbol)

    # What happens to the rows

    def _fresh(self, day: int) -> Row:
        self._stamp += 1
        return row(opened(day))._replace(close=float(self._stamp), timestamp=self._stamp)

    @rule(symbol=symbols, first=days, length=st.integers(1, 50))
    def write(self, symbol: str, first: int, length: int) -> None:
        """Insert candles, and replace those that are there by others."""
        page = [self._fresh(day) for day in range(min(first + length, DAYS) - 1, first - 1, -1)]
        self._run(self._store.write(symbol, FRAME, page, (opened(first), opened(first + length))))

    @rule(symbol=symbols, first=days, length=st.integers(1, 9))
    def write_again(self, symbol: str, first: int, length: int) -> None:
        """Write candles as they are stored; no revision has to change."""
        stored = self._run(
            self._store.rows(symbol, FRAME, opened(first), opened(first + length), "newest_first", length)
        )
        self._run(self._store.write(symbol, FRAME, stored, (opened(first), opened(first + length))))

    @rule(symbol=symbols, day=days)
    def lose(self, symbol: str, day: int) -> None:
        """The exchange no longer has a candle."""
        span = opened(day), opened(day + 1)
        self._run(self._store.write(symbol, FRAME, [], span, gone=[opened(day)]))

    @rule(symbol=symbols, day=days)
    def doubt(self, symbol: str, day: int) -> None:
        """The exchange has an impossible candle; then it has a possible one."""
        span = opened(day), opened(day + 1)
        self._run(self._store.write(symbol, FRAME, [], span, impossible={opened(day): "high < low"}))
        self._run(self._store.write(symbol, FRAME, [self._fresh(day)], span))

    @rule(symbol=symbols, first=days, length=st.integers(1, 40), whole=st.booleans())
    def repair(self, symbol: str, first: int, length: int, whole: bool) -> None:
        """Take out what can't be trusted: candles of a span, or all of a series."""
        span = SpanSet(((opened(first), opened(first + length)),))
        series = Series("upbit", symbol, "1d")
        number = self._run(self._store.series_id(symbol, FRAME))
        removed = (number,) if whole and number >= 0 else ()
        plan = RepairPlan((Mending(series, span, span, SpanSet()),), removed, False, ())
        self._run(self._store.call(mend, plan))

    @rule(symbol=symbols, first=days, day=days)
    def change_while_read(self, symbol: str, first: int, day: int) -> None:
        """A candle changes while a frame is under way."""

        async def read() -> None:
            async for _ in rxcandles.in_batches(self._sequence(symbol, first), size=7):
                await self._store.write(symbol, FRAME, [self._fresh(day)], (opened(day), opened(day + 1)))

        self._run(read())

    # What happens to the file

    @rule()
    def back_up(self) -> None:
        self._run(self._store.close())
        shutil.copy2(self._path, self._folder / "backup.db")
        self._open()

    @precondition(lambda self: (self._folder / "backup.db").exists())
    @rule()
    def restore(self) -> None:
        self._run(self._store.close())
        shutil.copy2(self._folder / "backup.db", self._path)
        self._open()

    @rule(days=st.integers(1, 40))
    def wait(self, days: int) -> None:
        """Months end."""
        later = self._clock.time() + days * DAY
        self._clock.time = lambda: later

    # Who reads

    @rule(symbol=symbols, first=days, last=days, size=st.integers(1, 40))
    def read_a_part(self, symbol: str, first: int, last: int, size: int) -> None:
        """A part, in batches; it may be left in the middle."""
        last = max(first + 1, last)

        async def read() -> list[pyarrow.RecordBatch]:
            return [batch async for batch in rxcandles.in_batches(self._sequence(symbol, first, last), size=size)]

        batches = self._run(read())
        assert all(len(batch) == size for batch in batches[:-1])
        assert [each for batch in batches for each in plain(batch)] == self._rows(symbol, first, last)

    @rule(symbol=symbols)
    def leave(self, symbol: str) -> None:
        """Nobody wants the rest of a frame."""

        async def read() -> None:
            async for _ in rxcandles.in_batches(self._sequence(symbol), size=3):
                break

        self._run(read())

    # What happens to the copies

    def _file(self, which: int) -> Path | None:
        """One of the files; revisions are random, so which there are must not decide what is drawn."""
        files = self._files()
        return files[which % len(files)] if files else None

    @rule(which=places)
    def delete(self, which: int) -> None:
        if path := self._file(which):
            path.unlink()

    @rule()
    def delete_all(self) -> None:
        shutil.rmtree(self._cache, ignore_errors=True)

    @rule(which=places, share=st.floats(0, 1))
    def cut_short(self, which: int, share: float) -> None:
        if path := self._file(which):
            os.truncate(path, int(path.stat().st_size * share))

    @rule(which=places, share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def flip(self, which: int, share: float, bit: int) -> None:
        path = self._file(which)
        if path and (data := bytearray(path.read_bytes())):
            data[int(len(data) * share)] ^= 1 << bit
            path.write_bytes(data)

    @rule(which=places, other=places, keeps_sum=st.booleans())
    def rename(self, which: int, other: int, keeps_sum: bool) -> None:
        """A copy takes another's name, or only the part of it that says which month it is."""
        path, known = self._file(which), self._file(other)
        if path and known:
            names = path.name.split("."), known.name.split(".")
            keeps_sum = keeps_sum and len(names[0]) == len(names[1]) == 5
            path.replace(path.with_name(".".join(names[1][:3] + names[0][3:]) if keeps_sum else known.name))

    @rule(which=places, other=places)
    def swap(self, which: int, other: int) -> None:
        path, known = self._file(which), self._file(other)
        if path and known:
            mine, theirs = path.read_bytes(), known.read_bytes()
            path.write_bytes(theirs)
            known.write_bytes(mine)

    @rule(which=places, kind=st.sampled_from(["link", "pipe", "folder", "text"]))
    def put_something_there(self, which: int, kind: str) -> None:
        """A link, a pipe, a folder or a text is where a copy was."""
        if path := self._file(which):
            path.unlink()
            if kind == "link":
                path.symlink_to(self._path)
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind == "folder":
                path.mkdir()
            else:
                path.write_text("text")

    @rule(symbol=symbols, after=st.integers(0, 3000))
    def die_while_copying(self, symbol: str, after: int) -> None:
        """The disk is full after some bytes; then a process is killed, and what it wrote stays."""
        self.delete_all()

        def full(self: Any, data: Any) -> None:
            nonlocal after
            after -= len(data)
            if after < 0:
                raise OSError(28, "No space left on device")
            self._file.write(data)

        with patch.object(copies._Summed, "write", full), patch.object(folder.Folder, "remove", lambda *_: None):
            rxcandles.to_arrow(self._sequence(symbol))

    @rule()
    def say_no(self) -> None:
        """A file is where the folder would be, then it is gone."""
        self.delete_all()
        self._cache.write_text("")
        self.frames_are_the_rows()
        self._cache.unlink()


CopiedMonths.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=16,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if EXAMPLES > 5 else [Phase.generate],
)
TestCopiedMonths = CopiedMonths.TestCase
