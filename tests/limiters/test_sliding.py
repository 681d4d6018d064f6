"""The rate limiter, on a virtual clock: no test sleeps."""

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Collection, Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.errors import BannedError, RateLimitedError, RequestError
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.ports import RateLimiter
from tests.support.virtualloop import run_virtual


class StrictServer:
    """Counts requests in a sliding second, refuses those past the limit, and tells what is left."""

    def __init__(self, limit: int = 10) -> None:
        self.limit = limit
        self.counted: deque[float] = deque()
        self.refused = 0

    def ask(self) -> int | None:
        """Return what is left, or None for a 429."""
        now = asyncio.get_running_loop().time()
        while self.counted and self.counted[0] <= now - 1:
            self.counted.popleft()
        if len(self.counted) >= self.limit:
            self.refused += 1
            return None
        self.counted.append(now)
        return self.limit - len(self.counted)


class MoodyServer(StrictServer):
    """Refuses some requests besides, by their numbers, for no reason of ours."""

    def __init__(self, refuses: Collection[int]) -> None:
        super().__init__()
        self.refuses = refuses
        self.asked = 0

    def ask(self) -> int | None:
        self.asked += 1
        return None if self.asked in self.refuses else super().ask()


async def collect(
    limiter: SlidingWindowLimiter, server: StrictServer, pages: int, workers: int, latency: float, jitter: float = 0.0
) -> float:
    """Ask for ``pages`` pages with ``workers`` at a time, as a pipeline does; return the seconds it took."""
    loop, luck, left = asyncio.get_running_loop(), random.Random(7), pages
    begun = loop.time()

    async def work() -> None:
        nonlocal left
        while left:
            left -= 1
            remaining = None
            while remaining is None:
                given = await limiter.acquire()
                await asyncio.sleep(latency / 2 + luck.random() * jitter)
                remaining = server.ask()
                await asyncio.sleep(latency / 2 + luck.random() * jitter)
                if remaining is None:
                    limiter.limited()
                else:
                    limiter.observe(remaining)
                    limiter.answered(given)

    await asyncio.gather(*(work() for _ in range(workers)))
    return loop.time() - begun


async def times(limiter: SlidingWindowLimiter, permits: int) -> list[float]:
    """Take ``permits`` permits one after another; return when each came, to the millisecond."""
    taken = []
    for _ in range(permits):
        await limiter.acquire()
        taken.append(round(asyncio.get_running_loop().time(), 3))
    return taken


def test_port():
    """It is a ``RateLimiter``."""
    limiter: RateLimiter = SlidingWindowLimiter(10)
    assert limiter is not None


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (3, [0, 0, 0, 1.03, 1.03, 1.03, 2.06]),
        (1, [0, 1.03, 2.06]),
        (2.5, [0, 0, 0.83, 0.83, 1.66]),
        (0.5, [0, 2.03, 4.06]),
        (None, [0] * 1000),
    ],
)
def test_rate(rate: float | None, expected: list[float]):
    """``rate`` permits a window and its guard; a fraction shortens or lengthens the window; None has no limit."""
    assert expected == run_virtual(times(SlidingWindowLimiter(rate), len(expected)))


def test_window():
    """Another window: 2 in 60 s, with a guard of 1 s."""
    assert run_virtual(times(SlidingWindowLimiter(2, window=60, guard=1), 5)) == [0, 0, 61, 61, 122]


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, True, "10"])
def test_bad_rate(rate: float):
    """A rate that can't be meant is refused with its value, at the start and later."""
    with pytest.raises(RequestError, match=f"rate is {rate!r}"):
        SlidingWindowLimiter(rate)
    limiter = SlidingWindowLimiter(10)
    with pytest.raises(RequestError, match=f"rate is {rate!r}"):
        limiter.rate = rate
    assert limiter.rate == 10


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf, True])
def test_bad_seconds(wrong: float):
    """So is a window, a guard, or a pause."""
    with pytest.raises(RequestError, match=f"window is {wrong!r}"):
        SlidingWindowLimiter(1, window=wrong)
    with pytest.raises(RequestError, match=f"guard is {wrong!r}"):
        SlidingWindowLimiter(1, guard=wrong)
    with pytest.raises(RequestError, match=f"retry_after is {wrong!r}"):
        SlidingWindowLimiter(1).limited(wrong)
    with pytest.raises(RequestError, match=f"seconds is {wrong!r}"):
        SlidingWindowLimiter(1).banned(wrong)


