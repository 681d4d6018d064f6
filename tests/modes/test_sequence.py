"""The lazy sequence against the list it stands for."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.model import CandleData, Row
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.modes.sequence import CandleSequence, stored_candles
from rxcandles.stores import SqliteStore
from tests.support.fakes import candle, row

MINUTE = Timeframe.of("1m")
TIMES = [time * 60 for time in range(5000) if time % 3]
SPAN = (600, 4000 * 60)


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    async def fill(path: Path) -> None:
        async with SqliteStore(path) as store:
            await store.write("KRW-BTC", MINUTE, [row(time) for time in TIMES], (0, 5000 * 60))

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(Path(folder) / "candles.db"))
        yield Path(folder) / "candles.db"


def both(path: Path, order: str) -> tuple[CandleSequence, list[CandleData]]:
    async def opened() -> CandleSequence:
        async with SqliteStore(path) as store:
            return CandleSequence(store.reader("KRW-BTC", MINUTE), "KRW-BTC", "1m", *SPAN, order)  # type: ignore[arg-type]

    plain = [candle(time) for time in TIMES if SPAN[0] <= time < SPAN[1]]
    return asyncio.run(opened()), plain if order == "oldest_first" else plain[::-1]


orders = pytest.mark.parametrize("order", ["newest_first", "oldest_first"])


@orders
def test_like_a_list(path: Path, order: str) -> None:
    """Length, iteration, both ways, equality, membership: a list's, with the store closed."""
    lazy, plain = both(path, order)
    assert len(lazy) == len(plain) == 2660
    assert list(lazy) == plain
    assert list(reversed(lazy)) == plain[::-1]
    assert lazy == plain
    assert plain == lazy
    assert lazy != plain[:-1]
    assert lazy != plain[::-1]
    assert lazy != "text"
    assert plain[17] in lazy
    assert lazy.index(plain[2345]) == 2345
    assert lazy.count(plain[5]) == 1
    assert candle(0) not in lazy
    assert candle(TIMES[100], "KRW-ETH") not in lazy
    assert 5 not in lazy
    assert bool(lazy)
    assert repr(lazy) == f"<2,660 candles of KRW-BTC 1m, {order.replace('_', ' ')}, stored>"
    with pytest.raises(TypeError):
        hash(lazy)


@orders
def test_errors_of_a_list(path: Path, order: str) -> None:
    """An index out of range, a value that isn't there, a wrong index: a list's errors."""
    lazy, plain = both(path, order)
    for index in (len(plain), -len(plain) - 1):
        with pytest.raises(IndexError, match="out of range"):
            lazy[index]
    with pytest.raises(ValueError, match="not among"):
        lazy.index(candle(0))
    with pytest.raises(ValueError, match="not among"):
        lazy.index(plain[5], 6)
    with pytest.raises(TypeError):
        lazy["a"]  # type: ignore[call-overload]


limits = st.none() | st.integers(-3000, 3000)


@settings(max_examples=60, deadline=None)
@given(
    start=limits, stop=limits, step=st.none() | st.integers(-700, 700).filter(bool), index=st.integers(0, 10**6),
    order=st.sampled_from(["newest_first", "oldest_first"]),
)  # fmt: skip
def test_slices(path: Path, start: int | None, stop: int | None, step: int | None, index: int, order: str) -> None:
    """Any slice, and any index into it, is the list's; a slice of a slice too."""
    lazy, plain = both(path, order)
    part, expected = lazy[start:stop:step], plain[start:stop:step]
    assert isinstance(part, CandleSequence)
    assert len(part) == len(expected)
    assert part[::7] == expected[::7]
    if expected:
        position = index % len(expected)
        assert part[position] == expected[position]
        assert part[position - len(expected)] == expected[position - len(expected)]
        assert part.index(expected[position]) == position


@orders
def test_a_page_at_a_time(path: Path, order: str) -> None:
    """Going through it keeps one page in memory, and reads every page once."""
    lazy, _ = both(path, order)
    reads = []
    reader = lazy._reader
    read = reader.rows
    reader.rows = lambda *args: reads.append(args[3:]) or read(*args)  # type: ignore[method-assign, func-returns-value]
    for _ in lazy:
        assert len(lazy._page) <= 1000
    assert reads == [(1000, 0)] * 3


@orders
def test_backwards_a_page_at_a_time(path: Path, order: str) -> None:
    """Going through it backwards reads every page once, too, and skips nothing over."""
    lazy, plain = both(path, order)
    reads = []
    reader = lazy[::-1]._reader
    read = reader.rows
    reader.rows = lambda *args: reads.append(args[3:]) or read(*args)  # type: ignore[method-assign, func-returns-value]
    assert list(reversed(lazy)) == plain[::-1]
    assert reads == [(660, 0), (1000, 0), (1000, 0)]


def test_removed_candles(path: Path) -> None:
    """Candles that vanish from the store are an error that says so, not a wrong candle."""
    lazy, _ = both(path, "oldest_first")
    lazy._reader.rows = lambda *args: []  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="removed from the store"):
        lazy[0]


async def test_everything_stored(tmp_path: Path) -> None:
    """Without ends, what is stored is all of it, in every timeframe."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        for name, first in (("1m", 60), ("1M", 0), ("1y", 0)):
            frame = Timeframe.of(name)
            times = [first, frame.shift(first, 1), frame.shift(first, 9)]
            rows = [Row(time, 1.0, 2.0, 0.5, 1.5, 1.0, 1.0, time * 1000) for time in times]
            await store.write("KRW-BTC", frame, rows[::-1], (first, frame.shift(first, 10)))
            assert [candle.open_seconds for candle in stored_candles(store, "KRW-BTC", name)] == times
        assert len(stored_candles(store, "KRW-BTC", "1m", to_datetime(120))) == 1
