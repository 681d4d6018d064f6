"""A quarter of hourly candles of one market, the frames that are read of it, and what is copied of its months."""

from __future__ import annotations

from pathlib import Path

import pyarrow

import rxcandles
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.stores import SqliteStore
from tests.support.fakes import row

__all__ = ["APRIL", "FEBRUARY", "FRAME", "HOUR", "JANUARY", "MARCH", "SYMBOL", "change", "copied", "read"]

HOUR = 3600
FRAME = Timeframe.of("60m")
JANUARY, FEBRUARY, MARCH, APRIL = 1_704_067_200, 1_706_745_600, 1_709_251_200, 1_711_929_600
SYMBOL = "KRW-BTC"


def read(store: SqliteStore, start: int = JANUARY, stop: int = APRIL, symbol: str = SYMBOL) -> pyarrow.Table:
    return rxcandles.to_arrow(rxcandles.stored_candles(store, symbol, FRAME, to_datetime(start), to_datetime(stop)))


def copied(path: Path) -> list[str]:
    """The months that have a copy, and in brackets those that were only seen."""
    names = sorted(each.name.split(".") for each in path.with_name("candles.db.cache").glob("*"))
    return [name[1] if name[-1] == "parquet" else f"({name[1]})" for name in names]


async def change(store: SqliteStore, time: int, close: float) -> None:
    page = [row(time)._replace(close=close, timestamp=int(close * 1000) + 10**13)]
    await store.write(SYMBOL, FRAME, page, (time, time + HOUR))