@settings(deadline=None)
@given(
    rate=st.integers(1, 10),
    workers=st.integers(1, 12),
    delays=st.lists(st.floats(0, 0.0299), min_size=1, max_size=40),
    gaps=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.1, 0.5, 1.0, 1.7]), min_size=1, max_size=40),
)
def test_never_refused(rate: int, workers: int, delays: Sequence[float], gaps: Sequence[float]):
    """Whatever the pattern of requests and their delays within the guard, a strict server never refuses one."""

    async def scenario() -> int:
        limiter, server = SlidingWindowLimiter(rate), StrictServer(rate)

        async def work(first: int) -> None:
            for number in range(first, 40, workers):
                await asyncio.sleep(gaps[number % len(gaps)])
                await limiter.acquire()
                await asyncio.sleep(delays[number % len(delays)])
                server.ask()

        await asyncio.gather(*(work(number) for number in range(workers)))
        return server.refused

    assert run_virtual(scenario()) == 0


@pytest.mark.parametrize(("latency", "workers"), [(0.03, 1), (0.03, 8), (0.03, 100), (0.3, 4), (0.3, 8), (0.3, 100)])
@pytest.mark.parametrize("jitter", [0.0, 0.015])
def test_alone(latency: float, workers: int, jitter: float):
    """With our client alone the headers slow nothing down: 100 permits at 10 a second take less than 10.6 s, no 429."""

    async def scenario() -> None:
        limiter, server = SlidingWindowLimiter(10), StrictServer(10)
        assert 9.27 <= await collect(limiter, server, 100, workers, latency, jitter) < 10.6
        assert server.refused == 0
        assert limiter.stats().foreign == 0

    run_virtual(scenario())


def test_out_of_order():
    """Answers that overtake each other reveal no client that isn't there."""

    async def scenario() -> int:
        limiter, server = SlidingWindowLimiter(10), StrictServer(10)
        luck = random.Random(3)

        async def request() -> None:
            await limiter.acquire()
            remaining = server.ask()
            await asyncio.sleep(luck.random() * 0.6)
            limiter.observe(-1 if remaining is None else remaining)

        await asyncio.gather(*(request() for _ in range(100)))
        assert asyncio.get_running_loop().time() < 10.6
        return limiter.stats().foreign

    assert run_virtual(scenario()) == 0


def test_foreign_seen():
    """What the server counted and we did not send takes up permits, given back one a window where none shows again."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(4)
        await limiter.acquire()
        limiter.observe(1)  # 3 counted: 1 of ours and 2 of another's
        assert limiter.stats().foreign == 2
        return await times(limiter, 8)

    # One is left at once. Ours expire at 1.03 and 2.06, the other's at 1.06 and 2.09.
    assert run_virtual(scenario()) == [0, 1.03, 1.03, 1.06, 2.06, 2.06, 2.09, 2.09]


def test_foreign_unseen():
    """Requests of ours that are still on their way are not taken for another's, nor is a negative rest."""

    async def scenario() -> int:
        limiter = SlidingWindowLimiter(10)
        await times(limiter, 10)
        for remaining in (0, 3, 9, 1, -5):
            limiter.observe(remaining)
        return limiter.stats().foreign

    assert run_virtual(scenario()) == 0


def test_observe_unasked():
    """An answer nobody waits for, and any answer without a limit, changes nothing."""

    async def scenario() -> None:
        limiter = SlidingWindowLimiter(2)
        limiter.observe(0)
        assert await times(limiter, 2) == [0, 0]
        free = SlidingWindowLimiter(None)
        await free.acquire()
        free.observe(0)
        assert await times(free, 100) == [0] * 100

    run_virtual(scenario())


