"""The limiter whose log lies in a file: in one process on a virtual clock, and in several on the real one."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rxcandles.errors import RequestError, StoreError
from rxcandles.limiters import MachineLimiter, leasefile, sharedfile
from rxcandles.ports import RateLimiter
from rxcandles.simulator import Market, Simulator
from rxcandles.util import ownfolder
from tests.limiters import test_sliding
from tests.limiters.test_sliding import StrictServer, collect, times
from tests.support.virtualloop import run_virtual

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shares nothing there")

CONTRACT = [
    check
    for name, check in vars(test_sliding).items()
    if name.startswith("test_") and not inspect.signature(check).parameters
]
"""What holds of the limiter of one process."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lease"


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, it does all that the limiter of one process does."""
    numbers = itertools.count()

    def make(rate: float | None, **others: float) -> MachineLimiter:
        return MachineLimiter(rate, folder=tmp_path / str(next(numbers)), **others)

    monkeypatch.setattr(test_sliding, "SlidingWindowLimiter", make)
    check()
    assert next(numbers) > 0


def test_port(folder: Path) -> None:
    """It is a ``RateLimiter``."""
    limiter: RateLimiter = MachineLimiter(10, folder=folder)
    assert limiter.took


@pytest.mark.parametrize("rate", [1, 3, 10, 2.5])
@pytest.mark.parametrize("limiters", [2, 3, 5])
def test_one_rate(folder: Path, rate: float, limiters: int) -> None:
    """Several keep one rate, and use it whole; none gets less than its part."""

    async def scenario() -> None:
        each = [MachineLimiter(rate, folder=folder) for _ in range(limiters)]
        tasks = [asyncio.create_task(limiter.acquire()) for _ in range(200) for limiter in each]
        windows = 20
        await asyncio.sleep(windows * (int(rate) / rate + 0.03))
        for task in tasks:
            task.cancel()
        given = sorted(task.result() for task in tasks if task.done() and not task.cancelled())
        await asyncio.gather(*tasks, return_exceptions=True)
        permits = [limiter.stats().permits for limiter in each]
        span = int(rate) / rate + 0.03
        apart = [later - first for first, later in zip(given, given[int(rate) :], strict=False)]
        assert min(apart) >= span - 1e-9
        assert 0.95 * windows * int(rate) < len(given) == sum(permits)
        # The first window belongs to the first, before it knows of anybody.
        assert min(permits) >= int((windows - 2) * (int(rate) // limiters or int(rate) / limiters))

    run_virtual(scenario())


def test_strict_server(folder: Path) -> None:
    """Three at once draw no 429 from a strict server, and don't take each other for clients of somebody else."""

    async def scenario() -> None:
        server = StrictServer(10)
        limiters = [MachineLimiter(10, folder=folder) for _ in range(3)]
        took = await asyncio.gather(*(collect(limiter, server, 50, 8, 0.03, 0.01) for limiter in limiters))
        assert server.refused == 0
        assert [0, 0, 0] == [limiter.stats().foreign for limiter in limiters]
        assert max(took) < 16

    run_virtual(scenario())


def test_newcomer(folder: Path) -> None:
    """One who comes late to a greedy one gets its part from the next window on."""

    async def scenario() -> list[float]:
        greedy = asyncio.create_task(collect(MachineLimiter(4, folder=folder), StrictServer(99), 999, 50, 0.01))
        await asyncio.sleep(5)
        taken = await times(MachineLimiter(4, folder=folder), 4)
        greedy.cancel()
        await asyncio.gather(greedy, return_exceptions=True)
        return taken

    assert run_virtual(scenario())[-1] < 5 + 3 * 1.03


def test_late_loop(folder: Path) -> None:
    """What one leaves unused the other takes: alone, it is as fast as ever."""

    async def scenario() -> list[float]:
        await times(MachineLimiter(4, folder=folder), 1)
        return await times(MachineLimiter(4, folder=folder), 8)

    assert run_virtual(scenario()) == [0, 0, 0, 1.03, 1.03, 1.03, 1.03, 2.06]


