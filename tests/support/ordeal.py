"""An exchange that is ill for a while and then is well: what a database comes to, held against the truth.

The exchange is in memory and time is made up, so that hours pass in moments. Afterwards it is well, and the same
request is made twice more, each after all confirm times have passed. Counted: candles lost and wrong in what is
covered, those that are lost in what is covered for good (no claim), and what it has cost.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import attrs

import rxcandles
from rxcandles import operators as ops
from rxcandles.errors import ExchangeError, IncompleteError
from rxcandles.model import Row
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, to_datetime
from tests.support.unwell import MINUTE, SYMBOL, WELL, Ill, Illness, Truth

__all__ = [
    "DAY", "HISTORY", "HOUR", "HOW", "LASTING", "MODES", "NOW", "REQUESTS", "START", "Audit", "Outcome", "at",
    "collect", "final_audit", "keep_current", "ordeal",
]  # fmt: skip

HOUR = 3600
DAY = 86_400
START = 1_770_681_600  # a midnight


@attrs.define
class Audit:
    """What was found wrong."""

    lost: int = 0
    wrong: int = 0
    false_final: int = 0
    """Candles lost in what is covered for good."""
    uncovered: int = 0
    claims: int = 0


def final_audit(path: Path, truth: Truth, now: float, start: int = 0, settle: int = 3) -> Audit:
    """Hold a file against the truth of everything that was over at ``now``."""
    minute = Timeframe.of("1m")
    with closing(sqlite3.connect(path)) as database:
        rows = {
            row[0]: Row(*row)
            for row in database.execute(
                "SELECT open_time, open, high, low, close, volume, turnover, timestamp FROM candles"
            )
        }
        covered = SpanSet(tuple(database.execute("SELECT start, stop FROM coverage").fetchall()))
        claims = SpanSet(tuple(database.execute("SELECT start, stop FROM claims").fetchall()))
        number = database.execute("SELECT count(*) FROM claims").fetchone()[0]
    final = covered.subtract(claims)
    audit = Audit(claims=number)
    stop = minute.floor(now - settle)
    for row in truth.rows(minute):
        if not start <= row.open_time < stop:
            continue
        if row.open_time not in rows:
            audit.lost += row.open_time in covered
            audit.false_final += row.open_time in final
            audit.uncovered += row.open_time not in covered
        elif rows[row.open_time] != row:
            audit.wrong += 1
    audit.wrong += len(rows.keys() - {row.open_time for row in truth.rows(minute)})
    return audit


class _Clock:
    now = 0.0


@contextmanager
def at(now: float) -> Iterator[_Clock]:
    """Let this process's clock stand at ``now``; ``clock.now = …`` moves it."""
    clock = _Clock()
    clock.now = now
    with patch("time.time", lambda: clock.now):
        yield clock


Mode = Callable[[rxcandles.CandleDataProvider, dict[str, Any]], Awaitable[object]]


async def storage_only(provider: rxcandles.CandleDataProvider, asked: dict[str, Any]) -> object:
    """One mode."""
    return await provider.collect_candles_only(SYMBOL, "1m", **asked)


async def collection(provider: rxcandles.CandleDataProvider, asked: dict[str, Any]) -> object:
    """Another, oldest first."""
    return await provider.get_candles(SYMBOL, "1m", **asked, order="oldest_first")


async def streaming(provider: rxcandles.CandleDataProvider, asked: dict[str, Any]) -> object:
    """The third, oldest first."""
    async with provider.stream_candles(SYMBOL, "1m", **asked, order="oldest_first") as stream:
        return [len(candles) async for candles, _ in stream]


async def collect(
    path: Path, exchange: Ill, asked: dict[str, Any], mode: Mode = storage_only, cursors: int | None = None
) -> None:
    """Make one request; an error that says what contradicts what is no failure here."""
    async with rxcandles.SqliteStore(path) as store:
        provider = rxcandles.CandleDataProvider(
            store,
            exchange,
            rxcandles.SlidingWindowLimiter(None),
            retry=ops.Retry(attempts=4, base=0.0, longest=0.0),
            cursors=cursors,
        )
        with suppress(ExchangeError, IncompleteError):
            await mode(provider, asked)


