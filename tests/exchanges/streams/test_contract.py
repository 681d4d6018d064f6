"""What every stream keeps to, however its exchange is spoken: each dialect is run through it.

A new dialect is one more :class:`Case`: how it is made, what its candle looks like, and what a server makes of its
messages.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.errors import StreamClosedError
from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.binance import BinanceExchange
from rxcandles.exchanges.binance.stream import BinanceDialect
from rxcandles.exchanges.streams.bybit import BYBIT_STREAM, BybitDialect
from rxcandles.exchanges.streams.dialect import Dialect
from rxcandles.exchanges.streams.machine import SocketStream
from rxcandles.exchanges.streams.okx import OKX_STREAM, OkxDialect
from rxcandles.exchanges.streams.streaming import StreamingExchange
from rxcandles.exchanges.upbit.stream import UpbitDialect
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.ports import Beat, Frame, FrameStream, Streaming, StreamRules
from rxcandles.ports.declared import stream_rules
from tests.exchanges.streams.test_dialects import bybit_candle, okx_candle
from tests.support.sockets import Door, MemoryWire, SocketServer, binance_candle, run_hour, socket_server, upbit_candle
from tests.support.toys import KINDS

MINUTE = Timeframe.of("1m")


def upbit(subscribed: set[str], text: str) -> None:
    """A list replaces what was there; a ping changes nothing."""
    if text != "PING":
        subscribed.clear()
        subscribed.update(json.loads(text)[1]["codes"])


def adding(subscribed: set[str], text: str) -> None:
    """Subscriptions add up until they are ended; bare names, whatever is around them."""
    if text in ("ping", '{"op":"ping"}'):
        return
    message = json.loads(text)
    method = message.get("method", message.get("op")).lower()
    for each in message.get("params", message.get("args")):
        name = each["instId"] if isinstance(each, dict) else each.split("@")[0].split(".")[-1].upper()
        (subscribed.add if method == "subscribe" else subscribed.discard)(name)


@attrs.frozen
class Case:
    """A dialect, and the server's side of it."""

    dialect: Callable[[Timeframe], Dialect]
    symbols: Sequence[str]
    candle: Callable[[str], dict[str, Any]]
    heard: Callable[[set[str], str], None]
    rules: StreamRules
    exchange: type[StreamingExchange] | None = None


CASES = {
    "upbit": Case(
        UpbitDialect,
        ("KRW-BTC", "KRW-ETH", "KRW-XRP"),
        lambda symbol: upbit_candle(code=symbol),
        upbit,
        UpbitExchange.stream_rules,
        UpbitExchange,
    ),
    "binance": Case(
        BinanceDialect,
        ("BTCUSDT", "ETHUSDT", "XRPUSDT"),
        binance_candle,
        adding,
        BinanceExchange.stream_rules,
        BinanceExchange,
    ),
    "bybit": Case(
        BybitDialect,
        ("BTCUSDT", "ETHUSDT", "XRPUSDT"),
        lambda symbol: bybit_candle() | {"topic": f"kline.1.{symbol}"},
        adding,
        BYBIT_STREAM,
    ),
    "okx": Case(
        OkxDialect,
        ("BTC-USDT", "ETH-USDT", "XRP-USDT"),
        lambda symbol: okx_candle() | {"arg": {"channel": "candle1m", "instId": symbol}},
        adding,
        OKX_STREAM,
    ),
}
EXCHANGES = {name: case for name, case in CASES.items() if case.exchange is not None}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_rules(case: Case) -> None:
    """Each streamed timeframe exists and can be asked for; the dialect takes as many markets as the rules say."""
    for name in case.rules.timeframes:
        [text] = case.dialect(Timeframe.of(name)).asks((), case.symbols[:1])
        assert text
    assert {Timeframe.of(name).name for name in case.rules.timeframes} <= {each.name for each in TIMEFRAMES}
    assert case.dialect(MINUTE).codes == case.rules.codes
    if case.exchange is not None:
        exchange = case.exchange()
        assert isinstance(exchange, Streaming)
        assert stream_rules(exchange) == stream_rules(case.exchange) == case.rules
        assert {Timeframe.of(name) for name in case.rules.timeframes} <= set(exchange.timeframes)


