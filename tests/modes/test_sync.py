"""The synchronous door: the provider's methods, in scripts, beside a running loop, in many threads, after a fork."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rxcandles
from rxcandles.errors import (
    IncompleteError,
    RequestError,
    RequestRejectedError,
    SeveralFailedError,
    StoreError,
)
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.ports import Page
from rxcandles.util.loopthread import LoopThread
from tests.support.fakes import NEWEST, FakeExchange, candle, slots

TO = to_datetime(NEWEST + 60)
TIMES = slots(3000, 0.9, seed=3)
NEWEST_FIRST = [candle(time) for time in reversed(TIMES)]


@pytest.fixture
def exchange() -> FakeExchange:
    return FakeExchange(TIMES)


@pytest.fixture
def candles(tmp_path: Path, exchange: FakeExchange) -> Iterator[rxcandles.SyncProvider]:
    with rxcandles.open(tmp_path / "candles.db", exchange) as opened:
        yield opened


def dropped(held: list[rxcandles.SyncProvider]) -> None:
    held.clear()
    gc.collect()


class Stuck(FakeExchange):
    """Answers nothing; says when it was asked, and when that was cancelled."""

    def __init__(self) -> None:
        super().__init__([])
        self.entered, self.cancelled = threading.Event(), threading.Event()

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError


def test_modes(candles: rxcandles.SyncProvider, exchange: FakeExchange) -> None:
    """Every method gives what the asynchronous one of the same name gives."""
    assert candles.get_candles("KRW-BTC", "1m", count=450, to=TO) == NEWEST_FIRST[:450]
    request = rxcandles.Request("KRW-BTC", "1m", count=1000, to=TO)
    plan = candles.plan(request)
    assert (plan.stored, plan.request) == (450, request)
    assert candles.collect(request).collected_count == 1000
    assert candles.collect_candles_only("KRW-BTC", "1m", count=1200, to=TO).stored_count >= 200
    others = [rxcandles.Request(symbol, "1m", count=100, to=TO) for symbol in ("KRW-ETH", "KRW-XRP")]
    assert {each.symbol: found.collected_count for each, found in candles.collect_many(others).items()} == {
        "KRW-ETH": 100, "KRW-XRP": 100,
    }  # fmt: skip
    assert [each.symbol for each in candles.markets()] == ["KRW-BTC"]
    asked = len(exchange.asked)
    assert candles.get_candles("KRW-BTC", "1m", to=TO, end=to_datetime(TIMES[-900]), order="oldest_first") == [
        candle(time) for time in TIMES[-900:]
    ]
    assert len(exchange.asked) == asked


def test_repository(candles: rxcandles.SyncProvider, exchange: FakeExchange) -> None:
    """What is stored is read without asking, and ``run`` waits for what is asynchronous only."""
    candles.collect_candles_only("KRW-BTC", "1m", count=300, to=TO)
    asked = len(exchange.asked)
    start, stop = TIMES[-300], NEWEST + 60
    stored = candles.repository
    assert stored.get_candles_by_range("KRW-BTC", "1m", to_datetime(start), TO) == NEWEST_FIRST[:300]
    assert stored.stored_candles("KRW-BTC", "1m", TO, order="newest_first")[:300] == NEWEST_FIRST[:300]
    assert stored.count("KRW-BTC", "1m", start, stop) == 300
    assert [covered.stop for covered in stored.coverage("KRW-BTC", "1m", start, stop)] == [stop]
    assert stored.series() == [rxcandles.Series("upbit", "KRW-BTC", "1m")]
    held = candles.run(rxcandles.overview(candles.provider.repository))  # type: ignore[arg-type]
    assert [each.series.symbol for each in held] == ["KRW-BTC"]
    with pytest.raises(RequestError, match=r"^coroutine is 5; give a call of an async function"):
        candles.run(5)  # type: ignore[arg-type]
    assert len(exchange.asked) == asked


@pytest.mark.parametrize("backpressure", [True, False])
def test_stream(candles: rxcandles.SyncProvider, backpressure: bool) -> None:
    """Chunks come in order with their place, and the last says that it is."""
    config = rxcandles.StreamingConfig(chunk_yield_size=400, enable_backpressure=backpressure)
    chunks = list(candles.stream_candles("KRW-BTC", "1m", count=2500, to=TO, config=config))
    assert [each for chunk, _ in chunks for each in chunk] == NEWEST_FIRST[:2500]
    assert [meta.chunk_index for _, meta in chunks] == list(range(7))
    assert [meta.is_final_chunk for _, meta in chunks] == [False] * 6 + [True]


def test_a_stream_waits_for_its_reader(candles: rxcandles.SyncProvider, exchange: FakeExchange) -> None:
    """Nothing is sent before the first chunk is asked for, and a reader that is slow holds the collection back."""
    config = rxcandles.StreamingConfig(chunk_yield_size=100, buffer_chunks=1)
    with candles.stream_candles("KRW-BTC", "1m", count=2900, to=TO, config=config) as stream:
        assert exchange.asked == []
        next(stream)
        candles.run(_idle(candles))
        asked = len(exchange.asked)
        assert asked < 12
        candles.run(_idle(candles))
        assert len(exchange.asked) == asked
        assert stream.stats().paused


async def _idle(candles: rxcandles.SyncProvider) -> None:
    """Return when nothing more happens on the loop: the store has answered all that it was asked."""
    for _ in range(50):
        await candles.provider.repository.series()
        await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["break", "close", "with", "error"])
def test_a_stream_is_left_early(candles: rxcandles.SyncProvider, how: str) -> None:
    """However a stream is left, no task of it is left on the loop, and what was fetched is stored."""

    def leave() -> None:
        stream = candles.stream_candles("KRW-BTC", "1m", count=2900, to=TO)
        if how == "with":
            with stream:
                next(stream)
        elif how == "error":
            with pytest.raises(ZeroDivisionError), stream:
                for _ in stream:
                    raise ZeroDivisionError
        else:
            for _ in stream:
                break
            if how == "close":
                stream.close()
                stream.close()
                assert list(stream) == []

    leave()
    gc.collect()

    async def others() -> int:
        async with asyncio.timeout(10):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert candles.run(others()) == 1
    assert candles.repository.count("KRW-BTC", "1m", 0, NEWEST + 60) >= 1000


def test_a_stream_is_dropped_on_the_loop_itself(candles: rxcandles.SyncProvider, exchange: FakeExchange) -> None:
    """Wherever the last reference to a stream goes, also in the loop's own thread, its tasks end."""
    held = [candles.stream_candles("KRW-BTC", "1m", count=2900, to=TO)]
    next(held[0])

    async def drop() -> None:
        held.clear()
        gc.collect()
        async with asyncio.timeout(10):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)

    candles.run(drop())
    assert exchange.under_way == 0


