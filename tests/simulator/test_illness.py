"""When the exchange is ill: by chance, by connection, for a while, and for whom."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from math import inf
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from yarl import URL

from rxcandles.errors import RequestError
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe, from_datetime, time_text
from rxcandles.simulator import Illness, Market, Simulator, faults
from rxcandles.simulator.illness import WELL, Connections, merged
from tests.support.replica import read, view

NOW = 1_788_221_415  # 2026-09-01T00:10:15Z
LISTED = NOW - 9 * 3600
MINUTE = Timeframe.of("1m")
DENSITIES = (1, 0.3, 0.02)
LOST = (NOW - 4 * 3600, NOW - 3 * 3600)
KINDS = [
    Illness(lag=600),
    Illness(lost=(LOST,)),
    Illness(keeps=7200),
    Illness(empty=True),
    Illness(without_newest=1),
    Illness(late=30),
    Illness(late=6, late_by=7200),
    Illness(lag=6, lost=(LOST,), keeps=6 * 3600, without_newest=2, late=6),
]

kinds = pytest.mark.parametrize("illness", KINDS, ids=lambda each: repr(each).split("(")[1][:20])
densities = pytest.mark.parametrize("density", DENSITIES)

Page = Callable[..., Awaitable[list[Row]]]


class Hospital:
    """A simulator with a clock that is moved by hand."""

    def __init__(self, density: float = 1, seed: int = 0) -> None:
        self.now: float = NOW
        markets = [Market(symbol, density, listed=LISTED) for symbol in ("KRW-X", "KRW-Y")]
        self.sim = Simulator(markets, rate=None, clock=lambda: self.now, seed=seed)

    def right(self, illness: Illness = WELL, to: float = inf, symbol: str = "KRW-X") -> list[Row]:
        """The page that a replica with this illness has to send."""
        return view(illness, self.sim.market(symbol), MINUTE, to, 200, self.now, LISTED - 60)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Page]:
        """Open one connection, and ask for pages of minutes over it."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:

            async def page(symbol: str = "KRW-X", **more: Any) -> list[Row]:
                query = urlencode({"market": symbol, "count": 200, **more})
                url = URL(f"{self.sim.base_url}/v1/candles/minutes/1?{query}", encoded=True)
                async with session.get(url) as response:
                    assert 200 == response.status
                    assert self.now == from_datetime(parsedate_to_datetime(response.headers["Date"]))
                    return read(await response.read())

            yield page

    async def drawn(self, number: int) -> list[bool]:
        """Which of the next answers are given by an ill replica."""
        async with self.connected() as page:
            for _ in range(number):
                await page(count=1)
        return [logged.ill for logged in list(self.sim.log)[-number:]]


@kinds
@densities
async def test_by_chance(illness: Illness, density: float) -> None:
    """An answer is either the right one or the replica's, as often as was said, and all are right once it is over."""
    hospital = Hospital(density)
    async with hospital.sim as sim, hospital.connected() as page:
        sim.illnesses.add(illness, share=0.3)
        pages = {False: hospital.right(), True: hospital.right(illness)}
        # The forming and the last closed candle are all that some lack, and a quiet market may have neither.
        assert pages[False] != pages[True] or density < 1
        for _ in range(60):
            rows = await page()
            assert pages[sim.log[-1].ill] == rows
        assert 10 <= sum(logged.ill for logged in sim.log) <= 26
        sim.illnesses.clear()
        for _ in range(5):
            assert pages[False] == await page()
            assert not sim.log[-1].ill


@kinds
@densities
async def test_by_connection(illness: Illness, density: float) -> None:
    """One of four connections leads to the replica, whatever is asked over it and for as long as it lasts."""
    hospital = Hospital(density)
    async with hospital.sim as sim:
        sim.illnesses.add(illness, connections=(1, 4))
        pages = {False: hospital.right(), True: hospital.right(illness)}
        older = {False: hospital.right(to=LOST[1]), True: hospital.right(illness, LOST[1])}
        led = []
        for number in range(1, 25):
            async with hospital.connected() as page:
                rows = await page()
                led.append(sim.log[-1].ill)
                assert pages[led[-1]] == rows
                assert older[led[-1]] == await page(to=time_text(LOST[1]))
                assert pages[led[-1]] == await page()
                assert [(number, led[-1])] * 3 == [(each.connection, each.ill) for each in list(sim.log)[-3:]]
        assert [1] * 6 == [sum(led[first : first + 4]) for first in range(0, 24, 4)]
        assert 1 < len({led[first : first + 4].index(True) for first in range(0, 24, 4)})


