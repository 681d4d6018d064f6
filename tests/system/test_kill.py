"""Killed with SIGKILL at random moments, again and again: nothing that was stored is lost, wrong, or there twice.

``python -m profiling kill`` is the same for longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rxcandles.stores.sql.connection import Durability
from tests.support.children import MODES
from tests.support.counted import counted
from tests.support.postgres import Server
from tests.support.siege import Siege

pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with counted(None) as server:
        yield server.url


@pytest.mark.parametrize(("kills", "processes", "durability"), [(12, 1, "normal"), (6, 1, "full"), (8, 2, "normal")])
def test_kill(url: str, tmp_path: Path, kills: int, processes: int, durability: Durability) -> None:
    """Each mode is killed, alone and beside another writer of the same file; what is left is true, and goes on."""
    siege = Siege(url, tmp_path, seed=kills, count=600, durability=durability)
    siege.until(kills, processes)
    assert sum(siege.kills.values()) >= kills
    assert all(siege.kills[processes, mode] for mode in MODES)
    assert siege.partial > kills / 10


def test_kill_on_a_server(url: str, tmp_path: Path, postgres: Server) -> None:
    """The same where the children write to one server: what a killed one had begun is undone by itself."""
    siege = Siege(url, tmp_path, seed=1, count=600, durability="full", server=postgres)
    siege.until(5, processes=2)
    assert sum(siege.kills.values()) >= 5
