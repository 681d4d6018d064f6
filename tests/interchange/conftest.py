"""A store that is open, and series in it that nobody else uses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import attrs
import pytest

from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.modes.sequence import CandleSequence, stored_candles
from rxcandles.stores import SqliteStore


@attrs.frozen
class Bench:
    """A store and the loop it belongs to."""

    runner: asyncio.Runner
    store: SqliteStore
    numbers: Iterator[int] = attrs.field(factory=count)

    def stored(self, rows: Sequence[Row], timeframe: str = "1m", order: str = "oldest_first") -> CandleSequence:
        """The rows, oldest first, as a series of their own in the store, read from there."""
        frame, symbol = Timeframe.of(timeframe), f"KRW-X{next(self.numbers)}"
        start, stop = (rows[0].open_time, rows[-1].open_time + 1) if rows else (0, 60)
        self.runner.run(self.store.write(symbol, frame, rows[::-1], (start, stop)))
        ends = to_datetime(0), to_datetime(frame.shift(stop, 1))
        return stored_candles(self.store, symbol, frame, *ends, order)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    path: Path = tmp_path_factory.mktemp("frames") / "candles.db"
    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(path))
        yield Bench(runner, store)
        runner.run(store.close())
