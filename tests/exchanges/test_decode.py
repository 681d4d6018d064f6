"""From the bytes of Upbit's answers to rows; the bodies are Upbit's own, recorded 2026-03-11 and 2025-07-30."""

import math

import pytest

from rxcandles.errors import InvalidResponseError
from rxcandles.exchanges.answers import excerpt
from rxcandles.exchanges.upbit.decode import decode_candles, decode_markets, error_message, error_seconds
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe

SECONDS = (
    b'[{"market":"KRW-BTC","candle_date_time_utc":"2026-03-11T14:40:58","candle_date_time_kst":"2026-03-11T23:40:58",'
    b'"opening_price":103460000.00000000,"high_price":103460000.00000000,"low_price":103458000.00000000,'
    b'"trade_price":103458000.00000000,"timestamp":1773240058227,"candle_acc_trade_price":2654722.02446000,'
    b'"candle_acc_trade_volume":0.02565970}]'
)
MINUTES = (
    b'[{"market":"KRW-BTC","candle_date_time_utc":"2026-03-11T14:40:00","candle_date_time_kst":"2026-03-11T23:40:00",'
    b'"opening_price":103600000.00000000,"high_price":103600000.00000000,"low_price":103425000.00000000,'
    b'"trade_price":103460000.00000000,"timestamp":1773240059132,"candle_acc_trade_price":164899503.14206000,'
    b'"candle_acc_trade_volume":1.59335120,"unit":1}]'
)
DAYS = (
    b'[{"market":"KRW-BTC","candle_date_time_utc":"2025-07-29T00:00:00","candle_date_time_kst":"2025-07-29T09:00:00",'
    b'"opening_price":162483000.00000000,"high_price":163800000.00000000,"low_price":162034000.00000000,'
    b'"trade_price":163158000.00000000,"timestamp":1753833599704,"candle_acc_trade_price":242634976840.02426000,'
    b'"candle_acc_trade_volume":1487.53432374,"prev_closing_price":162483000.00000000,'
    b'"change_price":675000.00000000,"change_rate":0.0041542808},'
    b'{"market":"KRW-BTC","candle_date_time_utc":"2025-07-28T00:00:00","candle_date_time_kst":"2025-07-28T09:00:00",'
    b'"opening_price":162548000.00000000,"high_price":162985000.00000000,"low_price":161391000.00000000,'
    b'"trade_price":162483000.00000000,"timestamp":1753747199919,"candle_acc_trade_price":237170267365.09124000,'
    b'"candle_acc_trade_volume":1461.59937798,"prev_closing_price":162717000.00000000,'
    b'"change_price":-234000.00000000,"change_rate":-0.0014380796}]'
)
WEEKS = (
    b'[{"market":"KRW-BTC","candle_date_time_utc":"2026-03-09T00:00:00","candle_date_time_kst":"2026-03-09T09:00:00",'
    b'"opening_price":97845000.00000000,"high_price":104500000.00000000,"low_price":97668000.00000000,'
    b'"trade_price":103460000.00000000,"timestamp":1773240059132,"candle_acc_trade_price":509244554633.83152000,'
    b'"candle_acc_trade_volume":5004.32824461,"first_day_of_period":"2026-03-09"}]'
)
MONTHS = (
    b'[{"market":"KRW-BTC","candle_date_time_utc":"2026-03-01T00:00:00","candle_date_time_kst":"2026-03-01T09:00:00",'
    b'"opening_price":97626000.00000000,"high_price":107547000.00000000,"low_price":95100000.00000000,'
    b'"trade_price":103458000.00000000,"timestamp":1773240058227,"candle_acc_trade_price":2511125524827.97343000,'
    b'"candle_acc_trade_volume":24783.48727285,"first_day_of_period":"2026-03-01"}]'
)
YEARS = (
    b'[{"market":"KRW-BTC","candle_date_time_utc":"2026-01-01T00:00:00","candle_date_time_kst":"2026-01-01T09:00:00",'
    b'"opening_price":128000000.00000000,"high_price":143050000.00000000,"low_price":89000000.00000000,'
    b'"trade_price":103458000.00000000,"timestamp":1773240058227,"candle_acc_trade_price":17343033068679.96786000,'
    b'"candle_acc_trade_volume":158145.17293000,"first_day_of_period":"2026-01-01"}]'
)


def decode(body: bytes, timeframe: str = "1m") -> list[Row]:
    return decode_candles(body, "KRW-BTC", Timeframe.of(timeframe), "KRW-BTC asked")


