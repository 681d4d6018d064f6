"""Whatever happens, and whenever a client reads or is cut off: in the end it knows what is stored."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rxcandles import Row, SqliteStore, Timeframe
from rxcandles.model.timeframe import END, to_datetime
from rxcandles.model.updates import LostUpdate
from rxcandles.serve import parts as parts_module
from rxcandles.serve.events import news
from rxcandles.serve.hub import Hub
from rxcandles.serve.parts import Parts
from tests.serve.stream import Known, parsed
from tests.support.fakefeed import FakeFeed, row_at

START = 1_704_067_200
MINUTE = Timeframe.of("1m")
SYMBOLS = ("KRW-BTC", "KRW-ETH")


class Client:
    """A client that reads when it is told to, and may be cut off within a round."""

    def __init__(self, hub: Hub, parts: Parts) -> None:
        self.hub, self.parts = hub, parts
        self.known: dict[str, Known] = {}
        self.place = ""
        self.events = 0
        self.connect()

    def connect(self) -> None:
        self.connection = self.hub.client(self.place)
        self.changes = self.connection.__enter__()

    async def read(self, at_most: int | None = None) -> None:
        """Take a round of events; if only so many arrive, the connection breaks and another one is made."""
        async with aclosing(news(self.hub, self.parts, self.changes)) as events:
            async for raw in events:
                if at_most == 0:
                    break
                at_most = None if at_most is None else at_most - 1
                event = parsed(raw)
                assert event is not None
                self.events += 1
                self.known.setdefault(event.data["symbol"], Known(MINUTE)).take(event.data)
                self.place = event.id or self.place
        if at_most is not None:
            self.connection.__exit__(None, None, None)
            self.connect()


class World:
    """A feed, a hub that takes its updates at once, and what may happen to a market."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.feed = FakeFeed(store, SYMBOLS)
        self.hub = Hub(self.feed)
        self.feed.tell = self.hub.take  # type: ignore[method-assign,assignment]
        self.parts = Parts(store, self.hub)
        self.end = dict.fromkeys(SYMBOLS, START)
        self.rows: dict[str, dict[int, Row]] = {symbol: {} for symbol in SYMBOLS}
        self.removed = dict.fromkeys(SYMBOLS, 0)

    async def prove(self, symbol: str, traded: list[bool]) -> None:
        """Candles of some of the next slots."""
        begin = self.end[symbol]
        rows = [row_at(begin + 60 * at, 100.0 + at) for at, has in enumerate(traded) if has]
        self.end[symbol] += 60 * len(traded)
        self.rows[symbol] |= {row.open_time: row for row in rows}
        await self.feed.prove(symbol, begin, self.end[symbol], *rows)

    async def revise(self, symbol: str, back: int, kind: str) -> None:
        """Change, remove or add a candle some slots before the end."""
        at = self.end[symbol] - 60 * back
        old = self.rows[symbol].get(at)
        if at < START or (old is None) != (kind == "add"):
            return
        new = None if kind == "remove" else row_at(at, 300.0 + back)
        if new is None:
            del self.rows[symbol][at]
            self.removed[symbol] += 1
        else:
            self.rows[symbol][at] = new
        await self.feed.revise(symbol, old, new)

    async def check(self, known: dict[str, Known]) -> None:
        """What a client knows is what is stored, from where it begins."""
        for symbol in SYMBOLS:
            first = known[symbol].first
            assert first is not None
            rows = await self.store.rows(symbol, MINUTE, first, END, "oldest_first", 10_000)
            assert known[symbol].rows == {row.open_time: tuple(row[1:6]) for row in rows}
            assert sorted(known[symbol].rows) == sorted(at for at in self.rows[symbol] if at >= first)
            assert known[symbol].covered == set(range(max(first, START), self.end[symbol], 60))
            # It began with enough of them; the exchange may have removed some since.
            assert len(self.rows[symbol]) < 3 or len(rows) + self.removed[symbol] >= 3


