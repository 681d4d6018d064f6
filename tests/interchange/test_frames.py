"""Candles as data frames: every value, its type, its order."""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pandas
import polars
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles.errors import ExtraMissingError, RequestError
from rxcandles.interchange.cache import months
from rxcandles.interchange.filling import filled_frame
from rxcandles.model import CandleData, Row
from rxcandles.model.timeframe import to_datetime
from rxcandles.modes.sequence import CandleSequence
from tests.support.fakes import row

NAMES = ["open_time", "open", "high", "low", "close", "volume", "turnover", "timestamp"]
DAY_NAMES = [*NAMES, "prev_closing_price", "change_price", "change_rate"]
DAY = 86_400

numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def series(draw: st.DrawFn) -> tuple[str, list[Row]]:
    """A timeframe and some rows of it, oldest first."""
    timeframe, seconds = draw(st.sampled_from([("1m", 60), ("1d", DAY)]))
    slots = sorted(draw(st.sets(st.integers(0, 30_000), max_size=12)))
    change = st.one_of(st.none(), numbers) if timeframe == "1d" else st.none()
    amounts, changes = st.tuples(*[numbers] * 6), st.tuples(*[change] * 3)
    return timeframe, [
        Row(slot * seconds, *draw(amounts), draw(st.integers(0, 2**53)), *draw(changes)) for slot in slots
    ]


def model(timeframe: str, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """What a frame should have, row by row."""
    return [(to_datetime(each.open_time), *each[1 : 11 if timeframe == "1d" else 8]) for each in rows]


def plain(frame: Any) -> list[tuple[Any, ...]]:
    """Every row of any frame in Python's own values."""
    table = pyarrow.Table.from_pandas(frame.reset_index()) if isinstance(frame, pandas.DataFrame) else frame
    if isinstance(table, polars.DataFrame):
        return table.rows()
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True))


@settings(max_examples=30, deadline=None)
@given(series(), st.sampled_from(["oldest_first", "newest_first"]))
def test_every_value(bench: Any, given_series: tuple[str, list[Row]], order: str) -> None:
    """Whatever is stored is in every frame, bit by bit, oldest first, from the store as from a list."""
    timeframe, rows = given_series
    candles = bench.stored(rows, timeframe, order)
    for source in (candles, list(candles)):
        for make in (rxcandles.to_arrow, rxcandles.to_polars, rxcandles.to_pandas):
            assert plain(make(source)) == model(timeframe, rows)


@pytest.mark.parametrize(("timeframe", "names"), [("1m", NAMES), ("1d", DAY_NAMES)])
@pytest.mark.parametrize("filled", [True, False])
def test_types(bench: Any, timeframe: str, names: list[str], filled: bool) -> None:
    """Columns have their names and types, with rows and without, and only day candles those of a day."""
    candles = bench.stored([row(DAY), row(2 * DAY)] if filled else [], timeframe)
    arrow, frame, polar = rxcandles.to_arrow(candles), rxcandles.to_pandas(candles), rxcandles.to_polars(candles)
    assert len(arrow) == len(frame) == len(polar) == (2 if filled else 0)

    types = {"open_time": pyarrow.timestamp("us", "UTC"), "timestamp": pyarrow.int64()}
    assert arrow.schema == pyarrow.schema([(name, types.get(name, pyarrow.float64())) for name in names])

    assert (frame.index.name, str(frame.index.dtype)) == ("open_time", "datetime64[us, UTC]")
    assert frame.index.is_monotonic_increasing
    expected = {name: "int64" if name == "timestamp" else "float64" for name in names[1:]}
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == expected

    kinds = {"open_time": polars.Datetime("us", "UTC"), "timestamp": polars.Int64}
    assert polar.schema == {name: kinds.get(name, polars.Float64) for name in names}