def test_foreign_client():
    """Beside another client that uses 3 of 10 a second, 100 pages come with at most five 429s."""

    async def scenario() -> tuple[int, int]:
        limiter, server, luck = SlidingWindowLimiter(10), StrictServer(10), random.Random(1)

        async def foreign() -> None:
            while True:
                await asyncio.sleep(luck.uniform(0.5, 1.5) / 3)
                server.ask()

        task = asyncio.create_task(foreign())
        await asyncio.sleep(1)
        assert await collect(limiter, server, 100, 8, 0.03, 0.005) < 20
        task.cancel()
        return limiter.stats().limited, limiter.stats().foreign

    limited, foreign = run_virtual(scenario())
    assert 0 < limited <= 5
    assert foreign > 0


def test_lower_limit():
    """Where the server allows only half of our rate, its headers bring us down to it: 5 a second, few 429s."""

    async def scenario() -> None:
        limiter, server = SlidingWindowLimiter(10), StrictServer(5)
        assert 18 < await collect(limiter, server, 100, 8, 0.03) < 21
        assert server.refused <= 5

    run_virtual(scenario())


def test_large_room():
    """Even the greatest claim is given back within half a minute once it is no longer made."""

    async def scenario() -> float:
        limiter = SlidingWindowLimiter(1000)
        await limiter.acquire()
        limiter.observe(0)
        await asyncio.sleep(30)
        return (await times(limiter, 1000))[-1]

    assert run_virtual(scenario()) == 30


def test_fair():
    """First come, first served, also for one who comes when a permit gets free."""

    async def scenario() -> list[int]:
        limiter, order, tasks = SlidingWindowLimiter(2), [], []

        async def ask(number: int) -> None:
            await limiter.acquire()
            order.append(number)

        for number in range(20):
            tasks.append(asyncio.create_task(ask(number)))
            await asyncio.sleep(0.103)
        await asyncio.gather(*tasks)
        return order

    assert run_virtual(scenario()) == list(range(20))


def test_cancel_waiting():
    """One who stops waiting gives the place up: the next moves up and no permit is lost."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(1)
        await limiter.acquire()
        tasks = [asyncio.create_task(times(limiter, 1)) for _ in range(4)]
        await asyncio.sleep(0.5)
        assert limiter.stats().waiting == 4
        tasks[0].cancel()
        tasks[2].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in results] == [asyncio.CancelledError, list, asyncio.CancelledError, list]
        assert limiter.stats().waiting == 0
        return [each[0] for each in results if isinstance(each, list)]

    assert run_virtual(scenario()) == [1.03, 2.06]


def test_cancel_given():
    """One cancelled at the very moment the permit came passes it on."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(1)
        await limiter.acquire()
        first, second = (asyncio.create_task(times(limiter, 1)) for _ in range(2))
        await asyncio.sleep(0.5)
        limiter.rate = 2  # gives the first its permit now; it has not run yet
        limiter.rate = 1
        assert limiter.stats().permits == 2
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert limiter.stats().permits == 1
        return await second

    assert run_virtual(scenario()) == [1.03]


def test_cancel_all():
    """After everyone has left nothing is left behind: the next one gets a permit when it is due."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(1)
        await limiter.acquire()
        tasks = [asyncio.create_task(limiter.acquire()) for _ in range(1000)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return await times(limiter, 2)

    assert run_virtual(scenario()) == [1.03, 2.06]


def test_next_loop():
    """A limiter whose loop ended while someone waited works in the next one."""
    limiter = SlidingWindowLimiter(1)

    async def leave_waiting() -> asyncio.Task[None]:
        await limiter.acquire()
        task = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0.5)
        return task

    assert run_virtual(leave_waiting()).cancelled()
    assert run_virtual(times(limiter, 1)) == [1.03]


def test_rate_changed():
    """A new rate takes effect at once, for those who wait too."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(1)
        waiting = asyncio.create_task(times(limiter, 8))
        await asyncio.sleep(0.5)
        limiter.rate = 4
        await asyncio.sleep(1.1)
        limiter.rate = 1
        await asyncio.sleep(3)
        limiter.rate = None
        assert limiter.rate is None
        return await waiting

    # One at 0, three at 0.5, and as these expire one at 1.03 and three at 1.53. Then one a second until at 4.6 …
    assert run_virtual(scenario()) == [0, 0.5, 0.5, 0.5, 1.03, 1.53, 1.53, 1.53]


