"""What each dialect reads and says: Binance's, and those of exchanges whose pages have no adapter yet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.errors import ExchangeError, StreamClosedError, StreamRefusedError
from rxcandles.exchanges.binance.decode import decode_klines
from rxcandles.exchanges.binance.stream import BinanceDialect
from rxcandles.exchanges.streams.bybit import BybitDialect
from rxcandles.exchanges.streams.dialect import Dialect, UnfitError
from rxcandles.exchanges.streams.okx import OkxDialect
from rxcandles.exchanges.upbit.stream import UpbitDialect
from rxcandles.model import Row, RowWithTrades
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Beat, Frame, Heard
from tests.support.sockets import OPENED, STAMP, binance_candle, upbit_candle

MINUTE = Timeframe.of("1m")
NOW = STAMP / 1000


def bybit_candle(**other: Any) -> dict[str, Any]:
    candle = {
        "start": OPENED * 1000, "end": OPENED * 1000 + 59_999, "interval": "1", "open": "16649.5", "close": "16677",
        "high": "16677", "low": "16608", "volume": "2.081", "turnover": "34666.4005", "confirm": False,
        "timestamp": STAMP,
    }  # fmt: skip
    return {"topic": "kline.1.BTCUSDT", "data": [candle | other], "ts": STAMP + 10, "type": "snapshot"}


def okx_candle(*other: tuple[int, Any]) -> dict[str, Any]:
    candle: list[Any] = [str(OPENED * 1000), "8533.02", "8553.74", "8527.17", "8548.26", "452.47", "452.47", "3867582"]
    candle.append("0")
    for at, value in other:
        candle[at] = value
    return {"arg": {"channel": "candle1m", "instId": "BTC-USDT"}, "data": [candle]}


DIALECTS: dict[str, tuple[Callable[[Timeframe], Dialect], dict[str, Any]]] = {
    "upbit": (UpbitDialect, upbit_candle()),
    "binance": (BinanceDialect, binance_candle()),
    "bybit": (BybitDialect, bybit_candle()),
    "okx": (OkxDialect, okx_candle()),
}


def read(name: str, message: Any, now: float | None = NOW) -> Sequence[Heard]:
    text = message if isinstance(message, str) else json.dumps(message)
    return DIALECTS[name][0](MINUTE).read(text.encode(), now)


# Binance


def test_binance() -> None:
    """A kline of the stream is the row that a page has, with its trades, and says whether it is closed."""
    message = binance_candle()
    [frame] = read("binance", message)
    kline = message["data"]["k"]
    page = [[kline[name] for name in ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")]]
    [row] = decode_klines(json.dumps(page).encode(), MINUTE, "page").rows
    assert frame == Frame("BTCUSDT", row, stamp=NOW, closed=False)
    assert isinstance(row, RowWithTrades)
    assert read("binance", message["data"]) == [frame]
    [closed] = read("binance", binance_candle(x=True, event=OPENED * 1000 + 60_004))
    assert isinstance(closed, Frame)
    assert (closed.closed, closed.stamp) == (True, OPENED + 60.004)


def test_a_quiet_slot() -> None:
    """A closed candle without trades, as Binance sends it for quiet slots, is a candle."""
    flat = {"o": "0.31170000", "c": "0.31170000", "h": "0.31170000", "l": "0.31170000"}
    none = {"f": -1, "L": -1, "v": "0.00000000", "n": 0, "q": "0.00000000", "V": "0.00000000", "Q": "0.00000000"}
    [frame] = read("binance", binance_candle("ELFBUSD", x=True, event=OPENED * 1000 + 60_005, **flat, **none))
    assert isinstance(frame, Frame)
    assert (frame.row.trades, frame.row.volume, frame.row.close) == (0, 0.0, 0.3117)


@pytest.mark.parametrize(
    "message",
    [
        {"e": "serverShutdown", "E": STAMP},
        {"event": {"e": "serverShutdown", "E": STAMP}},
        {"stream": "x", "data": {"e": "serverShutdown", "E": STAMP}},
    ],
)
def test_the_server_leaves(message: dict[str, Any]) -> None:
    """Binance's word that the server shuts down is a beat that says so, wherever it is wrapped."""
    assert read("binance", message) == [Beat(leaving=True)]


