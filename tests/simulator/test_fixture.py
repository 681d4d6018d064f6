"""The fixture for users' own tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rxcandles.modes import fixtures

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[2]


async def test_fixture(upbit_simulator: Any, ask: Any) -> None:
    """The fixture makes simulators that a test starts in its own loop."""
    async with upbit_simulator(rate=None) as sim:
        assert 200 == (await ask(sim, "days", market="KRW-BTC")).status


ONE_LOOP = ("-o", "asyncio_default_fixture_loop_scope=session", "-o", "asyncio_default_test_loop_scope=session")


@pytest.mark.parametrize(("mode", "loops"), [("strict", ()), ("auto", ONE_LOOP)])
def test_every_mode(mode: str, loops: Sequence[str], pytester: pytest.Pytester) -> None:
    """They work in both modes of pytest-asyncio, in a loop for each test and in one for all, and in a plain test.

    A test that leaves a simulator running fails, and a provider in another loop than its own says so at once.
    """
    pytester.makepyfile(
        """
        import asyncio, pytest
        from rxcandles import ExchangeError

        @pytest.mark.asyncio
        async def test_async(upbit_simulator):
            async with upbit_simulator() as sim:
                assert sim.running

        @pytest.mark.asyncio
        async def test_provider(candle_provider, tmp_path):
            assert len(await candle_provider.get_candles("KRW-BTC", "1m", count=3)) == 3
            assert (tmp_path / "candles.db").exists()

        @pytest.mark.asyncio(loop_scope="module")
        async def test_another_loop(candle_provider):
            with pytest.raises(ExchangeError, match="opened in another event loop"):
                await candle_provider.get_candles("KRW-BTC", "1m", count=3)

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
        f"--asyncio-mode={mode}", *loops, "-p", "no:rxcandles", "-p", "rxcandles.modes.fixtures", "-W", "ignore"
    )
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["*simulators are still running: http://127.0.0.1:*"])


def test_older_pytest_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is loaded in every session, so it asks pytest-asyncio for nothing that older ones don't know."""
    known: list[set[str]] = []
    monkeypatch.setattr(fixtures, "_of_pytest_asyncio", lambda **given: known.append(set(given)) or (lambda made: made))
    fixtures._made()
    assert known == [{"name"}]


def test_plugin_is_light() -> None:
    """Beyond the package itself, the plugin loads its own modules, which are light, and no HTTP library."""
    program = (
        "import sys, pytest, pytest_asyncio, rxcandles; before = set(sys.modules);"
        "import rxcandles.modes.fixtures; print(sorted(set(sys.modules) - before), 'aiohttp' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert (
        "['rxcandles.modes', 'rxcandles.modes.fixtures', 'rxcandles.simulator', 'rxcandles.simulator.fixture'] False\n"
        == found.stdout
    )


def test_names() -> None:
    """All public names of the room are there, and no other."""
    import rxcandles.simulator as room

    assert [] == [name for name in room.__all__ if getattr(room, name) is None]
    with pytest.raises(AttributeError, match="nothing"):
        _ = room.nothing