def test_pandas_is_what_arrow_makes(both: list[tuple[CandleSequence, list[CandleData]]]) -> None:
    """A frame of pandas is in memory once while it is made, has what Arrow's own would have, and may be changed."""
    for candles in both[0]:
        frame = rxcandles.to_pandas(candles)
        pandas.testing.assert_frame_equal(frame, rxcandles.to_arrow(candles).to_pandas().set_index("open_time"))
        frame.iloc[0, 0] = 5.0
        frame["close"] += 1
        frame["timestamp"] *= 2
        assert frame.iloc[0, 0] == 5.0

    [batch] = rxcandles.to_arrow(both[0][0][:1000]).to_batches()
    rxcandles.to_pandas(both[0][0])
    tracemalloc.start()
    frame = filled_frame((batch for _ in range(200)), 200_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(frame) == 200_000
    assert peak < 200_000 * 64 * 1.3


@pytest.mark.parametrize("expected", [0, 999, 1000, 2500])
def test_other_number_of_candles(both: list[tuple[CandleSequence, list[CandleData]]], expected: int) -> None:
    """More or fewer candles than were counted, since some were stored or deleted meanwhile, are the frame."""
    table = rxcandles.to_arrow(both[0][0][:2000])
    frame = filled_frame(table.to_batches(700), expected)
    pandas.testing.assert_frame_equal(frame, table.to_pandas().set_index("open_time"))


def test_empty_list() -> None:
    """No candles at all are a frame without rows."""
    assert list(rxcandles.to_pandas([]).columns) == NAMES[1:]
    assert rxcandles.to_arrow([]).num_rows == 0


TAKEN: list[Callable[[Sequence[CandleData]], Sequence[CandleData]]] = [
    lambda candles: candles[:],
    lambda candles: candles[::-1],
    lambda candles: candles[1200:2600],
    lambda candles: candles[2600:1200:-1],
    lambda candles: candles[::7],
    lambda candles: candles[2900:10:-3],
    lambda candles: candles[5:5],
]


@pytest.fixture(scope="module")
def both(bench: Any) -> list[tuple[CandleSequence, list[CandleData]]]:
    """3,000 candles with gaps, in either order, stored and as a list."""
    rows = [row(slot * 60) for slot in range(4500) if slot % 3]
    sequences = [bench.stored(rows, "1m", order) for order in ("oldest_first", "newest_first")]
    return [(sequence, list(sequence)) for sequence in sequences]


@pytest.mark.parametrize("taken", TAKEN)
def test_slices(both: list[tuple[CandleSequence, list[CandleData]]], taken: Callable[[Any], Any]) -> None:
    """Any slice of a stored sequence makes the frame that the same slice of a list makes."""
    for sequence, candles in both:
        assert plain(rxcandles.to_arrow(taken(sequence))) == plain(rxcandles.to_arrow(taken(candles)))


@pytest.mark.parametrize("size", [1, 700, 1000, 1001, 2999, 3000, 10_000])
async def test_batches(both: list[tuple[CandleSequence, list[CandleData]]], size: int) -> None:
    """Batches of exactly the size asked for, the last what is left, are the whole table."""
    sequence = both[0][0][:40] if size == 1 else both[0][0]
    batches = [batch async for batch in rxcandles.in_batches(sequence, size=size)]
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert plain(pyarrow.Table.from_batches(batches)) == plain(rxcandles.to_arrow(sequence))
    assert 0 < len(batches[-1]) <= size


async def test_batches_of_frames(both: list[tuple[CandleSequence, list[CandleData]]]) -> None:
    """The same as frames of pandas and of polars; of nothing, none."""
    sequence, candles = both[0]
    frames = [frame async for frame in rxcandles.in_batches(sequence, "pandas", 1300)]
    assert pandas.concat(frames).equals(rxcandles.to_pandas(candles))
    polar = [frame async for frame in rxcandles.in_batches(sequence, "polars", 1300)]
    assert polars.concat(polar).equals(rxcandles.to_polars(candles))
    assert [batch async for batch in rxcandles.in_batches(sequence[:0])] == []


async def test_constant_memory(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times as many candles take no more memory, a batch at a time, also where a month is copied in parts."""
    monkeypatch.setattr(months, "PART", 2000)
    peaks = []
    for count in (23_000, 6000, 24_000):  # the first is for what is imported
        candles = await asyncio.to_thread(bench.stored, [row(slot * 60) for slot in range(count)])
        tracemalloc.start()
        async for batch in rxcandles.in_batches(candles, size=2000):
            del batch
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] * 1.2


def test_one_series_only(both: list[tuple[CandleSequence, list[CandleData]]]) -> None:
    """Candles of several markets, or no candles, are refused, and which they are is said."""
    other = CandleData("KRW-ETH", "1m", *row(60))
    for make in (rxcandles.to_arrow, rxcandles.to_pandas, rxcandles.to_polars, rxcandles.to_ccxt):
        with pytest.raises(RequestError, match=r"candles is .*; give the candles of one series.*KRW-ETH 1m and KRW-X"):
            make([*both[0][1][:2], other])
        for wrong in (None, 5, "KRW-BTC", [1], iter(())):
            with pytest.raises(RequestError, match=r"candles is .*; give the candles of one series"):
                make(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "make", "extra"),
    [
        ("pyarrow", rxcandles.to_arrow, "arrow"),
        ("pandas", rxcandles.to_pandas, "pandas"),
        ("polars", rxcandles.to_polars, "polars"),
        ("pandas", rxcandles.to_pyupbit, "pandas"),
        ("polars", lambda candles: rxcandles.in_batches(candles, "polars"), "polars"),
    ],
)
def test_absent(monkeypatch: pytest.MonkeyPatch, module: str, make: Callable[[Any], Any], extra: str) -> None:
    """Without its package a frame is an error that says what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissingError, match=rf"this needs {module}: pip install 'rxcandles\[{extra}\]'"):
        make([])
