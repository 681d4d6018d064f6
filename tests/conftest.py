"""Fixtures of several modules; that which the package ships is loaded so that coverage sees its imports (addopts)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ("rxcandles.modes.fixtures",)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many workers again as there are cores: tests wait for processes, sockets and files part of their time."""
    cores = os.cpu_count() or 1
    return cores + (cores + 1) // 2


@pytest.fixture(scope="session", autouse=True)
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's own folder, where shared limits lie: the tests', so that they share none with other programs."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield folder


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is asked about again at once; what is asked, and how often, stays the same."""
    monkeypatch.setattr("rxcandles.engine.retry.uniform", lambda low, high: 0.0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """An address that would notice the smallest request."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server