async def test_connections_keep_their_numbers() -> None:
    """Several connections at once: each has one number as long as it lasts, and is then forgotten."""
    hospital = Hospital()
    async with hospital.sim as sim:
        async with hospital.connected() as first, hospital.connected() as second:
            for page in (first, second, first, second):
                await page(count=1)
        while sim.open_connections:
            await asyncio.sleep(0)
        async with hospital.connected() as page:
            await page(count=1)
        assert [1, 2, 1, 2, 3] == [logged.connection for logged in sim.log]


def test_closed_connections_are_forgotten() -> None:
    """Nothing is kept of a connection that is closed, once another one is opened."""
    numbers = Connections()
    held: list[object] = [Hospital(), Hospital()]
    assert [1, 2, 1] == [numbers.number(held[each], held.copy) for each in (0, 1, 0)]
    gone = weakref.ref(held.pop(0))
    assert [2, 3, 2] == [numbers.number(each, held.copy) for each in (held[0], "another", held[0])]
    gc.collect()
    assert gone() is None


@kinds
@densities
async def test_for_a_while(illness: Illness, density: float) -> None:
    """It is ill from ``since`` on and well at ``until``, by its own clock; its ``Date`` is right all the time."""
    hospital = Hospital(density)
    async with hospital.sim as sim, hospital.connected() as page:
        sim.illnesses.add(illness, since=NOW, until=NOW + 60)
        for hospital.now, ill in ((NOW - 1, False), (NOW, True), (NOW + 59, True), (NOW + 60, False)):
            assert hospital.right(illness if ill else WELL) == await page()
            assert ill == sim.log[-1].ill


@densities
async def test_all_at_once(density: float) -> None:
    """Several illnesses that differ in when and where: each answer has the worst of those that are due."""
    hospital = Hospital(density)
    lag, lost, keeps, short = (
        Illness(lag=90), Illness(lost=(LOST,)), Illness(keeps=190 * 60), Illness(without_newest=1)
    )  # fmt: skip
    seen = set()
    async with hospital.sim as sim:
        sim.illnesses.add(lag, since=NOW + 10, share=0.5)
        sim.illnesses.add(lost, connections=(1, 2))
        sim.illnesses.add(keeps, connections=(1, 2), until=NOW + 20)
        sim.illnesses.add(short, when=lambda asked: asked.number % 3 == 0)
        for _ in range(8):
            async with hospital.connected() as page:
                over_this = set()
                for hospital.now in range(NOW, NOW + 30, 3):
                    rows = await page()
                    number = sim.stats.requests
                    # What chance and the connection did is found by trying; what the clock and ``when`` do is known.
                    fixed = (short,) if number % 3 == 0 else ()
                    tried = [
                        (here, late)
                        for here in ((), (lost,), (keeps,), (lost, keeps))
                        for late in ((), (lag,))
                        if (keeps not in here or hospital.now < NOW + 20) and (not late or hospital.now >= NOW + 10)
                    ]
                    fitting = [each for each in tried if hospital.right(merged((*each[0], *each[1], *fixed))) == rows]
                    assert fitting
                    if density == 1:
                        assert 1 == len(fitting)
                        over_this.add(lost in fitting[0][0])
                        seen.update(fitting)
                assert density < 1 or 1 == len(over_this)
        assert density < 1 or 8 == len(seen)
        sim.illnesses.clear()
        async with hospital.connected() as page:
            assert hospital.right() == await page()


async def test_the_same_each_time() -> None:
    """The same seed draws the same requests; another seed, and another illness of the same simulator, draw others."""
    drawn = []
    for seed, before in ((0, 0), (0, 0), (1, 0), (0, 1)):
        hospital = Hospital(seed=seed)
        async with hospital.sim as sim:
            for _ in range(before):
                sim.illnesses.add(Illness(lag=1), share=0)
            sim.illnesses.add(Illness(lag=60), share=0.5)
            drawn.append(await hospital.drawn(40))
    assert drawn[0] == drawn[1]
    assert 3 == len({*map(tuple, drawn)})


async def test_rare_and_never() -> None:
    """A share of 2 % is 2 %, one of 0 is nothing."""
    hospital = Hospital()
    async with hospital.sim as sim:
        sim.illnesses.add(Illness(lag=60), share=0.02)
        assert 6 <= sum(await hospital.drawn(500)) <= 16
        sim.illnesses.clear()
        sim.illnesses.add(Illness(lag=60), share=0)
        assert 0 == sum(await hospital.drawn(100))