def test_rate_lifted():
    """Those who wait get their permits at once where the limit is lifted, later where it is lowered."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(2)
        waiting = asyncio.create_task(times(limiter, 6))
        await asyncio.sleep(0.5)
        limiter.rate = 1
        await asyncio.sleep(2)
        limiter.rate = None
        return await waiting

    assert run_virtual(scenario()) == [0, 0, 1.03, 2.06, 2.5, 2.5]


def test_429():
    """A 429 stops everybody for a window from then, also those who wait."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(2)
        await times(limiter, 2)
        waiting = asyncio.create_task(times(limiter, 1))
        await asyncio.sleep(0.9)
        limiter.limited()
        assert limiter.stats().paused_for == pytest.approx(1.0)
        return await waiting

    assert run_virtual(scenario()) == [1.9]


def test_429_retry_after():
    """The server's own wish counts where it is longer than a window."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(None)
        limiter.limited(0.2)
        first = await times(limiter, 1)
        await asyncio.sleep(5)
        limiter.limited(7.5)
        return first + await times(limiter, 1)

    assert run_virtual(scenario()) == [1.0, 13.5]


def test_429_grows():
    """429s to the first requests after a pause double it, up to 32 windows; a quiet window brings it back to one."""

    async def scenario() -> list[float]:
        limiter, pauses = SlidingWindowLimiter(10), []
        for _ in range(8):
            await limiter.acquire()
            limiter.limited()
            limiter.limited()  # two of one burst count once
            pauses.append(limiter.stats().paused_for)
            await asyncio.sleep(pauses[-1])
        await asyncio.sleep(1)
        await limiter.acquire()
        limiter.limited()
        return [*pauses, limiter.stats().paused_for]

    assert pytest.approx(run_virtual(scenario())) == [1, 2, 4, 8, 16, 32, 32, 32, 1]


def test_429_after_an_answer():
    """Where a request was answered between two 429s, the second does not follow on the first: a window is enough."""

    async def scenario() -> list[float]:
        limiter, pauses = SlidingWindowLimiter(10), []
        for answered in (False, False, True, False, True, True):
            given = await limiter.acquire()
            if answered:
                limiter.answered(given)
                await limiter.acquire()
            limiter.limited()
            pauses.append(limiter.stats().paused_for)
            await asyncio.sleep(pauses[-1])
        return pauses

    assert pytest.approx(run_virtual(scenario())) == [1, 2, 1, 2, 1, 1]


def test_429_answers_of_before():
    """An answer to what was sent before the pause does not say that we are let in again."""

    async def scenario() -> float:
        limiter = SlidingWindowLimiter(10)
        before = [await limiter.acquire() for _ in range(3)]
        limiter.limited()
        limiter.answered(before[0])
        await limiter.acquire()
        limiter.answered(before[1])
        limiter.limited()
        return limiter.stats().paused_for

    assert run_virtual(scenario()) == pytest.approx(2)


def test_six_429s():
    """Six single 429s in 200 requests cost less than nine seconds, wherever they fall: each pause is a second."""

    async def scenario(refuses: Collection[int], latency: float) -> float:
        limiter, server = SlidingWindowLimiter(10), MoodyServer(refuses)
        took = await collect(limiter, server, 200, 8, latency, 0.01)
        assert (limiter.stats().limited, server.refused) == (len(refuses), 0)
        return took

    luck = random.Random(5)
    for latency in (0.03, 0.1, 0.3):
        alone = run_virtual(scenario((), latency))
        for _ in range(20):
            six = luck.sample(range(2, 200), 6)
            assert run_virtual(scenario(six, latency)) - alone < 9, six


def test_429_late():
    """A 429 that comes late still grows the pause where its request was one of the first after it."""

    async def scenario() -> float:
        limiter = SlidingWindowLimiter(10)
        limiter.limited()
        await limiter.acquire()
        await asyncio.sleep(3)
        limiter.limited()
        return limiter.stats().paused_for

    assert run_virtual(scenario()) == pytest.approx(2)


def test_418():
    """A 418 stops everybody for the time the server says; nothing that comes after shortens it."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(10)
        limiter.banned(300)
        await asyncio.sleep(10)
        limiter.limited()
        limiter.banned(20)
        assert limiter.stats().paused_for == pytest.approx(290)
        return await times(limiter, 1)

    assert run_virtual(scenario()) == [300]