def test_an_exchange_without_streams() -> None:
    """An exchange that declares none has none."""
    assert stream_rules(KINDS[0]) is None


def test_every_market_of_a_connection(case: Case) -> None:
    """A list of as many markets as there may be is asked for whole, within a few seconds."""
    door = Door()
    symbols = [f"{case.symbols[0]}{number}" for number in range(case.rules.codes)]
    stream, subscribed = SocketStream(case.dialect(MINUTE), symbols, door), set[str]()

    async def ask() -> None:
        door.wire.put(case.candle(symbols[-1]))
        assert isinstance(await anext(stream), Frame)
        await asyncio.sleep(6)
        for text in door.wire.texts():
            case.heard(subscribed, text)
        await stream.aclose()

    run_hour(ask())
    assert subscribed == set(symbols)


LISTS = st.lists(
    st.tuples(st.lists(st.sampled_from(range(3)), min_size=1, unique=True), st.sampled_from([0, 0.1, 0.5, 1.5, 30])),
    max_size=6,
)


@pytest.mark.parametrize("name", CASES)
@given(changes=LISTS)
@settings(max_examples=25, deadline=None)
def test_the_newest_list_is_in_force(name: str, changes: list[tuple[list[int], float]]) -> None:
    """However lists change, and how fast, the server ends up with the newest, and only its candles are given."""
    case, wire = CASES[name], MemoryWire()
    wanted = list(case.symbols)
    stream = SocketStream(case.dialect(MINUTE), wanted, Door(wire))

    async def change() -> None:
        nonlocal wanted
        wire.put(case.candle(wanted[0]))
        await anext(stream)
        for numbers, pause in changes:
            wanted = [case.symbols[number] for number in numbers]
            await stream.subscribe(wanted)
            await asyncio.sleep(pause)
        await asyncio.sleep(5)
        subscribed = set[str]()
        for _, text in wire.sent:
            case.heard(subscribed, text)
        assert subscribed == set(wanted)
        wire.put(*map(case.candle, case.symbols))
        given = {await anext(stream) for _ in wanted}
        assert {each.symbol for each in given if isinstance(each, Frame)} == set(wanted)
        await stream.aclose()

    run_hour(change())
    assert stream.counts.dropped == {}


@pytest.mark.parametrize("name", EXCHANGES)
async def test_over_a_socket(name: str) -> None:
    """An exchange's own stream, over a real connection: frames and beats, then an error, and nothing after it."""
    case, subscribed = CASES[name], set[str]()

    async def talk(server: SocketServer, socket: web.WebSocketResponse) -> None:
        case.heard(subscribed, await socket.receive_str())
        await socket.send_str('{"result":null,"id":1}')
        for symbol in sorted(subscribed):
            await socket.send_str(json.dumps(case.candle(symbol)))
        await socket.close(code=1012, message=b"restart")

    assert case.exchange is not None
    async with socket_server(talk) as server, case.exchange(server.url) as exchange:
        stream = exchange.stream(case.symbols, MINUTE)
        assert isinstance(stream, FrameStream)
        await asyncio.sleep(0.01)
        assert not server.requests
        heard = [await anext(stream) for _ in range(4)]
        assert heard[0] == Beat()
        assert [each.symbol for each in heard if isinstance(each, Frame)] == sorted(case.symbols)
        with pytest.raises(StreamClosedError, match="1012: restart"):
            await anext(stream)
        assert [each async for each in stream] == []
        await stream.aclose()
        await stream.aclose()
        [request] = server.requests
        assert request.path == case.exchange.stream_path


def test_addresses_of_binance() -> None:
    """Binance's streams are elsewhere than its pages; those of any other server are below its address."""
    urls = {
        base: BinanceExchange(base)._stream_url()
        for base in (
            "https://api.binance.com",
            "https://API3.binance.com/",
            "https://data-api.binance.vision",
            "https://api.binance.us",
            "http://api.binance.com",
            "https://mirror.example/binance",
        )
    }
    assert list(urls.values()) == [
        "wss://stream.binance.com:9443/stream",
        "wss://stream.binance.com:9443/stream",
        "wss://data-stream.binance.vision/stream",
        "wss://stream.binance.us:9443/stream",
        "ws://api.binance.com/stream",
        "wss://mirror.example/binance/stream",
    ]
