"""A database is repaired: nothing is left, nothing else was touched, and each hole cost its pages and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copy

import pytest
from harm import HARMS, MARKETS, NOW, TRUTH, Harm, contents, harm, make

import rxcandles
from profiling.audit import audit
from rxcandles.exchanges import UpbitExchange
from rxcandles.simulator import Simulator


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
    assert report.after.findings == ()
    assert report.repaired
    assert sim.stats.requests == report.requests == done.requests
    audit(path, TRUTH, NOW)
    before, after = contents(whole), contents(path)
    assert after["schema"] == before["schema"]
    gone = before["candles"] - after["candles"]
    assert {row[1:3] for row in gone} == set(done.lost)
