"""What an exchange that is ill for a while makes of the coverage, and what the second answers cost.

``python -m profiling absence``: each row is an illness; the market's truth is known. The exchange is in memory and
time is made up, so that hours pass in moments. Afterwards it is well, and the same request is made twice more, each
after all confirm times have passed. Counted: candles lost and wrong in what is covered, and those that are lost in what
is covered for good (no claim), at any time; and what it has cost.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import attrs

import rxcandles
from profiling.unwell import MINUTE, SYMBOL, WELL, Ill, Illness, Truth
from rxcandles import operators as ops
from rxcandles.errors import ExchangeError, IncompleteError
from rxcandles.model import Row
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, to_datetime

__all__ = ["Audit", "Ill", "Illness", "Truth", "at", "final_audit", "main"]

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
    await _costs()


async def _costs() -> None:
    print("\n100,000 candles: requests, then those of the same request a minute, two and four hours later; claims left")
    for density in (1.0, 0.998, 0.3, 0.02):
        minutes = int(101_000 / density)
        truth = Truth(START - minutes * MINUTE, minutes, density, seed=5)
        costs, claims = await repeated(
            truth, {"count": 100_000, "to": to_datetime(START)}, START + 5, (60, 2 * HOUR, 2 * HOUR, 0)
        )
        print(f"{density:34} {costs} {claims}", flush=True)
    print("\nsixteen days and a halt: requests of the same request at first, after 1, 2, 3 minutes and 1, 2, 3 hours")
    for name, truth in (
        ("a halt of a day", Truth(START, HISTORY, 1.0, halts=[(START + 10 * DAY, START + 11 * DAY)])),
        ("a halt that lasts", Truth(START, HISTORY, 1.0, halts=[(START + 15 * DAY, START + 16 * DAY)])),
        ("trades once in three hours", Truth(START, HISTORY, 1 / 180, seed=2)),
    ):
        asked = {"end": to_datetime(START + 2 * DAY), "to": to_datetime(START + HISTORY * MINUTE)}
        costs, _ = await repeated(truth, asked, NOW, (60, 60, 60, HOUR, HOUR, HOUR, 0))
        print(f"{name:34} {costs}", flush=True)


async def repeated(truth: Truth, asked: dict[str, Any], now: float, pauses: Iterable[int]) -> tuple[list[int], int]:
    """Make the same request again and again; return what each cost, and the claims that are left."""
    ill, costs = Ill(truth), []
    with TemporaryDirectory() as folder, at(now) as clock:
        path = Path(folder, "candles.db")
        for pause in pauses:
            ill.requests = 0
            await collect(path, ill, asked)
            costs.append(ill.requests)
            clock.now += pause
        return costs, final_audit(path, truth, now).claims


def main(arguments: list[str]) -> None:
    """Print the tables; ``quick`` for one seed of each, ``costs`` for what it costs only."""
    logging.getLogger("rxcandles").setLevel(logging.CRITICAL)
    asyncio.run(_costs() if "costs" in arguments else _main("quick" in arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