def test_two_threads_take_a_stream_in_turn(candles: rxcandles.SyncProvider) -> None:
    """Each chunk goes to one of them; together they have all."""
    config = rxcandles.StreamingConfig(chunk_yield_size=50)
    stream = candles.stream_candles("KRW-BTC", "1m", count=2500, to=TO, config=config)
    with ThreadPoolExecutor(3) as pool:
        taken = list(pool.map(lambda _: [meta.chunk_index for _, meta in stream], range(3)))
    assert sorted(index for some in taken for index in some) == list(range(50))


async def test_beside_a_running_loop(tmp_path: Path, exchange: FakeExchange) -> None:
    """In a notebook's cell, whose own loop runs, it works as anywhere."""
    with rxcandles.open(tmp_path / "candles.db", exchange) as candles:
        assert candles.get_candles("KRW-BTC", "1m", count=250, to=TO) == NEWEST_FIRST[:250]
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_many_threads(candles: rxcandles.SyncProvider, exchange: FakeExchange) -> None:
    """Calls of several threads are under way at once, and each gets what is its own."""
    exchange.latency = 0.01
    together = threading.Barrier(6)

    def one(number: int) -> list[rxcandles.CandleData]:
        together.wait(10)
        return list(candles.get_candles(f"KRW-{number}", "1m", count=400 + number, to=TO))

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(one, range(6)))
    for number, each in enumerate(found):
        assert each == [candle(time, f"KRW-{number}") for time in reversed(TIMES[-400 - number :])]
    assert exchange.peak > 1