KINDS = ("change", "remove", "add")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("prove"), st.sampled_from(SYMBOLS), st.lists(st.booleans(), min_size=1, max_size=6)),
        st.tuples(
            st.just("revise"),
            st.sampled_from(SYMBOLS),
            st.integers(1, 12),
            st.sampled_from(["change", "remove", "add"]),
        ),
        st.tuples(st.just("read"), st.integers(0, 1), st.sampled_from([None, None, 0, 1])),
    ),
    min_size=5,
    max_size=25,
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page begins anew after a few candles."""
    monkeypatch.setattr(parts_module, "_MOST", 4)
    monkeypatch.setattr(parts_module, "_LEAST", 4)


@settings(max_examples=30, deadline=None)
@given(STEPS)
@example(
    [
        ("prove", "KRW-BTC", [False]),
        ("prove", "KRW-ETH", [True] * 5),
        ("read", 0, None),
        ("revise", "KRW-ETH", 1, "remove"),
        ("revise", "KRW-ETH", 2, "remove"),
    ]
)
def test_a_client_knows_what_is_stored(steps: list[tuple[Any, ...]]) -> None:
    """For two clients that read at different times, and are cut off at any event of a round."""

    async def run() -> None:
        async with SqliteStore(":memory:") as store:
            world = World(store)
            clients = [Client(world.hub, world.parts) for _ in range(2)]
            for what, *values in steps:
                match what:
                    case "prove":
                        await world.prove(*values)
                    case "revise":
                        await world.revise(*values)
                    case _:
                        await clients[values[0]].read(values[1])
            for client in clients:
                while client.changes.since:
                    await client.read()
                await world.check(client.known)

    asyncio.run(run())


async def test_a_slow_client_waits_for_nothing_but_the_newest() -> None:
    """However much happens before it reads, it gets one event a market, and what is kept for it does not grow."""
    async with SqliteStore(":memory:") as store:
        world = World(store)
        client = Client(world.hub, world.parts)
        await client.read()
        for at in range(3000):
            world.feed.form("KRW-BTC", row_at(START + 60 * at, float(at + 1)))
        await world.prove("KRW-ETH", [True] * 40)
        assert client.changes.since == {"KRW-BTC": None, "KRW-ETH": 0}
        client.events = 0
        await client.read()
        assert client.events == 2
        assert client.known["KRW-BTC"].forming == [START + 60 * 2999, 3000.0, 3000.0, 2700.0, 2700.0, 1.0]


async def test_a_forming_candle_ends_with_its_slot() -> None:
    """It is forgotten when its slot is proven, with a candle or without, and a late word of it is ignored."""
    async with SqliteStore(":memory:") as store:
        world = World(store)
        now = world.hub.markets["KRW-BTC"]
        for traded in (True, False):
            late = row_at(world.end["KRW-BTC"])
            world.feed.form("KRW-BTC", late)
            assert now.forming is not None
            await world.prove("KRW-BTC", [traded])
            assert now.forming is None
            world.feed.form("KRW-BTC", late)
            assert now.forming is None


async def test_a_client_that_missed_nothing_is_told_nothing() -> None:
    """It names its place; after more changes than are remembered, or a restart, it is told all."""
    async with SqliteStore(":memory:") as store:
        world = World(store)
        client = Client(world.hub, world.parts)
        await world.prove("KRW-BTC", [True])
        while client.changes.since:
            await client.read()
        for place, told in ((client.place, set()), ("", set(SYMBOLS)), ("other.1", set(SYMBOLS)), ("x", set(SYMBOLS))):
            with world.hub.client(place) as changes:
                assert set(changes.since) == told
        world.feed.go("KRW-ETH", "polling")
        with world.hub.client(client.place) as changes:
            assert changes.since == {"KRW-ETH": None}
        for at in range(5000):
            world.feed.form("KRW-ETH", row_at(START, float(at + 1)))
        with world.hub.client(client.place) as changes:
            assert changes.since == dict.fromkeys(SYMBOLS, 0)
        with Hub(world.feed).client(client.place) as changes:
            assert changes.since == dict.fromkeys(SYMBOLS, 0)


async def test_a_lost_span_is_told() -> None:
    """With its two ends."""
    async with SqliteStore(":memory:") as store:
        world = World(store)
        world.hub.take(LostUpdate("KRW-BTC", "1m", to_datetime(START), to_datetime(START + 600), "too old"))
        async with aclosing(news(world.hub, world.parts, Client(world.hub, world.parts).changes)) as events:
            told = [parsed(raw) async for raw in events]
        assert [each.data["lost"] for each in told if each] == [[START, START + 600, "too old"], None]
