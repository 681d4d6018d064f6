"""Limits that are counted otherwise than by the request and the second, on a virtual clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.errors import RequestError
from rxcandles.limiters import Limit, LimitKind, MachineLimiter, SlidingWindowLimiter, WeightStats
from tests.support.servers import Answer, BucketServer, FixedServer, Server, WindowServer, collect
from tests.support.virtualloop import run_virtual

BINANCE = Limit(6000, window=60, kind="fixed", group="binance", unit="weight")
BITHUMB = Limit(150, kind="bucket", group="bithumb")
BYBIT = Limit(600, window=5, group="bybit/spot")


async def times(limiter: SlidingWindowLimiter, permits: int, cost: float = 1.0) -> list[float]:
    """Take so many permits; return when each came."""
    taken = []
    for _ in range(permits):
        await limiter.acquire(cost)
        taken.append(round(asyncio.get_running_loop().time(), 3))
    return taken


@pytest.mark.parametrize("latency", [0.02, 0.2])
def test_binance(latency: float) -> None:
    """Of a weight of 6,000 in each minute of the server's clock at least 97 % is used, and no request is refused."""

    async def scenario() -> None:
        limiter, server = SlidingWindowLimiter(BINANCE), FixedServer()
        took = await collect(limiter, server, 6000, cost=2, workers=16, latency=latency, jitter=latency / 10)
        # The first minute is used to the brim in what is left of it, and so is each that follows.
        assert server.refused == limiter.stats().foreign == 0
        assert server.taken / BINANCE.a_second > 0.97 * (took - 60)
        assert took < 60 + 60

    run_virtual(scenario())


def test_unknown_clock() -> None:
    """As long as the server's clock is not known, no more goes out in any minute than in one of the server's."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(Limit(4, window=60, kind="fixed"), guard=1)
        return await times(limiter, 5, 2)

    assert run_virtual(scenario()) == [0, 0, 61, 61, 122]


def test_edge_of_a_minute() -> None:
    """With a known clock, a full minute is over when the server's is, not when a minute has passed."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(Limit(2, window=60, kind="fixed"))
        for _ in range(50):  # whole seconds, heard at many moments, tell the clock to some hundredths
            await asyncio.sleep(0.617)
            now = asyncio.get_running_loop().time()
            limiter.learned(now - 0.01, float(int(now + 20.25)))
        assert asyncio.get_running_loop().time() == pytest.approx(30.85)
        return await times(limiter, 5)

    taken = run_virtual(scenario())
    assert taken[:2] == [30.85, 30.85]
    assert all(39.75 < at < 39.85 for at in taken[2:4])
    assert 99.75 < taken[4] < 99.85


def test_in_two_minutes() -> None:
    """A request that may count in either of two minutes needs room in both."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(Limit(2, window=60, kind="fixed"))
        limiter.learned(0.0, 0.0)  # the clock is up to a second ahead
        await asyncio.sleep(59.5)
        return await times(limiter, 3)

    assert run_virtual(scenario()) == [59.5, 59.5, 120.001]


def test_long_minute() -> None:
    """What may count in a minute is not forgotten before it is surely over, which may be more than a minute later."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(Limit(3, window=60, kind="fixed"))
        limiter.learned(0.0, 0.0)
        await asyncio.sleep(59)
        early = await times(limiter, 2)
        await asyncio.sleep(60.5)
        return early + await times(limiter, 2)

    assert run_virtual(scenario()) == [59, 59, 119.5, 120.001]


def test_used_by_others() -> None:
    """What the server has counted beyond ours is left to the others, who use a third: few refusals, and soon none."""

    async def scenario() -> None:
        limiter, server = SlidingWindowLimiter(BINANCE), FixedServer()

        async def other() -> None:
            while True:
                server.ask(40)
                await asyncio.sleep(1.2)

        task = asyncio.create_task(other())
        await collect(limiter, server, 6000, cost=2, workers=8, latency=0.1)
        task.cancel()
        assert limiter.stats().limited <= 8
        assert limiter.stats().foreign > 100

    run_virtual(scenario())