def test_binance_subscriptions() -> None:
    """Lists are cut into messages of 200 with ids of their own; what is no longer wanted is ended first."""
    dialect = BinanceDialect(Timeframe.of("60m"))
    wanted = [f"A{number}USDT" for number in range(1024)]
    first = [json.loads(text) for text in dialect.asks((), wanted)]
    assert [name for each in first for name in each["params"]] == [f"{each.lower()}@kline_1h" for each in wanted]
    assert {each["method"] for each in first} == {"SUBSCRIBE"}
    assert max(len(each["params"]) for each in first) == 200
    then = [json.loads(text) for text in dialect.asks(wanted, [*wanted[:3], "NEWUSDT"])]
    assert [each["method"] for each in then] == ["UNSUBSCRIBE"] * 6 + ["SUBSCRIBE"]
    assert then[-1]["params"] == ["a0usdt@kline_1h", "a1usdt@kline_1h", "a2usdt@kline_1h", "newusdt@kline_1h"]
    assert sum(len(each["params"]) for each in then[:-1]) == 1021
    ids = [each["id"] for each in (*first, *then)]
    assert len(set(ids)) == len(ids)


# All


@pytest.mark.parametrize("name", DIALECTS)
def test_a_candle(name: str) -> None:
    """Each reads its exchange's candle."""
    [frame] = read(name, DIALECTS[name][1])
    assert isinstance(frame, Frame)
    assert frame.row.open_time == OPENED
    assert frame.row.low <= min(frame.row.open, frame.row.close)
    assert OPENED <= frame.stamp <= NOW + 1


def test_bybit() -> None:
    """Several candles of a message are several frames, and ``confirm`` says which is closed."""
    message = bybit_candle(confirm=True)
    message["data"] += bybit_candle(start=(OPENED + 60) * 1000, timestamp=STAMP + 60_000)["data"]
    message["ts"] = STAMP + 60_000
    one, other = read("bybit", message)
    row = Row(OPENED, 16649.5, 16677.0, 16608.0, 16677.0, 2.081, 34666.4005, STAMP)
    assert one == Frame("BTCUSDT", row, stamp=NOW + 60, closed=True)
    assert isinstance(other, Frame)
    assert (other.row.open_time, other.closed) == (OPENED + 60, False)


def test_okx() -> None:
    """A candle has no time of its own: the server's clock is its stamp, or the earliest that can be."""
    row = Row(OPENED, 8533.02, 8553.74, 8527.17, 8548.26, 452.47, 3867582.0, OPENED * 1000 + 59_999)
    assert read("okx", okx_candle()) == [Frame("BTC-USDT", row, stamp=NOW, closed=False)]
    assert read("okx", okx_candle(), None) == [Frame("BTC-USDT", row, stamp=float(OPENED), closed=False)]
    assert read("okx", okx_candle((8, "1")), None) == [Frame("BTC-USDT", row, stamp=OPENED + 60.0, closed=True)]


@pytest.mark.parametrize(
    ("name", "message", "heard"),
    [
        ("binance", {"result": None, "id": 1}, Beat()),
        ("binance", {"stream": "btcusdt@trade", "data": {"e": "trade"}}, Beat()),
        ("bybit", {"success": True, "ret_msg": "pong", "conn_id": "x", "op": "ping"}, Beat()),
        ("bybit", {"success": True, "ret_msg": "", "op": "subscribe"}, Beat()),
        ("bybit", {"success": False, "ret_msg": "error:already subscribed,topic:x", "op": "subscribe"}, Beat()),
        ("okx", "pong", Beat()),
        ("okx", {"event": "subscribe", "arg": {"channel": "candle1m", "instId": "BTC-USDT"}}, Beat()),
        ("okx", {"event": "error", "code": "60018", "msg": "no such instrument"}, Beat()),
        ("okx", {"event": "notice", "code": "64008", "msg": "an upgrade"}, Beat(leaving=True)),
    ],
)
def test_beats(name: str, message: Any, heard: Beat) -> None:
    """Acknowledgements, keep-alives and notices are beats."""
    assert read(name, message) == [heard]


