"""``connect``: in a block, or awaited and closed; what is left open is said, and hangs nothing."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

import rxcandles
from rxcandles.errors import RequestError, StoreError
from rxcandles.model.timeframe import to_datetime
from rxcandles.stores import SqliteStore
from tests.support.fakes import NEWEST, FakeExchange, slots

ASKED = {"symbol": "KRW-BTC", "timeframe": "1m", "count": 300, "to": to_datetime(NEWEST + 60)}


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def is_there(name: str) -> bool:
    return Path(name).exists()


def dropped(held: list[rxcandles.CandleDataProvider]) -> None:
    held.clear()
    gc.collect()


async def test_awaited_and_closed() -> None:
    """What ``await connect`` gives stays open until it is closed; closing it again does nothing."""
    exchange = FakeExchange(slots(500))
    provider = await rxcandles.connect("candles.db", exchange)
    gc.collect()
    assert len(await provider.get_candles(**ASKED)) == 300
    assert not exchange.closed
    await provider.close()
    assert exchange.closed
    assert not is_there("candles.db-wal")
    await provider.close()
    with pytest.raises(StoreError, match=r"^candles.db is closed"):
        await provider.get_candles(**ASKED)


async def test_closed_after_its_block() -> None:
    """A provider of a block may be closed in it, and after it."""
    exchange = FakeExchange(slots(500))
    async with rxcandles.connect("candles.db", exchange) as provider:
        assert len(await provider.get_candles(**ASKED)) == 300
        await provider.close()
        assert exchange.closed
    await provider.close()


async def test_the_block_is_told_of_its_error() -> None:
    """What is open has its end told of as a block's: an exchange that is a context hears of the error."""
    heard: list[object] = []

    class Context(FakeExchange):
        async def __aenter__(self) -> Context:
            return self

        async def __aexit__(self, kind: object, error: object, trace: object) -> None:
            heard.append(error)

    fault = RuntimeError("mine")
    with pytest.raises(RuntimeError) as caught:
        async with rxcandles.connect("candles.db", Context([])):
            raise fault
    assert caught.value is fault
    assert heard == [fault]


async def test_opens_once() -> None:
    """One ``connect`` is one provider; its second use is refused in words."""
    opening = rxcandles.connect("candles.db", FakeExchange([]))
    provider = await opening
    with pytest.raises(RequestError, match=r"opened candles.db before; call rxcandles.connect once more"):
        await opening
    await provider.close()


async def test_what_fails_to_open_is_closed(tmp_path: Path) -> None:
    """Where the file can't be used, the exchange is closed all the same."""
    (tmp_path / "candles.db").write_bytes(b"no database" * 1000)
    exchange = FakeExchange([])
    with pytest.raises(StoreError):
        await rxcandles.connect("candles.db", exchange)
    assert exchange.closed


async def test_parts_are_left_to_their_owner() -> None:
    """A provider made from parts closes none of them."""
    exchange = FakeExchange(slots(10))
    async with SqliteStore("candles.db") as store:
        provider = rxcandles.CandleDataProvider(store, exchange, rxcandles.SlidingWindowLimiter(None))
        await provider.close()
        assert not exchange.closed
        assert await store.series() == []


async def test_advice_works() -> None:
    """What the errors of a misused ``connect`` advise is what opens a provider."""
    opening = rxcandles.connect("candles.db", FakeExchange([]))
    with pytest.raises(AttributeError, match=r"write `async with rxcandles.connect.*`provider = await rxcandles.conn"):
        opening.get_candles("KRW-BTC", "1m", count=1)
    with pytest.raises(TypeError, match=r"`with rxcandles.open\(…\) as candles:`"):
        opening.__enter__()
    provider = await opening
    await provider.close()


async def test_left_open_is_said() -> None:
    """A provider that nobody closes is a ResourceWarning that names its file, and its file is closed."""
    held = [await rxcandles.connect("candles.db", FakeExchange(slots(500)))]
    await held[0].get_candles(**ASKED)
    thread = held[0].repository._connection._thread
    with pytest.warns(ResourceWarning, match=r"^candles.db was left open; open it with `async with`"):
        dropped(held)
    thread.join(10)
    assert not thread.is_alive()
    assert not is_there("candles.db-wal")