def test_counted_before_us() -> None:
    """What an earlier program has used up of this minute is seen with the first answer, and holds till its end."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(Limit(100, window=60, kind="fixed"))
        given = await limiter.acquire(2)
        limiter.learned(given, 30.0)
        limiter.observe(used=98)  # 96 of them are not ours
        return await times(limiter, 2, 2)

    first, second = run_virtual(scenario())
    assert first == 0
    assert 30 <= second < 30.1


@pytest.mark.parametrize(("wait", "expected"), [(12.0, 12.0), (None, 40.001)])
def test_429_in_a_fixed_window(wait: float | None, expected: float) -> None:
    """After a 429 all wait for as long as the server says; where it doesn't, till its minute is over."""

    async def scenario() -> float:
        limiter = SlidingWindowLimiter(BINANCE)
        limiter.learned(await limiter.acquire(2), 20.0)
        limiter.limited(wait)
        return limiter.stats().paused_for

    assert run_virtual(scenario()) == pytest.approx(expected)


def test_418() -> None:
    """A 418 stops all for the time in its Retry-After."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(BINANCE)
        limiter.banned(180)
        return await times(limiter, 1, 2)

    assert run_virtual(scenario()) == [180]


@pytest.mark.parametrize("latency", [0.02, 0.2])
def test_bithumb(latency: float) -> None:
    """150 at once, then 150 a second: at least 97 % of it is used, and no request is refused."""

    async def scenario() -> None:
        limiter, server = SlidingWindowLimiter(BITHUMB), BucketServer()
        tell: Callable[[Answer], None] = lambda answer: limiter.observe(150 - int(answer.used or 0))  # noqa: E731
        took = await collect(limiter, server, 1800, workers=60, latency=latency, jitter=0.02, tell=tell)
        assert server.refused == limiter.stats().foreign == 0
        assert 11 - 0.001 < took < 11 / 0.97 + latency

    run_virtual(scenario())


def test_bucket_with_another_client() -> None:
    """A client that takes 50 of 150 a second shows in what remains: we keep to the rest, and few are refused."""

    async def scenario() -> None:
        limiter, server, luck = SlidingWindowLimiter(BITHUMB), BucketServer(), random.Random(2)

        async def other() -> None:
            while True:
                server.ask()
                await asyncio.sleep(luck.uniform(0.5, 1.5) / 50)

        task = asyncio.create_task(other())
        took = await collect(limiter, server, 1000, workers=10, latency=0.04)
        task.cancel()
        assert limiter.stats().foreign > 20
        assert limiter.stats().limited <= 3
        assert took < 12

    run_virtual(scenario())


def test_bucket_one_by_one() -> None:
    """A bucket of one is as strict as a window of one."""
    assert run_virtual(times(SlidingWindowLimiter(Limit(1, kind="bucket")), 3)) == [0, 1.03, 2.06]


def test_bybit() -> None:
    """600 in any 5 seconds, and none refused: there a refusal costs ten minutes."""

    async def scenario() -> None:
        limiter, server = SlidingWindowLimiter(BYBIT), WindowServer()
        took = await collect(limiter, server, 1800, workers=40, latency=0.1, jitter=0.02)
        assert server.refused == 0
        assert took < 12

    run_virtual(scenario())


def test_block_of_an_address() -> None:
    """A 403 to one group stops all groups at that exchange for ten minutes, and no other exchange."""

    async def scenario() -> list[float]:
        spot, other = SlidingWindowLimiter(BYBIT), SlidingWindowLimiter(BINANCE)
        linear = spot.beside(Limit(600, window=5, group="bybit/linear"))
        waiting = asyncio.create_task(times(linear, 601))
        await asyncio.sleep(1)
        spot.banned(600)
        return [*await times(other, 1), (await waiting)[-1], *await times(spot, 1)]

    assert run_virtual(scenario()) == [1, 601, 601]


def test_block_of_an_address_on_a_machine(tmp_path: Path) -> None:
    """So it is among processes, each with another group; another source address is not blocked."""

    async def scenario() -> list[float]:
        def made(group: str, source: str) -> MachineLimiter:
            return MachineLimiter(Limit(5, group=group), folder=tmp_path / "lease", source=source)

        spot, linear = made("bybit/spot", "10.0.0.1"), made("bybit/linear", "10.0.0.1")
        elsewhere, late = made("bybit/spot", "10.0.0.2"), made("bybit/linear", "10.0.0.1")
        waiting = asyncio.create_task(times(linear, 6))
        await asyncio.sleep(1)
        spot.banned(600)
        return [*await times(elsewhere, 1), (await waiting)[-1], *await times(late, 1), late.stats().banned]

    assert run_virtual(scenario()) == [1, 601, 601, 0]
    assert sorted(path.name for path in (tmp_path / "lease").iterdir()) == [
        "bybit-10.0.0.1.lease", "bybit-10.0.0.2.lease", "bybit.linear-10.0.0.1.lease", "bybit.spot-10.0.0.1.lease",
        "bybit.spot-10.0.0.2.lease",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["sliding", "fixed", "bucket"])
def test_weight_among_processes(tmp_path: Path, kind: LimitKind) -> None:
    """Processes share a weight as one would use it: nothing is refused, and none takes another for a stranger."""
    servers: dict[str, Server] = {
        "sliding": FixedServer(600, 5), "fixed": FixedServer(600, 5), "bucket": BucketServer(600, 5)
    }  # fmt: skip

    async def scenario() -> None:
        server = servers[kind]
        each = [MachineLimiter(Limit(600, window=5, kind=kind), folder=tmp_path / "lease") for _ in range(3)]
        took = await asyncio.gather(*(collect(limiter, server, 250, cost=2, workers=4) for limiter in each))
        assert server.refused == sum(limiter.stats().foreign for limiter in each) == 0
        assert max(took) < 15.2

    run_virtual(scenario())


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(["sliding", "fixed", "bucket"]),
    capacity=st.integers(3, 12),
    costs=st.lists(st.sampled_from([1, 1, 2, 3]), min_size=1, max_size=30),
    delays=st.lists(st.floats(0, 0.0299), min_size=1, max_size=30),
    gaps=st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.1, 0.5, 1.7]), min_size=1, max_size=30),
    ahead=st.floats(0, 2e9),
    told=st.booleans(),
)
def test_never_refused(
    kind: LimitKind,
    capacity: int,
    costs: Sequence[int],
    delays: Sequence[float],
    gaps: Sequence[float],
    ahead: float,
    told: bool,
) -> None:
    """Whatever the pattern, the costs and the delays within the guard, and however the server counts: none refused."""

    async def scenario() -> int:
        limiter = SlidingWindowLimiter(Limit(capacity, window=2, kind=kind))
        server: Server = BucketServer(capacity, 2) if kind == "bucket" else FixedServer(capacity, 2, ahead)

        async def work(first: int) -> None:
            for number in range(first, 30, 4):
                cost = costs[number % len(costs)]
                await asyncio.sleep(gaps[number % len(gaps)])
                given_at = await limiter.acquire(cost)
                await asyncio.sleep(delays[number % len(delays)])
                answer = server.ask(cost)
                await asyncio.sleep(0.05)
                if told and answer.used is not None:
                    limiter.learned(given_at, answer.date)
                    limiter.observe(used=answer.used)

        await asyncio.gather(*(work(number) for number in range(4)))
        return server.refused + limiter.stats().foreign

    assert run_virtual(scenario()) == 0


def test_cost_of_each() -> None:
    """A request waits until all it costs is free, those behind it wait with it, and a cancelled one gives all back."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(Limit(5))
        taken = await times(limiter, 1, 3)
        large = asyncio.create_task(times(limiter, 1, 4))
        small = asyncio.create_task(times(limiter, 1, 1))
        dropped = asyncio.create_task(times(limiter, 1, 5))
        await asyncio.sleep(0.5)
        dropped.cancel()
        taken += await large + await small
        assert limiter.stats().active == 5
        return taken + await times(limiter, 1, 99)  # more than all of it is all of it

    assert run_virtual(scenario()) == [0, 1.03, 1.03, 2.06]