def test_opened_in_one_thread_used_and_closed_in_others(tmp_path: Path, exchange: FakeExchange) -> None:
    """A provider belongs to no thread."""
    with ThreadPoolExecutor(1) as pool:
        candles = pool.submit(rxcandles.open, tmp_path / "candles.db", exchange).result()
    assert len(candles.get_candles("KRW-BTC", "1m", count=10, to=TO)) == 10
    with ThreadPoolExecutor(1) as pool:
        pool.submit(candles.close).result()
    assert exchange.closed


def test_callbacks_run_in_the_callers_thread(candles: rxcandles.SyncProvider) -> None:
    """All of them before the call returns, in order; they may call the provider themselves."""
    seen: list[tuple[int, int, threading.Thread]] = []

    def told(progress: rxcandles.CollectionProgress) -> None:
        held = candles.repository.count("KRW-BTC", "1m", 0, NEWEST + 60)
        seen.append((progress.current_chunk, held, threading.current_thread()))

    candles.collect_candles_only("KRW-BTC", "1m", count=1000, to=TO, progress_callback=told)
    assert [chunk for chunk, _, _ in seen] == list(range(1, len(seen) + 1))
    assert len(seen) >= 5
    assert {thread for _, _, thread in seen} == {threading.current_thread()}
    several: list[tuple[str, int]] = []
    candles.collect_many(
        [rxcandles.Request("KRW-ETH", "1m", count=100, to=TO)],
        lambda request, progress: several.append((request.symbol, progress.collected_count)),
    )
    assert several[-1] == ("KRW-ETH", 100)
    streamed: list[int] = []
    list(candles.stream_candles("KRW-XRP", "1m", count=100, to=TO, progress_callback=lambda p: streamed.append(1)))
    assert streamed


@pytest.mark.parametrize("fault", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_what_a_callback_raises_ends_the_call(
    candles: rxcandles.SyncProvider, exchange: FakeExchange, fault: type[BaseException]
) -> None:
    """It comes out as it is; nothing of the call runs on, and the next one works."""

    def told(progress: rxcandles.CollectionProgress) -> None:
        raise fault

    with pytest.raises(fault):
        candles.collect_candles_only("KRW-BTC", "1m", count=2900, to=TO, progress_callback=told)
    assert exchange.under_way == 0
    assert len(candles.get_candles("KRW-BTC", "1m", count=300, to=TO)) == 300


def test_refused_callbacks(candles: rxcandles.SyncProvider) -> None:
    """One that would have to be awaited, and what can't be called, are refused by name."""

    async def told(progress: rxcandles.CollectionProgress) -> None: ...

    with pytest.raises(RequestError, match=r"^progress_callback is .*; give a plain function"):
        candles.get_candles("KRW-BTC", "1m", count=1, progress_callback=told)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"^progress_callback is 5; give a function"):
        candles.get_candles("KRW-BTC", "1m", count=1, progress_callback=5)  # type: ignore[arg-type]


def test_errors_are_what_they_are(candles: rxcandles.SyncProvider, exchange: FakeExchange) -> None:
    """The class, what it carries, and a traceback from the caller's line down to the exchange's."""

    def fail(to: int, count: int) -> None:
        raise RequestRejectedError("no")

    exchange.before = fail
    with pytest.raises(RequestRejectedError) as caught:
        candles.get_candles("KRW-BTC", "1m", count=10, to=TO)
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert (frames[0], frames[-1]) == ("test_errors_are_what_they_are", "fail")
    with pytest.raises(SeveralFailedError) as several:
        candles.collect_many([rxcandles.Request("KRW-BTC", "1m", count=10, to=TO)])
    assert len(several.value.failures) == 1
    for wrong in ({"count": 0}, {}, {"count": 5, "end": TO}):
        with pytest.raises(RequestError):
            candles.get_candles("KRW-BTC", "1m", **wrong)  # type: ignore[arg-type]
        with pytest.raises(RequestError):
            candles.stream_candles("KRW-BTC", "1m", **wrong)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"^config is 5"):
        candles.get_candles("KRW-BTC", "1m", count=1, config=5)  # type: ignore[arg-type]


