"""What Binance says besides of each candle is kept: how many trades there were, and what takers have bought."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import sqlite3
from pathlib import Path

import attrs
import pytest
import reactivex.operators as rx

import rxcandles
import rxcandles.operators as ops
from rxcandles import CandleData, CandleWithTrades, InvalidResponseError, Page, Row, RowWithTrades, SqliteStore
from rxcandles.__main__ import main
from rxcandles.engine.checks import check_page
from rxcandles.integrity.salvage import salvage
from rxcandles.model import TRADE_FIELDS
from rxcandles.model.timeframe import Timeframe, to_datetime
from tests.support.binance import END, MINUTE, Memory, kline
from tests.support.fakes import row
from tests.support.toys import Rows

FRAME = Timeframe.of("1m")
SPAN = {"to": to_datetime(END), "end": to_datetime(END - 40 * MINUTE)}
TOLD = {
    each[0] // 1000: (each[8], float(each[9]), float(each[10]))
    for each in (kline((END - at * MINUTE) * 1000) for at in range(1, 41))
}
"""What was sent of each minute, by its open time."""


def told(candles: object) -> dict[int, tuple[int | None, float | None, float | None]]:
    """The same of candles."""
    return {
        each.open_seconds: (each.trades, each.taker_volume, each.taker_turnover)
        for each in candles  # type: ignore[attr-defined]
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with forty minutes of Binance's, and as many of an exchange that says nothing of trades."""
    path = tmp_path_factory.mktemp("trades") / "candles.db"
    with rxcandles.open(path, exchange=Rows(1.0)) as candles:  # type: ignore[arg-type]
        candles.collect_candles_only("TOY", "1m", **SPAN)
    with sqlite3.connect(path) as plain:
        assert TRADE_FIELDS[0] not in [name for _, name, *_ in plain.execute("PRAGMA table_info(candles)")]
    with rxcandles.open(path, exchange=Memory()) as candles:
        candles.collect_candles_only("BTCUSDT", "1m", **SPAN)
    return path


async def test_all_modes(tmp_path: Path):
    """They come with the candles, fetched and stored, in a list, in a lazy sequence and in a stream, in both orders."""
    async with rxcandles.connect(tmp_path / "candles.db", exchange=Memory()) as provider:
        for order in ("newest_first", "oldest_first"):
            for most in (50_000, 10):
                config = rxcandles.CollectionConfig(max_memory_objects=most, enable_memory_warning=False)
                found = await provider.get_candles("BTCUSDT", "1m", **SPAN, order=order, config=config)
                assert told(found) == TOLD
            stream = provider.stream_candles("BTCUSDT", "1m", **SPAN, order=order)
            assert told([each async for candles, _ in stream for each in candles]) == TOLD
        held = await provider.repository.get_candles_by_range("BTCUSDT", "1m", SPAN["end"], SPAN["to"])
        assert told(held) == TOLD


async def test_none_of_others(path: Path):
    """Candles of an exchange that says nothing of it are as before, beside it in one file; the three are None."""
    async with SqliteStore(path, exchange="toy") as store:
        candles = await store.get_candles_by_range("TOY", "1m", SPAN["end"], SPAN["to"])
        assert [(type(each), each.row) for each in candles[:1]] == [(CandleData, row(END - MINUTE))]
        assert set(told(candles).values()) == {(None, None, None)}
        assert store.reader("TOY", FRAME).fields == Row._fields[:8]  # type: ignore[attr-defined]


@pytest.mark.parametrize("lazy", [False, True])
async def test_frames(path: Path, lazy: bool):
    """Data frames have three columns more, with whole numbers of trades."""
    pandas = pytest.importorskip("pandas")
    async with SqliteStore(path, exchange="binance") as store:
        candles = await store.get_candles_by_range("BTCUSDT", "1m", SPAN["end"], SPAN["to"])
        if lazy:
            start, stop = END - 40 * MINUTE, END
            candles = rxcandles.CandleSequence(store.reader("BTCUSDT", FRAME), "BTCUSDT", "1m", start, stop)  # type: ignore[assignment]
            some = next(iter(candles[::2].columns()))  # type: ignore[attr-defined]
            assert list(zip(*some[-3:], strict=True)) == [TOLD[time] for time in some[0]]
        frame = rxcandles.to_pandas(candles)
    assert list(frame.columns) == [*Row._fields[1:8], *TRADE_FIELDS]
    assert frame["trades"].dtype == "int64"
    found = frame[list(TRADE_FIELDS)].itertuples(index=True, name=None)
    assert {int(time.timestamp()): tuple(values) for time, *values in found} == TOLD
    assert isinstance(frame, pandas.DataFrame)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
async def test_files(path: Path, kind: str, tmp_path: Path):
    """So have the files of an export, and those of the others have not."""
    target = tmp_path / f"btc.{kind}"
    async with SqliteStore(path, exchange="binance") as store:
        await rxcandles.export_candles(store, "BTCUSDT", "1m", target)
    if kind == "parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(target)
        assert table.column("taker_volume").to_pylist() == [TOLD[each][1] for each in sorted(TOLD)]
        return
    lines = target.read_text(encoding="utf-8").splitlines()
    if kind == "csv":
        assert lines.pop(0).endswith(",trades,taker_volume,taker_turnover")
        found = [tuple(map(float, line.split(",")[-3:])) for line in lines]
    else:
        found = [tuple(json.loads(line)[name] for name in TRADE_FIELDS) for line in lines]
    assert found == [TOLD[each] for each in sorted(TOLD)]


