"""A bench for trouble, and a file that is full of candles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator import Simulator
from rxcandles.stores import SqliteStore
from tests.support.trouble import MARKET, STORED, TO, Bench


@pytest.fixture(autouse=True)
def short_reservations(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run that has failed had reserved ends at once; how long it lasts is a matter of other tests."""
    monkeypatch.setattr("rxcandles.engine.turns.LASTS", 0.1)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Simulator([MARKET], rate=None, clock=lambda: TO + 60) as simulator:
        yield Bench(simulator, tmp_path)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed file with the candles of 2,000 minutes."""
    path = tmp_path_factory.mktemp("stored") / "candles.db"

    async def fill() -> None:
        async with SqliteStore(path) as store:
            await store.write("KRW-D900", Timeframe.of("1m"), STORED, (TO - 2000 * 60, TO))

    asyncio.run(fill())
    return path
