"""What an exchange that is ill for a while makes of the coverage, and what the second answers cost.

``python -m profiling absence``: each row is an illness; the market's truth is known (``tests.support.ordeal``).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rxcandles.model.timeframe import to_datetime
from tests.support.ordeal import (
    DAY,
    HISTORY,
    HOUR,
    HOW,
    LASTING,
    MODES,
    NOW,
    REQUESTS,
    START,
    Audit,
    at,
    collect,
    final_audit,
    keep_current,
    ordeal,
)
from tests.support.unwell import MINUTE, WELL, Ill, Illness, Truth

__all__ = ["main"]


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