@pytest.mark.parametrize(
    ("timeframe", "body", "expected"),
    [
        (
            "1s", SECONDS,
            (1773240058, 103460000, 103460000, 103458000, 103458000, 0.0256597, 2654722.02446, 1773240058227),
        ),
        (
            "1m", MINUTES,
            (1773240000, 103600000, 103600000, 103425000, 103460000, 1.5933512, 164899503.14206, 1773240059132),
        ),
        (
            "1w", WEEKS,
            (1773014400, 97845000, 104500000, 97668000, 103460000, 5004.32824461, 509244554633.83152, 1773240059132),
        ),
        (
            "1M", MONTHS,
            (1772323200, 97626000, 107547000, 95100000, 103458000, 24783.48727285, 2511125524827.97343, 1773240058227),
        ),
        (
            "1y", YEARS,
            (1767225600, 128000000, 143050000, 89000000, 103458000, 158145.17293, 17343033068679.96786, 1773240058227),
        ),
    ],
)  # fmt: skip
def test_kinds(timeframe: str, body: bytes, expected: tuple[float, ...]):
    """Each kind of candle is read: open time, open, high, low, close, volume, turnover, timestamp."""
    assert decode(body, timeframe) == [(*expected, None, None, None)]


def test_days():
    """Day candles carry the close before, the change, and its rate."""
    assert decode(DAYS, "1d") == [
        (
            1753747200, 162483000, 163800000, 162034000, 163158000, 1487.53432374, 242634976840.02426,
            1753833599704, 162483000, 675000, 0.0041542808,
        ),
        (
            1753660800, 162548000, 162985000, 161391000, 162483000, 1461.59937798, 237170267365.09124,
            1753747199919, 162717000, -234000, -0.0014380796,
        ),
    ]  # fmt: skip


def test_row_type():
    """A row is a ``Row``: whole numbers for times, floats for the rest, whatever the text was."""
    (row,) = decode(MINUTES.replace(b"103600000.00000000", b"103600000"))
    assert type(row) is Row
    assert [int, *[float] * 6, int] == [type(value) for value in row[:8]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.2E-7", 1.2e-7), ("0E-8", 0.0), ("0.00002000", 2e-5), ("0", 0.0), ("2.7e-07", 2.7e-7), ("1E+3", 1000.0)],
)
def test_numbers(text: str, expected: float):
    """Small numbers come in E-notation, zero as ``0E-8``."""
    assert decode(MINUTES.replace(b"1.59335120", text.encode()))[0].volume == expected


def test_null_rate():
    """A day candle's change may be null."""
    body = DAYS.replace(b'"change_rate":0.0041542808', b'"change_rate":null,"converted_trade_price":null')
    assert [None, -0.0014380796] == [row.change_rate for row in decode(body, "1d")]


def test_empty():
    """Before a market's first candle there is ``[]``."""
    assert decode(b"[]") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1970-01-01T00:00:00", 0), ("2024-02-29T23:59:59", 1709251199), ("9999-12-31T23:59:00", 253402300740)],
)
def test_times(text: str, expected: int):
    """Times are UTC, in whole seconds."""
    assert decode(MINUTES.replace(b"2026-03-11T14:40:00", text.encode()))[0].open_time == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-45T00:00:00", "2026-02-29T00:00:00", "2026-03-11T24:00:00", "2026-03-11T14:60:00",
        "2026-03-11T14:40:60",
        "2026-03-11 14:40:00", "2026-03-11T14:40:00Z", "2026-03-11T14:40", "2026-03-11", "", "2026-3-11T14:40:00",
        "0000-01-01T00:00:00", "2026-W10-3T14:40:00", "２026-03-11T14:40:00",
        "2026-03-11T14:40:0٣", "+026-03-11T14:40:00",
    ],
)  # fmt: skip
def test_bad_times(text: str):
    """A time that can't be, or that is written otherwise, is refused and shown."""
    with pytest.raises(InvalidResponseError, match="KRW-BTC asked: the answer has a time that"):
        decode(MINUTES.replace(b"2026-03-11T14:40:00", text.encode()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"103425000.00000000", b"NaN"),
        (b"103425000.00000000", b"Infinity"),
        (b"103425000.00000000", b"1e999"),
        (b"103425000.00000000", b'"103425000"'),
        (b"103425000.00000000", b"null"),
        (b"103425000.00000000", b"true"),
        (b"1773240059132", b"1773240059132.5"),
        (b"1773240059132", b"null"),
        (b'"low_price"', b'"law_price"'),
        (b'"KRW-BTC"', b"7"),
        (b'"KRW-BTC"', b'"krw-btc"'),
        (b'"unit":1', b'"unit":60'),
        (b'"unit":1', b'"unit":"1"'),
        (b"}]", b"}"),
        (b"}]", b"}]]"),
        (b"[{", b"[[{"),
        (b"[{", b"\xff\xfe[{"),
    ],
)
def test_wrong_body(old: bytes, new: bytes):
    """A value of the wrong type, a field less, another market or unit, or broken JSON: refused with an excerpt."""
    body = MINUTES.replace(old, new)
    assert body != MINUTES
    with pytest.raises(InvalidResponseError, match="KRW-BTC asked: the answer") as caught:
        decode(body)
    assert excerpt(body) in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b'{"error":{"name":404,"message":"Code not found"}}', b"[1]", b"[null]"]
)
def test_not_a_page(body: bytes):
    """Whatever is not an array of candles is refused."""
    with pytest.raises(InvalidResponseError, match="no page of candles"):
        decode(body)