def ended(program: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_left_open_at_the_end() -> None:
    """An interpreter whose provider is still open ends, closes its file and says so."""
    code, printed, told = ended(
        "import asyncio, rxcandles\n"
        "async def main():\n"
        "    provider = await rxcandles.connect('candles.db', 'simulated', rate_limit=None)\n"
        "    print(len(await provider.get_candles('KRW-BTC', '1m', count=300)))\n"
        "    return provider\n"
        "provider = asyncio.run(main())\n"
    )
    assert (code, printed) == (0, "300\n")
    assert told.count("candles.db was left open") == 1
    assert not Path("candles.db-wal").exists()


def test_forked() -> None:
    """In a fork of the process that opened it, the store and its readers are refused in words, and nothing hangs."""
    code, printed, told = ended(
        "import asyncio, os, sys, rxcandles\n"
        "with asyncio.Runner() as runner:\n"
        "    store = runner.run(rxcandles.SqliteStore.open('candles.db'))\n"
        "    stored = rxcandles.stored_candles(store, 'KRW-BTC', '1m')\n"
        "    if (child := os.fork()) == 0:\n"
        "        with asyncio.Runner() as other:\n"
        "            for call in (lambda: other.run(store.series()), lambda: list(stored.columns())):\n"
        "                try:\n"
        "                    call()\n"
        "                except rxcandles.StoreError as error:\n"
        "                    print(str(error).replace(str(os.getppid()), 'PARENT').replace(str(os.getpid()), 'ME'))\n"
        "            other.run(store.close())\n"
        "        sys.stdout.flush()\n"
        "        os._exit(0)\n"
        "    print(os.waitpid(child, 0)[1], runner.run(store.series()))\n"
        "    runner.run(store.close())\n"
    )
    refused = "candles.db was opened by process PARENT, and this is ME, a fork of it; open it again here\n"
    assert (code, printed, told) == (0, refused * 2 + "0 []\n", "")


def test_forked_while_a_loop_runs() -> None:
    """So is a provider in the midst of a coroutine, where a child has no loop; closing there leaves all to the parent.

    What is temporary is the parent's too, also where the child ends as a program does.
    """
    code, printed, told = ended(
        "import asyncio, atexit, os, sys, rxcandles\n"
        "async def main():\n"
        "    opening = rxcandles.connect(':memory:', 'simulated', rate_limit=None)\n"
        "    async with opening as provider:\n"
        "        stream = provider.stream_candles('KRW-BTC', '1m', count=300)\n"
        "        await anext(stream)\n"
        "        if os.fork() == 0:\n"
        "            asks = rxcandles.Request('KRW-BTC', '1m', count=9)\n"
        "            for call in (\n"
        "                lambda: provider.get_candles('KRW-BTC', '1m', count=9), lambda: provider.collect(asks),\n"
        "                lambda: provider.collect_many([asks]), lambda: provider.plan(asks), lambda: anext(stream),\n"
        "                provider.exchange.markets,\n"
        "            ):\n"
        "                try:\n"
        "                    await call()\n"
        "                except rxcandles.RxCandlesError as error:\n"
        "                    print('a fork of it; open it again here' in str(error))\n"
        "            await stream.aclose()\n"
        "            await provider.close()\n"
        "            await opening.__aexit__(None, None, None)\n"
        "            atexit._run_exitfuncs()\n"
        "            sys.stdout.flush()\n"
        "            os._exit(0)\n"
        "        status = os.wait()[1]\n"
        "        await stream.aclose()\n"
        "        print(status, len(await provider.get_candles('KRW-BTC', '1m', count=300)))\n"
        "asyncio.run(main())\n"
    )
    assert (code, printed) == (0, "True\n" * 6 + "0 300\n"), told