def test_keys(folder: Path) -> None:
    """Another key is another limit."""

    async def scenario() -> list[float]:
        one, other = MachineLimiter(1, folder=folder), MachineLimiter(1, folder=folder, key="other")
        return await times(one, 1) + await times(other, 1) + await times(one, 1)

    assert run_virtual(scenario()) == [0, 0, 1.03]


def test_windows(folder: Path) -> None:
    """Each keeps to its own rate and window among the permits of all."""

    async def scenario() -> list[float]:
        quick, slow = MachineLimiter(10, folder=folder), MachineLimiter(2, folder=folder, window=60)
        taken = await times(slow, 1) + await times(quick, 1)
        await asyncio.sleep(30)
        return taken + await times(quick, 1) + await times(slow, 1)

    # The second of slow's minute is that at 30, for quick has long forgotten those at 0.
    assert run_virtual(scenario()) == [0, 0, 30, 60.03]


def test_pauses(folder: Path) -> None:
    """A 429 or 418 to one stops all, and the next pause doubles whoever hears of it."""

    async def scenario() -> list[float]:
        one, other = MachineLimiter(10, folder=folder), MachineLimiter(10, folder=folder)
        one.limited()
        seen = [other.stats().paused_for, *await times(other, 1)]
        other.limited()
        seen += [one.stats().paused_for]
        other.banned(300)
        return [*seen, one.stats().paused_for, *await times(one, 1)]

    assert run_virtual(scenario()) == pytest.approx([1, 1, 2, 300, 301])


def test_pauses_and_answers(folder: Path) -> None:
    """An answer to one after a pause ends the doubling for all."""

    async def scenario() -> list[float]:
        one, other = MachineLimiter(10, folder=folder), MachineLimiter(10, folder=folder)
        seen = []
        for _ in range(3):
            one.limited()
            seen.append(other.stats().paused_for)
            other.answered(await other.acquire())
        return seen

    assert run_virtual(scenario()) == pytest.approx([1, 1, 1])


def test_foreign(folder: Path) -> None:
    """The room that one leaves to other clients is left by all."""

    async def scenario() -> list[float]:
        one, other = MachineLimiter(4, folder=folder), MachineLimiter(4, folder=folder)
        await one.acquire()
        one.observe(1)
        return await times(other, 2)

    assert run_virtual(scenario()) == [0, 1.03]


def test_boot(folder: Path) -> None:
    """A file with times of the future is from before a boot, and is begun anew."""

    async def before() -> None:
        await asyncio.sleep(5000)
        MachineLimiter(1, folder=folder).banned(9999)

    run_virtual(before())
    assert run_virtual(times(MachineLimiter(1, folder=folder), 2)) == [0, 1.03]


