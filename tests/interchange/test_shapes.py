"""The shapes of ccxt, freqtrade and pyupbit, each held against the way that these make theirs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas
import pytest
from pandas.testing import assert_frame_equal

import rxcandles
from rxcandles.interchange.tools.freqtrade import freqtrade_file
from rxcandles.modes.sequence import CandleSequence
from tests.support.fakes import row

SLOTS = [slot for slot in range(20_000, 21_500) if slot % 5]


@pytest.fixture(scope="module", params=["1m", "1d"])
def candles(bench: Any, request: pytest.FixtureRequest) -> CandleSequence:
    """1,200 candles with gaps, newest first."""
    seconds = {"1m": 60, "1d": 86_400}[request.param]
    rows = [row(slot * seconds) for slot in SLOTS]
    stored: CandleSequence = bench.stored(rows, request.param, "newest_first")
    return stored


def ccxt_rows(candles: CandleSequence) -> list[list[float]]:
    """What ccxt parses from an answer."""
    return [
        [each.open_seconds * 1000, each.open, each.high, each.low, each.close, each.volume]
        for each in reversed(candles)
    ]


def test_ccxt(candles: CandleSequence) -> None:
    """Rows of milliseconds, open, high, low, close and volume, oldest first."""
    assert rxcandles.to_ccxt(candles) == rxcandles.to_ccxt(list(candles)) == ccxt_rows(candles)
    assert all(type(each[0]) is int for each in rxcandles.to_ccxt(candles))
    assert rxcandles.to_ccxt([]) == []


def test_freqtrade(candles: CandleSequence) -> None:
    """The frame that freqtrade makes of ccxt's rows, with the time unit that it reads its files with."""
    theirs = pandas.DataFrame(ccxt_rows(candles), columns=["date", "open", "high", "low", "close", "volume"])
    theirs["date"] = pandas.to_datetime(theirs["date"], unit="ms", utc=True).dt.as_unit("ms")
    assert_frame_equal(rxcandles.to_freqtrade(candles), theirs)


def test_pyupbit(candles: CandleSequence) -> None:
    """The frame that pyupbit makes of Upbit's answers."""
    names = {
        "opening_price": "open",
        "high_price": "high",
        "low_price": "low",
        "trade_price": "close",
        "candle_acc_trade_volume": "volume",
        "candle_acc_trade_price": "value",
    }
    answer = [{name: getattr(each, name) for name in names} for each in candles]
    index = [datetime.fromisoformat(each.candle_date_time_kst) for each in candles]
    theirs = pandas.DataFrame(answer, columns=list(names), index=index).sort_index().rename(columns=names)
    ours = rxcandles.to_pyupbit(candles)
    ours.index = ours.index.as_unit(theirs.index.unit)  # pandas 2 makes nanoseconds of them
    assert_frame_equal(ours, theirs)


@pytest.mark.parametrize(
    ("symbol", "timeframe", "name"),
    [
        ("KRW-BTC", "1m", "BTC_KRW-1m.feather"),
        ("KRW-BTC", "60m", "BTC_KRW-1h.feather"),
        ("USDT-XRP", "240m", "XRP_USDT-4h.feather"),
        ("KRW-ETH", "1M", "ETH_KRW-1Mo.feather"),
        ("BTC-ETH", "1w", "ETH_BTC-1w.feather"),
        ("BTCUSDT", "1m", "BTC_USDT-1m.feather"),
        ("NEWCOIN", "1d", "NEWCOIN-1d.feather"),
    ],
)
def test_freqtrade_file(symbol: str, timeframe: str, name: str) -> None:
    """Files are called as freqtrade looks for them."""
    assert freqtrade_file(symbol, timeframe) == name