def test_lowered_limit() -> None:
    """Of what the exchange allows beyond a limit of our own, others may use everything."""

    async def scenario() -> list[int]:
        limiter, seen = SlidingWindowLimiter(Limit(100)), []
        limiter.rate = 40
        for used in (61, 71):
            await limiter.acquire()
            limiter.observe(used=used)
            seen.append(limiter.stats().left_to_others)
        return seen

    # 60 of the exchange's 100 are not ours at all; of 71, 69 are another's, of which 9 lie in our 40.
    assert run_virtual(scenario()) == [0, 9]


def test_told_of_another_window() -> None:
    """What a server counts over another window says nothing here."""

    async def scenario() -> int:
        limiter = SlidingWindowLimiter(Limit(20, told=False))
        await limiter.acquire(2)
        limiter.observe(used=5000)
        return limiter.stats().left_to_others

    assert run_virtual(scenario()) == 0


def test_large_log_stays_small() -> None:
    """Of a hundred thousand permits in a window a few hundred entries are kept, and the file of a machine is small."""

    async def scenario() -> tuple[int, list[float]]:
        limiter = SlidingWindowLimiter(Limit(3000, window=10))
        for _ in range(3000):
            await limiter.acquire()
            await asyncio.sleep(0.003)
        return limiter.stats().active, await times(limiter, 1)

    active, [late] = run_virtual(scenario())
    assert active == 3000
    assert 10.03 <= late < 10.06