@pytest.mark.parametrize(
    "damage",
    [
        lambda old: b"rubbish",
        lambda old: b"\0" * len(old),
        lambda old: old[:-3],
        lambda old: old[:50] + bytes([old[50] ^ 1]) + old[51:],
        lambda old: old[:12] + b"\xff\xff\xff\xff" + old[16:],
    ],
    ids=["rubbish", "zeros", "cut", "bit", "count"],
)
def test_damaged(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    """A damaged file is begun anew; one who goes on still knows its own permits."""

    async def scenario() -> list[float]:
        path, limiter = folder / "upbit.lease", MachineLimiter(1, folder=folder)
        await limiter.acquire()
        path.write_bytes(damage(path.read_bytes()))
        fresh = await times(MachineLimiter(1, folder=folder), 1)
        path.write_bytes(damage(path.read_bytes()))
        return fresh + await times(limiter, 1)

    assert run_virtual(scenario()) == [0, 1.03]


def test_deleted(folder: Path) -> None:
    """A folder that a cleaner removed is made again."""

    async def scenario() -> list[float]:
        limiter = MachineLimiter(1, folder=folder)
        await limiter.acquire()
        shutil.rmtree(folder)
        return await times(limiter, 1) + await times(MachineLimiter(1, folder=folder), 1)

    assert run_virtual(scenario()) == [1.03, 2.06]
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("key", ["", ".", "../up", "a/b", "x" * 65, "a\n"])
def test_bad_key(folder: Path, key: str) -> None:
    """A key that is no plain file name is refused."""
    with pytest.raises(RequestError, match="key is "):
        MachineLimiter(1, key=key, folder=folder)
    assert not folder.exists()


def test_symlinks(folder: Path, tmp_path: Path) -> None:
    """A symbolic link in place of the folder or the file is refused, and nothing is made behind it."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is not a folder"):
        MachineLimiter(1, folder=folder)
    folder.unlink()
    folder.mkdir(mode=0o700)
    (folder / "upbit.lease").symlink_to(tmp_path / "elsewhere" / "file")
    with pytest.raises(StoreError, match="give another folder"):
        MachineLimiter(1, folder=folder)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of another user, or one that others can write to, is refused."""
    folder.mkdir()
    folder.chmod(0o770)
    with pytest.raises(StoreError, match="mode 0770"):
        MachineLimiter(1, folder=folder)
    folder.chmod(0o700)
    owner = folder.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(StoreError, match=f"belongs to user {owner}"):
        MachineLimiter(1, folder=folder)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, of a user who is not logged in."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "absent"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return folder


def test_own_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the file lies in the user's runtime folder, else in that for caches; no temporary one is needed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    own, cache = tmp_path / "run", tmp_path / "cache"
    MachineLimiter(1)
    assert (home / ".cache" / "rxcandles").stat().st_mode & 0o777 == 0o700
    cache.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    MachineLimiter(1)
    own.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    MachineLimiter(1)
    places = [home / ".cache", cache, own]
    assert [(place / "rxcandles" / "upbit.lease").is_file() for place in places] == [True] * 3


def test_next_own_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that can't be used leaves the place to the next."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "rxcandles").symlink_to(home)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    MachineLimiter(1)
    assert (home / ".cache" / "rxcandles" / "upbit.lease").is_file()


def spoil_nothing(home: Path) -> None:
    home.rmdir()


def spoil_link(home: Path) -> None:
    (home / ".cache").mkdir()
    (home / ".cache" / "rxcandles").symlink_to(home)


def spoil_mode(home: Path) -> None:
    (home / ".cache" / "rxcandles").mkdir(parents=True)
    (home / ".cache" / "rxcandles").chmod(0o777)


def spoil_file(home: Path) -> None:
    (home / ".cache").write_text("no folder")


@pytest.mark.parametrize("spoil", [spoil_nothing, spoil_link, spoil_mode, spoil_file])
def test_no_own_folder(home: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture) -> None:
    """Where none can be used, the rate is kept by each process for itself, and one warning says so."""
    spoil(home)
    assert run_virtual(times(MachineLimiter(1), 3)) == [0, 1.03, 2.06]
    [message] = caplog.messages
    assert message.startswith("the rate of 'upbit' is kept by each process for itself: ")


def test_foreign_own_folder(home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What is another user's is left alone: a home as ``sudo`` keeps it, and a folder that somebody else has made."""
    owner = home.stat().st_uid
    (home / ".cache" / "rxcandles").mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert run_virtual(times(MachineLimiter(1), 2)) == [0, 1.03]
    assert len(caplog.messages) == 1
    monkeypatch.setattr(ownfolder, "_is_own", lambda path: True)
    assert run_virtual(times(MachineLimiter(1), 2)) == [0, 1.03]
    assert f"belongs to user {owner}" in caplog.messages[-1]
    assert list((home / ".cache" / "rxcandles").iterdir()) == []


def test_no_fcntl(folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without file locking each process keeps the rate for itself, and says so once."""
    monkeypatch.setattr(sharedfile, "CAN_LOCK", False)
    assert run_virtual(times(MachineLimiter(1, folder=folder), 3)) == [0, 1.03, 2.06]
    assert len(caplog.messages) == 1
    assert not folder.exists()


def test_fault(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that can't be used any more stops nobody: the rate is kept, alone, until it can."""

    async def scenario() -> list[float]:
        limiter = MachineLimiter(1, folder=folder)
        await limiter.acquire()
        os.chmod(folder, 0o777)
        taken = await times(limiter, 2)
        os.chmod(folder, 0o700)
        return taken + await times(limiter, 1) + await times(MachineLimiter(1, folder=folder), 1)

    with caplog.at_level(logging.INFO, "rxcandles.limiters"):
        assert run_virtual(scenario()) == [1.03, 2.06, 3.09, 4.12]
    assert len(caplog.messages) == 1
    assert "for this process alone" in caplog.text


COLLECT = """
import asyncio, json, sys
from rxcandles import CandleDataProvider, SqliteStore
from rxcandles.exchanges import UpbitExchange
from rxcandles.limiters import MachineLimiter

async def main(folder, url, name):
    limiter = MachineLimiter(20, folder=folder)
    async with SqliteStore(f"{folder}/{name}.db", exchange="upbit") as store, UpbitExchange(url) as exchange:
        provider = CandleDataProvider(store, exchange, limiter)
        summary = await provider.collect_candles_only("KRW-BTC", "1m", count=5000)
    seen = limiter.stats()
    print(json.dumps([summary.collected_count, seen.limited, seen.foreign]))

asyncio.run(main(*sys.argv[1:]))
"""

WAIT = """
import asyncio, sys
from rxcandles.limiters import MachineLimiter

async def main(folder):
    limiter = MachineLimiter(1, folder=folder, window=0.3)
    await limiter.acquire()
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(9)]
    await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.gather(*waiting)

asyncio.run(main(*sys.argv[1:]))
"""

HOLD = """
import fcntl, sys
with open(sys.argv[1] + "/upbit.lease", "ab") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("ready", flush=True)
    sys.stdin.read()
"""


async def start(program: str, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-c", program, *arguments, stdin=pipe, stdout=pipe)


async def test_two_processes(folder: Path) -> None:
    """Two processes that collect 25 pages each share a strict limit: no 429, all candles, none taken for foreign."""
    os.mkdir(folder, 0o700)
    async with Simulator((Market("KRW-BTC", 1.0),), rate=20) as simulator:
        both = [await start(COLLECT, str(folder), simulator.base_url, name) for name in ("one", "other")]
        outputs = [json.loads((await process.communicate())[0]) for process in both]
        assert [[5000, 0, 0], [5000, 0, 0]] == outputs
        assert simulator.stats.by_status == {200: 50}


@pytest.mark.parametrize("program", [WAIT, HOLD], ids=["waiting", "holding"])
async def test_killed(folder: Path, program: str) -> None:
    """One that is killed while it waits, or holds the lock, keeps nobody else from its permit."""
    limiter = MachineLimiter(1, folder=folder, window=0.3)
    process = await start(program, str(folder))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    assert await asyncio.wait_for(limiter.acquire(), 5) > 0
    assert limiter.stats().permits == 1


async def test_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """One that is stopped while it holds the lock stops nobody else: they go on alone, and share again after that."""
    monkeypatch.setattr(sharedfile, "LOCK_WAIT", 0.01)
    limiter = MachineLimiter(1, folder=folder, window=0.1)
    process = await start(HOLD, str(folder))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGSTOP)
    alone = [await limiter.acquire(), await limiter.acquire()]
    assert alone[1] - alone[0] >= 0.13
    assert ["locked for 0.01 s by a process that must be stopped" in message for message in caplog.messages] == [True]
    process.send_signal(signal.SIGCONT)
    process.kill()
    await process.communicate()
    monkeypatch.setattr(leasefile, "LOCK_AGAIN", 0.0)  # five seconds later
    shared = await limiter.acquire()
    assert await MachineLimiter(1, folder=folder, window=0.1).acquire() - shared >= 0.13 - 1e-9
