"""uvloop rounds timers to milliseconds: what waits and what is limited works on such a loop as well.

The other tests of the limiters and of the flow run once more: all of them on a virtual loop that rounds as uvloop does,
and on uvloop itself, which has no virtual clock, those that take no time.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

import rxcandles
from rxcandles.limiters import MachineLimiter
from rxcandles.simulator import Simulator
from tests.support import virtualloop
from tests.support.virtualloop import MillisecondLoop, run_virtual

_GIVEN: Final = {"folder", "tmp_path", "monkeypatch", "caplog"}
_LEFT_OUT: Final = {
    "test_never_refused": "its delays are not whole milliseconds, and it counts them to the last bit",
    "test_six_429s": "slow",
    "test_flat_memory": "slow",
}
_TAKE_NO_TIME: Final = {
    "test_long_and_synchronous", "test_none_is_an_item", "test_iterables_error", "test_break_without_a_block",
    "test_retry_resumes", "test_upstream_error_waits_for_items_inside", "test_subscriber_that_raises",
    "test_cancelled_from_inside", "test_free_permits_wait_for_nothing",
}  # fmt: skip


def claims(*modules: str) -> list[Callable[..., None]]:
    """Return the synchronous tests of these modules that need no arguments but fixtures which are here too."""
    return [
        check
        for module in modules
        for name, check in vars(importlib.import_module(module)).items()
        if name.startswith("test_")
        and name not in _LEFT_OUT
        and inspect.isfunction(check)
        and not inspect.iscoroutinefunction(check)
        and set(inspect.signature(check).parameters) <= _GIVEN
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lease"


FLOW: Final = claims(*(f"tests.flow.test_{each}" for each in ("demand", "iterating", "leaving", "mapping")))
LIMITERS: Final = claims("tests.limiters.test_sliding", "tests.limiters.test_machine")


@pytest.fixture
def uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    """``run_virtual`` runs on uvloop; without one where there is none, on a loop that rounds as it does."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        new_event_loop = MillisecondLoop
    monkeypatch.setattr(virtualloop, "loop_factory", new_event_loop)


@pytest.mark.parametrize("check", FLOW + LIMITERS, ids=lambda check: f"{check.__module__}.{check.__name__}")
def test_in_milliseconds(
    check: Callable[..., None], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds on asyncio's loop holds on one that rounds."""
    monkeypatch.setattr(virtualloop, "loop_factory", MillisecondLoop)
    check(**{name: request.getfixturevalue(name) for name in inspect.signature(check).parameters})


@pytest.mark.parametrize(
    "check", [each for each in FLOW + LIMITERS if each.__name__ in _TAKE_NO_TIME], ids=lambda check: check.__name__
)
@pytest.mark.usefixtures("uvloop")
def test_on_uvloop(check: Callable[..., None]) -> None:
    """What takes no time holds on uvloop itself."""
    check()


@pytest.mark.usefixtures("uvloop")
@pytest.mark.skipif(sys.platform == "win32", reason="shares nothing there")
def test_limit_on_uvloop(folder: Path) -> None:
    """Three that share a limit keep it on uvloop, in real time, and no callback of theirs fails."""

    async def scenario() -> None:
        failed: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, told: failed.append(told))
        limiters = [MachineLimiter(50, folder=folder, window=0.1) for _ in range(3)]
        given = sorted(
            await asyncio.gather(*(limiter.acquire() for _ in range(60) for limiter in limiters)),
        )
        apart = [later - first for first, later in zip(given, given[50:], strict=False)]
        assert min(apart) >= 0.13 - 1e-9
        assert failed == []

    run_virtual(scenario())


@pytest.mark.usefixtures("uvloop")
def test_collecting_on_uvloop(tmp_path: Path) -> None:
    """A collection with the shared limit, which has to wait for permits, ends with every candle on uvloop."""

    async def scenario() -> int:
        failed: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, told: failed.append(told))
        async with (
            Simulator(rate=None) as simulator,
            rxcandles.connect(
                tmp_path / "a.db", "simulated", simulator.base_url, rate_limit=20, share_limit=True
            ) as provider,
        ):
            summary = await provider.collect_candles_only("KRW-BTC", "1m", count=5_000)
        assert failed == []
        return summary.collected_count

    assert run_virtual(scenario()) == 5_000
