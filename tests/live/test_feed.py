"""A feed by pages alone: where it begins and ends, what it says, and who may read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles import operators as ops
from rxcandles.errors import ExchangeError, RequestError, StoreError, UnknownMarketError
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import to_datetime
from rxcandles.model.updates import CandleUpdate, ProgressUpdate, StateUpdate, Update
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores.opening import store_at
from tests.support.world import BASE, FollowLoop, World, passing, run_following


def busy(*symbols: str, streams: bool = False) -> World:
    """Return a world in which each market trades twice a minute."""
    world = World(*symbols, streams=streams)
    for symbol in symbols:
        for number in range(-400, 400):
            world.trade(symbol, BASE + 30 * number + 10, 100 + number % 7)
    return world


@asynccontextmanager
async def provided(world: World, path: str | Path = ":memory:") -> AsyncIterator[CandleDataProvider]:
    async with store_at(path, exchange="world") as store:
        yield CandleDataProvider(store, world, SlidingWindowLimiter(10))


async def until(feed: Any, seconds: float) -> list[Update]:
    """Read for some seconds of the world."""
    found: list[Update] = []
    try:
        async with asyncio.timeout_at(seconds):
            async for update in feed:
                found.append(update)
    except TimeoutError:
        pass
    return found


def opens(updates: list[Update], symbol: str = "A-A") -> list[int]:
    """Return the open times of the candles that were given, in seconds from the beginning."""
    return [
        each.candle.open_seconds - BASE for each in updates if isinstance(each, CandleUpdate) and each.symbol == symbol
    ]


def following(work: Callable[[], Awaitable[None]]) -> None:
    run_following(work)


@pytest.mark.parametrize(
    ("since", "first"),
    [(None, 0), (3, -240), (to_datetime(BASE - 600), -600), ("2023-12-31T23:55:30Z", -240)],
)
def test_where_it_begins(since: Any, first: int) -> None:
    """Nothing: the candle that forms now. A number: so many closed candles. A time: the next candle from then on."""

    async def main() -> None:
        async with provided(busy("A-A")) as provider, provider.follow("A-A", "1m", since) as feed:
            given = opens(await until(feed, 130))
        assert given == list(range(first, 120, 60))

    following(main)


def test_what_is_stored_is_gone_on_from(tmp_path: Path) -> None:
    """``since="stored"`` begins where coverage ends; nothing is asked for twice, nothing is left out."""

    async def main() -> None:
        world = busy("A-A")
        async with provided(world, tmp_path / "candles.db") as provider:
            await provider.collect_candles_only(
                "A-A", "1m", since=to_datetime(BASE - 1200), until=to_datetime(BASE - 600)
            )
            async with provider.follow("A-A", "1m", "stored", once=True) as feed:
                assert opens([update async for update in feed]) == list(range(-600, -60, 60))

    following(main)


def test_it_ends_where_it_is_told_to() -> None:
    """``until`` ends when every candle before it was given; then all tasks have ended."""

    async def main() -> None:
        async with provided(busy("A-A", "A-B")) as provider:
            feed = provider.follow(["A-A", "A-B"], "1m", 2, until=to_datetime(BASE + 120))
            updates = [update async for update in feed]
            assert opens(updates) == opens(updates, "A-B") == [-180, -120, -60, 0, 60]
            assert provider.exchange.now < BASE + 130  # type: ignore[attr-defined]
            await feed.aclose()
            assert len(asyncio.all_tasks()) == 1

    following(main)


def test_once_says_what_failed_after_what_did_not() -> None:
    """With ``once`` a market that can't be had does not keep the others from coming; its error ends the feed."""

    async def main() -> None:
        world = busy("A-A", "A-B")
        world.fault = lambda symbol: passing() if symbol == "A-B" else None
        async with provided(world) as provider:
            given: list[Update] = []
            with pytest.raises(ExchangeError, match="ill"):
                async for update in provider.follow(["A-A", "A-B"], "1m", to_datetime(BASE - 600), once=True):
                    given.append(update)
        assert opens(given) == list(range(-600, -60, 60))

    following(main)