def test_cut_anywhere():
    """However short a body is cut, nothing of it is taken."""
    for length in range(len(DAYS)):
        with pytest.raises(InvalidResponseError):
            decode(DAYS[:length], "1d")


def test_excerpt():
    """An excerpt is the first 120 characters, quoted."""
    assert excerpt(b"<html>\n") == repr("<html>\n")
    assert excerpt(b"x" * 1000) == repr("x" * 120) + "…"
    assert excerpt("비".encode() * 200) == repr("비" * 120) + "…"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"name":404,"message":"Code not found"}}', "Code not found"),
        (b'{"error":{"name":"not_found","message":"no Route matched"}}', "no Route matched"),
        (b'{"error":{"name":400}}', "'{\"error\":{\"name\":400}}'"),
        (b"Too many API requests.", "'Too many API requests.'"),
        (b"", "no message"),
        ('{"error":{"message":"점검 중"}}'.encode(), "점검 중"),
        (b'{"error":{"message":"\\u001b[2Jbye\\nINFO all is well"}}', r"'\x1b[2Jbye\nINFO all is well'"),
        (b'{"error":{"message":"' + b"x" * 4000 + b'"}}', "x" * 300),
    ],
)  # fmt: skip
def test_error_message(body: bytes, expected: str):
    """An error's message is read whether its name is a number or text; what is no JSON is quoted.

    It is cut, and what a terminal would obey, or what would look like a line of a log, is escaped.
    """
    assert error_message(body) == expected


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nested_too_deeply(opening: bytes):
    """Text that is nested a million times is refused like any other that is none of ours."""
    body = b'[{"other":' + opening * 1_000_000
    with pytest.raises(InvalidResponseError, match="no page of candles"):
        decode(body)
    with pytest.raises(InvalidResponseError, match="no list of markets"):
        decode_markets(body, "all markets")
    short = body[1:4096]
    assert error_message(short) == excerpt(short)
    assert error_seconds(short) is None


def test_foreign_market_is_quoted():
    """The name of a market that was not asked for is quoted, whatever is in it."""
    body = MINUTES.replace(b'"KRW-BTC"', b'"\\u001b[31m"')
    with pytest.raises(InvalidResponseError, match=r"a candle of '\\x1b\[31m'"):
        decode(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", None),
        (b"I'm a teapot", None),
        (b'{"error":{"name":418,"message":"Too many"}}', None),
        (b'{"error":{"name":418,"message":"Blocked. Try again in 120 seconds."}}', 120),
        (b'{"error":{"name":"banned","message":"5 min"}}', 300),
        (b'{"retry_after":60}', 60),
        (b'{"error":{"name":418,"message":"x","seconds":90}}', 90),
        (b"IP banned until 1773240059132", None),
        (b"wait 1.5 s", 1.5),
        (b"60", 60),
    ],
)
def test_error_seconds(body: bytes, expected: float | None):
    """A block's length is found in text and in JSON; a status or an instant is not taken for one."""
    assert error_seconds(body) == expected


def test_rounding():
    """A turnover of more than 15 digits is rounded to the nearest float64, by less than 2e-16 of itself."""
    (row,) = decode(YEARS, "1y")
    assert row.turnover == 17343033068679.96786
    assert f"{row.turnover:.8f}" == "17343033068679.96875000"
    assert math.ulp(row.turnover) < 0.004
