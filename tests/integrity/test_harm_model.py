"""Any harm to any database: what is found is what a slow and obvious model finds, and repairing makes it true."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import defaultdict
from contextlib import closing
from datetime import datetime
from functools import lru_cache
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles.exchanges import UpbitExchange
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.simulator import Simulator
from rxcandles.stores import SqliteStore
from tests.support.audit import Truth, audit
from tests.support.harm import MARKETS, NOW, Place, places

pytestmark = pytest.mark.exhaustive

LONG = int(os.environ.get("RXCANDLES_EXAMPLES", "0"))
SERIES = (("KRW-ETH", "1m"), ("KRW-XRP", "1m"), ("KRW-ETH", "1w"), ("KRW-XRP", "1M"))
"""Numbers 1 to 4 in the file."""


class Direct(Truth):
    """What the markets hold, asked for as it is needed."""

    def __init__(self) -> None:
        super().__init__({market.symbol: market for market in MARKETS}.__getitem__)

    def rows(self, symbol: str, timeframe: str, start: int, stop: int) -> list[Row]:
        """Candles of a span."""
        return _held(symbol, timeframe, start, stop)


@lru_cache(100_000)
def _held(symbol: str, timeframe: str, start: int, stop: int) -> list[Row]:
    return next(market for market in MARKETS if market.symbol == symbol).rows(timeframe, start, stop)


def opens(timeframe: str, time: int) -> bool:
    """Whether a candle can open then, by the calendar."""
    moment: datetime = to_datetime(time)
    midnight = time % 86_400 == 0
    return {
        "1m": moment.second == 0, "1w": midnight and moment.weekday() == 0, "1M": midnight and moment.day == 1
    }[timeframe]  # fmt: skip


def model(path: Path) -> list[Place]:
    """What is wrong with a database, looked at candle by candle."""
    found: list[Place] = []
    with closing(sqlite3.connect(path)) as database:
        for number, (symbol, timeframe) in enumerate(SERIES, 1):
            frame = Timeframe.of(timeframe)
            current = frame.floor(NOW)
            rows = [
                Row(*row[1:])
                for row in database.execute("SELECT * FROM candles WHERE series = ? ORDER BY open_time", (number,))
            ]
            spans = database.execute(
                "SELECT start, stop, rows FROM coverage WHERE series = ? ORDER BY start", (number,)
            ).fetchall()

            def add(
                kind: str, start: int | None, stop: int | None, names: tuple[str, str] = (symbol, timeframe)
            ) -> None:
                found.append((kind, *names, start, stop))  # type: ignore[arg-type]

            for row in rows[:]:
                if not isinstance(row.open_time, int):
                    add("impossible_candle", None, None)
                    rows.remove(row)
            for span in spans[:]:
                if not isinstance(span[1], int):
                    add("impossible_span", None, None)
                    spans.remove(span)
            future = [row.open_time for row in rows if row.open_time >= current]
            if future:
                add("future_candles", future[0], future[-1] + 1)
            outside = defaultdict(list)
            real = [span for span in spans if span[0] < span[1]]
            for row in rows:
                time = row.open_time
                if time >= current:
                    continue
                if not opens(timeframe, time):
                    add("off_grid_candle", time, time + 1)
                    continue
                ordered = 0 < row.low <= min(row.open, row.close) and max(row.open, row.close) <= row.high < inf
                if not ordered or row.timestamp < (time - 86_400) * 1000:
                    add("impossible_candle", time, frame.shift(time, 1))
                if not any(start <= time < stop for start, stop, _ in real):
                    outside[sum(start <= time for start, _, _ in real)].append(time)
            for times in outside.values():
                add("unproven_candles", times[0], frame.shift(times[-1], 1))
            for start, stop, count in spans:
                if start >= stop:
                    add("impossible_span", None, None)
                    continue
                if not (opens(timeframe, start) and opens(timeframe, stop)):
                    add("off_grid_span", start, stop)
                if any(first < start <= last for first, last, _ in real):
                    add("overlapping_spans", start, stop)
                if stop > current:
                    add("future_span", start, stop)
                if count != sum(start <= row.open_time < stop and opens(timeframe, row.open_time) for row in rows):
                    add("wrong_count", start, stop)
    return found


numbers = st.integers(1, len(SERIES))
slots = st.integers(-45, 2)
beside = st.sampled_from([0, 0, 0, 0, 1, 30])
pages = st.lists(st.tuples(numbers, slots, st.integers(1, 25)), min_size=1, max_size=8)
VALUES = ("high = low / 2", "low = 0", "close = high * 2", "high = 9e999", "volume = volume")
harms = st.one_of(
    st.tuples(st.just("delete"), numbers, slots, st.integers(1, 8)),
    st.tuples(st.just("move"), numbers, slots, slots, beside),
    st.tuples(st.just("change"), numbers, slots, st.integers(1, 4), st.sampled_from(VALUES)),
    st.tuples(st.just("insert"), numbers, slots, beside),
    st.tuples(st.just("forget"), numbers, slots),
    st.tuples(st.just("recount"), numbers, slots, st.integers(-3, 3)),
    st.tuples(st.just("stretch"), numbers, slots, slots, beside),
    st.tuples(st.just("words"), numbers, slots),
    st.tuples(st.just("claim"), numbers, slots, beside, st.integers(-3, 12), st.integers(0, 12)),
)


def do(database: sqlite3.Connection, kind: str, number: int, at: int, *more: object) -> None:
    """Harm one series at a slot counted from now."""
    frame = Timeframe.of(SERIES[number - 1][1])

    def time(slot: object) -> int:
        assert isinstance(slot, int)
        return frame.shift(frame.floor(NOW), slot)

    here, value = time(at), more[0] if more else 0
    span = (
        f"series = {number} AND start = (SELECT max(start) FROM coverage WHERE series = {number} AND start <= {here})"
    )
    if kind == "delete":
        sql = f"DELETE FROM candles WHERE series = {number} AND open_time >= {here} AND open_time < {time(at + value)}"
    elif kind == "move":
        sql = (f"UPDATE OR IGNORE candles SET open_time = {time(value) + more[1]}"
               f" WHERE series = {number} AND open_time = {here}")  # fmt: skip
    elif kind == "change":
        sql = (f"UPDATE candles SET {more[1]} WHERE series = {number} AND open_time >= {here}"
               f" AND open_time < {time(at + value)}")  # fmt: skip
    elif kind == "insert":
        opened = here + value
        sql = (f"INSERT OR IGNORE INTO candles VALUES"
               f" ({number}, {opened}, 5, 7, 3, 6, 1, 6, {opened * 1000}, NULL, NULL, NULL)")  # fmt: skip
    elif kind == "words":
        database.execute(f"INSERT OR IGNORE INTO coverage VALUES ({number}, {here}, 'now', {number % 2})")
        sql = f"UPDATE OR IGNORE candles SET open_time = 'then' WHERE series = {number} AND open_time = {here}"
    elif kind == "forget":
        sql = f"DELETE FROM coverage WHERE {span}"
    elif kind == "recount":
        sql = f"UPDATE coverage SET rows = rows + {value} WHERE {span}"
    elif kind == "stretch":
        sql = f"UPDATE coverage SET stop = {time(value) + more[1]} WHERE {span}"
    else:
        start = here + value
        sql = f"INSERT OR IGNORE INTO coverage VALUES ({number}, {start}, {time(at + more[1]) + value}, {more[2]})"
    database.execute(sql)


def true_ones(path: Path, truth: Truth) -> set[tuple[object, ...]]:
    """The stored candles that are as the exchange has them."""
    true = set()
    with closing(sqlite3.connect(path)) as database:
        for number, symbol, timeframe in database.execute("SELECT id, symbol, timeframe FROM series").fetchall():
            for row in database.execute("SELECT * FROM candles WHERE series = ?", (number,)):
                over = isinstance(row[1], int) and row[1] < Timeframe.of(timeframe).floor(NOW)
                if over and list(row[1:]) in [list(each) for each in truth.rows(symbol, timeframe, row[1], row[1] + 1)]:
                    true.add((symbol, timeframe, *row[1:]))
    return true


def told_by_itself(done: list[tuple[object, ...]]) -> bool:
    """Whether a file that was harmed so can show it: a false candle for a true one, or a claim, looks as the truth."""
    kinds = [each[0] for each in done]
    return set(kinds) <= {"delete", "change", "forget"} or kinds in (["insert"], ["recount"])


@settings(max_examples=LONG or 50, deadline=None, derandomize=not LONG, suppress_health_check=[HealthCheck.too_slow])
@given(pages=pages, done=st.lists(harms, max_size=6))
def test_against_model(pages: list[tuple[int, int, int]], done: list[tuple[object, ...]]) -> None:
    """What is found is what the model finds; repaired, nothing is found, all that could be told is true, and no true
    candle is lost."""
    truth = Direct()

    async def scenario(path: Path) -> None:
        async with SqliteStore(path) as store:
            for names in enumerate(SERIES, 1):
                await store._open.rows("INSERT INTO series VALUES (?, 'upbit', ?, ?)", (names[0], *names[1]))
            for number, slot, length in pages:
                symbol, timeframe = SERIES[number - 1]
                frame = Timeframe.of(timeframe)
                start = frame.shift(frame.floor(NOW), min(slot, -1))
                stop = min(frame.shift(start, length), frame.floor(NOW))
                await store.write(symbol, frame, truth.rows(symbol, timeframe, start, stop)[::-1], (start, stop))
        assert (await rxcandles.verify(path, now=NOW)).clean
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA ignore_check_constraints = ON")
            for each in done:
                do(database, *each)  # type: ignore[arg-type]
        expected = sorted(model(path), key=repr)
        assert sorted(places(await rxcandles.verify(path, now=NOW)), key=repr) == expected
        true = true_ones(path, truth)
        async with Simulator(MARKETS, rate=None, clock=lambda: NOW) as sim:
            report = await rxcandles.repair(path, UpbitExchange(sim.base_url), rate_limit=None, now=NOW)
        assert report.repaired, report
        assert report.before.clean == (not expected)
        if told_by_itself(done):
            audit(path, truth, NOW)
        assert true <= true_ones(path, truth)

    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        runner.run(scenario(Path(folder, "candles.db")))
