"""The rules in SQL are the rules for pages."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.errors import InvalidResponseError
from rxcandles.exchanges import check_page
from rxcandles.model import Row
from rxcandles.model.timeframe import END, TIMEFRAMES, Timeframe
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sql.conditions import on_grid_sql, sound_sql, teach_grid

OPENED = 1_769_990_400
"""2026-02-02T00:00Z, a Monday."""

prices = st.sampled_from([1.0, 2.0, 2.0, 2.0, 3.0, 0.0, -1.0, 1e-300, 1e300, inf, -inf, None, "2"])
amounts = st.sampled_from([0.0, 1.0, 1.0, -0.5, inf, None, "1"])
stamps = st.sampled_from([0, 0, 0, -86_400_000, -86_400_001, 90_000, END * 1000, None, "0", 0.5])
changes = st.sampled_from([None, None, 0.0, -1.5, inf, -inf])


@given(
    values=st.tuples(prices, prices, prices, prices, amounts, amounts),
    stamp=stamps,
    change=st.tuples(changes, changes, changes),
    late=st.sampled_from([0, 0, 0, 1, -OPENED - 60]),
)
def test_same_as_for_pages(
    values: tuple[float, ...], stamp: int | None, change: tuple[float | None, ...], late: int
) -> None:
    """What a page may hold is sound in a database, and nothing else is."""
    stamp = OPENED * 1000 + stamp if isinstance(stamp, int) else stamp
    row = Row(OPENED + late, *values, stamp, *change)  # type: ignore[arg-type]
    minute = Timeframe.of("1m")
    try:
        check_page([row], symbol="KRW-BTC", timeframe=minute, to=OPENED + 600, count=9, server_time=None)
        sound = True
    except InvalidResponseError:
        sound = False
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"CREATE TABLE candles ({', '.join(COLUMNS)})")
        database.execute(f"INSERT INTO candles VALUES ({', '.join('?' * len(COLUMNS))})", row)
        found = database.execute(f"SELECT {sound_sql(minute)} IS TRUE FROM candles").fetchone()
    assert bool(found[0]) == sound


@pytest.mark.parametrize("timeframe", TIMEFRAMES, ids=str)
def test_grids(timeframe: Timeframe) -> None:
    """Every timeframe's own open times are on its grid, and no others, nor what is no time."""
    newest = timeframe.floor(OPENED)
    times = [timeframe.shift(newest, -slot) for slot in range(30)]
    others = [newest + 0.5, str(newest), None, END, 10**17] + ([] if timeframe.seconds == 1 else [newest + 1])
    if timeframe.seconds:
        others.remove(10**17)
        others.remove(END)
    with closing(sqlite3.connect(":memory:")) as database:
        teach_grid(database)
        database.execute("CREATE TABLE candles (open_time)")
        database.executemany("INSERT INTO candles VALUES (?)", [(time,) for time in times + others])
        found = database.execute(f"SELECT open_time FROM candles WHERE {on_grid_sql(timeframe)}").fetchall()
    assert [time for (time,) in found] == times