def test_stats_of_weight() -> None:
    """The snapshot is in the unit of the limit, and names it."""

    async def scenario() -> Any:
        limiter = SlidingWindowLimiter(BINANCE)
        await times(limiter, 3, 2)
        assert limiter.text == "6000 weight a 60 s"
        return limiter.stats()

    stats = run_virtual(scenario())
    assert isinstance(stats, WeightStats)
    assert (stats.active, stats.capacity, stats.window, stats.unit, stats.permits) == (6, 6000, 60, "weight", 3)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("capacity", {"capacity": 0}), ("capacity", {"capacity": "10"}), ("capacity", {"capacity": float("nan")}),
        ("window", {"window": 0}), ("window", {"window": -1}), ("kind", {"kind": "loose"}),
        ("group", {"group": "a/b/c"}), ("group", {"group": "../up"}), ("group", {"group": "a/"}),
        ("told", {"told": 1}),
    ],
)  # fmt: skip
def test_bad_limit(name: str, values: dict[str, Any]) -> None:
    """A limit that can't be meant is refused by name and value."""
    with pytest.raises(RequestError, match=f"^{name} is "):
        Limit(**{"capacity": 10, **values})


@pytest.mark.parametrize("cost", [0, -1, float("nan"), True, "2"])
def test_bad_cost(cost: Any) -> None:
    """So is a cost."""
    with pytest.raises(RequestError, match="cost is "):
        run_virtual(times(SlidingWindowLimiter(10), 1, cost))


@pytest.mark.parametrize("source", ["", "localhost", "10.0.0", "../up"])
def test_bad_source(tmp_path: Path, source: str) -> None:
    """So is a source that is no address, before there is a file."""
    with pytest.raises(RequestError, match="source is "):
        MachineLimiter(1, source=source, folder=tmp_path / "lease")
    assert not (tmp_path / "lease").exists()
