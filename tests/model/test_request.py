"""Requests: what can be asked for, and what can't."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import attrs
import pytest

from rxcandles.errors import RequestError
from rxcandles.model import SETTLE_SECONDS, CandleData, Request, Row
from rxcandles.model.settings import CollectionConfig, StreamingConfig, recommend_mode
from rxcandles.model.timeframe import from_datetime

NOW = from_datetime(datetime(2026, 3, 11, 14, 40, 30))
T = datetime(2026, 3, 1, 12, 0)


def span(**asked: object) -> tuple[int | None, int]:
    request = Request("KRW-BTC", "1m", now=NOW, **asked)  # type: ignore[arg-type]
    return request.start, request.stop


def at(*args: int) -> int:
    return int(from_datetime(datetime(*args)))  # type: ignore[arg-type]


def test_count_back_from_now() -> None:
    """``count`` alone ends with the newest candle that is over."""
    assert span(count=5) == (None, at(2026, 3, 11, 14, 40))


def test_settling() -> None:
    """A candle that ended less than the settle time ago is not asked for yet."""
    just = at(2026, 3, 11, 14, 40) + SETTLE_SECONDS
    assert Request("KRW-BTC", "1m", count=5, now=just - 0.5).stop == at(2026, 3, 11, 14, 39)
    assert Request("KRW-BTC", "1m", count=5, now=just).stop == at(2026, 3, 11, 14, 40)


def test_two_ends_either_way_round() -> None:
    """The older end is included, the newer excluded, whichever is called ``to``."""
    older, newer = T, T + timedelta(hours=1)
    assert span(to=newer, end=older) == span(to=older, end=newer) == (at(2026, 3, 1, 12, 0), at(2026, 3, 1, 13, 0))


def test_ends_inside_a_slot() -> None:
    """A span holds the candles that open in it."""
    assert span(to=T + timedelta(seconds=90), end=T + timedelta(seconds=30)) == (
        at(2026, 3, 1, 12, 1),
        at(2026, 3, 1, 12, 2),
    )


def test_end_alone_reaches_to_now() -> None:
    """``end`` alone is the span up to now."""
    assert span(end=T) == (at(2026, 3, 1, 12, 0), at(2026, 3, 11, 14, 40))


def test_future_is_cut() -> None:
    """A ``to`` in the future is now; a span with nothing finished in it yet is empty, not wrong."""
    assert span(to=datetime(2030, 1, 1), count=5) == (None, at(2026, 3, 11, 14, 40))
    assert span(to=datetime(2030, 1, 1), end=datetime(2026, 3, 11, 14, 40)) == (
        at(2026, 3, 11, 14, 40),
        at(2026, 3, 11, 14, 40),
    )


@pytest.mark.parametrize(
    "zone", [timezone(timedelta(hours=9)), ZoneInfo("America/New_York"), timezone(timedelta(hours=5, minutes=45))]
)
def test_zones(zone: timezone) -> None:
    """Aware datetimes mean their instant, naive ones UTC."""
    assert span(to=T.replace(tzinfo=UTC).astimezone(zone), count=1) == span(to=T, count=1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "neither count nor end"),
        ({"to": T}, "`to` is given alone"),
        ({"count": 0}, "count is 0"),
        ({"count": -1}, "count is -1"),
        ({"count": True}, "count is True"),
        ({"count": 1.5}, "count is 1.5"),
        ({"count": "10"}, "count is '10'"),
        ({"count": 10**30}, "count is 1000"),
        ({"count": 5, "end": T}, "count and end"),
        ({"count": 5, "end": T, "to": T}, "count and end"),
        ({"to": T, "end": T}, "empty"),
        ({"to": T + timedelta(seconds=50), "end": T + timedelta(seconds=10)}, "empty"),
        ({"to": "2026/03/01", "count": 5}, "to is '2026/03/01'; write '2024-01-31'"),
        ({"end": 5}, "end is 5"),
        ({"to": datetime(1960, 1, 1), "count": 5}, "1970"),
        ({"to": datetime(2031, 1, 1), "end": datetime(2030, 1, 1)}, "future"),
        ({"count": 5, "order": "sideways"}, "order is 'sideways'"),
    ],
)
def test_refused(asked: dict[str, object], message: str) -> None:
    """What can't be meant is refused, with the value and what to do."""
    with pytest.raises(RequestError, match=message) as caught:
        span(**asked)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "symbol", ["", " ", "KRW BTC", "KRW-BTC\n", "'; DROP TABLE", "../etc", "a" * 41, "KRW-ＢＴＣ", None, 5, "\0"]
)
def test_symbols_refused(symbol: object) -> None:
    """A symbol that no exchange could have is refused."""
    with pytest.raises(RequestError, match="symbol"):
        Request(symbol, "1m", count=1)  # type: ignore[arg-type]


