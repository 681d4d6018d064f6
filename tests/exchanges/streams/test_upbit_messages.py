"""Upbit's messages: what each says, and that nothing else passes for a candle."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.errors import StreamClosedError, StreamRefusedError
from rxcandles.exchanges.streams.dialect import UnfitError
from rxcandles.exchanges.upbit.decode import decode_candles
from rxcandles.exchanges.upbit.stream import UPBIT_STREAM, UpbitDialect, decode_message
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Beat, Frame
from tests.support.sockets import OPENED, STAMP, upbit_candle

MINUTE = Timeframe.of("1m")
RECORDED = """\
{"type":"candle.1m","code":"KRW-BTC","candle_date_time_utc":"2026-07-30T07:48:00","candle_date_time_kst":"2026-07-30T16\
:48:00","opening_price":91134000.00000000,"high_price":91134000.00000000,"low_price":91134000.00000000,"trade_price":91\
134000.00000000,"candle_acc_trade_volume":0.00109721,"candle_acc_trade_price":99993.13614000,"timestamp":1785397680638,\
"stream_type":"REALTIME"}
{"type":"candle.1m","code":"KRW-BTC","candle_date_time_utc":"2026-07-30T07:47:00","candle_date_time_kst":"2026-07-30T16\
:47:00","opening_price":91157000.00000000,"high_price":91157000.00000000,"low_price":91133000.00000000,"trade_price":91\
133000.00000000,"candle_acc_trade_volume":0.01011827,"candle_acc_trade_price":922159.13839000,"timestamp":1785397627219\
,"stream_type":"SNAPSHOT"}
{"type":"candle.5m","code":"KRW-BTC","candle_date_time_utc":"2026-07-30T07:50:00","candle_date_time_kst":"2026-07-30T16\
:50:00","opening_price":91134000.00000000,"high_price":91134000.00000000,"low_price":91132000.00000000,"trade_price":91\
132000.00000000,"candle_acc_trade_volume":0.03684166,"candle_acc_trade_price":3357485.11323000,"timestamp":178539782962\
5,"stream_type":"SNAPSHOT"}"""
"""As they came on 2026-07-30: a window, a snapshot of the window before, and one of another timeframe."""


def read(message: dict[str, Any] | str) -> Frame | Beat:
    text = message if isinstance(message, str) else json.dumps(message)
    return decode_message(text.encode(), MINUTE)


def test_recorded() -> None:
    """Messages as they came: rows, stamps, and which one is a snapshot; each is of its own timeframe only."""
    *minutes, other = RECORDED.splitlines()
    newer, older = map(read, minutes)
    with pytest.raises(UnfitError, match="timeframe"):
        read(other)
    assert isinstance(decode_message(other.encode(), Timeframe.of("5m")), Frame)
    assert newer == Frame(
        "KRW-BTC",
        Row(OPENED + 180, 91134000.0, 91134000.0, 91134000.0, 91134000.0, 0.00109721, 99993.13614, 1785397680638),
        stamp=1785397680.638,
    )
    assert isinstance(older, Frame)
    assert (older.row.open_time, older.row.low, older.snapshot) == (OPENED + 120, 91133000.0, True)
    assert older.closed is None


AMOUNT = st.floats(0, 1e15) | st.integers(0, 10**15)


@given(
    st.floats(1e-8, 1e12), st.floats(1e-8, 1e12), st.floats(1e-8, 1e12), st.floats(1e-8, 1e12), AMOUNT, AMOUNT,
    st.integers(0, 10**14),
)  # fmt: skip
def test_a_message_and_a_page_give_the_same_row(
    open: float, high: float, low: float, close: float, volume: float, turnover: float, stamp: int
) -> None:
    """The same values, over the stream in either format and by a page, are the same row."""
    message = upbit_candle(
        opening_price=open, high_price=high, low_price=low, trade_price=close, candle_acc_trade_volume=volume,
        candle_acc_trade_price=turnover, timestamp=stamp,
    )  # fmt: skip
    frame = read(message)
    assert isinstance(frame, Frame)
    page = json.dumps([{**message, "market": message["code"], "unit": 1}]).encode()
    assert [frame.row] == decode_candles(page, "KRW-BTC", MINUTE, "page")
    simple = {
        "ty": "candle.1m", "cd": "KRW-BTC", "cdttmu": "2026-07-30T07:45:00", "op": open, "hp": high, "lp": low,
        "tp": close, "catv": volume, "catp": turnover, "tms": stamp, "st": "REALTIME",
    }  # fmt: skip
    assert read(simple) == frame


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.16539E8", 116_539_000.0), ("116539000", 116_539_000.0), ("0.1234567890123456", 0.1234567890123456)],
)
def test_spellings_of_numbers(text: str, number: float) -> None:
    """Exponents, integers and sixteen decimals are numbers."""
    frame = read(json.dumps(upbit_candle()).replace("91157000.0", text).replace("0.15511395", text))
    assert isinstance(frame, Frame)
    assert (frame.row.high, frame.row.close, frame.row.volume) == (number, number, number)


@pytest.mark.parametrize(
    "message", [{"status": "UP"}, {"method": "LIST_SUBSCRIPTIONS", "result": []}, {"type": "trade"}, {}]
)
def test_beats(message: dict[str, Any]) -> None:
    """What is no candle is a beat."""
    assert read(message) == Beat()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "json"),
        ("<html>", "json"),
        ("[]", "json"),
        ("3", "json"),
        ('{"type":"candle.1m","code":"KRW-BTC"', "json"),
        ("[" * 100_000, "json"),
        (upbit_candle(type="candle.3m"), "timeframe"),
        (upbit_candle(type="candle."), "timeframe"),
        (upbit_candle(code=None), "values"),
        (upbit_candle(code=7), "values"),
        (upbit_candle(trade_price="91157000"), "values"),
        (upbit_candle(trade_price=None), "values"),
        (upbit_candle(trade_price=True), "values"),
        (upbit_candle(timestamp=STAMP + 0.5), "values"),
        (upbit_candle(candle_date_time_utc="2026-02-30T07:45:00"), "values"),
        (upbit_candle(candle_date_time_utc="now"), "values"),
        (json.dumps(upbit_candle()).replace("91142000.0", "NaN"), "json"),
        (json.dumps(upbit_candle()).replace("91142000.0", "1e999"), "values"),
        (upbit_candle(timestamp=10**400), "values"),
    ],
)
def test_unfit(message: dict[str, Any] | str, reason: str) -> None:
    """What makes no sense is dropped, and says why in a word."""
    with pytest.raises(UnfitError, match=f"^{reason}$"):
        read(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("candle.1m"),
    lambda inner: st.dictionaries(st.sampled_from(sorted(upbit_candle())), inner, max_size=12) | st.lists(inner),
    max_leaves=4,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=40)
def test_nothing_else_comes_of_a_message(message: bytes) -> None:
    """Whatever comes is a frame, a beat, or unfit; an object with an error is a failure."""
    with suppress(UnfitError):
        assert isinstance(decode_message(message, MINUTE), Frame | Beat)


@given(st.dictionaries(st.sampled_from(sorted(upbit_candle())), JSON, max_size=2))
@settings(max_examples=60)
def test_a_candle_with_odd_values(odd: dict[str, Any]) -> None:
    """A candle with some other values is unfit or of the right types; the rest is for the check of values."""
    try:
        heard = read(json.dumps(upbit_candle() | odd))
    except UnfitError:
        return
    if isinstance(heard, Frame):
        assert [type(value) for value in heard.row[:8]] == [int, *[float] * 6, int]
        assert isinstance(heard.symbol, str)


@pytest.mark.parametrize("name", ["NO_TICKET", "NO_TYPE", "NO_CODES", "INVALID_PARAM", "WRONG_FORMAT", "INVALID_AUTH"])
def test_refused(name: str) -> None:
    """An error about the words of the subscription says that asking again is no use, with the exchange's words."""
    with pytest.raises(StreamRefusedError, match=f"{name}: codes 'is' wrong"):
        read({"error": {"name": name, "message": "codes 'is' wrong"}})


def test_another_error_passes() -> None:
    """An error that is not known to be about the words may pass; it can't control a terminal."""
    with pytest.raises(StreamClosedError, match=r"INTERNAL: 'x\\x1b\[31m'"):
        read({"error": {"name": "INTERNAL", "message": "x\x1b[31m"}})


@pytest.mark.parametrize("timeframe", UPBIT_STREAM.timeframes)
def test_asks(timeframe: str) -> None:
    """One message names the whole list, whatever was asked for before, under a ticket of its own."""
    dialect = UpbitDialect(Timeframe.of(timeframe))
    texts = [json.loads(*dialect.asks(("KRW-OLD",), ("KRW-BTC", "KRW-xBTC"))) for _ in range(2)]
    ticket, kind, form = texts[0]
    assert ticket != texts[1][0]
    assert kind == {"type": f"candle.{timeframe}", "codes": ["KRW-BTC", "KRW-xBTC"]}
    assert form == {"format": "DEFAULT"}
    frame = decode_message(json.dumps(upbit_candle(type=kind["type"])).encode(), dialect.timeframe)
    assert isinstance(frame, Frame)
