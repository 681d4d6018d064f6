"""``get_ohlcv``: a data frame in one line, which goes on from what is stored."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas
import pytest

import rxcandles
from rxcandles.errors import ExtraMissingError, IncompleteError, RequestError, SeveralFailedError
from rxcandles.model.timeframe import to_datetime
from tests.support.fakes import NEWEST, FakeExchange, candle, slots

TIMES = slots(1000, 0.8, seed=5)
UNTIL = to_datetime(NEWEST + 60)
COLUMNS = ["open", "high", "low", "close", "volume", "turnover", "timestamp"]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RXCANDLES_TZ", raising=False)


def get(symbol: Any = "KRW-BTC", **how: Any) -> pandas.DataFrame:
    return rxcandles.get_ohlcv(symbol, "1m", **{"exchange": FakeExchange(TIMES), "until": UNTIL, **how})


def test_the_frame_is_that_of_the_candles() -> None:
    """Every value as ``to_pandas`` has it, oldest first, in UTC."""
    frame = get(count=500)
    assert list(frame.columns) == COLUMNS
    pandas.testing.assert_frame_equal(frame, rxcandles.to_pandas([candle(time) for time in TIMES[-500:]]))


def test_what_is_stored_is_not_asked_for_again() -> None:
    """The database is ``candles.db`` in the working folder, where the command line looks; ``db`` is another."""
    exchange = FakeExchange(TIMES)
    whole = get(since=to_datetime(TIMES[-600]), exchange=exchange)
    asked = len(exchange.asked)
    assert len(whole) == 600
    assert Path("candles.db").exists()
    part = get(since=to_datetime(TIMES[-400]), until=to_datetime(TIMES[-100]), exchange=exchange)
    pandas.testing.assert_frame_equal(part, whole.iloc[200:500])
    assert len(exchange.asked) == asked
    get(count=10, db="other.db", exchange=exchange)
    assert len(exchange.asked) > asked


def test_tz_reads_and_shows() -> None:
    """A time that names no zone is of ``tz``, and so is the index; the candles are the same."""
    start = datetime.fromtimestamp(TIMES[-300], UTC)
    in_utc = get(since=f"{start:%Y-%m-%d %H:%M}")
    there = start.astimezone(rxcandles.model.moments.KST)
    in_seoul = get(since=f"{there:%Y-%m-%d %H:%M}", tz="Asia/Seoul")
    assert str(in_seoul.index.dtype) == "datetime64[us, Asia/Seoul]"
    assert in_seoul.index[0].hour == there.hour
    pandas.testing.assert_frame_equal(in_seoul.tz_convert("UTC"), in_utc, check_freq=False)


def test_the_environment_has_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """``RXCANDLES_TZ`` is the zone where none is given."""
    monkeypatch.setenv("RXCANDLES_TZ", "Asia/Seoul")
    assert str(get(count=3).index.tz) == "Asia/Seoul"
    assert str(get(count=3, tz="UTC").index.tz) == "UTC"


def test_several_symbols_are_one_frame() -> None:
    """A level of columns names the symbol; where one has no candle it has NaN."""

    class Two(FakeExchange):
        async def page(self, symbol: str, timeframe: rxcandles.Timeframe, to: int, count: int) -> rxcandles.Page:
            own = FakeExchange(TIMES if symbol == "KRW-BTC" else TIMES[::2])
            return await own.page(symbol, timeframe, to, count)

    since = to_datetime(TIMES[-200])
    frame = get(("KRW-BTC", "KRW-ETH", "KRW-BTC"), since=since, exchange=Two(TIMES))
    assert frame.columns.names == ["symbol", None]
    assert list(frame.columns.get_level_values(0).unique()) == ["KRW-BTC", "KRW-ETH"]
    assert frame.index.is_monotonic_increasing
    pandas.testing.assert_frame_equal(frame["KRW-BTC"], get(since=since), check_freq=False)
    assert list(frame.xs("close", axis=1, level=1).columns) == ["KRW-BTC", "KRW-ETH"]
    eth = frame["KRW-ETH"].dropna()
    assert 0 < len(eth) < len(frame) == 200
    assert list(get(["KRW-BTC"], since=since).columns) == [("KRW-BTC", name) for name in COLUMNS]


async def test_beside_a_running_loop() -> None:
    """In a notebook it is the same one line."""
    assert len(get(count=300)) == 300


@pytest.mark.parametrize("symbols", ["KRW-ETH", ["KRW-ETH", "KRW-XRP"]])
def test_a_market_without_candles(symbols: Any) -> None:
    """Nothing is a frame without rows, whose columns and zone are as ever."""
    frame = get(symbols, count=10, exchange=FakeExchange([]), tz="KST")
    assert len(frame) == 0
    assert [each[-1] if isinstance(each, tuple) else each for each in frame.columns][:7] == COLUMNS
    assert frame.index.tz == rxcandles.model.moments.KST


def test_refused() -> None:
    """What can't be meant is refused before a file is made."""
    for how, said in (
        ({}, "nothing says how far back"),
        ({"count": 5, "last": "3d"}, "given together"),
        ({"count": 5, "tz": "Mars"}, "^tz is 'Mars'"),
        ({"count": 5, "symbol": []}, "^symbol is empty"),
        ({"count": 5, "symbol": 5}, "^symbol is 5; give several"),
        ({"count": 5, "symbol": [5]}, "^symbol is 5; write a market's code"),
        ({"since": "2024/01/01"}, "did you mean '2024-01-01'"),
    ):
        with pytest.raises(RequestError, match=said):
            get(**how)
    assert list(Path().iterdir()) == []


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, before anything is asked."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    exchange = FakeExchange(TIMES)
    with pytest.raises(ExtraMissingError, match=r"this needs pandas: pip install 'rxcandles\[pandas\]'"):
        get(count=5, exchange=exchange)
    assert exchange.asked == []
    assert list(Path().iterdir()) == []


def test_what_is_missing_is_an_error() -> None:
    """A frame has everything that was asked for; else it is an error, and what came is stored."""
    exchange = FakeExchange(TIMES)

    def fail(to: int, count: int) -> None:
        if to != NEWEST + 60:
            raise rxcandles.RequestRejectedError("no more")

    exchange.before = fail
    with pytest.raises((IncompleteError, rxcandles.RequestRejectedError)):
        get(since=to_datetime(TIMES[0]), exchange=exchange)
    with pytest.raises(SeveralFailedError):
        get(["KRW-BTC", "KRW-ETH"], since=to_datetime(TIMES[0]), exchange=exchange)
    with rxcandles.open("candles.db", FakeExchange([])) as candles:
        assert candles.repository.count("KRW-BTC", "1m", 0, NEWEST + 60) >= 200
