"""Numbers and times as the exchange prints them."""

from __future__ import annotations

import pytest

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.text import Candle, Memo, candle_text, change_text, clock_text, decimal_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("103600000.00000000", 103_600_000 * 10**8),
        ("1.59335120", 159_335_120),
        ("0.00002000", 2000),
        ("0.00000100", 100),
        ("9.9E-7", 99),
        ("1.2E-7", 12),
        ("1E-8", 1),
        ("0E-8", 0),
        ("-234000.00000000", -234_000 * 10**8),
        ("-1.2E-7", -12),
    ],
)
def test_decimal(text: str, value: int) -> None:
    """A number has 8 decimals, and E-notation below a millionth, as BigDecimal.toString writes it."""
    assert text == decimal_text(value)


def test_rate() -> None:
    """A rate of change has 10 decimals, and E-notation below a millionth."""
    assert [decimal_text(value, 10) for value in (101_838_562, -14_380_796, 9_999, 0)] == [
        "0.0101838562",
        "-0.0014380796",
        "9.999E-7",
        "0E-10",
    ]


@pytest.mark.parametrize(
    ("text", "close", "previous"),
    [
        ('675000.00000000,"change_rate":0.0041542808', 163_158_000, 162_483_000),
        ('-234000.00000000,"change_rate":-0.0014380796', 162_483_000, 162_717_000),
        ('1043000.00000000,"change_rate":0.0101838562', 103_460_000, 102_417_000),
        ('0E-8,"change_rate":0E-10', 5, 5),
    ],
)
def test_recorded_changes(text: str, close: int, previous: int) -> None:
    """The last fields of a day candle are those that were recorded for the same prices."""
    assert f',"prev_closing_price":{previous}.00000000,"change_price":{text}' == change_text(
        close * 10**8, previous * 10**8
    )


def test_recorded_minute() -> None:
    """A minute candle with recorded numbers is the recorded text, byte for byte."""
    numbers = [103_600_000 * 10**8, 103_600_000 * 10**8, 103_425_000 * 10**8, 103_460_000 * 10**8]
    candle = Candle(1_773_240_000, *numbers, 159_335_120, 16_489_950_314_206_000, 1_773_240_059_132)
    assert (
        '{"market":"KRW-BTC","candle_date_time_utc":"2026-03-11T14:40:00","candle_date_time_kst":"2026-03-11T23:40:00",'
        '"opening_price":103600000.00000000,"high_price":103600000.00000000,"low_price":103425000.00000000,'
        '"trade_price":103460000.00000000,"timestamp":1773240059132,"candle_acc_trade_price":164899503.14206000,'
        '"candle_acc_trade_volume":1.59335120,"unit":1}'
    ) == candle_text("KRW-BTC", Timeframe.of("1m"), candle)


def test_memo_is_bounded() -> None:
    """A memo keeps no more texts than its limit, and makes each when it is asked for."""
    memo = Memo(clock_text, limit=3)
    assert [memo[second] for second in (0, 59, 3600, 86_399)] == ["T00:00:00", "T00:00:59", "T01:00:00", "T23:59:59"]
    assert 1 == len(memo)
