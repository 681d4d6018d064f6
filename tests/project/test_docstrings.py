"""Every example in the docstrings of public names runs as it stands, and shows what it says."""

from __future__ import annotations

import asyncio
import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import rxcandles
from rxcandles.interchange import tools
from tests.support import docexamples
from tests.support.docexamples import Documented

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
@pytest.mark.parametrize(("each", "block"), [(each, block) for each in ALL for block in each.blocks()], ids=named)
def test_blocks(each: Documented, block: str, runner: asyncio.Runner, request: pytest.FixtureRequest) -> None:
    """An indented block after ``::`` runs."""
    there = docexamples.ADDRESS in block
    server = request.getfixturevalue("postgres_url") if there else docexamples.ADDRESS
    runner.run(docexamples.run_block(each, block, server))


def test_a_wrong_output_is_a_fault(runner: asyncio.Runner) -> None:
    """An output that differs, and an error that does not come, are faults; so are those that nobody announced."""

    def wrong() -> None:
        """Do nothing.

        >>> 1 + 1
        3
        >>> [each async for each in numbers()] if False else 4
        4
        >>> int("x")
        Traceback (most recent call last):
        ValueError: ...
        >>> int("1")
        Traceback (most recent call last):
        ValueError: ...
        """

    faults = runner.run(docexamples.run_prompts(Documented("wrong", wrong, rxcandles)))
    assert [fault.splitlines()[0] for fault in faults] == ["1 + 1", 'int("1")']
    wrong.__doc__ = ">>> int('x')"
    with pytest.raises(ValueError, match="invalid literal"):
        runner.run(docexamples.run_prompts(Documented("wrong", wrong, rxcandles)))


LACKING = set(
    """
    simulator.serve
""".split()
)
"""Public functions that have no example yet: take one out when it has."""

ROOMS = ("charts", "exchanges", "flow", "lake", "operators", "serve", "simulator")
"""Packages whose functions are for users, too; those of others are for us, but for what ``rxcandles`` hands on."""


def test_every_public_function_has_an_example() -> None:
    """A function that is new has one."""
    functions = {
        named(each): each
        for each in ALL
        if inspect.isfunction(each.thing) and (each.name.count(".") == 1 or each.name.split(".")[1] in ROOMS)
        if each.name.split(".")[-2][0].islower()
    }
    without = {name for name, each in functions.items() if not (each.prompts() or each.blocks())}
    assert without - LACKING == set()
    assert LACKING <= functions.keys()