def test_incomplete_has_its_summary(candles: rxcandles.SyncProvider, exchange: FakeExchange) -> None:
    """An error of a collection that goes on carries what it came to."""

    def fail(to: int, count: int) -> None:
        if to == NEWEST + 60:
            raise rxcandles.InvalidResponseError("torn")

    exchange.before = fail
    candles.provider.collector._retry = rxcandles.operators.Retry(attempts=1)
    with pytest.raises(IncompleteError) as caught:
        candles.collect_candles_only("KRW-BTC", "1m", to=TO, end=to_datetime(TIMES[-1000]))
    assert caught.value.summary.failed_spans


def test_many_candles_are_warned_of_where_they_are_asked_for(candles: rxcandles.SyncProvider) -> None:
    """The warning names the caller's line, and comes once; what comes is a sequence that outlives the provider."""
    config = rxcandles.CollectionConfig(max_memory_objects=100)
    with pytest.warns(rxcandles.LargeCollectionWarning) as caught:
        found = candles.get_candles("KRW-BTC", "1m", count=500, to=TO, config=config)
    assert [each.filename for each in caught] == [__file__]
    candles.close()
    assert found == NEWEST_FIRST[:500]
    with warnings.catch_warnings(), pytest.raises(StoreError):
        warnings.simplefilter("ignore")
        candles.get_candles("KRW-BTC", "1m", count=500, to=TO, config=config)