def test_418_doubles():
    """Where it does not say: 60 s, doubled for each 418 within an hour after a block; forgotten after that."""

    async def scenario() -> list[float]:
        limiter, blocks = SlidingWindowLimiter(None), []
        for quiet in (0, 0, 3599, 3601, 0):
            limiter.banned()
            limiter.banned()
            blocks.append(limiter.stats().paused_for)
            await asyncio.sleep(blocks[-1] + quiet)
        return blocks

    assert pytest.approx(run_virtual(scenario())) == [60, 120, 240, 480, 60]


def test_word_of_a_liar():
    """A server that asks for a thousand years is believed for a day; of that, nobody waits for more than two hours."""

    async def scenario(kind: str) -> list[float]:
        limiter, seen = SlidingWindowLimiter(10), []
        hear, error = (limiter.banned, BannedError) if kind == "418" else (limiter.limited, RateLimitedError)
        await times(limiter, 10)
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        hear(3.2e10)
        waiting[0].cancel()
        for each in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(each, error | asyncio.CancelledError)
        for moment in (0, 86_400 - 7201):
            await asyncio.sleep(moment)
            with pytest.raises(error, match="longer than is waited for here") as caught:
                await limiter.acquire()
            left = caught.value.seconds if isinstance(caught.value, BannedError) else caught.value.retry_after
            assert left == pytest.approx(limiter.stats().paused_for)
            seen.append(round(left))
        await asyncio.sleep(1)
        assert limiter.stats().waiting == 0
        return seen + await times(limiter, 1)

    for kind in ("418", "429"):
        assert run_virtual(scenario(kind)) == [86_400, 7201, 86_400]


def test_no_limit_paused():
    """Without a limit pauses hold too."""

    async def scenario() -> list[float]:
        limiter = SlidingWindowLimiter(None)
        limiter.banned(5)
        return await times(limiter, 3)

    assert run_virtual(scenario()) == [5, 5, 5]


def test_stats():
    """A frozen snapshot says what was done."""

    async def scenario() -> None:
        limiter = SlidingWindowLimiter(3)
        assert attrs.asdict(limiter.stats()) == {
            "rate": 3, "permits": 0, "waiting": 0, "foreign": 0, "limited": 0, "banned": 0, "paused_for": 0.0,
            "active": 0, "capacity": 3, "left_to_others": 0, "window": 1.0, "guard": 0.03,
        }  # fmt: skip
        await times(limiter, 3)
        limiter.limited()
        limiter.banned(9)
        seen = limiter.stats()
        assert (seen.permits, seen.foreign, seen.limited, seen.banned, seen.paused_for) == (3, 1, 1, 1, 9.0)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            seen.permits = 0

    run_virtual(scenario())


def test_stats_outside():
    """The snapshot can be taken before the loop has begun and after it has ended."""
    limiter = SlidingWindowLimiter(3)
    assert limiter.stats().permits == 0
    run_virtual(times(limiter, 2))
    assert limiter.stats().permits == 2


def test_window_in_use():
    """What of the window is in use is exact at any moment: it fills permit by permit, and empties a window later."""

    async def scenario() -> None:
        limiter = SlidingWindowLimiter(2.5, guard=0.1)
        seen: list[tuple[int, int]] = []
        waiting = asyncio.create_task(times(limiter, 3))
        for pause in (0, 0.4, 0.45, 0.1, 0.8, 0.1):
            await asyncio.sleep(pause)
            seen.append((limiter.stats().active, limiter.stats().waiting))
        # Two at once; they leave at 0.9, when the third, which waited for that, takes a place until 1.8.
        assert seen == [(2, 1), (2, 1), (2, 1), (1, 0), (1, 0), (0, 0)]
        assert await waiting == [0, 0, 0.9]
        stats = limiter.stats()
        assert (stats.capacity, stats.window, stats.guard) == (2, 0.8, 0.1)
        limiter.rate = None
        await times(limiter, 5)
        assert (limiter.stats().active, limiter.stats().capacity) == (0, None)

    run_virtual(scenario())


