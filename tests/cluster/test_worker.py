"""``rxcandles worker``: what it offers, where it sends from, and that it outlives its scheduler."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from distributed import Scheduler

from rxcandles import ClusterError, RequestError
from rxcandles.__main__ import main
from rxcandles.cluster import worker
from rxcandles.cluster.worker import resources_of, serve


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("upbit=1", {"upbit": 1}),
        ("upbit=1 binance=1", {"upbit": 1, "binance": 1}),
        ("upbit,binance", {"upbit": 1, "binance": 1}),
        ("", "resources is empty"),
        ("kraken=1", "resources is 'kraken=1'; name exchanges, of upbit"),
        ("upbit=2", "a worker has one address, so write =1"),
    ],
)
def test_resources(words: str, found: dict[str, int] | str) -> None:
    """Names of exchanges, each with one address; anything else is refused in a sentence."""
    if isinstance(found, str):
        with pytest.raises(RequestError, match=re.escape(found)):
            resources_of(words)
    else:
        assert resources_of(words) == found


async def test_works_for_the_next_scheduler_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It offers what it was given, and registers again with a scheduler that comes back; cancelled, it leaves."""
    monkeypatch.setattr(worker, "PAUSE", 0.02)
    begun: asyncio.Queue[Any] = asyncio.Queue()
    port, task = 0, None
    for _ in range(2):
        scheduler = Scheduler(host="127.0.0.1", port=port, dashboard=False, dashboard_address=":0")
        async with scheduler:
            port = int(scheduler.address.rpartition(":")[2])
            if task is None:
                resources = {"upbit": 1, "binance": 1}
                working = serve(scheduler.address, resources, source="127.0.0.9", started=begun.put_nowait)
                task = asyncio.ensure_future(working)
            async with asyncio.timeout(10):
                there = await begun.get()
            (known,) = scheduler.workers.values()
            assert (known.address, known.resources, known.nthreads) == (there.address, resources, 2)
            assert there.plugins["rxcandles-source"].address == "127.0.0.9"
            assert there.memory_manager.memory_limit is None
            if _ == 1:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not scheduler.workers


async def test_a_name_that_is_taken() -> None:
    """A scheduler has each name once; who comes second is told."""
    async with Scheduler(protocol="inproc://", dashboard=False, dashboard_address=":0") as scheduler:
        begun: asyncio.Queue[Any] = asyncio.Queue()
        first = asyncio.ensure_future(serve(scheduler.address, {"upbit": 1}, name="a", started=begun.put_nowait))
        await begun.get()
        with pytest.raises(ClusterError, match="does not take this worker: .*name taken"):
            await serve(scheduler.address, {"upbit": 1}, name="a")
        first.cancel()
        await asyncio.wait({first})


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere", "--resources", "upbit=1"],
        ["tcp://127.0.0.1:9", "--resources", "upbit=1", "--source-address", "203.0.113.5"],
        ["tcp://127.0.0.1:9", "--resources", "kraken=1"],
        ["tcp://127.0.0.1:9"],
    ],
)
def test_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What can't work is refused before it waits for a scheduler."""
    assert main(["worker", *words]) == 2
    assert "Traceback" not in capsys.readouterr().err
