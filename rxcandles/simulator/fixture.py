"""A pytest fixture, ``upbit_simulator``, for tests of whoever installs this package.

pytest loads this module in every session, so it imports nothing of ours before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rxcandles.simulator.faces.upbit import Simulator

__all__ = ["upbit_simulator"]


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
    from rxcandles.simulator.faces.upbit import Simulator

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
