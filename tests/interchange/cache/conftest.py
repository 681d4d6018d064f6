"""A store with a quarter of hourly candles, and how many rows are read from it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rxcandles.interchange.cache import folder, months
from rxcandles.stores import SqliteStore
from rxcandles.stores.sql.reader import SqlReader
from tests.support.fakes import row
from tests.support.quarter import APRIL, FRAME, HOUR, JANUARY, SYMBOL


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a quarter of hours, 2,184 candles."""
    path = tmp_path_factory.mktemp("cache") / "candles.db"

    async def make() -> None:
        async with SqliteStore(path) as store:
            page = [row(time) for time in range(APRIL - HOUR, JANUARY - HOUR, -HOUR)]
            await store.write(SYMBOL, FRAME, page, (JANUARY, APRIL))

    asyncio.run(make())
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    path = tmp_path / "candles.db"
    shutil.copy(made, path)
    return path


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(path) as store:
        yield store


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    """What is logged once for a folder is logged in each test."""
    folder._TOLD.clear()
    yield
    folder._TOLD.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Now, for months that are over or not."""
    clock = SimpleNamespace(time=lambda: float(APRIL))
    monkeypatch.setattr(months, "time", clock)
    return clock


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each statement has read."""
    rows: list[int] = []
    gathered = SqlReader.gathered

    def counting(self: Any, start: int, stop: int, limit: int, gather: Any) -> Any:
        batch = gathered(self, start, stop, limit, gather)
        rows.append(0 if batch is None else batch.num_rows)
        return batch

    monkeypatch.setattr(SqlReader, "gathered", counting)
    return rows
