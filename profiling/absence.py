"""What an exchange that is ill for a while makes of the coverage, and what the second answers cost.

``python -m profiling absence``: each row is an illness; the market's truth is known. The exchange is in memory and
time is made up, so that hours pass in moments. Afterwards it is well, and the same request is made twice more, each
after all confirm times have passed. Counted: candles lost and wrong in what is covered, and those that are lost in what
is covered for good (no claim), at any time; and what it has cost.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
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
from rxcandles.spans import SpanSet
from rxcandles.timeframe import Timeframe, to_datetime

__all__ = ["Audit", "Ill", "Illness", "Truth", "at", "final_audit", "main"]

MINUTE = 60
HOUR = 3600
DAY = 86_400
START = 1_770_681_600  # a midnight
SYMBOL = "KRW-BTC"


class Truth:
    """One market: its minutes, and all longer candles made of them."""

    def __init__(
        self, start: int, minutes: int, density: float, seed: int = 0, halts: Iterable[tuple[int, int]] = ()
    ) -> None:
        luck = random.Random(seed)
        halts = list(halts)
        self.start = start
        self.opens = [
            opened
            for opened in range(start, start + minutes * MINUTE, MINUTE)
            if luck.random() < density and not any(first <= opened < last for first, last in halts)
        ]
        self._series: dict[str, list[Row]] = {}

    def at(self, opened: int) -> Row:
        """The final candle of one minute."""
        price = 1000.0 + opened // MINUTE % 977
        return Row(
            opened, price, price + 3, price - 2, price + 1, 1.0 + opened // MINUTE % 7, 5000.0, opened * 1000 + 59_000
        )

    def rows(self, timeframe: Timeframe) -> list[Row]:
        """All candles of a length, final, oldest first."""
        if timeframe.name not in self._series:
            minutes = [self.at(opened) for opened in self.opens]
            self._series[timeframe.name] = minutes if timeframe.name == "1m" else list(combined(timeframe, minutes))
        return self._series[timeframe.name]


def combined(timeframe: Timeframe, minutes: Iterable[Row]) -> Iterator[Row]:
    """Make longer candles of minutes."""
    some: list[Row] = []
    for row in minutes:
        if some and timeframe.floor(row.open_time) != timeframe.floor(some[0].open_time):
            yield _combined(timeframe, some)
            some = []
        some.append(row)
    if some:
        yield _combined(timeframe, some)


def _combined(timeframe: Timeframe, some: list[Row]) -> Row:
    return Row(
        timeframe.floor(some[0].open_time),
        some[0].open,
        max(row.high for row in some),
        min(row.low for row in some),
        some[-1].close,
        sum(row.volume for row in some),
        sum(row.turnover for row in some),
        some[-1].timestamp,
    )


@attrs.frozen
class Illness:
    """What a server gets wrong."""

    lag: float = 0
    """Seconds that its data are behind."""
    lost: tuple[tuple[int, int], ...] = ()
    """It has no candle that lies in these spans."""
    keeps: float | None = None
    """It has only candles that open within the last so many seconds."""
    empty: bool = False
    """It has nothing."""
    without_newest: bool = False
    """It lacks the newest candle before what is asked for."""
    late: float = 0
    """A candle changes so many seconds after its close."""


WELL = Illness()


class Ill:
    """An ``Exchange`` in memory that is ``ill`` by chance, by connection or for a time."""

    name = "upbit"
    rate_limit: float | None = None

    def __init__(
        self,
        truth: Truth,
        illness: Illness = WELL,
        *,
        share: float = 1.0,
        by_connection: bool = False,
        seed: int = 0,
        page_limit: int = 200,
        dated: bool = True,
    ) -> None:
        self.truth = truth
        self.illness = illness
        self.share = share
        self.luck = random.Random(seed)
        self.page_limit = page_limit
        self.dated = dated
        self.requests = 0
        self.asked: list[tuple[str, int, int]] = []
        self._by_connection = by_connection
        self._pool = [self.luck.random() < share for _ in range(4)]

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Anything goes."""

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> rxcandles.Page:
        """The newest ``count`` before ``to``, as a connection of the pool has them."""
        return self._page(timeframe, to, count, self.luck.choice(self._pool) if self._by_connection else None)

    async def page_anew(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> rxcandles.Page:
        """The same over a new connection."""
        return self._page(timeframe, to, count, None)

    async def markets(self) -> list[rxcandles.Market]:
        """One market, or none."""
        self.requests += 1
        return [] if self._is_ill(None) and self.illness.empty else [rxcandles.Market(SYMBOL)]

    async def close(self) -> None:
        """Nothing to do."""

    def _is_ill(self, connection: bool | None) -> bool:
        return self.luck.random() < self.share if connection is None else connection

    def _page(self, timeframe: Timeframe, to: int, count: int, connection: bool | None) -> rxcandles.Page:
        self.requests += 1
        now = time.time()
        illness = self.illness if self._is_ill(connection) else WELL
        self.asked.append((timeframe.name, to, count))
        return rxcandles.Page(self.view(timeframe, to, count, now, illness), now if self.dated else None)

    def view(self, timeframe: Timeframe, to: int, count: int, now: float, illness: Illness) -> list[Row]:
        """What a server with this illness has, newest first."""
        if illness.empty:
            return []
        then = now - illness.lag
        rows = self.truth.rows(timeframe)
        stop = bisect_left(rows, min(to, int(then) + 1), key=lambda row: row.open_time)
        found: list[Row] = []
        skip = 1 if illness.without_newest else 0
        for row in reversed(rows[max(0, stop - 40_000) : stop]):
            if len(found) == count or (illness.keeps is not None and row.open_time < then - illness.keeps):
                break
            end = timeframe.shift(row.open_time, 1)
            if any(first <= row.open_time and end <= last for first, last in illness.lost):
                continue
            if skip:
                skip -= 1
                continue
            found.append(self._as_it_stood(row, end, timeframe, then, illness))
        return found

    def _as_it_stood(self, row: Row, end: int, timeframe: Timeframe, then: float, illness: Illness) -> Row:
        if timeframe.name == "1m" and then < end + illness.late:
            share = max(0.01, min(0.9, (then - row.open_time) / (end - row.open_time)))
            return row._replace(volume=row.volume * share, timestamp=min(int(then * 1000), row.timestamp))
        return row


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


async def _main(quick: bool) -> None:
    densities = (1.0, 0.998, 0.3, 0.02)
    bad = Counter[str]()
    print(
        f"{'illness':34} {'how':24} {'density':>7} {'runs':>5} {'lost':>6} {'wrong':>6} {'false final':>11}  requests"
    )
    for name, illness in LASTING.items():
        for how, options in HOW.items():
            for density in densities:
                truth = Truth(START, HISTORY, density, seed=7)
                total, runs, cost = Audit(), 0, [0, 0, 0, 0]
                for asked in REQUESTS.values():
                    for mode in MODES.values():
                        for held in (0, 300):
                            for seed in range(1 if how == "all of it" or quick else 5):
                                ill = Ill(truth, illness, seed=seed, **options)
                                outcome = await ordeal(truth, ill, asked, mode, held=held)
                                runs += 1
                                total.lost += outcome.well.lost + outcome.well.uncovered
                                total.wrong += outcome.well.wrong
                                total.false_final += outcome.ill.false_final + outcome.well.false_final
                                cost = [a + b for a, b in zip(cost, (outcome.requests, *outcome.later), strict=True)]
                bad.update(lost=total.lost, wrong=total.wrong, false=total.false_final)
                print(
                    f"{name:34} {how:24} {density:7} {runs:5} {total.lost:6} {total.wrong:6} {total.false_final:11}  "
                    + " + ".join(f"{each / runs:.1f}" for each in cost),
                    flush=True,
                )
    print(f"\n{'every minute at second 5':44} {'density':>7} {'lost':>6} {'wrong':>6} {'false final':>11}  a minute")
    for name, illness, share in (
        ("6 s behind in 2 % of answers", Illness(lag=6), 0.02),
        ("8 s behind in 10 %", Illness(lag=8), 0.1),
        ("130 s behind in 30 %", Illness(lag=130), 0.3),
        ("lacks the newest in 20 %", Illness(without_newest=True), 0.2),
        ("a candle changes 6 s after its close", Illness(late=6), 1.0),
        ("well", WELL, 0.0),
    ):
        for density in densities:
            truth = Truth(START, HISTORY, density, seed=3)
            ill = Ill(truth, illness, share=share, seed=1)
            during, after, requests = await keep_current(truth, ill, 300, begin=START + 10 * DAY)
            bad.update(
                lost=after.lost + after.uncovered, wrong=after.wrong, false=after.false_final + during.false_final
            )
            print(
                f"{name:44} {density:7} {after.lost + after.uncovered:6} {after.wrong:6}"
                f" {during.false_final + after.false_final:11}  {requests / 300:.3f}",
                flush=True,
            )
    print(f"\nin all: {dict(bad)}")


def main(arguments: list[str]) -> None:
    """Print the tables; ``quick`` for one seed of each."""
    logging.getLogger("rxcandles").setLevel(logging.CRITICAL)
    asyncio.run(_main("quick" in arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