HISTORY = 23_040
"""Minutes of the market: sixteen days."""

NOW = START + HISTORY * MINUTE + 5
"""When the illness is met: five seconds after the end of its history so far."""

LASTING: dict[str, Illness] = {
    "maintenance: [] to everything": Illness(empty=True),
    "has only the last day": Illness(keeps=DAY),
    "an hour is missing": Illness(lost=((START + 15 * DAY + 4 * HOUR, START + 15 * DAY + 5 * HOUR),)),
    "a day is missing": Illness(lost=((START + 13 * DAY, START + 14 * DAY),)),
    "lacks the newest candle": Illness(without_newest=True),
    "ten minutes behind": Illness(lag=600),
}

HOW: dict[str, dict[str, Any]] = {
    "all of it": {},
    "by request, 20 %": {"share": 0.2},
    "by connection, 1 of 4": {"share": 0.25, "by_connection": True},
}

REQUESTS: dict[str, dict[str, Any]] = {
    "count": {"count": 3000},
    "span": {"end": to_datetime(START + 14 * DAY)},
    "all": {"end": to_datetime(START - 400 * DAY)},
    "count, too many": {"count": 30_000},
}

MODES: dict[str, Mode] = {"storage": storage_only, "list, upward": collection, "stream, upward": streaming}


@attrs.frozen
class Outcome:
    """What became of a database: while the exchange was ill, and after two later runs."""

    ill: Audit
    well: Audit
    requests: int
    later: tuple[int, int, int]
    """Requests of the two later runs, and of a third that nothing is left for."""


async def ordeal(
    truth: Truth,
    ill: Ill,
    asked: dict[str, Any],
    mode: Mode,
    *,
    held: int = 0,
    cursors: int | None = None,
    now: float = NOW,
) -> Outcome:
    """Collect from an exchange that is ill, with so many candles ``held`` before; then twice from one that is well."""
    illness, ill.illness = ill.illness, WELL
    asked = {"to": to_datetime(now), **asked}
    with TemporaryDirectory() as folder, at(now - 60) as clock:
        path = Path(folder, "candles.db")
        if held:
            await collect(path, ill, {"count": held})
        ill.requests, ill.illness = 0, illness
        clock.now = now
        await collect(path, ill, asked, mode, cursors)
        during, requests = final_audit(path, truth, clock.now), ill.requests
        ill.illness = WELL
        later = []
        for pause in (2 * HOUR, 2 * HOUR, 2 * HOUR):
            clock.now += pause
            ill.requests = 0
            await collect(path, ill, asked, mode, cursors)
            later.append(ill.requests)
            if len(later) == 2:
                well = final_audit(path, truth, now, _asked_from(asked, truth))
        return Outcome(during, well, requests, (later[0], later[1], later[2]))


def _asked_from(asked: dict[str, Any], truth: Truth) -> int:
    if "end" in asked:
        return int(asked["end"].timestamp())
    opens: list[int] = truth.opens[: bisect_right(truth.opens, int(asked["to"].timestamp()) - 63)]
    return opens[max(0, len(opens) - int(asked["count"]))]


async def keep_current(
    truth: Truth, ill: Ill, minutes: int, *, begin: int, second: int = 5, count: int | None = 100
) -> tuple[Audit, Audit, int]:
    """Collect every minute; return what was wrong in the end, then after two later runs, and the requests."""
    with TemporaryDirectory() as folder, at(begin) as clock:
        path = Path(folder, "candles.db")
        illness, ill.illness = ill.illness, WELL
        await collect(path, ill, {"count": 300})
        start = begin - 300 * MINUTE
        ill.illness, ill.requests = illness, 0
        asked: dict[str, Any] = {"end": to_datetime(start)} if count is None else {"count": count}
        for minute in range(minutes):
            clock.now = begin + minute * MINUTE + second
            await collect(path, ill, asked)
        requests, during = ill.requests, final_audit(path, truth, clock.now, start)
        last = clock.now
        ill.illness = WELL
        for _ in range(2):
            clock.now += 2 * HOUR
            await collect(path, ill, {"end": to_datetime(start)})
        return during, final_audit(path, truth, last, start), requests
