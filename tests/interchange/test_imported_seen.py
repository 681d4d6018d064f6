"""Imported candles are seen where that is asked for; where the exchange was asked, its word counts."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles import (
    CandleData,
    CandleDataProvider,
    ImportedCandle,
    RequestError,
    Row,
    SlidingWindowLimiter,
    SqliteStore,
    Timeframe,
    charts,
    coverage_cells,
    export_candles,
    import_candles,
    stored_candles,
    to_pandas,
)
from rxcandles import operators as ops
from rxcandles.__main__ import main
from rxcandles.model.timeframe import to_datetime
from tests.support.fakes import FakeExchange, candle

START = 1_704_067_200
"""2024-01-01."""
FRAME = Timeframe.of("1m")
SERIES = ("KRW-BTC", "1m")


def at(slot: int) -> datetime:
    return to_datetime(START + 60 * slot)


def slots_of(candles: object) -> list[int]:
    return [(each.open_seconds - START) // 60 for each in candles]  # type: ignore[attr-defined]


def ohlcv(slots: list[int]) -> list[list[float]]:
    """Candles as a file has them; their price is 5."""
    return [[(START + 60 * slot) * 1000, 5.0, 6.0, 4.0, 5.5, 1.0] for slot in slots]


def held(slot: int) -> Row:
    return Row(START + 60 * slot, *candle(START + 60 * slot).row[1:])


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Slots 0 to 99 are imported but for 5 of them, 40 to 59 are the exchange's, of which 50 to 59 had no trade."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        rows = [held(slot) for slot in range(49, 39, -1)]
        await store.write("KRW-BTC", FRAME, rows, (START + 60 * 40, START + 60 * 60))
        await import_candles(store, *SERIES, ohlcv([slot for slot in range(100) if not 10 <= slot < 15]))
        yield store


SEEN = [slot for slot in range(100) if not (10 <= slot < 15 or 50 <= slot < 60)]


async def test_stored_candles(store: SqliteStore) -> None:
    """What is stored has them when that is asked for, once each and marked; a list's manners hold all the same."""
    assert slots_of(stored_candles(store, *SERIES)) == list(range(40, 50))
    candles = stored_candles(store, *SERIES, include_imported=True)
    assert slots_of(candles) == SEEN
    assert [each.proven for each in candles] == [40 <= slot < 50 for slot in SEEN]
    first = candles[0]
    assert isinstance(first, ImportedCandle)
    assert (first.close, first.turnover, first.timestamp) == (5.5, None, None)
    assert candles[SEEN.index(40)] == candle(START + 60 * 40)
    assert first in candles
    assert CandleData(*SERIES, *first.row) not in candles
    assert slots_of(candles[::-7]) == SEEN[::-7]
    again = stored_candles(store, *SERIES, at(30), at(70), "newest_first", include_imported=True)
    assert slots_of(again) == [slot for slot in SEEN if 30 <= slot < 70][::-1]
    assert repr(first).startswith("ImportedCandle('KRW-BTC', '1m', '2024-01-01T00:00:00', open=5.0")


async def test_frames(store: SqliteStore) -> None:
    """A frame of them has a column that says which are proven, and nothing where a file had none."""
    candles = stored_candles(store, *SERIES, include_imported=True)
    for some in (candles, list(candles), candles[::2]):
        frame = to_pandas(some)
        assert list(frame.columns)[-1] == "proven"
        assert frame["proven"].tolist() == [each.proven for each in some]
        assert math.isnan(frame["turnover"].iloc[0])
    assert "proven" not in to_pandas(stored_candles(store, *SERIES)).columns
    sizes = [len(batch) async for batch in rxcandles.in_batches(candles, "polars", size=40)]
    assert sum(sizes) == len(SEEN)


