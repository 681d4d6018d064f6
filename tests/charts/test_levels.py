"""What a chart is drawn from: the stored candles in columns, and their levels."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles import RequestError, Row, SqliteStore, Timeframe
from rxcandles.charts import MOST, Level, bars, ladder, read_chart
from rxcandles.charts.levels import fitting
from rxcandles.charts.strip import Counts, columns
from rxcandles.model.spans import SpanSet, runs
from rxcandles.model.timeframe import TIMEFRAMES, to_datetime
from tests.support.chartdata import FIRST, chart_of, fill, written


async def test_columns_are_what_is_stored() -> None:
    """Every candle is there once, at its slot, with its own values; what is proven is there in slots."""
    rows = written(25_000, traded=0.6)
    async with SqliteStore(":memory:") as store:
        await fill(store, rows, (0, 4000), (4100, 25_000))
        data = await read_chart(store, "KRW-BTC", "1m")
        stored = [row for row in rows[::-1] if not 4000 <= (row.open_time - FIRST) // 60 < 4100]
        assert [data.open_time(slot) for slot in data.slot] == [row.open_time for row in stored]
        columns = zip(data.open, data.high, data.low, data.close, data.volume, strict=True)
        assert list(columns) == [row[1:6] for row in stored]
        assert (data.slots, data.proven) == (25_000, ((0, 4000), (4100, 25_000)))
        assert data.provisional == ()
        part = await read_chart(store, "KRW-BTC", "1m", to_datetime(FIRST + 3600), to_datetime(FIRST + 7200))
        assert (part.first, part.slots, part.proven) == (FIRST + 3600, 60, ((0, 60),))
        assert len(part) == sum(FIRST + 3600 <= row.open_time < FIRST + 7200 for row in rows)


async def test_nothing_and_too_much() -> None:
    """A series, or a part of one, that has nothing stored is refused, and so are more than a million candles."""
    async with SqliteStore(":memory:") as store:
        with pytest.raises(RequestError, match="nothing is stored of KRW-BTC 1m; collect it first"):
            await read_chart(store, "KRW-BTC", "1m")
        await fill(store, written(10), (0, 10))
        with pytest.raises(RequestError, match="nothing is stored of KRW-BTC 1m between these times"):
            await read_chart(store, "KRW-BTC", "1m", datetime(2025, 1, 1))
        await store._open.rows(
            "WITH RECURSIVE slot (at) AS (VALUES (1) UNION ALL SELECT at + 1 FROM slot WHERE at < ?)"
            " INSERT INTO candles SELECT 1, 60 * at, 1, 1, 1, 1, 1, 1, 1, NULL, NULL, NULL FROM slot",
            (MOST,),
        )
        with pytest.raises(RequestError, match=r"1,000,010 candles of .* are too many for a chart"):
            await read_chart(store, "KRW-BTC", "1m")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.booleans(), min_size=1, max_size=80),
    st.integers(1, 20),
    st.integers(0, 19),
    st.lists(st.tuples(st.integers(0, 79), st.integers(1, 30)), max_size=5),
    st.sets(st.integers(0, 79)),
    st.sets(st.integers(0, 79)),
)
def test_bars_against_a_slow_model(
    traded: list[bool],
    factor: int,
    phase: int,
    proven: list[tuple[int, int]],
    doubted: set[int],
    wrong: set[int],
) -> None:
    """A bar has the first open, the last close, the extremes and the sum of the candles that are in its slots.

    Slots are counted by what they are, each as one thing, and a strip has as many pixels of each.
    """
    level = Level("some", factor, phase % factor)
    spans = SpanSet(tuple((start, min(start + length, len(traded))) for start, length in proven)).spans
    known = {slot for start, stop in spans for slot in range(start, stop)}
    doubted = {slot for slot in doubted & known if not traded[slot]}
    rows = [row for row, there in zip(written(len(traded))[::-1], traded, strict=True) if there]
    provisional = SpanSet(tuple((slot, slot + 1) for slot in doubted)).spans
    data = chart_of(rows, *spans, slots=len(traded), provisional=provisional)
    wrong = {slot for slot in wrong - known if slot < len(traded) and not traded[slot]}
    data = attrs.evolve(data, impossible=tuple(runs(sorted(wrong))))
    made = bars(data, level)
    there = dict(zip(data.slot, zip(data.open, data.high, data.low, data.close, data.volume, strict=True), strict=True))
    found = iter(zip(made.bar, made.open, made.high, made.low, made.close, made.volume, made.stored, strict=True))
    for bar in range((data.slots - 1 + level.phase) // factor + 1):
        slots = [slot for slot in range(data.slots) if (slot + level.phase) // factor == bar]
        inside = [there[slot] for slot in slots if slot in there]
        assert list(Counts(data).between(slots[0], slots[-1] + 1)) == [
            len(inside), 0, len([slot for slot in slots if slot in known - doubted and slot not in there]),
            len(doubted & set(slots)),
            len([slot for slot in slots if slot not in known and slot not in there and slot not in wrong]),
            len(wrong & set(slots)),
        ]  # fmt: skip
        if inside:
            number, first, high, low, last, volume, count = next(found)
            assert (number, first, last, count) == (bar, inside[0][0], inside[-1][3], len(inside))
            assert (high, low) == (max(each[1] for each in inside), min(each[2] for each in inside))
            assert volume == pytest.approx(sum(each[4] for each in inside))
    assert next(found, None) is None
    kinds = Counts(data).between(0, data.slots)
    edges = [data.slots * at / 37 for at in range(38)]
    strip = columns(Counts(data), edges, 11)
    assert all(each is not None and sum(each) == 11 for each in strip)
    for kind, pixels in zip(kinds, zip(*strip, strict=True), strict=True):  # type: ignore[arg-type]
        assert sum(pixels) == pytest.approx(kind / data.slots * 11 * 37, abs=1.0 + 1e-6)


@pytest.mark.parametrize("frame", TIMEFRAMES, ids=str)
def test_levels_open_where_candles_of_that_length_do(frame: Timeframe) -> None:
    """Bars of an hour open at full hours, of a week on Mondays, of a year in January; each level is coarser."""
    first = frame.ceil(FIRST)
    levels = ladder(frame, first, 3_000_000)
    assert (levels[0].factor, levels[0].phase) == (1, 0)
    assert [level.factor for level in levels] == sorted({level.factor for level in levels})
    for level in levels[1:]:
        opened = frame.shift(first, 7 * level.factor - level.phase)
        moment = datetime.fromtimestamp(opened, UTC)
        if level.name == "3M":
            assert (moment.day, moment.month % 3) == (1, 1)
        elif level.name == "10y":
            assert (moment.month, moment.year % 10) == (1, 0)
        elif level.name == "4w":
            assert moment.weekday() == 0
        elif level.name in ("5s", "15s", "30s", "12h", "3d"):
            assert opened % {"5s": 5, "15s": 15, "30s": 30, "12h": 43_200, "3d": 259_200}[level.name] == 0
        else:
            assert Timeframe.of(level.name).floor(opened) == opened


async def test_the_finest_that_fits() -> None:
    """A picture is drawn at the finest level that has no more bars than are asked for, or at the coarsest."""
    async with SqliteStore(":memory:") as store:
        await fill(store, written(3000), (0, 3000))
        data = await read_chart(store, "KRW-BTC", "1m")
    assert [fitting(data, most).name for most in (3000, 2999, 1000, 700, 1)] == ["1m", "3m", "3m", "5m", "4h"]


@pytest.mark.parametrize(("timeframe", "names"), [("1M", ["1M", "3M", "1y"]), ("1d", ["1d", "3d", "1w", "4w"])])
async def test_calendars(timeframe: str, names: list[str]) -> None:
    """Long candles have their places on the calendar."""
    frame = Timeframe.of(timeframe)
    opened = [frame.shift(frame.ceil(FIRST), slot) for slot in range(200 if timeframe == "1M" else 400)]
    rows = [Row(time, 1, 2, 1, 2, 5, 5, 0) for time in reversed(opened)]
    async with SqliteStore(":memory:") as store:
        await store.write("KRW-BTC", frame, rows, (opened[0], frame.shift(opened[-1], 1)))
        data = await read_chart(store, "KRW-BTC", timeframe)
    assert list(data.slot) == list(range(len(opened)))
    assert [data.open_time(slot) for slot in data.slot] == opened
    assert [level.name for level in ladder(timeframe, data.first, data.slots)] == names