def test_closed(tmp_path: Path, exchange: FakeExchange) -> None:
    """Closing ends everything, once and again; afterwards each call says so, and a stream can still be closed."""
    candles = rxcandles.open(tmp_path / "candles.db", exchange)
    stream = candles.stream_candles("KRW-BTC", "1m", count=2900, to=TO)
    next(stream)
    thread = candles._thread._thread
    candles.close()
    candles.close()
    assert exchange.closed
    assert not thread.is_alive()
    assert not Path(f"{tmp_path / 'candles.db'}-wal").exists()
    assert repr(candles) == f"<{tmp_path / 'candles.db'}, upbit, closed>"
    calls: list[Callable[[], object]] = [
        candles.markets,
        candles.repository.series,
        lambda: next(stream),
        lambda: candles.get_candles("KRW-BTC", "1m", count=1, to=TO),
        lambda: candles.run(candles.provider.exchange.markets()),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(StoreError, match=r"candles.db is closed; open it again$"):
            call()
    stream.close()


def test_closed_while_another_thread_waits(tmp_path: Path) -> None:
    """The call that waits is ended with an error that says why."""
    stuck = Stuck()
    candles = rxcandles.open(tmp_path / "candles.db", stuck)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(candles.get_candles, "KRW-BTC", "1m", 10)
        assert stuck.entered.wait(10)
        candles.close()
        with pytest.raises(StoreError, match=r"candles.db was closed while this was running; open it again$"):
            waiting.result(10)
    assert stuck.cancelled.is_set()


def test_what_does_not_open(tmp_path: Path, exchange: FakeExchange) -> None:
    """The error is connect's own, and no thread is left behind."""
    (tmp_path / "candles.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        rxcandles.open(tmp_path / "candles.db", exchange)
    with pytest.raises(RequestError, match=r"^rate_limit is -1"):
        rxcandles.open(tmp_path / "other.db", rate_limit=-1)
    assert exchange.closed
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rxcandles")]
    assert not (tmp_path / "other.db").exists()


def test_what_closing_raises_comes_out(tmp_path: Path) -> None:
    """An exchange that can't be closed says so to whoever closes."""

    class Unclosable(FakeExchange):
        async def close(self) -> None:
            raise OSError("no way")

    candles = rxcandles.open(tmp_path / "candles.db", Unclosable([]))
    with pytest.raises(OSError, match="no way"):
        candles.close()
    candles.close()


def test_left_open_is_said(tmp_path: Path, exchange: FakeExchange) -> None:
    """One that nobody closes is a ResourceWarning that names its file; it is closed all the same."""
    held = [rxcandles.open(tmp_path / "candles.db", exchange)]
    held[0].get_candles("KRW-BTC", "1m", count=10, to=TO)
    thread = held[0]._thread._thread
    with pytest.warns(ResourceWarning, match=r"candles.db was left open; open it by `with rxcandles.open") as caught:
        dropped(held)
    thread.join(10)
    assert len(caught) == 1
    assert exchange.closed
    assert not Path(f"{tmp_path / 'candles.db'}-wal").exists()


def test_on_its_own_loop(tmp_path: Path) -> None:
    """Where a call would wait for itself it is refused."""
    refused: list[Exception] = []

    class Curious(FakeExchange):
        async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
            try:
                candles.repository.series()
            except RequestError as error:
                refused.append(error)
            return await super().page(symbol, timeframe, to, count)

    with rxcandles.open(tmp_path / "candles.db", Curious(TIMES)) as candles:
        candles.get_candles("KRW-BTC", "1m", count=10, to=TO)
    assert "would wait for itself" in str(refused[0])


def test_a_task_that_ends_the_process_does_not_end_the_loop() -> None:
    """What asyncio lets out of the loop reaches whoever asked, and the next call works."""
    thread = LoopThread("it")

    async def leave() -> None:
        raise SystemExit(5)

    async def answer() -> int:
        return 42

    with pytest.raises(SystemExit):
        thread.run(leave)
    assert thread.run(answer) == 42
    thread.stop()


def ended(program: str, tmp_path: Path) -> tuple[int, list[str], str]:
    """Run a program, interrupt it whenever it has printed "stuck", and return how it ended and what else it printed."""
    with subprocess.Popen(
        [sys.executable, "-W", "always", "-c", program],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stderr is not None
        lines = []
        for line in child.stdout:
            if line == "stuck\n":
                child.send_signal(signal.SIGINT)
            else:
                lines.append(line.strip())
        return child.wait(30), lines, child.stderr.read()


STUCK = """
import asyncio, rxcandles
from tests.support.fakes import FakeExchange
class Stuck(FakeExchange):
    async def page(self, *asked):
        print("stuck", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            print("cancelled", flush=True)
async def tasks():
    return len(asyncio.all_tasks())
candles = rxcandles.open("candles.db", Stuck([]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a signal as Ctrl-C sends it is another thing there")
def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C in the main thread raises KeyboardInterrupt when nothing of the call is left, and the next call works."""
    program = STUCK + (
        "for call in (lambda: candles.collect_candles_only('KRW-BTC', '1m', count=1),\n"
        "             lambda: next(candles.stream_candles('KRW-BTC', '1m', count=1))):\n"
        "    try:\n"
        "        call()\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted', candles.run(tasks()), flush=True)\n"
        "candles.close()\n"
    )
    assert ended(program, tmp_path) == (0, ["cancelled", "interrupted 1", "cancelled", "interrupted 1"], "")


@pytest.mark.skipif(sys.platform == "win32", reason="a signal as Ctrl-C sends it is another thing there")
def test_interrupted_in_a_block(tmp_path: Path) -> None:
    """Ctrl-C that nobody catches ends the program as any other, with the file closed."""
    program = STUCK + "with candles:\n    candles.collect_candles_only('KRW-BTC', '1m', count=1)\n"
    code, printed, told = ended(program, tmp_path)
    assert (code, printed) == (-signal.SIGINT, ["cancelled"])
    assert told.endswith("KeyboardInterrupt\n")
    assert not (tmp_path / "candles.db-wal").exists()


def test_left_open_at_the_end(tmp_path: Path) -> None:
    """An interpreter with a provider and a stream that are open ends, closes the file and says so, once."""
    program = (
        "import rxcandles\n"
        "candles = rxcandles.open('candles.db', 'simulated', rate_limit=None)\n"
        "stream = candles.stream_candles('KRW-BTC', '1m', count=30_000)\n"
        "print(len(next(stream)[0]))\n"
    )
    code, printed, told = ended(program, tmp_path)
    assert (code, printed) == (0, ["1000"])
    assert told.count("ResourceWarning") == told.count("candles.db was left open") == 1
    assert not (tmp_path / "candles.db-wal").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked(tmp_path: Path) -> None:
    """In a forked child every call is refused in words, closing does nothing, and the parent goes on undisturbed."""
    program = (
        "import os, sys, time, rxcandles\n"
        "candles = rxcandles.open('candles.db', 'simulated', rate_limit=None)\n"
        "stream = candles.stream_candles('KRW-BTC', '1m', count=3000)\n"
        "next(stream)\n"
        "sys.stdout.flush()\n"
        "if (child := os.fork()) == 0:\n"
        "    for call in (candles.markets, lambda: next(stream)):\n"
        "        try:\n"
        "            call()\n"
        "        except rxcandles.StoreError as error:\n"
        "            print(str(error).replace(str(os.getpid()), 'CHILD').replace(str(os.getppid()), 'PARENT'))\n"
        "    stream.close()\n"
        "    candles.close()\n"
        "    print(repr(candles))\n"
        "    sys.exit(3)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "began = time.monotonic()\n"
        "print(sum(len(chunk) for chunk, _ in stream), len(candles.get_candles('KRW-ETH', '1m', count=3000)))\n"
        "print(time.monotonic() - began < 9)  # a request of which nothing is heard takes 10 seconds\n"
        "candles.close()\n"
    )
    refused = (
        "candles.db was opened by process PARENT, and this is CHILD, a fork of it, which has no thread for it; "
        "open it again here"
    )
    code, printed, _ = ended(program, tmp_path)
    assert (code, printed) == (
        0, [refused, refused, "<candles.db, simulated, closed>", "3", "2000 3000", "True"],
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="there are no timers that send signals")
def test_interrupted_at_any_moment(tmp_path: Path) -> None:
    """Wherever an interrupt hits: nothing of the call or the stream runs on, and nothing hangs."""
    program = (
        "import asyncio, random, signal, rxcandles\n"
        "from tests.support.fakes import NEWEST, FakeExchange, slots\n"
        "from rxcandles.model.timeframe import to_datetime\n"
        "def interrupt(*_):\n"
        "    raise KeyboardInterrupt\n"
        "async def others():\n"
        "    async with asyncio.timeout(10):\n"
        "        while len(asyncio.all_tasks()) > 1:\n"
        "            await asyncio.sleep(0)\n"
        "def stream(**asked):\n"
        "    with candles.stream_candles(**asked) as chunks:\n"
        "        for _ in chunks:\n"
        "            pass\n"
        "signal.signal(signal.SIGALRM, interrupt)\n"
        "moments, exchange, hit = random.Random(7), FakeExchange(slots(3000), latency=0.001), 0\n"
        "with rxcandles.open('candles.db', exchange) as candles:\n"
        "    for number in range(120):\n"
        "        asked = dict(symbol=f'KRW-{number}', timeframe='1m', count=2500, to=to_datetime(NEWEST))\n"
        "        signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.0001, 0.02))\n"
        "        try:\n"
        "            try:\n"
        "                (candles.get_candles, stream, candles.collect_candles_only)[number % 3](**asked)\n"
        "            finally:\n"
        "                signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "        except KeyboardInterrupt:\n"
        "            hit += 1\n"
        "        assert exchange.under_way == 0\n"
        "        candles.run(others())\n"
        "print(hit > 60)\n"
    )
    assert ended(program, tmp_path) == (0, ["True"], "")