async def test_of_some_markets() -> None:
    """Only the candles of the markets that are named are ill."""
    hospital = Hospital()
    illness = Illness(without_newest=1)
    async with hospital.sim as sim, hospital.connected() as page:
        sim.illnesses.add(illness, markets=["KRW-Y"])
        assert hospital.right() == await page()
        assert hospital.right(illness, symbol="KRW-Y") == await page("KRW-Y")


async def test_when_sees_the_request() -> None:
    """``when`` is told what a fault's is told, the connection too, and sees the pages of a replica that is well."""
    hospital = Hospital()
    seen = []
    async with hospital.sim as sim:
        sim.illnesses.add(Illness(empty=True), when=lambda asked: seen.append(asked) is None)
        for _ in range(2):
            async with hospital.connected() as page:
                assert [[], []] == [await page(), await page(count=7)]
        assert [(1, 1, 200), (2, 1, 7), (3, 2, 200), (4, 2, 7)] == [
            (asked.number, asked.connection, asked.count) for asked in seen
        ]
        first = seen[0].page(inf, 3)
        assert first is not None
        assert 3 == first.rows


async def test_maintenance(ask: Any) -> None:
    """In maintenance all there is to ask is answered ``[]`` with 200; who asks too often is refused as ever."""
    hospital = Hospital()
    hospital.sim.limit.rate = 5
    async with hospital.sim as sim:
        sim.illnesses.add(Illness(empty=True), until=NOW + 1)
        for path, query in (
            ("/v1/market/all", {}), ("days", {"market": "KRW-X"}), ("days", {"market": "KRW-NONE"}), ("days", {}),
        ):  # fmt: skip
            reply = await ask(sim, path, **query)
            assert (200, b"[]") == (reply.status, reply.body)
        assert 404 == (await ask(sim, "/v1/nothing")).status
        statuses = [(await ask(sim, "days", market="KRW-X")).status for _ in range(6)]
        assert {200, 429} == {*statuses}
        assert [False] == [*{logged.ill for logged in sim.log if logged.status == 429}]
        hospital.now += 1
        assert 2 == len((await ask(sim, "/v1/market/all")).candles)


async def test_a_replica_that_has_not_heard_of_a_market(ask: Any) -> None:
    """It does not know a market that was listed since, in the list either, and still knows one that was delisted."""
    new, old = Market("KRW-NEW", listed=NOW - 30), Market("KRW-OLD", listed=LISTED, delisted=NOW - 30)
    async with Simulator([new, old], rate=None, clock=lambda: NOW) as sim:

        async def known() -> tuple[list[str], list[int]]:
            listed = [each["market"] for each in (await ask(sim, "/v1/market/all")).candles]
            return listed, [(await ask(sim, "days", market=each)).status for each in ("KRW-NEW", "KRW-OLD")]

        sim.illnesses.add(Illness(lag=60))
        assert (["KRW-OLD"], [404, 200]) == await known()
        sim.illnesses.clear()
        assert (["KRW-NEW"], [200, 404]) == await known()


async def test_faults_befall_the_ill_as_well() -> None:
    """A fault changes what the replica sends, and asks that same replica for other pages."""
    hospital = Hospital()
    illness, end = Illness(lost=((NOW - 75, NOW - 15),)), NOW - 15
    async with hospital.sim as sim, hospital.connected() as page:
        sim.illnesses.add(illness)
        sim.faults.add(faults.unordered(), times=1)
        assert hospital.right(illness)[::-1] == await page()
        sim.faults.add(faults.seam(), times=2)
        assert end == (await page(to=time_text(end)))[0].open_time
        assert hospital.right(illness, end) == await page(to=time_text(end - 60))


@pytest.mark.parametrize(
    "wrong",
    [
        {"illness": "lag"}, {"share": 1.5}, {"share": -0.1}, {"connections": (5, 4)}, {"connections": (0, 4)},
        {"connections": 4}, {"connections": (1, 1000)}, {"since": "now"}, {"until": -1}, {"markets": ["KRW-Z"]},
        {"markets": "KRW-X"}, {"when": 3},
    ],
    ids=str,
)  # fmt: skip
def test_out_of_bounds(wrong: dict[str, Any]) -> None:
    """What can't be meant is refused by name, and nothing is added."""
    illnesses = Hospital().sim.illnesses
    with pytest.raises(RequestError, match=next(iter(wrong))):
        illnesses.add(**{"illness": Illness(lag=1), **wrong})
    assert 0 == len(illnesses)