async def test_charts_and_cells(store: SqliteStore) -> None:
    """A chart has them with their places, and covers nothing by them; a strip's cells count them."""
    data = await charts.read_chart(store, *SERIES, include_imported=True)
    assert list(data.slot) == SEEN
    assert [data.slot[place] for place in data.imported] == [slot for slot in SEEN if not 40 <= slot < 60]
    assert (data.slots, data.proven) == (100, ((40, 60),))
    without = await charts.read_chart(store, *SERIES)
    assert (len(without), without.slots, len(without.imported)) == (10, 20, 0)
    cells = await coverage_cells(store, *SERIES, (START, START + 6000), 10)
    assert [each.imported for each in cells] == [10, 5, 10, 10, 0, 0, 10, 10, 10, 10]
    assert [each.missing for each in cells] == [10, 10, 10, 10, 0, 0, 10, 10, 10, 10]


async def test_a_provider_does_not_ask_for_them(store: SqliteStore) -> None:
    """With them a request fetches what neither the exchange's candles nor imported ones reach over."""
    exchange = FakeExchange([START + 60 * slot for slot in range(-600, 200)])
    provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(None), cursors=1)
    found = await provider.get_candles(*SERIES, to=at(100), end=at(0), include_imported=True)
    assert slots_of(found) == SEEN[::-1]
    assert exchange.asked == []
    found = await provider.get_candles(*SERIES, to=at(130), count=70, include_imported=True)
    expected = [*SEEN, *range(100, 130)][::-1][:70]
    assert slots_of(found) == expected
    assert [each.proven for each in found] == [slot >= 100 or 40 <= slot < 50 for slot in expected]
    assert exchange.asked == [(START + 60 * 130, 30)]
    async with provider.stream_candles(
        *SERIES, to=at(130), end=at(-50), order="oldest_first", include_imported=True
    ) as stream:
        chunks = [slot async for chunk, _ in stream for slot in slots_of(chunk)]
    assert chunks == [*range(-50, 0), *SEEN, *range(100, 130)]
    assert len(exchange.asked) == 2
    summary = await provider.collect(rxcandles.Request(*SERIES, to=at(100), end=at(0)), include_imported=True)
    assert (summary.collected_count, summary.api_calls_made) == (len(SEEN), 0)
    await import_candles(store, *SERIES, ohlcv([*range(-300, -60)]))
    exchange.asked.clear()
    found = await provider.get_candles(*SERIES, to=at(100), end=at(-300), include_imported=True)
    assert [each.open_seconds for each in found if not each.proven][-1] == START - 60 * 300
    assert exchange.asked == []
    # Without, the exchange is asked, and what it says takes their place.
    assert slots_of(await provider.get_candles(*SERIES, to=at(100), end=at(0)))[-1] == 0
    assert all(each.proven for each in stored_candles(store, *SERIES, at(0), at(100), include_imported=True))


@settings(max_examples=20, deadline=None)
@given(
    st.sets(st.integers(0, 120), max_size=30),
    st.lists(st.tuples(st.integers(0, 120), st.integers(1, 30)), max_size=3),
    st.integers(1, 100),
    st.integers(1, 7),
)
async def test_against_a_slow_model(imported: set[int], covered: list[tuple[int, int]], count: int, every: int) -> None:
    """Whatever is covered and imported: a count is exact, in order, each candle once, and nothing else than what is."""
    there = [slot for slot in range(-900, 130) if slot % every == 0]
    exchange = FakeExchange([START + 60 * slot for slot in there])
    async with SqliteStore(":memory:") as store:
        for start, length in covered:
            rows = [held(slot) for slot in reversed(there) if start <= slot < start + length]
            await store.write("KRW-BTC", FRAME, rows, (START + 60 * start, START + 60 * (start + length)))
        if imported:
            await import_candles(store, *SERIES, ohlcv(sorted(imported)))
        kept = {slot for slot in imported if not any(a <= slot < a + b for a, b in covered)}
        provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(None), cursors=1)
        found = await provider.get_candles(*SERIES, to=at(130), count=count, include_imported=True)
        slots = slots_of(found)
        assert len(slots) == count
        assert slots == sorted(set(slots), reverse=True)
        for each, slot in zip(found, slots, strict=True):
            assert slot in (there if each.proven else kept)