def test_window_left_to_others():
    """The room left to another client is told as long as it is left, and the guard as it is fitted."""

    async def scenario() -> None:
        limiter = SlidingWindowLimiter(10)
        await limiter.acquire()
        limiter.observe(5)
        stats = limiter.stats()
        assert (stats.active, stats.capacity, stats.left_to_others) == (1, 10, 4)
        await asyncio.sleep(30)
        for _ in range(20):
            limiter.took(await limiter.acquire(), 0.02)
        stats = limiter.stats()
        assert (stats.left_to_others, stats.guard) == (0, pytest.approx(0.006))

    run_virtual(scenario())


def test_log(caplog: pytest.LogCaptureFixture):
    """A 429 and a 418 leave one line each."""

    async def scenario() -> None:
        limiter = SlidingWindowLimiter(3)
        limiter.limited()
        limiter.banned()

    with caplog.at_level(logging.INFO, "rxcandles.limiters"):
        run_virtual(scenario())
    assert [line[:4] for line in caplog.messages] == ["429:", "418:"]


def test_slow_requests_count_late():
    """The first request opens a connection and arrives late; the server sees no more than its rate all the same."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        limiter = SlidingWindowLimiter(10)
        arrivals: list[float] = []

        async def request(connecting: float) -> None:
            given = await limiter.acquire()
            await asyncio.sleep(connecting + 0.015)
            arrivals.append(loop.time())
            await asyncio.sleep(0.015)
            limiter.took(given, loop.time() - given, connecting)

        for number in range(60):
            await request(0.4 if number in (0, 30) else 0.0)
        late = [(first, eleventh) for first, eleventh in zip(arrivals, arrivals[10:], strict=False)]
        assert min(eleventh - first for first, eleventh in late) >= 1.0
        assert loop.time() < 6.0 + 1.0

    run_virtual(scenario())


@pytest.mark.parametrize(("jitter", "least", "most"), [(0.001, 9.05, 9.16), (0.012, 9.2, 9.5), (0.1, 9.3, 10.6)])
def test_guard_follows_the_jitter(jitter: float, least: float, most: float):
    """The less the round trips vary, the closer to the limit; and however much they do, there is no 429."""

    async def scenario() -> float:
        loop, luck = asyncio.get_running_loop(), random.Random(3)
        limiter, server = SlidingWindowLimiter(10), StrictServer(10)
        begun = loop.time()

        async def work() -> None:
            for _ in range(20):
                given = await limiter.acquire()
                await asyncio.sleep(0.01 + luck.random() * jitter)
                server.ask()
                await asyncio.sleep(0.01)
                limiter.took(given, loop.time() - given)

        await asyncio.gather(*(work() for _ in range(5)))
        assert server.refused == 0
        return loop.time() - begun

    assert least <= run_virtual(scenario()) <= most


def test_guard_is_whole_after_a_429():
    """What was saved on the guard is given back with a 429, until as many round trips were seen again."""

    async def scenario() -> None:
        limiter = SlidingWindowLimiter(1)
        for _ in range(30):
            limiter.took(await limiter.acquire(), 0.02)
        first, second = await times(limiter, 2)
        assert second - first == pytest.approx(1.006)
        limiter.limited()
        first, second = await times(limiter, 2)
        assert second - first == pytest.approx(1.03)

    run_virtual(scenario())


def test_free_permits_wait_for_nothing():
    """A free permit costs no task, no future and no turn of the loop."""

    async def scenario() -> None:
        limiter = SlidingWindowLimiter(1000)
        for _ in range(1000):
            waiting = limiter.acquire()
            with pytest.raises(StopIteration):
                waiting.send(None)
        assert limiter.stats().permits == 1000

    run_virtual(scenario())
