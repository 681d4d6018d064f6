"""Binance's limits and headers: a weight for each request, a fixed minute of the server's clock, and bans."""

from __future__ import annotations

from typing import Any

from rxcandles.simulator import BinanceSimulator
from rxcandles.simulator.faces.binance.weights import Weights

NOW = 1_788_220_815  # 2026-09-01T00:00:15Z
KLINES = "/api/v3/klines"


async def test_headers(ask: Any) -> None:
    """Every answer says the server's time, that it is simulated, and what weight the minute has used by then."""
    async with BinanceSimulator(clock=lambda: NOW) as sim:
        paths = (f"{KLINES}?symbol=BTCUSDT&interval=1m", "/api/v3/ping", "/api/v3/time", "/api/v3/exchangeInfo")
        for path, used in zip(paths, ("2", "3", "4", "24"), strict=True):
            headers = (await ask(sim, path)).headers
            assert (used, used) == (headers["X-MBX-USED-WEIGHT"], headers["X-MBX-USED-WEIGHT-1M"])
            assert ("Tue, 01 Sep 2026 00:00:15 GMT", "rxcandles") == (headers["Date"], headers["X-Simulated"])
            assert "application/json;charset=UTF-8" == headers["Content-Type"]


async def test_over_the_limit(ask: Any) -> None:
    """Over the weight of a minute there is a 429 until the next one begins; whoever goes on is banned."""
    clock = [float(NOW)]
    async with BinanceSimulator(rate=5, ban_after=2, clock=lambda: clock[0]) as sim:
        query = {"symbol": "BTCUSDT", "interval": "1m", "limit": 1}
        assert [200, 200] == [(await ask(sim, KLINES, **query)).status for _ in range(2)]
        refused = await ask(sim, KLINES, **query)
        assert (429, "45", "4") == (
            refused.status, refused.headers["Retry-After"], refused.headers["X-MBX-USED-WEIGHT-1M"],
        )  # fmt: skip
        assert refused.body.startswith(
            b'{"code":-1003,"msg":"Too much request weight used; current limit is 5 request weight per 1 MINUTE.'
        )
        assert 200 == (await ask(sim, "/api/v3/ping")).status  # there is room for it
        clock[0] += 45
        assert 200 == (await ask(sim, KLINES, **query)).status
        assert [200, 429, 429] == [(await ask(sim, KLINES, **query)).status for _ in range(3)]
        banned = await ask(sim, KLINES, **query)
        assert (418, "120") == (banned.status, banned.headers["Retry-After"])
        until = round((clock[0] + 120) * 1000)
        assert banned.body.startswith(
            f'{{"code":-1003,"msg":"Way too much request weight used; IP banned until {until}.'.encode()
        )
        clock[0] += 90
        again = await ask(sim, "/api/v3/ping")
        assert (418, "30") == (again.status, again.headers["Retry-After"])
        clock[0] += 30
        assert 200 == (await ask(sim, "/api/v3/ping")).status


def test_bans_grow() -> None:
    """A ban lasts two minutes, the next one twice as long, none more than three days; a new minute forgets refusals."""
    weights, now, lasted = Weights(1, 1), 0.0, []
    for _ in range(14):
        assert [200, 429] == [weights.ask(1, now).status for _ in range(2)]
        lasted.append(weights.ask(1, now).blocked)
        now += lasted[-1] + 60
    assert [120.0 * 2**number for number in range(12)] == lasted[:12]
    assert {259_200.0} == set(lasted[12:])
    assert [200, 429] * 3 == [weights.ask(1, now + 60 * (number // 2)).status for number in range(6)]


def test_unlimited_weight() -> None:
    """Without a limit all passes, and is counted."""
    weights = Weights(None, 1)
    assert {200} == {weights.ask(20, 0.0).status for _ in range(1000)}
    assert 20_000 == weights.used
