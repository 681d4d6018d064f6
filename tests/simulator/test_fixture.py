"""The fixture for users' own tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[2]


async def test_fixture(upbit_simulator: Any, ask: Any) -> None:
    """The fixture makes simulators that a test starts in its own loop."""
    async with upbit_simulator(rate=None) as sim:
        assert 200 == (await ask(sim, "days", market="KRW-BTC")).status


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_every_mode(mode: str, pytester: pytest.Pytester) -> None:
    """It works in both modes of pytest-asyncio, in a plain test, and fails a test that leaves one running."""
    pytester.makepyfile(
        """
        import asyncio, pytest

        @pytest.mark.asyncio
        async def test_async(upbit_simulator):
            async with upbit_simulator() as sim:
                assert sim.running

        @pytest.mark.asyncio
        async def test_provider(candle_provider, tmp_path):
            assert len(await candle_provider.get_candles("KRW-BTC", "1m", count=3)) == 3
            assert (tmp_path / "candles.db").exists()

        def test_plain(upbit_simulator):
            async def main():
                async with upbit_simulator() as sim:
                    assert sim.running
            asyncio.run(main())

        def test_left_running(upbit_simulator):
            async def main():
                await upbit_simulator().__aenter__()
            asyncio.run(main())
        """
    )
    result = pytester.runpytest_subprocess(
        f"--asyncio-mode={mode}", "-p", "no:rxcandles", "-p", "rxcandles.fixtures", "-W", "ignore"
    )
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*simulators are still running: http://127.0.0.1:*"])


def test_plugin_is_light() -> None:
    """Beyond the package itself, the plugin loads its own three modules, and no HTTP library."""
    program = (
        "import sys, pytest, pytest_asyncio, rxcandles; before = set(sys.modules);"
        "import rxcandles.fixtures; print(sorted(set(sys.modules) - before), 'aiohttp' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert "['rxcandles.fixtures', 'rxcandles.simulator', 'rxcandles.simulator.fixture'] False\n" == found.stdout


def test_names() -> None:
    """All public names of the room are there, and no other."""
    import rxcandles.simulator as room

    assert [] == [name for name in room.__all__ if getattr(room, name) is None]
    with pytest.raises(AttributeError, match="nothing"):
        _ = room.nothing