def test_a_candle_is_stored_before_it_is_given() -> None:
    """Whoever is given a candle finds it in the store, and all candles before it."""

    async def main() -> None:
        world = busy("A-A")
        async with provided(world) as provider, provider.follow("A-A", "1m", 5) as feed:
            async for update in feed:
                if isinstance(update, CandleUpdate):
                    minute, opened = rxcandles.Timeframe.of("1m"), update.candle.open_seconds
                    rows = await provider.repository.rows("A-A", minute, 0, opened + 60, "newest_first", 9)
                    assert rows[0] == update.candle.row
                    assert rows == world.rows("A-A", opened - 60 * (len(rows) - 1), opened + 60, world.now)[::-1]
                    if opened >= BASE + 120:
                        break

    following(main)


def test_silence_is_never_ambiguous() -> None:
    """A market that does not trade has progress twice a minute; how far it was heard of moves on, the proof waits."""

    async def main() -> None:
        world = World("A-A", streams=False)
        world.trade("A-A", BASE - 200, 5.0)
        async with provided(world) as provider, provider.follow("A-A", "1m") as feed:
            updates = await until(feed, 600)
        progress = [each for each in updates if isinstance(each, ProgressUpdate)]
        assert len(progress) >= 19
        assert progress[-1].heard_until >= to_datetime(BASE + 540)
        assert opens(updates) == []

    following(main)


def test_an_exchange_that_is_ill_is_said_to_be() -> None:
    """``stalled`` comes with the reason, again each half minute, and everything comes after it, in order."""

    async def main() -> None:
        world = busy("A-A")
        async with provided(world) as provider, provider.follow("A-A", "1m", 2) as feed:
            await until(feed, 65)
            world.fault = lambda symbol: passing("503: maintenance")
            ill = await until(feed, 365)
            world.fault = lambda symbol: None
            well = await until(feed, 430)
            assert feed.state("A-A") == "polling"
        stalled = [each for each in ill if isinstance(each, StateUpdate) and each.state == "stalled"]
        assert len(stalled) >= 9
        assert "503: maintenance" in stalled[0].reason
        assert opens(well) == list(range(opens(ill)[-1] + 60 if opens(ill) else 60, 420, 60))

    following(main)


def test_one_market_is_refused() -> None:
    """A market that the exchange does not know is told of, and others go on; if it knows none, that is the error."""

    async def main() -> None:
        world = busy("A-A", "A-B")
        world.unknown = {"A-B"}
        async with provided(world) as provider:
            async with provider.follow(["A-B", "A-A"], "1m", 1) as feed:
                updates = await until(feed, 65)
                assert feed.state("A-B") == "refused"
                assert "404" in feed.reason("A-B")
            assert opens(updates) == [-120, -60, 0]
            with pytest.raises(UnknownMarketError):
                async for _ in provider.follow("A-B", "1m"):
                    pass

    following(main)


def test_observers_read_at_their_own_pace() -> None:
    """Each observer has its own place: one that comes late or sleeps reads everything, once."""

    async def main() -> None:
        async with provided(busy("A-A")) as provider, provider.follow("A-A", "1m", 2) as feed:
            sleeper = feed.observe()
            first = await until(feed, 605)
            late = feed.observe(to_datetime(BASE + 300))
            assert opens(await until(sleeper, 605.5)) == opens(first)
            assert opens(await until(late, 606)) == list(range(300, 600, 60))
            assert feed.stats().observers == 3
            await late.aclose()
            assert [each async for each in late] == []

    following(main)


def test_a_late_trade_is_a_revision() -> None:
    """A candle that the exchange changes afterwards is told of with both values, once."""

    async def main() -> None:
        world = busy("A-A")
        world.trade("A-A", BASE + 70, 500.0, recorded=BASE + 200)  # two candles later: the overlap finds it
        world.trade("A-A", BASE - 580, 500.0, recorded=BASE + 300)  # much later: an audit does
        async with provided(world) as provider, provider.follow("A-A", "1m", 15) as feed:
            updates = await until(feed, 1300)
        revised = [each for each in updates if each.kind == "revised"]
        assert [int(each.open_time.timestamp()) - BASE for each in revised] == [60, -600]
        assert all(each.before is not None and each.candle is not None and each.candle.high == 500 for each in revised)

    following(main)