async def test_a_span_of_both_at_once(store: SqliteStore, tmp_path: Path) -> None:
    """A candle that the exchange has where nothing is covered stands in for an imported one."""
    await store._open.rows(
        "INSERT INTO candles SELECT series, open_time, 7, 7, 7, 7, 1, 7, 7, NULL, NULL, NULL FROM imported"
        " WHERE open_time = ?",
        (START,),
    )
    candles = stored_candles(store, *SERIES, include_imported=True)
    assert (slots_of(candles), candles[0].close, candles[0].proven) == (SEEN, 7.0, True)
    done = await export_candles(store, *SERIES, tmp_path / "both.csv", include_imported=True)
    assert done.rows == len(SEEN)


async def test_operators(store: SqliteStore) -> None:
    """What is made of imported candles says so, and lacks what they lack."""
    given = list(stored_candles(store, *SERIES, at(0), at(60), include_imported=True))
    made = await rxcandles.run(ops.resample("5m", order="oldest_first")(_of(given)).pipe(ops.to_list(100)))
    assert [each.proven for each in made] == [40 <= slot < 50 for slot in slots_of(made)]
    assert made[0].turnover is None
    marked = await rxcandles.run(
        ops.resample("5m", order="oldest_first", partial="mark")(_of(given)).pipe(ops.to_list(100))
    )
    assert [each.proven for each in marked] == [each.proven for each in made]
    passed = await rxcandles.run(ops.validate(order="oldest_first")(_of(given)).pipe(ops.to_list(100)))
    assert passed == given


def _of(candles: list[CandleData]) -> object:
    import reactivex

    return reactivex.of(candles)


def test_stores_that_keep_none() -> None:
    """A store that has no place for imported candles says so."""

    class Bare:
        reader = None

    with pytest.raises(RequestError, match="it keeps no imported candles"):
        stored_candles(Bare(), *SERIES, include_imported=True)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="include_imported is 1"):
        stored_candles(Bare(), *SERIES, include_imported=1)  # type: ignore[arg-type]


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``--imported`` is the one word for it, and no exchange is needed for what is imported."""
    monkeypatch.chdir(tmp_path)
    lines = ["open_time,open,high,low,close,volume", *(f"{START + 60 * slot},5,6,4,5.5,1" for slot in range(20))]
    Path("KRW-BTC-1m.csv").write_text("\n".join(lines))
    assert main(["import", "KRW-BTC-1m.csv", "--symbol", "KRW-BTC", "--timeframe", "1m", "--tz", "UTC"]) == 0
    span = ["KRW-BTC", "1m", "--since", "2024-01-01", "--to", "2024-01-01T00:20"]
    capsys.readouterr()
    assert main(["get", *span, "--imported", "--format", "csv"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert (out[0].rpartition(",")[2], len(out)) == ("proven", 21)
    assert out[1] == "KRW-BTC,2024-01-01T00:19:00,5.0,6.0,4.0,5.5,1.0,,false"
    assert main(["stream", *span, "--imported", "--format", "jsonl"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["candle_acc_trade_price"], first["proven"]) == (None, False)
    assert main(["get", *span, "--imported"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "* imported, not proven"
    assert out[2].startswith("2024-01-01 00:19 *           5           6")
    assert max(map(len, out)) <= 80
    assert main(["chart", "KRW-BTC", "1m"]) == 2
    assert "20 imported candles, not proven; add --imported to use them" in capsys.readouterr().err
    assert main(["chart", "KRW-BTC", "1m", "--imported", "--last", "5m"]) == 0
    assert "KRW-BTC 1m: 5 candles" in capsys.readouterr().out
    assert main(["export", "KRW-BTC", "1m", "--imported", "-o", "all.parquet"]) == 0
    capsys.readouterr()
    assert main(["coverage"]) == 0
    assert "▓" in capsys.readouterr().out
