"""The address to send from: exchange, session, greeting and limiter agree on it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

import rxcandles
from rxcandles import RequestError
from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.binance import BinanceExchange
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.ports.declared import source_address
from rxcandles.simulator import BinanceSimulator
from tests.support.addresses import ByAddress

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")

HERE, THERE = "127.0.0.61", "127.0.0.62"
MINUTE = Timeframe.of("1m")
TO = 1_704_067_200


def bound(address: str) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(local_addr=(address, 0))


async def test_pages_and_streams_come_from_it() -> None:
    """Each request, each page over a new connection and each stream is sent from the address."""
    async with ByAddress(rate=None) as sim, UpbitExchange(sim.base_url, source_address=HERE) as exchange:
        await exchange.page("KRW-BTC", MINUTE, TO, 5)
        await exchange.page_anew("KRW-BTC", MINUTE, TO, 5)
        assert dict(sim.by_address) == {HERE: {200: 2}}
        assert source_address(exchange) == HERE
        assert exchange.stream(["KRW-BTC"], MINUTE)._door.source == HERE  # type: ignore[attr-defined]


async def test_binance_too() -> None:
    """Every exchange by name has the argument."""
    async with BinanceSimulator(rate=None) as sim, BinanceExchange(sim.base_url, source_address=THERE) as exchange:
        assert await exchange.page("BTCUSDT", MINUTE, TO, 5)
    assert exchange.source_address == THERE


async def test_connect_asks_and_counts_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``connect`` passes it on: requests come from it, and the shared limit is that of the address."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    async with ByAddress(rate=None) as sim:
        opened = rxcandles.connect(":memory:", base_url=sim.base_url, source_address=HERE, share_limit=True)
        async with opened as provider:
            await provider.get_candles("KRW-BTC", "1m", count=300, to=to_datetime(TO))
            assert set(sim.by_address) == {HERE}
            assert [path.name for path in (tmp_path / "rxcandles").iterdir() if HERE in path.name]
    async with rxcandles.connect(":memory:", exchange="simulated", source_address=HERE) as provider:
        assert source_address(provider.exchange) == HERE


@pytest.mark.parametrize("address", ["nonsense", "203.0.113.5", "127.0.0.1:80", 5])
def test_refused(address: object, tmp_path: Path) -> None:
    """What is no address, or none of this machine, is refused before a file is made."""
    for exchange in ("upbit", "simulated"):
        with pytest.raises(RequestError, match="source_address is"):
            rxcandles.connect(tmp_path / "candles.db", exchange, source_address=address)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


async def test_session_and_exchange_agree() -> None:
    """A session that is bound says where it sends from; another address beside it is refused."""
    async with aiohttp.ClientSession(connector=bound(HERE)) as session:
        assert UpbitExchange(session=session).source_address == HERE
        assert UpbitExchange(session=session, source_address=HERE).source_address == HERE
        with pytest.raises(RequestError, match=rf"{THERE}.*sends from {HERE}"):
            UpbitExchange(session=session, source_address=THERE)
    async with aiohttp.ClientSession() as session:
        assert UpbitExchange(session=session).source_address is None
        with pytest.raises(RequestError, match="sends from any"):
            UpbitExchange(session=session, source_address=THERE)


async def test_session_of_ones_own_is_timed() -> None:
    """The limiter is told when a page of a user's session went out, which is after its connection was opened.

    Two exchanges may share a session, and the user's own requests over it are left alone.
    """

    class Slow(aiohttp.TCPConnector):
        async def connect(self, *args: object, **options: object) -> aiohttp.connector.Connection:
            await asyncio.sleep(0.05)
            return await super().connect(*args, **options)  # type: ignore[arg-type]

    async with ByAddress(rate=None) as sim, aiohttp.ClientSession(connector=Slow()) as session:
        for _ in range(2):
            async with UpbitExchange(sim.base_url, session=session) as exchange:
                assert 0.05 <= (await exchange.page("KRW-BTC", MINUTE, TO, 5)).delay < 1
        assert len(session.trace_configs) == 1
        async with session.get(sim.base_url) as response:
            assert response.status == 404