@pytest.mark.parametrize("kind", ["file", "server"])
def test_another_process_reads_the_store(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """``from_store`` asks the exchange for nothing, and gives what a collector stores; one that is gone is missed."""
    path = tmp_path / "c.db" if kind == "file" else request.getfixturevalue("postgres_url")

    async def main() -> None:
        world = busy("A-A")
        async with provided(world, path) as collector, provided(World("A-A"), path) as other:
            async with other.follow("A-A", "1m", from_store=True) as waiting:
                assert (await anext(waiting)).kind == "state"
            async with collector.follow("A-A", "1m", 3) as feed:
                reading = asyncio.create_task(until(feed, 200))
                await asyncio.sleep(1)
                async with other.follow("A-A", "1m", 3, from_store=True) as reader:
                    read = await until(reader, 200)
                assert opens(read) == opens(await reading)
            async with other.follow("A-A", "1m", from_store=True) as reader:
                gone = await until(reader, 800)
            assert any(isinstance(each, StateUpdate) and "collector" in each.reason for each in gone)
            assert not other.exchange.requests  # type: ignore[attr-defined]

    following(main)


def test_forming_candles_by_pages() -> None:
    """Without a stream the forming candle is looked at; it is never a closed one."""

    async def main() -> None:
        config = FollowConfig(forming=True)
        async with provided(busy("A-A")) as provider, provider.follow("A-A", "1m", config=config) as feed:
            updates = await until(feed, 145)
        forming = [each for each in updates if each.kind == "forming"]
        assert {each.candle.open_seconds - BASE for each in forming} == {0, 60, 120}
        assert not any(each.final for each in forming)

    following(main)


def test_longer_candles_of_a_feed() -> None:
    """``closed`` narrows to candles; ``resample`` closes one when its last part is proven, ``fill_gaps`` fills."""

    async def main() -> None:
        world = busy("A-A")
        async with provided(world) as provider:
            feed = provider.follow("A-A", "1m", to_datetime(BASE - 600), until=to_datetime(BASE + 300))
            got = []
            async with feed.pipe(ops.closed(), ops.resample("5m"), ops.with_backpressure()) as fives:
                async for candles in fives:
                    got += [(candle.open_seconds - BASE, world.now - BASE) for candle in candles]
        assert [opened for opened, _ in got] == [-600, -300, 0]
        assert [round(at) for _, at in got] == [0, 3, 303]

    following(main)


def test_what_is_wrong_is_said_at_once() -> None:
    """Arguments are refused before anything is sent."""

    async def main() -> None:
        world = busy("A-A")
        async with provided(world) as provider:
            for arguments in ([], [""], "A-A", "A-A", "A-A"):
                bad = {"since": -1} if arguments == "A-A" else {}
                with pytest.raises(RequestError):
                    provider.follow(arguments, "1m", **bad)
            with pytest.raises(RequestError, match="7m"):
                provider.follow("A-A", "7m")
            with pytest.raises(RequestError):
                provider.follow("A-A", "1m", since="soon")
            with pytest.raises(RequestError, match="future"):
                provider.follow("A-A", "1m", since="2030-01-01")
        assert not world.requests

    following(main)


def test_a_store_that_fails_is_the_end() -> None:
    """An error of the store ends the feed, for each observer; nothing that is not stored is given."""

    async def main() -> None:
        async with provided(busy("A-A")) as provider, provider.follow("A-A", "1m", 2) as feed:
            other = feed.observe()
            await until(feed, 70)
            await provider.repository.close()
            with pytest.raises(StoreError):
                async for _ in feed:
                    pass
            with pytest.raises(StoreError):
                async for _ in other:
                    pass

    following(main)


def test_one_reader_an_observer() -> None:
    """A second task that reads the same feed is told to take an observer of its own; the first one goes on."""

    async def main() -> None:
        async with provided(busy("A-A")) as provider, provider.follow("A-A", "1m", 2) as feed:
            await until(feed, 30)
            first = asyncio.create_task(until(feed, 70))
            await asyncio.sleep(0)
            with pytest.raises(RequestError, match="observe"):
                await anext(feed)
            assert opens(await first) == [0]

    following(main)


def test_a_provider_that_closes_closes_its_feeds() -> None:
    """A feed that was left by ``break`` ends with its provider, and no task is left."""

    async def main() -> None:
        world = busy("A-A")
        async with rxcandles.connect(":memory:", world) as provider:
            async for _ in provider.follow("A-A", "1m", 2):
                break
            assert len(asyncio.all_tasks()) > 1
        assert len(asyncio.all_tasks()) == 1

    following(main)


def test_cancelling_anywhere_loses_nothing() -> None:
    """A reader that is cancelled at any moment and reads again is given everything, once."""

    async def main() -> None:
        async with provided(busy("A-A", streams=True)) as provider, provider.follow("A-A", "1m", 5) as feed:
            found: list[Update] = []
            loop = asyncio.get_running_loop()
            step = 0
            while loop.time() < 300:
                step += 1
                reading = asyncio.create_task(anext(feed))  # type: ignore[arg-type]
                for _ in range(step % 7):
                    await asyncio.sleep(0)
                if step % 3:
                    reading.cancel()
                try:
                    found.append(await reading)
                except asyncio.CancelledError:
                    await asyncio.sleep(0.5)
            assert opens(found) == list(range(-360, opens(found)[-1] + 60, 60))
            assert opens(found)[-1] >= 180

    following(main)


def test_a_server_without_a_clock_is_not_asked_for_its_time() -> None:
    """If answers have no ``Date``, a candle counts as closed when a newer one has come; only candles are asked for."""

    async def main() -> None:
        world = busy("A-A")
        world.date = lambda now: None
        async with provided(world) as provider, provider.follow("A-A", "1m", 2) as feed:
            assert opens(await until(feed, 610)) == list(range(-240, 480, 60))
        assert world.requests["A-A"] <= 14

    following(main)


def test_this_machine_has_slept() -> None:
    """After a sleep the server's time is asked for at once, and what was missed comes."""

    async def main() -> None:
        world = busy("A-A")
        async with provided(world) as provider, provider.follow("A-A", "1m", 2) as feed:
            await until(feed, 65)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, FollowLoop)
            world.ahead = loop.ahead = 1800.0  # the monotonic clock stood still meanwhile
            given = opens(await until(feed, 80))
            assert given[:30] == list(range(60, 60 + 30 * 60, 60))[: len(given)]
            assert len(given) >= 29

    following(main)