@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("binance", {"error": {"code": 2, "msg": "Invalid request"}, "id": 3}, StreamRefusedError),
        ("binance", {"code": 3, "msg": "Invalid JSON"}, StreamRefusedError),
        ("binance", {"error": {"code": -1003, "msg": "Too many requests"}}, StreamClosedError),
        ("bybit", {"success": False, "ret_msg": "Invalid symbol", "op": "subscribe"}, StreamRefusedError),
        ("bybit", {"success": False, "ret_msg": "Invalid", "op": "auth"}, StreamClosedError),
        ("okx", {"event": "error", "code": "60012", "msg": "Invalid request"}, StreamRefusedError),
        ("okx", {"event": "error", "code": "63999", "msg": "Internal"}, StreamClosedError),
    ],
)
def test_errors(name: str, message: dict[str, Any], kind: type[ExchangeError]) -> None:
    """An error about what was sent is a refusal, any other one an end."""
    with pytest.raises(kind, match="Invalid|Too many|Internal"):
        read(name, message)


@pytest.mark.parametrize(
    ("name", "message", "reason"),
    [
        ("binance", binance_candle(i="3m"), "timeframe"),
        ("binance", binance_candle(t=OPENED * 1000 + 5), "grid"),
        ("binance", binance_candle(o="x"), "values"),
        ("binance", binance_candle(n=1.5), "values"),
        ("binance", binance_candle(event=10**400), "values"),
        ("binance", {"data": {"e": "kline", "E": STAMP}}, "values"),
        ("bybit", bybit_candle() | {"topic": "kline.3.BTCUSDT"}, "timeframe"),
        ("bybit", bybit_candle(interval="3"), "timeframe"),
        ("bybit", bybit_candle() | {"topic": "kline."}, "timeframe"),
        ("bybit", bybit_candle(start=OPENED * 1000 + 5), "grid"),
        ("bybit", bybit_candle(open="x"), "values"),
        ("bybit", bybit_candle() | {"ts": 10**400}, "values"),
        ("okx", okx_candle() | {"arg": {"channel": "candle3m", "instId": "BTC-USDT"}}, "timeframe"),
        ("okx", okx_candle((0, str(OPENED * 1000 + 5))), "grid"),
        ("okx", okx_candle((1, "x")), "values"),
        *((name, text, "json") for name in DIALECTS for text in ("", "<html>", "[]", "{", '"x"')),
    ],
)
def test_unfit(name: str, message: Any, reason: str) -> None:
    """What makes no sense is dropped, and says why in a word."""
    with pytest.raises(UnfitError, match=f"^{reason}$"):
        read(name, message)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just([]) | st.just({})


def paths(message: Any) -> list[tuple[Any, ...]]:
    """The path to each value inside of a message."""
    items = message.items() if isinstance(message, dict) else enumerate(message) if isinstance(message, list) else ()
    return [(), *((key, *rest) for key, inner in items for rest in paths(inner))]


def changed(message: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The message with another value at a path."""
    if not path:
        return value
    copy = dict(message) if isinstance(message, dict) else list(message)
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=60)
@given(data=st.data())
def test_whatever_comes(name: str, data: st.DataObject) -> None:
    """A candle with any value in any place is frames, beats, an error of the exchange, or unfit, and nothing else."""
    message = DIALECTS[name][1]
    path = data.draw(st.sampled_from(paths(message)))
    with suppress(UnfitError, ExchangeError):
        for heard in read(name, changed(message, path, data.draw(VALUES))):
            assert isinstance(heard, Frame | Beat)
            if isinstance(heard, Frame):
                assert isinstance(heard.stamp, float)
                assert [type(value) for value in heard.row[:8]] == [int, *[float] * 6, int]
