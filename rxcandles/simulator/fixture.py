"""Fixtures of pytest for tests of whoever installs this package: ``candle_provider`` and ``upbit_simulator``.

pytest loads this module in every session, so it imports nothing of ours before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

try:
    # Of pytest-asyncio itself, so that it works in its strict mode as well.
    from pytest_asyncio import fixture as _of_pytest_asyncio
except ModuleNotFoundError:
    _of_pytest_asyncio = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from rxcandles.provider import CandleDataProvider
    from rxcandles.simulator.server import Simulator

__all__ = ["candle_provider", "upbit_simulator"]


@pytest.fixture
def upbit_simulator() -> Iterator[type[Simulator]]:
    """Give the class :class:`~rxcandles.simulator.Simulator`, and fail the test that leaves one running.

    ::

        async def test_mine(upbit_simulator):
            async with upbit_simulator(rate=None) as sim:
                ...  # sim.base_url

    The fixture is synchronous and the test starts the server in its own event loop, so that it works alike in
    every mode of pytest-asyncio, with other runners, and with ``asyncio.run`` in a plain test.
    """
    from rxcandles.simulator.server import Simulator

    started: list[Simulator] = []

    class Watched(Simulator):
        """A simulator that the fixture knows of."""

        async def __aenter__(self) -> Watched:
            started.append(self)
            await super().__aenter__()
            return self

    yield Watched
    left = [each.base_url for each in started if each.running]
    if left:
        pytest.fail(f"simulators are still running: {', '.join(left)}; start them with `async with`")


async def _provider(tmp_path: Path) -> AsyncIterator[CandleDataProvider]:
    """Give a provider of a simulated Upbit, with a database of its own and no limit of requests.

    ::

        async def test_mine(candle_provider):
            candles = await candle_provider.get_candles("KRW-BTC", "1m", count=100)

    It needs pytest-asyncio, in either of its modes. The same candles come in every run. The file is
    ``tmp_path / "candles.db"``; the simulator ends with the test.
    """
    from rxcandles.opening import connect

    async with connect(tmp_path / "candles.db", "simulated", rate_limit=None) as provider:
        yield provider


def _without_pytest_asyncio() -> None:
    """Say what is missing."""
    pytest.fail("candle_provider needs pytest-asyncio: pip install pytest-asyncio")


def _made() -> Callable[..., Any]:
    if _of_pytest_asyncio is None:
        return pytest.fixture(name="candle_provider")(_without_pytest_asyncio)
    return _of_pytest_asyncio(name="candle_provider", loop_scope="function")(_provider)


candle_provider = _made()
