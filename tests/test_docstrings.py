"""Every example in the docstrings of public names runs as it stands, and shows what it says."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import docexamples
import pytest
from docexamples import Documented

from rxcandles.interchange import tools

ALL = list(docexamples.documented())


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """The loop of all examples; those that need none run in it all the same."""
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module")
def prepared(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    runner.run(docexamples.prepare(folder))
    return folder


@pytest.fixture
def place(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of an example's own."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tools, "_TOOLS", dict(tools._TOOLS))  # an example adds one
    return tmp_path


def named(each: Documented | str) -> str:
    return each.name.removeprefix("rxcandles.") if isinstance(each, Documented) else ""


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("each", [each for each in ALL if each.prompts()], ids=named)
def test_prompts(each: Documented, runner: asyncio.Runner) -> None:
    """What is typed after ``>>>`` answers with the lines below it."""
    faults = runner.run(docexamples.run_prompts(each))
    assert faults == [], "\n".join(faults)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("each", "block"), [(each, block) for each in ALL for block in each.blocks()], ids=named
)
def test_blocks(each: Documented, block: str, runner: asyncio.Runner) -> None:
    """An indented block after ``::`` runs."""
    runner.run(docexamples.run_block(each, block))