def test_most() -> None:
    """The most candles there can be are known beforehand."""
    assert Request("KRW-BTC", "1m", count=7, now=NOW).most == 7
    assert Request("KRW-BTC", "1m", to=T, end=T + timedelta(days=1), now=NOW).most == 1440


def test_candle_names() -> None:
    """A candle reads by Upbit's names and by short ones."""
    row = Row(at(2026, 3, 11, 14, 40), 103600000.0, 103600001.0, 103425000.0, 103460000.0, 1.5933512, 164899503.14206,
              1773240059132)  # fmt: skip
    candle = CandleData("KRW-BTC", "1m", *row)
    assert candle.row == row
    assert candle.market == candle.symbol == "KRW-BTC"
    assert candle.candle_date_time_utc == "2026-03-11T14:40:00"
    assert candle.candle_date_time_kst == "2026-03-11T23:40:00"
    assert candle.open_time == datetime(2026, 3, 11, 14, 40, tzinfo=UTC)
    assert candle.close_time == datetime(2026, 3, 11, 14, 41, tzinfo=UTC)
    assert (candle.opening_price, candle.high_price, candle.low_price, candle.trade_price) == row[1:5]
    assert (candle.open, candle.high, candle.low, candle.close) == row[1:5]
    assert candle.candle_acc_trade_volume == candle.volume == 1.5933512
    assert candle.candle_acc_trade_price == candle.turnover == 164899503.14206
    assert candle.unit == 1
    assert candle.first_day_of_period is None
    assert CandleData("KRW-BTC", "1M", *row).first_day_of_period == "2026-03-11"
    assert CandleData("KRW-BTC", "1M", *row).unit is None
    with pytest.raises(AttributeError):
        candle.open = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CollectionConfig(max_memory_objects=0), "max_memory_objects is 0"),
        (lambda: CollectionConfig(fallback_to_streaming="no"), "fallback_to_streaming is 'no'"),  # type: ignore[arg-type]
        (lambda: StreamingConfig(chunk_yield_size=-1), "chunk_yield_size is -1"),
        (lambda: StreamingConfig(buffer_chunks=True), "buffer_chunks is True"),
        (lambda: StreamingConfig(enable_backpressure=1), "enable_backpressure is 1"),  # type: ignore[arg-type]
    ],
)
def test_configs_are_checked(make: object, message: str) -> None:
    """A configuration that can't be meant is refused with its value."""
    with pytest.raises(RequestError, match=message):
        make()  # type: ignore[operator]


def test_recommended_modes() -> None:
    """The document's scenario table, and the count where a list gets too large."""
    assert recommend_mode("realtime_analysis") == "collection"
    assert recommend_mode("bulk_collection") == "storage_only"
    assert recommend_mode("stream_processing") == recommend_mode("etl_pipeline") == "streaming"
    assert recommend_mode("initial_setup") == recommend_mode("backtesting_prep") == "storage_only"
    assert recommend_mode(count=50_000) == "collection"
    assert recommend_mode(count=50_001) == "streaming"
    assert recommend_mode("realtime_analysis", count=10**6) == "streaming"
    for wrong in ({}, {"scenario": "other"}, {"count": 0}):
        with pytest.raises(RequestError):
            recommend_mode(**wrong)  # type: ignore[arg-type]


def test_candles_of_rows() -> None:
    """Candles made in one go are those made one by one: equal, frozen, fit for a set, a copy and a pickle."""
    rows = [Row(60 * slot, 100.0, 102.0, 98.0, 101.0, 1.5, 150.5, 60_000 * slot) for slot in range(3)]
    candles = CandleData.of("KRW-BTC", "1m", rows)
    assert candles == [CandleData("KRW-BTC", "1m", *row) for row in rows]
    assert {*candles} == {*[CandleData("KRW-BTC", "1m", *row) for row in rows]}
    assert pickle.loads(pickle.dumps(candles)) == copy.deepcopy(candles) == candles
    assert [candle.row for candle in candles] == rows
    assert all(type(candle) is CandleData for candle in candles)
    assert repr(candles[1]).startswith("CandleData('KRW-BTC', '1m', '1970-01-01T00:01:00', open=100.0")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        candles[0].close = 1.0  # type: ignore[misc]