def test_at_the_shell(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """A file of the others has no such columns."""
    target = tmp_path / "toy.csv"
    assert main(["export", "TOY", "1m", "-o", str(target), "--db", str(path), "--exchange", "toy"]) == 0
    assert target.read_text(encoding="utf-8").splitlines()[0].endswith("candle_acc_trade_price")


async def test_longer_candles(path: Path):
    """Longer candles have the sums."""
    request = rxcandles.Request("BTCUSDT", "1m", **SPAN)
    async with SqliteStore(path, exchange="binance") as store:
        lists = ops.plan_chunks(request).pipe(ops.skip_stored(store), ops.persist(store), ops.recall(store))
        made = await ops.run(lists.pipe(ops.resample("5m", partial="keep"), rx.to_list()))
    for candle in [each for piece in made for each in piece]:
        start = candle.open_seconds
        parts = [TOLD[time] for time in range(start, start + 300, 60) if time in TOLD]
        assert told([candle])[start] == pytest.approx(tuple(map(sum, zip(*parts, strict=True))))


async def test_revised(caplog: pytest.LogCaptureFixture):
    """A candle of which only the number of trades has changed is revised."""
    [late] = (await Memory().page("BTCUSDT", FRAME, END, 1)).rows
    changed = late._replace(trades=99)  # type: ignore[call-arg]
    async with SqliteStore(":memory:", exchange="binance") as store:
        for each in (late, late, changed):
            with caplog.at_level(logging.INFO, "rxcandles"):
                written = await store.write("BTCUSDT", FRAME, [each], (late.open_time, END))
        assert written.revised == [(late, changed)]
        assert await store.rows("BTCUSDT", FRAME, 0, END, "newest_first", 5) == [changed]
        assert json.loads(caplog.records[-1].after)[-3] == 99
        gone = await store.write("BTCUSDT", FRAME, [], (late.open_time, END), gone=[late.open_time])
        assert gone.removed == [changed]


async def test_salvaged(path: Path, tmp_path: Path):
    """What can be read of a damaged file is copied with them."""
    await salvage(path, tmp_path / "new.db")
    async with SqliteStore(tmp_path / "new.db", exchange="binance") as store:
        assert told(await store.get_candles_by_range("BTCUSDT", "1m", SPAN["end"], SPAN["to"])) == TOLD
        assert await store.absent_slot("BTCUSDT", FRAME) == "outage"
    async with SqliteStore(tmp_path / "new.db", exchange="toy") as store:
        assert len(await store.rows("TOY", FRAME, 0, END, "newest_first", 100)) == 40


def test_a_row() -> None:
    """A row with trades is a row, to be made by place and by name, changed, copied and sent elsewhere."""
    plain = row(END)
    made = RowWithTrades(*plain, 3, 0.5, 1.5)
    assert isinstance(made, Row)
    assert made == RowWithTrades(**plain._asdict(), trades=3, taker_volume=0.5, taker_turnover=1.5)
    assert (made.close, made.trades, made.taker_volume, made.taker_turnover) == (plain.close, 3, 0.5, 1.5)
    assert RowWithTrades(*plain[:8], trades=3)[8:] == (None, None, None, 3, None, None)
    assert made._replace(close=1.0, trades=4) == RowWithTrades(*plain._replace(close=1.0), 4, 0.5, 1.5)
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == RowWithTrades._make(made) == made
    assert "trades=3" in repr(made)
    assert (plain.trades, plain.taker_volume, plain.taker_turnover) == (None, None, None)
    for wrong in ((*made, 1), plain[:3]):
        with pytest.raises(TypeError):
            RowWithTrades(*wrong)
    with pytest.raises(TypeError):
        RowWithTrades(*plain, volumes=1)


def test_a_candle() -> None:
    """A candle with trades is a frozen candle of its own."""
    [candle] = CandleData.of("BTCUSDT", "1m", [RowWithTrades(*row(END), 3, 0.5, 1.5)])
    assert type(candle) is CandleWithTrades
    assert candle == CandleWithTrades("BTCUSDT", "1m", *row(END), 3, 0.5, 1.5)
    assert candle.row == RowWithTrades(*row(END), 3, 0.5, 1.5)
    assert "trades=3" in repr(candle)
    assert pickle.loads(pickle.dumps(candle)) == candle
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        candle.trades = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    "values", [(-1, 0.5, 1.0), (1.5, 0.5, 1.0), (1, -0.5, 1.0), (1, 0.5, float("inf")), ("x", 1.0, 1.0)]
)
def test_what_can_not_be(values: tuple[object, ...]) -> None:
    """A candle whose trades can't be is told, and costs no other; where all are so, it is the page that is wrong."""
    sound = [RowWithTrades(*row(END - at * MINUTE), 3, None, 1.5) for at in (1, 2, 3)]
    wrong = RowWithTrades(*row(END - 4 * MINUTE), *values)
    page = check_page(Page([*sound, wrong]), symbol="X", timeframe=FRAME, to=END, count=4)
    assert list(page.impossible) == [wrong.open_time]
    with pytest.raises(InvalidResponseError):
        check_page(Page([wrong]), symbol="X", timeframe=FRAME, to=END, count=4)
