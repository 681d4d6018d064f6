"""pytest fixtures for the tests of projects that use this package: ``candle_provider`` and ``upbit_simulator``.

pytest loads this module in every session, so it imports nothing heavy before a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rxcandles.simulator.fixture import upbit_simulator

try:
    # pytest-asyncio's own decorator works in its strict mode as well.
    from pytest_asyncio import fixture as _of_pytest_asyncio
except ModuleNotFoundError:
    _of_pytest_asyncio = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from rxcandles.modes.connect import OpenedProvider

__all__ = ["candle_provider", "upbit_simulator"]


async def _provider(tmp_path: Path) -> AsyncIterator[OpenedProvider]:
    """Give a provider of a simulated Upbit, with a database of its own and no limit of requests.

    ::

        async def test_mine(candle_provider):
            candles = await candle_provider.get_candles("KRW-BTC", "1m", count=100)

    It needs pytest-asyncio, in either of its modes, and runs in the loop that pytest-asyncio is configured for. A span
    of the past has the same candles in every run. The file is ``tmp_path / "candles.db"``. The simulator ends with the
    test.
    """
    from rxcandles.modes.connect import connect

    async with connect(tmp_path / "candles.db", "simulated", rate_limit=None) as provider:
        yield provider


def _without_pytest_asyncio() -> None:
    """Fail with the name of the missing package."""
    pytest.fail("candle_provider needs pytest-asyncio: pip install pytest-asyncio")


def _made() -> Callable[..., Any]:
    if _of_pytest_asyncio is None:
        return pytest.fixture(name="candle_provider")(_without_pytest_asyncio)
    return _of_pytest_asyncio(name="candle_provider")(_provider)


candle_provider = _made()