def test_a_connection_is_replaced_before_it_is_too_old() -> None:
    """The next connection is open before the old one is closed, so the market is live all the time."""

    async def main() -> None:
        world = busy("A-A", streams=True)
        world.max_age = 600.0
        world.stream_rules = world._stream_rules()
        async with provided(world) as provider, provider.follow("A-A", "1m", 1) as feed:
            updates = await until(feed, 2500)
            stats = feed.stats()
        assert len(world.streams) >= 4
        assert stats.streams["rotations"] == len(world.streams) - 1
        states = [each.state for each in updates if isinstance(each, StateUpdate)]
        assert states[states.index("live") :] == ["live"]
        assert opens(updates) == list(range(opens(updates)[0], 2460, 60))

    following(main)


def test_what_the_exchange_no_longer_has_is_lost() -> None:
    """After a break that is longer than an exchange goes back, the span in between is told as lost, never covered."""

    async def main() -> None:
        world = busy("A-A")
        world.tail = 20
        async with provided(world) as provider, provider.follow("A-A", "1m", 2) as feed:
            before = opens(await until(feed, 130))
            world.fault = lambda symbol: passing("down")
            await until(feed, 3630)
            world.fault = lambda symbol: None
            updates = await until(feed, 3800)
            [lost] = [each for each in updates if each.kind == "lost"]
            span = (int(lost.start.timestamp()) - BASE, int(lost.stop.timestamp()) - BASE)
            after = opens(updates)
            assert span == (before[-1] + 60, after[0])
            assert after == list(range(after[0], 3780, 60))
            minute = rxcandles.Timeframe.of("1m")
            covered = await provider.repository.coverage("A-A", minute, BASE + span[0], BASE + span[1])
            assert covered == []

    following(main)


def test_an_outage_is_told_from_quiet_markets() -> None:
    """Where almost all busy markets are empty, the exchange was out: that is reported, and no market is reconnected."""

    async def main() -> None:
        names = [f"A-{number}" for number in range(8)]
        world = World(*names, streams=True)
        for number, symbol in enumerate(names):
            for at in range(-400, 40):
                if not 10 <= at < 25 and (number < 7 or at % 5 == 0):
                    world.trade(symbol, BASE + 60 * at + 20, 100.0)
        async with provided(world) as provider, provider.follow(names, "1m", 30) as feed:
            await until(feed, 2000)
            assert feed.stats().outages == [(BASE + 600, BASE + 1500)]
        assert len(world.streams) == 1

    following(main)
